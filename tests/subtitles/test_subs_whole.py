"""What stays whole: tokens, titles, quotations, numbers and words. Nothing of this depends on a library but the last."""

import sys
from collections.abc import Iterable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from subtitle_kit import said, spoken, transcript, utterance

from volcasr_async import InputError, Transcript
from volcasr_async.subtitles import Layout, render, to_cues
from volcasr_async.subtitles.width import columns

PLAIN = "这个事情我们后来又反复讨论了好几遍大家觉得还是应该继续做下去"

TOKENS = [
    ".5毫米", ".NET", ".NET 8", ".mp3", "会议.mp3", "报告.docx", "3.14", "1,000,000元", "50%", "3:30", "第3章", "第 12 页", "12月1日",
    "2026年12月1日", "9点30分", "¥99.9", "￥99.9", "10km/h", "10-20", "8:00到11:30", "010-12345678", "138 0013 8000",
    "v1.2.3", "Python 3.12", "iPhone 15 Pro", "H.265", "192.168.10.25", "zhang@example.com", "https://a.cn/b?c=1",
    "setup_v1.2.exe", "/var/log/a.log", "--help", "-15℃", "《百年孤独》", "「認知失調」", "『白鹿原』", "“默认加入”",
    "‘内卷’", "（认知失调）", "【重要通知】", "(see below)", "三百 块", "20 公里", "一百二十六万亿元", "百分之三十五点七",
    "三块五", "一米八三", "九点半", "machine learning", "70 kg", "5 GB", "C++", "#周末愉快#",
]  # fmt: skip


def rows(text: str, segmenter: str = "rules", **layout: int) -> list[str]:
    told = Transcript(text=text, duration_ms=300 * len(text))
    return [line for cue in to_cues(told, Layout(segmenter=segmenter, **layout)) for line in cue.lines]  # type: ignore[arg-type]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("segmenter", ["rules", "library"])
def test_a_token_that_fits_on_a_line_is_not_cut(token: str, segmenter: str) -> None:
    """Wherever in a text without punctuation it stands, on one line each time."""
    for before in range(26):
        text = PLAIN[:before] + token + PLAIN[before:]
        for width in (24, 40):
            found = rows(text, segmenter, columns=width)
            assert any(token in row for row in found), (before, width, found)


@pytest.mark.parametrize(
    ("text", "cues"),
    [
        ("厚度只有.5毫米", ["厚度只有.5毫米"]),
        ("我们用.NET写的", ["我们用.NET写的"]),
        ("保存为.mp3格式", ["保存为.mp3格式"]),
        ("气温降到-5度以下", ["气温降到-5度以下"]),
        ("参数是--help和-v", ["参数是--help和-v"]),
    ],
)
def test_a_dot_after_chinese_ends_no_sentence(text: str, cues: list[str]) -> None:
    """Where something begins with it."""
    assert rows(text) == cues


def test_a_dot_before_a_capitalised_word_ends_a_sentence() -> None:
    """As some recognisers write Chinese."""
    told = transcript(spoken("今天天气真的很好.Hello我们去公园吧", 0))
    assert [cue.lines for cue in to_cues(told)] == [("今天天气真的很好.",), ("Hello我们去公园吧",)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "https://wiki.example.com/platform/migration-guide?version=v2.3.1",
            ["https://wiki.example.com/platform/", "migration-guide?version=v2.3.1"],
        ),
        ("very.long.name.of.somebody@mail.example.com", ["very.long.name.of.somebody@", "mail.example.com"]),
        ("《消失的冰川，以及气候变化对青藏高原的影响》", ["《消失的冰川，", "以及气候变化对青藏高原的影响》"]),
    ],
)
def test_what_is_wider_than_a_line_is_cut_at_its_best_place(text: str, lines: list[str]) -> None:
    """Links behind a slash, addresses behind the at sign, titles at their comma."""
    assert rows(text, columns=40) == lines


@pytest.mark.parametrize("text", ["。", "，", "？", "……", "！！", "——", "“”", "-->", " ", "\u200b", "...", "、 。"])
def test_punctuation_alone_is_no_cue(text: str) -> None:
    """Neither in subtitles nor among what people said; a row of the tables it still is."""
    told = transcript(spoken("你好", 0), utterance(text, 900, 1500), spoken("再见", 3000))
    assert [cue.lines for cue in to_cues(told)] == [("你好",), ("再见",)]
    assert to_cues(transcript(utterance(text, 0, 500))) == ()
    assert to_cues(Transcript(text=text)) == ()
    assert render(told, "speakers") == "你好\n再见\n"


def test_punctuation_alone_takes_no_time_from_others() -> None:
    """The cue before it stays as long as without it, and the next one begins with its first word."""
    alone = transcript(spoken("你好", 0), spoken("再见", 3000))
    marked = transcript(spoken("你好", 0), utterance("。", 200, 700), spoken("再见", 3000))
    assert to_cues(alone) == to_cues(marked)


def test_punctuation_before_a_sentence_belongs_to_it() -> None:
    """Also across a pause."""
    told = transcript(utterance("…… 好的。", 0, 4000, [("好", 3000, 3200), ("的", 3200, 3400)]))
    assert [cue.lines for cue in to_cues(told)] == [("…… 好的。",)]


def test_an_emoji_alone_is_shown() -> None:
    """It says something."""
    assert [cue.lines for cue in to_cues(transcript(utterance("👍", 0, 900)))] == [("👍",)]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("然后安装软件安装包之前请先关闭杀毒软件", ["安装包", "软件", "之前", "关闭", "杀毒"]),
        ("患者主诉反复头晕伴恶心呕吐三天", ["患者", "主诉", "反复", "头晕", "恶心", "呕吐"]),
        ("卷积神经网络在图像识别任务中表现优异", ["卷积", "神经网络", "图像", "识别", "任务"]),
        ("請問到臺北車站要怎麼走比較快呢", ["臺北", "怎麼", "比較"]),
        ("明日は東京駅で新幹線に乗ります", ["明日は", "東京駅で", "新幹線に"]),
    ],
)
def test_words_are_whole_with_the_library(text: str, whole: list[str]) -> None:
    """At any width, with or without word times."""
    for width in range(12, 41, 2):
        found = rows(text, "library", columns=width)
        assert [word for word in whole if not any(word in row for row in found)] == []


def test_a_function_finds_the_words() -> None:
    """It gets the text of an utterance, and gives the places where words end."""
    asked: list[str] = []

    def every_third(text: str) -> Iterable[int]:
        asked.append(text)
        return range(3, len(text) + 1, 3)

    told = transcript(spoken("甲乙丙丁戊己庚辛壬癸子丑", 0))
    cues = to_cues(told, Layout(columns=10, segmenter=every_third))
    assert asked == ["甲乙丙丁戊己庚辛壬癸子丑"]
    assert [line for cue in cues for line in cue.lines] == ["甲乙丙", "丁戊己", "庚辛壬", "癸子丑"]


def test_rules_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it "auto" takes the rules, and "library" says what to install."""
    from volcasr_async.subtitles import segmenters

    text = "卷积神经网络在图像识别任务中表现优异"
    by_rules = rows(text, "rules", columns=12)
    segmenters.load_libraries.cache_clear()
    for name in ("rjieba", "budoux"):
        monkeypatch.setitem(sys.modules, name, None)
    try:
        assert rows(text, "auto", columns=12) == by_rules
        with pytest.raises(InputError, match=r'"library".*pip install "volcasr-async\[subtitles\]"'):
            rows(text, "library")
    finally:
        segmenters.load_libraries.cache_clear()


def test_the_library_is_loaded_when_it_is_needed() -> None:
    """Not for a transcript as text, and not with rules."""
    import subprocess

    code = (
        "import sys\nfrom volcasr_async import Transcript\nfrom volcasr_async.subtitles import Layout, to_srt, to_text\n"
        "told = Transcript(text='你好')\nto_text(told)\nto_srt(told, Layout(segmenter='rules'))\n"
        "assert not {'rjieba', 'budoux'} & set(sys.modules)\nto_srt(told)\nassert 'rjieba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_an_unknown_segmenter_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(InputError, match=r'Layout\(segmenter=\'jieba\'\).*"auto", "library", "rules" or a function'):
        Layout(segmenter="jieba")  # type: ignore[arg-type]


parts = st.lists(
    st.sampled_from(
        [
            *TOKENS,
            "今天",
            "我们",
            "的",
            "了",
            "因为",
            "，",
            "。",
            "、",
            "？",
            "……",
            " ",
            "《",
            "》",
            "“",
            "”",
            "(",
            ")",
            "12",
            "三",
            "Hello",
        ]
    ),
    max_size=30,
).map("".join)


@given(parts, st.integers(10, 50), st.sampled_from(["rules", "library"]))
def test_any_mixture_keeps_the_rules(text: str, width: int, segmenter: str) -> None:
    """Lines within their width, everything that was said in order, and no cue of punctuation alone."""
    assume(said(text))
    told = Transcript(text=text, duration_ms=200 * len(text) + 1000)
    cues = to_cues(told, Layout(columns=width, segmenter=segmenter))  # type: ignore[arg-type]
    assert said("".join(line for cue in cues for line in cue.lines)) == said(text)
    assert all(said("".join(cue.lines)) for cue in cues)
    assert all(columns(line) <= width for cue in cues for line in cue.lines)


@given(st.text(max_size=60), st.lists(st.integers(-5, 80), max_size=40), st.integers(10, 50))
def test_any_function_is_safe(text: str, ends: list[int], width: int) -> None:
    """Whatever positions it gives, the text is all there."""
    told = Transcript(text=text, duration_ms=60_000)
    found = "".join(
        line for cue in to_cues(told, Layout(columns=width, segmenter=lambda _: ends)) for line in cue.lines
    )
    assert said(found) == said(text)


LONG = ["1", "一", "《", "“好", "a.", "1,", "三块", "9:", "@", "好的", "x-", "12月"]


@pytest.mark.parametrize(
    ("unit", "segmenter"), [*((unit, "rules") for unit in LONG), ("好", "library"), ("三块", "library")]
)
def test_long_texts_take_time_in_proportion(unit: str, segmenter: str) -> None:
    """Twenty thousand characters of one kind without a mark to cut at end within a second or two."""
    text = unit * (20_000 // len(unit))
    told = Transcript(text=text, duration_ms=3_600_000)
    cues = to_cues(told, Layout(segmenter=segmenter))  # type: ignore[arg-type]
    assert said("".join(line for cue in cues for line in cue.lines)) == said(text)
