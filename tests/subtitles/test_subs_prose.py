"""Text for people."""

import pytest
from hypothesis import given
from subtitle_kit import said, sample, shown, spoken, texts, transcript, transcripts, utterance

from volcasr_async import InputError, Transcript
from volcasr_async.subtitles import to_markdown, to_speakers, to_text

TALK = transcript(
    spoken("早上好。", 480, speaker="1"),
    spoken("请坐。", 2000, speaker="1"),
    spoken("谢谢！", 62_000, speaker="2"),
    duration_ms=65_400,
)


def test_text() -> None:
    """One line, also where the service wrote more, or only utterances."""
    assert to_text(Transcript(text="a\r\n\x00b\u2028c\n")) == "a b c\n"
    assert to_text(TALK) == "早上好。请坐。谢谢！\n"
    assert to_text(transcript(utterance("Hi.", 0, 1), utterance("Bye.", 2, 3))) == "Hi. Bye.\n"
    assert to_text(Transcript(text="", silent=True)) == "\n"


def test_speakers() -> None:
    """A line a turn, in the language of the text or the one wished for."""
    assert to_speakers(TALK) == "说话人 1：早上好。请坐。\n说话人 2：谢谢！\n"
    assert to_speakers(TALK, language="en") == "Speaker 1: 早上好。请坐。\nSpeaker 2: 谢谢！\n"
    english = transcript(utterance("Hi.", 0, 100, speaker="0"), utterance("Well.", 200, 300, speaker="0"))
    assert to_speakers(english) == "Speaker 0: Hi. Well.\n"
    assert to_speakers(sample("v3_query_done_speaker_channel")) == "说话人 1：早上好。\n说话人 2：你好。\n"


def test_channels_and_nobody() -> None:
    """A channel stands for the speaker; without either there are lines without a name."""
    assert (
        to_speakers(transcript(spoken("你好", 0, channel_id="1"), spoken("好", 900, channel_id="2")))
        == "声道 1：你好\n声道 2：好\n"
    )
    assert to_speakers(transcript(spoken("你好。", 0), spoken("再见。", 900))) == "你好。\n再见。\n"
    assert to_speakers(Transcript(text="", silent=True)) == ""


def test_markdown() -> None:
    """Title, length, and the turns with their times."""
    assert to_markdown(TALK) == (
        "# 文字记录\n\n时长：00:01:05\n\n**说话人 1** 00:00:00\n\n早上好。请坐。\n\n**说话人 2** 00:01:02\n\n谢谢！\n"
    )
    assert to_markdown(TALK, title="Weekly *call*", language="en").startswith(
        "# Weekly \\*call\\*\n\nLength: 00:01:05\n\n**Speaker 1** "
    )
    assert to_markdown(Transcript(text="", silent=True)) == "# Transcript\n\n(nothing was said)\n"


def test_long_turns_have_paragraphs() -> None:
    """A new one after a minute, and after a long pause; without names the time stands alone."""
    told = transcript(
        spoken("一。", 0), spoken("二。", 2000), spoken("三。", 9000), spoken("四。", 70_000), spoken("五。", 71_000)
    )
    assert [block for block in to_markdown(told).split("\n\n") if block.startswith("**")] == [
        "**00:00:00**",
        "**00:00:09**",
        "**00:01:10**",
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("# no title", "\\# no title"),
        ("- no list", "\\- no list"),
        ("1. no list", "1\\. no list"),
        ("2026年", "2026年"),
        ("*a* _b_ `c`", "\\*a\\* \\_b\\_ \\`c\\`"),
        ("<b>&lt;|$x$~", "\\<b\\>\\&lt;\\|\\$x\\$\\~"),
        ("[a](b)", "\\[a\\](b)"),
        ("C:\\x", "C:\\\\x"),
        ("=== a - b", "\\=== a - b"),
    ],
)
def test_markdown_shows_the_text_as_it_is(text: str, written: str) -> None:
    """What would be markup is escaped."""
    assert to_markdown(transcript(utterance(text, 0, 1000))).split("\n\n")[-1] == written + "\n"


def test_a_third_language_is_refused() -> None:
    """With those that there are."""
    for write in (to_speakers, to_markdown):
        with pytest.raises(InputError, match='"zh", "en"'):
            write(TALK, language="de")  # type: ignore[arg-type]  # the third


@given(transcripts())
def test_nothing_is_lost(told: Transcript) -> None:
    """Every utterance stands in each of them, and each turn on a line of its own."""
    speakers, minutes = to_speakers(told), to_markdown(told).replace("\\", "")
    for part in {shown(u.text) for u in told.utterances if said(u.text)}:
        assert part in shown(speakers)
        assert part.replace("\\", "") in shown(minutes)
    assert "\r" not in speakers + minutes


@given(texts)
def test_a_text_is_one_line(text: str) -> None:
    """Whatever is in it."""
    line = to_text(Transcript(text=text))
    assert len(line.splitlines()) == 1
    assert line.endswith("\n")
    assert shown(line) == shown(text)
