"""Formats of pysubs2."""

import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree as ET

import pysubs2
import pytest
from hypothesis import given
from subtitle_kit import said, said_in, shown, spoken, transcript, transcripts, utterance

from volcasr_async import InputError, Transcript
from volcasr_async.subtitles import Layout, render, to_ass, to_other, to_pysubs2

TALK = transcript(
    spoken("你好。", 1000, speaker="1,a"), utterance("{\\an8}a|b /c <i> C:\\New", 4000, 6000, speaker="2")
)
EDITORS = ("ass", "ssa", "ttml", "microdvd", "mpl2", "tmp")


def test_ass() -> None:
    """Lines, names of the speakers, and a picture to measure by; no advertisement."""
    file = pysubs2.SSAFile.from_string(to_ass(TALK, language="zh"), "ass")
    assert [(event.start, event.end, event.name) for event in file] == [
        (1000, 2000, "说话人 1，a"),
        (4000, 6000, "说话人 2"),
    ]
    assert file[1].plaintext.replace("\n", " ") == "｛\\an8}a|b /c <i> C:＼New"
    assert file.info["PlayResX"] == "1920"
    assert "pysubs2" not in to_ass(TALK)


@pytest.mark.parametrize("name", EDITORS)
def test_every_format_is_read_back(name: str) -> None:
    """By pysubs2 itself, though some formats are coarse."""
    file = pysubs2.SSAFile.from_string(to_other(TALK, name), name)
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


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pysubs2 the other formats work, and these say what to install."""
    monkeypatch.setitem(sys.modules, "pysubs2", None)
    assert render(TALK, "srt")
    with pytest.raises(InputError, match=r'ass needs the extra.*pip install "volcasr-async\[subtitles\]"'):
        render(TALK, "ass")


def test_pysubs2_is_imported_late() -> None:
    """Only for its own formats."""
    code = (
        "import sys\nfrom volcasr_async import Transcript\nfrom volcasr_async.subtitles import to_srt\n"
        "assert to_srt(Transcript(text='a'))\n"
        "assert not {'pysubs2', 'csv', 'httpx', 'anyio', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@given(transcripts().filter(lambda told: max([0, *times_of(told)]) < 30_000_000))
def test_any_transcript(told: Transcript) -> None:
    """ASS has the cues, in order, never overlapping, with all of their text; the rest can be written."""
    events = pysubs2.SSAFile.from_string(to_ass(told), "ass").events
    assert all(event.start < event.end for event in events)
    assert all(a.end <= b.start for a, b in pairwise(events))
    assert Counter(said("".join(event.plaintext for event in events))) == Counter(said_in(told))
    assert all("{" not in event.text for event in events)
    for name in EDITORS:
        assert len(re.findall(r"\S", to_other(told, name))) >= len(events)
    ET.fromstring(to_other(told, "ttml"))


def times_of(told: Transcript) -> list[int]:
    spans = list(told.utterances) + [word for u in told.utterances for word in u.words]
    return [time for span in spans for time in (span.start_ms, span.end_ms)]
