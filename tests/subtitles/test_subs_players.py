"""SRT, WebVTT and LRC, read back by somebody else's reader and by the letter of the format."""

import html
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pysubs2
import pytest
from hypothesis import given
from subtitle_kit import one_voice, said, said_in, sample, shown, spoken, text_of, transcript, transcripts, utterance

from volcasr_async import Transcript
from volcasr_async.subtitles import Layout, to_cues, to_lrc, to_srt, to_vtt

Cue = tuple[int, int, str]


def srt_cues(file: str) -> list[Cue]:
    return [
        (event.start, event.end, event.text.replace(r"\N", "\n")) for event in pysubs2.SSAFile.from_string(file, "srt")
    ]


def vtt_cues(file: str) -> list[Cue]:
    """Read WebVTT as the standard has it: blocks between blank lines, a line of times, text with references."""
    head, *blocks = file.split("\n\n")
    assert head == "WEBVTT"
    assert blocks.pop() == ""
    cues = []
    for block in blocks:
        times, *rows = block.split("\n")
        start, end = (
            int(h) * 3_600_000 + int(m) * 60_000 + int(s) * 1000 + int(ms)
            for h, m, s, ms in re.findall(r"(\d\d):(\d\d):(\d\d)\.(\d{3})", times)
        )
        assert re.fullmatch(r"[\d:.]{12} --> [\d:.]{12}", times)
        assert rows
        assert not any("-->" in row for row in rows)
        text = "\n".join(rows)
        assert not re.search(r"<(?!v )|&(?!(amp|lt|gt);)", text)
        cues.append((start, end, html.unescape(re.sub(r"<v [^>]*>", "", text))))
    return cues


def lrc_lines(file: str) -> list[tuple[int, str]]:
    rows = re.findall(r"^\[(\d{2,}):([0-5]\d)\.(\d\d)\](.+)$", file, re.MULTILINE)
    assert len(rows) == file.count("\n")
    return [(int(m) * 60_000 + int(s) * 1000 + int(cs) * 10, text) for m, s, cs, text in rows]


HELLO = transcript(
    spoken("你好。", 61_000, speaker="1"), utterance("Well <b>, a & b", 3_600_000, 3_602_000, speaker="2")
)


def test_srt() -> None:
    """Numbers from one, commas before the milliseconds, a blank line after each cue."""
    assert to_srt(HELLO) == (
        "1\n00:01:01,000 --> 00:01:02,000\n你好。\n\n2\n01:00:00,000 --> 01:00:02,000\nWell ＜b>, a & b\n\n"
    )


def test_vtt() -> None:
    """The header, points before the milliseconds, references; voice spans only with labels."""
    assert to_vtt(HELLO) == (
        "WEBVTT\n\n00:01:01.000 --> 00:01:02.000\n你好。\n\n01:00:00.000 --> 01:00:02.000\nWell &lt;b&gt;, a &amp; b\n\n"
    )
    named = to_vtt(HELLO, Layout(labels=True), language="en")
    assert "<v Speaker 1>Speaker 1: 你好。" in named
    hostile = transcript(spoken("你好", 0, speaker="a>b&\n\nc"))
    assert "<v Speaker a&gt;b&amp; c>" in to_vtt(hostile, Layout(labels=True), language="en")


def test_lrc() -> None:
    """A line a cue, hundredths of a second, minutes above 99."""
    assert to_lrc(transcript(spoken("你好。", 6_001_239), utterance("[00:01.00]<x>", 6_010_000, 6_012_000))) == (
        "[100:01.23]你好。\n[100:10.00]［00:01.00]＜x>\n"
    )


@pytest.mark.parametrize(
    "name", ["v3_query_done_documented", "v3_query_done_english_whitespace_tokens", "v1_auc_query_done_documented"]
)
def test_the_documents_own_replies(name: str) -> None:
    """Three files of each are read back as the cues they are."""
    told = sample(name)
    cues = [(cue.start_ms, cue.end_ms, "\n".join(cue.lines)) for cue in to_cues(told)]
    assert cues
    assert srt_cues(to_srt(told)) == cues == vtt_cues(to_vtt(told))
    assert lrc_lines(to_lrc(told)) == [(start // 10 * 10, text) for start, _, text in cues]


def test_silence() -> None:
    """Empty files that are files of their kind."""
    silent = Transcript(text="", silent=True)
    assert (to_srt(silent), to_vtt(silent), to_lrc(silent)) == ("", "WEBVTT\n\n", "")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a --> b", "a --＞ b"),
        ("<i>x</i>", "＜i>x＜/i>"),
        ("{\\an8}up", "｛\\an8}up"),
        ("C:\\new\\hat", "C:＼new＼hat"),
        ("a & b &lt;", "a & b &lt;"),
        ("at 00:00:01,000 --> 00:00:02,000", "at 00：00:01,000 --＞ 00：00:02,000"),
        ("12:30 and 1:02:03", "12:30 and 1:02:03"),
    ],
)
def test_what_a_player_of_srt_would_not_show(text: str, written: str) -> None:
    """Is written in fullwidth forms, and nothing else is touched."""
    [cue] = to_srt(transcript(utterance(text, 0, 2000))).split("\n\n")[:-1]
    assert cue.split("\n", 2)[2].replace("\n", " ") == written


@pytest.mark.parametrize("text", ["好的\n2026", "x" * 38 + " 2026", "2026", "9" * 50, "a\n\n7\n\n"])
def test_a_line_of_digits_is_no_number_of_a_cue(text: str) -> None:
    """It is read back, at the end of the file too."""
    assert shown("".join(cue for *_, cue in srt_cues(to_srt(Transcript(text=text, duration_ms=2000))))) == shown(text)
    assert shown("".join(cue for *_, cue in vtt_cues(to_vtt(Transcript(text=text, duration_ms=2000))))) == shown(text)


def check(cues: list[Cue], told: Transcript) -> None:
    """In order, never overlapping, never backwards, nothing empty, nothing lost."""
    assert all(0 <= start < end for start, end, _ in cues)
    assert all(a[1] <= b[0] for a, b in pairwise(cues))
    assert all(text.strip() for *_, text in cues)
    assert Counter(said("".join(text for *_, text in cues))) == Counter(said_in(told))


@given(transcripts())
def test_srt_is_read_back(told: Transcript) -> None:
    """By pysubs2, with the markup that it knows switched on."""
    file = to_srt(told)
    cues = srt_cues(file)
    check(cues, told)
    assert len(cues) == file.count(" --> ")


@pytest.mark.filterwarnings("ignore:Possible missed subtitle start")  # pysubs2 1.9 sees times in the text, too
@given(transcripts())
def test_vtt_is_read_back(told: Transcript) -> None:
    """By the letter of the standard; pysubs2 sees the same times."""
    file = to_vtt(told)
    cues = vtt_cues(file)
    check(cues, told)
    if len(re.findall(r"\d:\d\d\.\d\d", text_of(told))) < 2:  # pysubs2 takes two times in a line of text for a new cue
        assert [(event.start, event.end) for event in pysubs2.SSAFile.from_string(file, "vtt")] == [
            cue[:2] for cue in cues
        ]


@given(transcripts())
def test_lrc_is_read_back(told: Transcript) -> None:
    """In order, nothing lost, a line for each cue."""
    rows = lrc_lines(to_lrc(told))
    assert [time for time, _ in rows] == sorted({time for time, _ in rows})
    assert Counter(said("".join(text for _, text in rows))) == Counter(said_in(told))


@given(one_voice())
def test_the_text_of_one_voice_comes_back_in_order(told: Transcript) -> None:
    """From all three."""
    found: list[Sequence[tuple[Any, ...]]] = [srt_cues(to_srt(told)), vtt_cues(to_vtt(told)), lrc_lines(to_lrc(told))]
    assert [said("".join(cue[-1] for cue in cues)) for cues in found] == [said_in(told)] * 3
