"""Text for programs: JSON lines and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from volcasr_async.models import Transcript
from volcasr_async.subtitles.align import timed
from volcasr_async.subtitles.passages import Passage, passages_of
from volcasr_async.subtitles.units import units_of

_ANY_WIDTH = 10**9
_FORMULAS = frozenset("=+-@＝＋－＠")
_COLUMNS = ("start_ms", "end_ms", "speaker", "channel", "text")


class _Row(NamedTuple):
    start_ms: int | None
    end_ms: int | None
    speaker: str | None
    channel: str | None
    text: str


def to_jsonl(transcript: Transcript, *, words: bool = False) -> str:
    """Write JSON lines: an object for each utterance, or with *words* for each word.

    Each has `start_ms`, `end_ms`, `speaker`, `channel` and `text`, and an utterance the service's other `additions`;
    `null` is what the service did not tell. Words are those of the text, with their punctuation and the blank after
    them, so that together they are the text; they always have times, estimated where the service gave none.
    """
    if words:
        return _json_lines(row._asdict() for row in _words(transcript))
    return _json_lines(
        {**_row(passage)._asdict(), "additions": _more(passage)} for passage in passages_of(transcript, marks=True)
    )


def _json_lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)


def to_csv(transcript: Transcript, *, words: bool = False, formulas: bool = False) -> str:
    """Write a table with a header, of the utterances or, as `to_jsonl` has them, of the words.

    A text that a spreadsheet would run as a formula (it begins with `=`, `+`, `-` or `@`) gets an apostrophe before it,
    unless *formulas*. Excel knows the encoding when the file is written as "utf-8-sig".
    """
    import csv

    rows = _words(transcript) if words else map(_row, passages_of(transcript, marks=True))
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(row if formulas else [_harmless(cell) for cell in row] for row in rows)
    return "".join(lines)


class _Lines(list[str]):
    """What the csv module may write to."""

    write = list.append


def _words(transcript: Transcript) -> Iterator[_Row]:
    for passage in passages_of(transcript, marks=True):
        units = units_of(passage.text, limit=_ANY_WIDTH, wide=False)
        for unit in timed(units, passage.words, (passage.start_ms, passage.end_ms)):
            yield _Row(unit.start_ms, unit.end_ms, *passage.voice, unit.text)


def _row(passage: Passage) -> _Row:
    """Take the service's own times where it told them."""
    own = passage.utterance.start_ms, passage.utterance.end_ms
    start, end = (None if time < 0 else time for time in own)
    return _Row(start, end, *passage.voice, passage.text)


def _more(passage: Passage) -> dict[str, str]:
    return {name: value for name, value in passage.utterance.additions.items() if name not in {"speaker", "channel_id"}}


def _harmless(cell: str | int | None) -> str | int | None:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip()[:1] in _FORMULAS else cell
