"""Formats of pysubs2."""

import re
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree as ET

import pysubs2
import pytest
from hypothesis import given
from subtitle_kit import shown, spoken, text_of, transcript, transcripts, utterance

from volcasr_async import InputError, Transcript
from volcasr_async.subtitles import Layout, to_ass, to_cues, to_other, to_pysubs2

TALK = transcript(spoken("你好。", 1000, speaker="1,a"), utterance("{\\an8}a|b /c <i> C:\\New", 4000, 6000, speaker="2"))
EDITORS = ("ass", "ssa", "ttml", "microdvd", "mpl2", "tmp")


def test_ass() -> None:
    """Lines, names of the speakers, and a picture to measure by; no advertisement."""
    file = pysubs2.SSAFile.from_string(to_ass(TALK, language="zh"), "ass")
    assert [(event.start, event.end, event.name) for event in file] == [(1000, 2000, "说话人 1，a"), (4000, 6000, "说话人 2")]
    assert file[1].plaintext.replace("\n", " ") == "｛\\an8}a|b /c <i> C:＼New"
    assert file.info["PlayResX"] == "1920"
    assert "pysubs2" not in to_ass(TALK)


@pytest.mark.parametrize("format", EDITORS)
def test_every_format_is_read_back(format: str) -> None:
    """By pysubs2 itself, though some formats are coarse."""
    file = pysubs2.SSAFile.from_string(to_other(TALK, format), format)
    assert [round(event.start, -3) for event in file] == [1000, 4000]
    assert shown(file[1].plaintext) == shown("{\\an8}a|b /c <i> C:\\New")


def test_microdvd_counts_pictures() -> None:
    """At the rate that is asked for, which its first line tells."""
    assert to_other(TALK, "microdvd", fps=50).splitlines()[:2] == ["{1}{1}50.0", "{50}{100}你好。"]
    for fps in (0, -1, float("nan"), "25"):
        with pytest.raises(InputError, match="fps"):
            to_other(TALK, "microdvd", fps=fps)  # type: ignore[arg-type]


def test_ttml_is_xml_that_people_can_read() -> None:
    """Chinese stands as it is, and what looks like a reference stays text."""
    file = to_other(transcript(utterance("你 &#20320; <x>", 0, 2000)), "ttml")
    assert "你" in file
    [paragraph] = ET.fromstring(file).iter("{http://www.w3.org/ns/ttml}p")
    assert "".join(paragraph.itertext()).split() == ["你", "&#20320;", "<x>"]


def test_what_cannot_be_written() -> None:
    """Past ten hours, and a format that there is not: refused with what to do instead."""
    with pytest.raises(InputError, match="use srt or vtt"):
        to_ass(transcript(utterance("好", 36_000_000, 36_001_000)))
    with pytest.raises(InputError, match="it writes ass, ssa"):
        to_other(TALK, "docx")


def test_a_file_to_change() -> None:
    """The SSAFile is pysubs2's own."""
    file = to_pysubs2(TALK, Layout(labels=True), language="en")
    assert isinstance(file, pysubs2.SSAFile)
    assert file[0].text == "Speaker 1,a: 你好。"


def test_a_missing_extra_is_named() -> None:
    """Without pysubs2 the other formats work, and these say what to install."""
    code = (
        "import sys; sys.modules['pysubs2'] = None\n"
        "from volcasr_async import InputError, Transcript\n"
        "from volcasr_async.subtitles import render\n"
        "assert render(Transcript(text='a'), 'srt')\n"
        "try:\n    render(Transcript(text='a'), 'ass')\n"
        "except InputError as error:\n    assert 'pip install \"volcasr-async[subtitles]\"' in str(error), error\n"
        "else:\n    raise SystemExit('no error')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_pysubs2_is_imported_late() -> None:
    """Only for its own formats."""
    code = "import sys, volcasr_async.subtitles as s; s.to_srt(s.to_srt and __import__('volcasr_async').Transcript(text='a')); assert 'pysubs2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@given(transcripts())
def test_any_transcript(told: Transcript) -> None:
    """ASS has the cues, in order, never overlapping, with all of their text; the rest can be written."""
    events = pysubs2.SSAFile.from_string(to_ass(told), "ass").events if told_within_hours(told) else []
    assert all(event.start < event.end for event in events)
    assert all(a.end <= b.start for a, b in zip(events, events[1:], strict=False))
    if events:
        assert Counter(shown("".join(event.plaintext for event in events))) == Counter(text_of(told))
        assert all(event.text.count("{") == 0 for event in events)
        for format in EDITORS:
            file = to_other(told, format)
            assert len(re.findall(r"\S", file)) >= len(events)
        ET.fromstring(to_other(told, "ttml"))


def told_within_hours(told: Transcript) -> bool:
    cues = to_cues(told)
    return bool(cues) and cues[-1].end_ms < 35_000_000
