r"""Transcripts in every format of subtitles and text: records divided by \x1e, their fields by \x1f.

The first record is format, columns, lines, shortest, longest (ms), labels, language, duration, and the whole text; the
others are utterances: start, end, speaker, channel, text, then the words, each as start, end and text.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence

import msgspec
from fuzz_kit import Target, samples
from fuzz_kit import told as because

from volcasr_async import Transcript, Utterance, read_transcript
from volcasr_async.errors import InputError
from volcasr_async.models import Word
from volcasr_async.subtitles import FORMATS, Language, Layout, render, to_cues

_RECORD, _FIELD = "\x1e", "\x1f"
_LATEST = 10**13
_SRT = re.compile(r"(\d+)\n(\d\d+):(\d\d):(\d\d),(\d{3}) --> (\d\d+):(\d\d):(\d\d),(\d{3})\n((?:[^\n]+\n)+)\n")


def run(data: bytes) -> None:
    """Write a transcript; each format holds what it promises."""
    head, *rest = [record.split(_FIELD) for record in data.decode("utf-8", "replace").split(_RECORD)]
    layout, language = _layout(head), _language(_text(head, 6))
    duration = _number(head, 7)
    told = Transcript(
        text=_text(head, 8),
        duration_ms=duration if duration >= 0 else None,
        utterances=tuple(map(_utterance, rest)),
    )
    _check_cues(told, layout, language)
    name = list(FORMATS)[_number(head, 0) % len(FORMATS)]
    try:
        text = render(told, name, layout=layout, language=language)
    except InputError as error:
        message = because(error)
        assert "10 hours" in message
        return
    text.encode()
    _CHECKS.get(name, _check_nothing)(text, told)


def seeds() -> Iterator[bytes]:
    """Bring the recorded transcripts, each in another format and layout."""
    for number, (name, status, _, body) in enumerate(samples()):
        if status != 200 or not ("done" in name or "flash_ok" in name):
            continue
        for form in (number % len(FORMATS), (number + 7) % len(FORMATS)):
            yield written(read_transcript(body), form)
    hostile = Utterance(text="a --> b\n\n<i>{\\an8}&lt; [00:01.00] =1+1 C:\\new \U0001f469\u200d\U0001f467", start_ms=5)
    for form in range(len(FORMATS)):
        yield written(Transcript(text="", utterances=(hostile,), duration_ms=9000), form)


def written(told: Transcript, form: int) -> bytes:
    """Write a transcript as `run` reads it."""
    head = [form, 0, 2, 1000, 7000, form % 2, "", told.duration_ms if told.duration_ms is not None else -1, told.text]
    records = [head]
    for u in told.utterances:
        words = [part for w in u.words for part in (w.start_ms, w.end_ms, w.text)]
        records.append([u.start_ms, u.end_ms, u.speaker or "", u.channel or "", u.text, *words])
    return _RECORD.join(_FIELD.join(map(str, record)) for record in records).encode("utf-8", "replace")


def _utterance(record: list[str]) -> Utterance:
    said = [
        Word(_text(record, at + 2), _number(record, at), _number(record, at + 1)) for at in range(5, len(record), 3)
    ]
    voice = {"speaker": _text(record, 2), "channel_id": _text(record, 3)}
    return Utterance(
        text=_text(record, 4),
        start_ms=_number(record, 0),
        end_ms=_number(record, 1),
        additions={name: value for name, value in voice.items() if value},
        words_json=msgspec.Raw(msgspec.json.encode(said)),
    )


def _layout(head: list[str]) -> Layout | None:
    try:
        return Layout(
            columns=_number(head, 1) or None,
            lines=_number(head, 2),
            shortest_s=_number(head, 3) / 1000,
            longest_s=_number(head, 4) / 1000,
            labels=_number(head, 5) % 2 == 1,
        )
    except InputError:
        return None


def _language(text: str) -> Language | None:
    return "zh" if text == "zh" else "en" if text == "en" else None


def _text(record: Sequence[str], at: int) -> str:
    return record[at] if at < len(record) else ""


def _number(record: Sequence[str], at: int) -> int:
    found = re.fullmatch(r"-?[0-9]{1,14}", _text(record, at))
    return max(-1, min(int(found.group()), _LATEST)) if found else -1


# ---- what each format promises ----


def _check_nothing(text: str, told: Transcript) -> None:
    assert text.endswith("\n") or not text


def _check_cues(told: Transcript, layout: Layout | None, language: Language | None) -> None:
    before = 0
    for cue in to_cues(told, layout, language=language):
        assert before <= cue.start_ms < cue.end_ms
        assert all(line.strip() and "\n" not in line for line in cue.lines)
        assert len(cue.lines) <= (layout.lines if layout else 2)
        before = cue.end_ms


def _check_srt(text: str, told: Transcript) -> None:
    assert _SRT.sub("", text) == ""
    assert [int(found[1]) for found in _SRT.finditer(text)] == list(range(1, len(_SRT.findall(text)) + 1))


def _check_vtt(text: str, told: Transcript) -> None:
    head, *cues = text.removesuffix("\n\n").split("\n\n")
    assert head == "WEBVTT"
    assert all(cue.count(" --> ") == 1 and len(cue.split("\n")) > 1 for cue in cues if cue)


def _check_lrc(text: str, told: Transcript) -> None:
    assert all(re.match(r"\[\d{2,}:\d\d\.\d\d\][^\[<\n]", line) for line in text.split("\n")[:-1])


def _check_lines(text: str, told: Transcript) -> None:
    for line in text.split("\n")[:-1]:
        row = json.loads(line)
        assert row["text"]


def _check_csv(text: str, told: Transcript) -> None:
    rows = list(csv.reader(io.StringIO(text)))
    assert {len(row) for row in rows} == {5}
    assert not any(cell[:1] in set("=+@") for row in rows for cell in row)


def _check_json(text: str, told: Transcript) -> None:
    again = read_transcript(text)
    assert (again.text, again.duration_ms) == (told.text, told.duration_ms)
    assert again.utterances == told.utterances


_CHECKS = {
    "srt": _check_srt,
    "vtt": _check_vtt,
    "lrc": _check_lrc,
    "jsonl": _check_lines,
    "words": _check_lines,
    "csv": _check_csv,
    "words-csv": _check_csv,
    "json": _check_json,
}

TARGET = Target(
    run,
    seeds,
    (
        *("\\x1e", "\\x1f", "\\x1f-1\\x1f-1\\x1f", " --> ", "<b>", "{\\\\an8}", "\\\\N", "[00:01.00]", "&lt;", "=1+1"),
        *("99999999999", "\\xe4\\xbd\\xa0", "\\xe3\\x80\\x82", "\\xf0\\x9f\\x91\\x8d", "\\xe2\\x80\\x8d", "\\xcc\\x81"),
        *("2026\\xe5\\xb9\\xb4", "\\xe2\\x80\\x9c", ". ", "00:00:01,000", "\\xef\\xbb\\xbf", "\\xc2\\x85"),
    ),
)
