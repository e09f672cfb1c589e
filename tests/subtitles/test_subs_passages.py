"""What was said, by whom, and when."""

from itertools import pairwise

import pytest
from hypothesis import given
from subtitle_kit import said, shown, spoken, transcript, transcripts, utterance

from volcasr_async import Transcript, Utterance
from volcasr_async.subtitles.passages import LATEST_MS, passages_of


def spans(*utterances: Utterance, duration_ms: int | None = None) -> list[tuple[str, int, int]]:
    found = passages_of(transcript(*utterances, duration_ms=duration_ms))
    return [(passage.text, passage.start_ms, passage.end_ms) for passage in found]


def test_text_only() -> None:
    """The whole recording, or as long as it takes to say."""
    [passage] = passages_of(Transcript(text=" 你好\r\n吗", duration_ms=3000))
    assert (passage.text, passage.start_ms, passage.end_ms) == ("你好 吗", 0, 3000)
    [chinese] = passages_of(Transcript(text="一二三四五"))
    [english] = passages_of(Transcript(text="a few words", duration_ms=0))
    assert 800 < chinese.end_ms < 2000
    assert 500 < english.end_ms < 1500


@pytest.mark.parametrize(
    "silent",
    [Transcript(text="", silent=True), Transcript(text=" \x00", duration_ms=9), transcript(utterance(" ", 0, 9))],
)
def test_silence(silent: Transcript) -> None:
    """Nothing that was said is no passage."""
    assert passages_of(silent) == []


def test_utterances_without_text() -> None:
    """Their words are their text; without either they are left out. The whole text counts only without them."""
    words = [("你", 0, 1), ("好", 1, 2), ("New", 2, 3), (" ", -1, -1), ("York", 3, 4), (",", -1, -1), ("ok", 4, 5)]
    assert spans(utterance("", 0, 9, words), utterance("", 10, 20))[0][0] == "你好New York, ok"
    assert [p.text for p in passages_of(Transcript(text="all", utterances=(utterance("part", 0, 9),)))] == ["part"]
    assert [p.text for p in passages_of(Transcript(text="all", utterances=(utterance("", 0, 9),)))] == ["all"]


def test_order() -> None:
    """As they begin, whatever order they came in."""
    assert [text for text, *_ in spans(utterance("b", 500, 900), utterance("a", 0, 400))] == ["a", "b"]


def test_missing_times() -> None:
    """From the words, else between the neighbours, else to the recording's end."""
    assert spans(utterance("你好", words=[("你", -1, -1), ("好", 300, 500)])) == [("你好", 300, 500)]
    assert spans(utterance("a", 0, 400), utterance("b"), utterance("c", 900, 1000)) == [
        ("a", 0, 400),
        ("b", 400, 900),
        ("c", 900, 1000),
    ]
    assert spans(utterance("a", 0, 400), utterance("b"), utterance("c"), duration_ms=1000) == [
        ("a", 0, 400),
        ("b", 400, 700),
        ("c", 700, 1000),
    ]
    assert spans(*[utterance("你", 0, 0)] * 2, duration_ms=1000) == [("你", 0, 500), ("你", 500, 1000)]
    [(_, start, end)] = spans(utterance("你好", 700, -1))
    assert start == 700 < end


def test_one_voice_does_not_overlap_itself() -> None:
    """The earlier utterance ends when the later begins; those that begin together share. Two voices may overlap."""
    assert spans(utterance("a", 0, 900), utterance("b", 500, 990)) == [("a", 0, 500), ("b", 500, 990)]
    assert spans(utterance("你", 0, 900), utterance("你好", 0, 900)) == [("你", 0, 300), ("你好", 300, 900)]
    assert spans(utterance("a", 0, 900, speaker="1"), utterance("b", 500, 990, speaker="2")) == [
        ("a", 0, 900),
        ("b", 500, 990),
    ]


def test_times_beyond_belief() -> None:
    """They are cut to what the formats can write."""
    assert spans(utterance("a", 2**60, 2**61))[0][1] == LATEST_MS


def test_voices() -> None:
    """Speaker and channel, as the service told them."""
    [passage] = passages_of(transcript(spoken("你好", 0, speaker="1", channel_id="2")))
    assert passage.voice == ("1", "2")
    assert [word.text for word in passage.words] == ["你", "好"]


@given(transcripts())
def test_any_transcript(told: Transcript) -> None:
    """In order, none empty, none backwards, one voice never overlapping itself, and all the text."""
    found = passages_of(told)
    assert [p.start_ms for p in found] == sorted(p.start_ms for p in found)
    assert all(0 <= p.start_ms <= p.end_ms and p.text for p in found)
    for voice in {p.voice for p in found}:
        mine = [p for p in found if p.voice == voice]
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(mine))
    if any(said(u.text) for u in told.utterances):
        assert {shown(u.text) for u in told.utterances if said(u.text)} <= {shown(p.text) for p in found}
