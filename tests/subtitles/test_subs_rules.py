"""The small rules: cleaning, names, times, layouts."""

from typing import Any

import pytest
from hypothesis import given
from subtitle_kit import shown, texts

from volcasr_async import InputError
from volcasr_async.subtitles import Layout
from volcasr_async.subtitles.clock import clock, lyric_stamp, stamp
from volcasr_async.subtitles.plain import joined, one_line
from volcasr_async.subtitles.speakers import label, language_of, namer
from volcasr_async.subtitles.words import pairs_of


@given(texts)
def test_one_line(text: str) -> None:
    """One line that UTF-8 can write, with every visible character."""
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == line.strip() == one_line(line)
    line.encode()
    assert shown(line) == shown(text)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["你好。", "再见"], "你好。再见"),
        (["Hi.", "Bye."], "Hi. Bye."),
        (["这是", "今日"], "这是 今日"),
        (["他说：“好。”", "我"], "他说：“好。”我"),
        (["He said “yes.”", "Then"], "He said “yes.” Then"),
        ([], ""),
        (["a"], "a"),
    ],
)
def test_sentences_are_joined_as_their_language_does(parts: list[str], text: str) -> None:
    """A blank between English sentences and after Chinese without punctuation, none after Chinese punctuation."""
    assert joined(parts) == text


def test_stamps() -> None:
    """Hours go on above 24, minutes of lyrics above 99; no time is rounded up."""
    assert stamp(0, ",") == "00:00:00,000"
    assert stamp(99 * 3_600_000 + 61_001, ".") == "99:01:01.001"
    assert clock(3661) == "01:01:01"
    assert lyric_stamp(5_999) == "[00:05.99]"
    assert lyric_stamp(100 * 60_000 + 1_239) == "[100:01.23]"


def test_names() -> None:
    """Speaker before channel; both where one speaker is heard on two channels."""
    name = namer([("1", "1"), ("2", "2"), (None, "3"), (None, None)], "zh")
    assert [name(voice) for voice in [("1", "1"), (None, "3"), (None, None)]] == ["说话人 1", "声道 3", ""]
    name = namer([("1", "1"), ("1", "2")], "en")
    assert name(("1", "2")) == "Speaker 1 (Channel 2)"
    assert label("Speaker 1", "en") == "Speaker 1: "
    assert label("说话人 1", "zh") == "说话人 1："
    assert label("", "zh") == ""
    assert namer([("a\n-->b", None)], "en")(("a\n-->b", None)) == "Speaker a -->b"


def test_language() -> None:
    """That of the text, unless another is wished for; a third one is refused with those there are."""
    assert (language_of("你好", None), language_of("hi", None), language_of("hi", "zh")) == ("zh", "en", "zh")
    with pytest.raises(InputError, match='"zh", "en" or None'):
        language_of("x", "fr")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [
        {"columns": 9},
        {"columns": 20.5},
        {"columns": True},
        {"lines": 0},
        {"lines": "2"},
        {"shortest_s": -1},
        {"shortest_s": 8},
        {"longest_s": float("inf")},
        {"longest_s": None},
        {"shortest_s": 0, "longest_s": 0.01},
    ],
    ids=repr,
)
def test_layouts_that_cannot_be_met(bad: dict[str, Any]) -> None:
    """A layout that cannot be met is refused when it is made."""
    with pytest.raises(InputError, match="Layout"):
        Layout(**bad)


def test_the_text_teaches_its_own_terms() -> None:
    """Characters that keep standing together stay together, beside the common words."""
    pairs = pairs_of("豆包很好，豆包很快，包子")
    assert "豆包" in pairs
    assert "我们" in pairs
    assert "，豆" not in pairs
    assert "包子" not in pairs
