"""Cues: what stands on the screen, from when to when."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from subtitle_kit import one_voice, said, said_in, sample, spoken, transcript, transcripts, utterance

from volcasr_async import Transcript
from volcasr_async.subtitles import Layout, to_cues
from volcasr_async.subtitles.plain import one_line
from volcasr_async.subtitles.width import columns, graphemes


def lines(told: Transcript, **layout: Any) -> list[tuple[str, ...]]:
    return [cue.lines for cue in to_cues(told, Layout(**layout))]


def test_the_documents_own_reply() -> None:
    """Cues begin with their first word, not with the utterance, and have its punctuation."""
    first, second = to_cues(sample("v3_query_done_documented"))
    assert (first.start_ms, first.lines) == (740, ("这是字节跳动,",))
    assert (second.start_ms, second.end_ms, second.lines) == (2910, 3696, ("今日头条母公司。",))


def test_a_sentence_is_a_cue() -> None:
    """Each of those that there is time to read."""
    told = transcript(spoken("今天天气真的很好。我们一起去公园吧！", 0))
    assert lines(told) == [("今天天气真的很好。",), ("我们一起去公园吧！",)]


def test_a_pause_ends_a_cue() -> None:
    """Where somebody is silent for most of a second."""
    told = transcript(spoken("我觉得这个嘛大概可以", 0, pauses={5: 1500}))
    first, second = to_cues(told)
    assert (first.lines, second.lines) == (("我觉得这个",), ("嘛大概可以",))
    assert second.start_ms == 2500


def test_sentences_too_short_to_read_are_joined() -> None:
    """With the next one of the same voice, but not across a pause."""
    assert lines(transcript(spoken("嗯。对。是的没错。", 0))) == [("嗯。对。是的没错。",)]
    assert lines(transcript(spoken("嗯。", 0), spoken("是的。", 1200))) == [("嗯。",), ("是的。",)]
    apart = transcript(spoken("嗯。", 0, speaker="1"), spoken("对。", 300, speaker="2"))
    assert lines(apart) == [("嗯。",), ("对。",)]


def test_long_sentences_are_cut_at_commas() -> None:
    """Near the middle, rather than in it."""
    told = transcript(
        spoken(
            "国家药监局已经批准了一百二十八个人工智能辅助诊断软件，比去年同一时期增长了百分之三十五点七，这是一个好消息。",
            0,
            step=150,
        )
    )
    assert [line[-1] for cue in lines(told)[:-1] for line in cue[-1:]] == ["，"]


def test_english_is_balanced() -> None:
    """Two lines of about the same length, words whole."""
    told = Transcript(text="The quick brown fox jumps over the lazy dog and runs away.", duration_ms=5000)
    [(upper, lower)] = lines(told)
    assert abs(len(upper) - len(lower)) < 10
    assert f"{upper} {lower}" == told.text


def test_two_people_at_once() -> None:
    """One after the other in the file, each with their own cue, never two at a time."""
    told = transcript(
        spoken("您好这里是客服中心请问您需要什么帮助", 0, speaker="1", channel_id="1"),
        spoken("嗯你好", 2000, speaker="2", channel_id="2"),
    )
    first, second = to_cues(told)
    assert (first.name, second.name) == ("说话人 1", "说话人 2")
    assert first.end_ms <= second.start_ms < 2600


def test_who_speaks_in_between_stands_in_between() -> None:
    """A long turn is interrupted in the file where it was interrupted in the recording."""
    long = spoken("今天我们来讲讲这个故事。故事发生在很久很久以前。那时候还没有我们。", 0, speaker="1")
    cues = to_cues(transcript(long, spoken("好的。", 3400, speaker="2")))
    assert [cue.name[-1] for cue in cues] == ["1", "1", "2", "1"]


def test_labels() -> None:
    """The name stands where somebody begins, not in each cue."""
    told = transcript(
        spoken("你好。", 0, speaker="1"), spoken("今天好吗？", 2000, speaker="1"), spoken("很好。", 5000, speaker="2")
    )
    assert lines(told, labels=True) == [("说话人 1：你好。",), ("今天好吗？",), ("说话人 2：很好。",)]
    [cue] = to_cues(told, Layout(labels=True), language="en")[-1:]
    assert cue.lines == ("Speaker 2: 很好。",)
    assert lines(transcript(spoken("你好。", 0)), labels=True) == [("你好。",)]


@pytest.mark.parametrize(
    "told",
    [Transcript(text="", silent=True), Transcript(text="", duration_ms=1000), sample("v3_query_done_empty_text")],
)
def test_silence(told: Transcript) -> None:
    """No cue."""
    assert to_cues(told) == ()


def test_one_character() -> None:
    """A second, unless the recording ends before."""
    [cue] = to_cues(transcript(utterance("好", 100, 300)))
    assert (cue.start_ms, cue.end_ms, cue.lines) == (100, 1100, ("好",))
    [cue] = to_cues(transcript(utterance("好", 100, 300), duration_ms=600))
    assert cue.end_ms == 600


def test_slow_speech_is_not_torn() -> None:
    """A few characters over half a minute are shown whole, for the longest time."""
    [cue] = to_cues(transcript(utterance("好的再见", 0, 30_000)))
    assert (cue.start_ms, cue.end_ms) == (0, 7000)


@pytest.mark.parametrize("text", ["好" * 10_000, "x" * 10_000, "1" * 10_000, "👩‍👩‍👧" * 2_000, "你好世界今天" * 1_700])
def test_ten_thousand_characters_without_punctuation(text: str) -> None:
    """Evenly cut, every cue readable, nothing lost."""
    cues = to_cues(Transcript(text=text, duration_ms=3_600_000))
    assert "".join("".join(cue.lines) for cue in cues) == text
    assert all(1000 <= cue.end_ms - cue.start_ms <= 7000 for cue in cues)


def test_words_that_disagree_with_the_text() -> None:
    """Figures for numerals: the text is the text, and the times still hold."""
    said = [
        (char, 1000 + 250 * i, 1250 + 250 * i)
        for i, char in enumerate("二零二六年三月十五日国家批准了第一百二十八个软件")
    ]
    [cue] = to_cues(transcript(utterance("2026年3月15日，国家批准了第128个软件。", 1000, 7000, said)))
    assert (cue.start_ms, cue.end_ms) == (1000, 7000)
    assert "".join(cue.lines) == "2026年3月15日，国家批准了第128个软件。"


layouts = st.builds(
    lambda columns, lines, shortest, more, labels: Layout(
        columns=columns, lines=lines, shortest_s=shortest, longest_s=shortest + more, labels=labels
    ),
    st.none() | st.integers(10, 60), st.integers(1, 3), st.floats(0, 2), st.floats(0.5, 8), st.booleans(),
)  # fmt: skip


@given(transcripts(), layouts)
def test_any_transcript_keeps_the_rules(told: Transcript, layout: Layout) -> None:
    """Order, lengths, lines and widths hold for whatever comes."""
    cues = to_cues(told, layout)
    for number, cue in enumerate(cues):
        after = cues[number + 1].start_ms if number + 1 < len(cues) else None
        length = cue.end_ms - cue.start_ms
        assert 0 <= cue.start_ms < cue.end_ms
        assert after is None or cue.end_ms <= after
        assert length <= round(layout.longest_s * 1000)
        atend = told.duration_ms is not None and cue.end_ms >= told.duration_ms
        assert length >= round(layout.shortest_s * 1000) or cue.end_ms == after or atend
        assert 1 <= len(cue.lines) <= layout.lines
        assert all(cue.lines)
        assert [line for line in cue.lines if columns(line) > (layout.columns or 42)] == []


@given(transcripts(), layouts)
def test_no_character_is_lost(told: Transcript, layout: Layout) -> None:
    """Every letter, figure and emoji stands in the cues, as often as in the transcript."""
    layout = msgspec.structs.replace(layout, labels=False)
    found = "".join(line for cue in to_cues(told, layout) for line in cue.lines)
    assert Counter(said(found)) == Counter(said_in(told))


@given(one_voice(), layouts)
def test_one_voice_keeps_its_order(told: Transcript, layout: Layout) -> None:
    """The cues of one utterance, read one after the other, are its text; no cluster is cut."""
    rows = [line for cue in to_cues(told, layout) for line in cue.lines]
    assert said("".join(rows)) == said_in(told)
    if said(told.text):
        whole = graphemes(one_line(told.text))
        assert [c for row in rows for c in graphemes(row) if said(c)] == [c for c in whole if said(c)]


sentences = st.lists(
    st.sampled_from(
        [
            "今天",
            "天气",
            "我们去公园",
            "因为",
            "Python是",
            "2026年",
            "很",
            "的",
            "（也许）",
            "“好”",
            "，",
            "。",
            "、",
            "；",
        ]
    ),
    max_size=60,
).map(
    lambda parts: "".join(
        a for a, b in zip(parts, [*parts[1:], "."], strict=False) if not (a in "，。、；" and b in "，。、；")
    )
)


@given(sentences, st.integers(10, 60))
def test_no_line_begins_with_closing_punctuation(text: str, columns: int) -> None:
    """Nor ends with an opening one."""
    cues = to_cues(Transcript(text="好" + text, duration_ms=20_000), Layout(columns=columns))
    assert "".join(line for cue in cues for line in cue.lines) == "好" + text
    for cue in cues:
        for line in cue.lines:
            assert line[0] not in "，。、；）”"
            assert line[-1] not in "（“"
            assert line.count("Python") == line.count("P")
