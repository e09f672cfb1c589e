"""A transcript as cues: what stands on the screen, from when to when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from msgspec import Struct

from volcasr_async.models import Transcript
from volcasr_async.subtitles.align import timed
from volcasr_async.subtitles.boundaries import Boundaries
from volcasr_async.subtitles.clumps import clumped
from volcasr_async.subtitles.layout import USUAL, Layout
from volcasr_async.subtitles.lines import fits, lines_of, width_of
from volcasr_async.subtitles.pacing import Slot, paced
from volcasr_async.subtitles.passages import Passage, full_text, passages_of
from volcasr_async.subtitles.plain import is_spoken
from volcasr_async.subtitles.segmenters import segmentation_of
from volcasr_async.subtitles.speakers import Language, Voice, label, language_of, namer
from volcasr_async.subtitles.units import Unit, finished, units_of
from volcasr_async.subtitles.width import is_wide
from volcasr_async.subtitles.words import pairs_of

_PAUSE_MS = 800  # a silence that ends a cue
_JOINED_MS = 500  # a silence that two short cues may be joined across
_FRAGMENT = 8  # columns: a piece of a sentence that does not stand alone
_SMALL = 12  # columns: what is said this slowly is shown whole, however long it takes
_OFF_CENTRE = 12.0  # what it costs to cut at one end rather than in the middle


class Cue(Struct, frozen=True):
    """What stands on the screen from `start_ms` to `end_ms`: never empty, and over before the next one begins.

    `name` is the speaker's or channel's name, empty where the service told none.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    name: str = ""


class _Piece(Struct, frozen=True):
    """Units that become one cue; all of one voice."""

    units: list[Unit]
    voice: Voice
    limit: int

    @property
    def start_ms(self) -> int:
        return self.units[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.units[-1].end_ms

    @property
    def is_spoken(self) -> bool:
        """Whether there is more than punctuation: a row of dots that is wider than a subtitle leaves such pieces."""
        return any(is_spoken(unit.text) for unit in self.units)


class _Finding(NamedTuple):
    """What finds the words."""

    pairs: frozenset[str]
    boundaries: Callable[[str], Boundaries | None]


def to_cues(
    transcript: Transcript, layout: Layout | None = None, *, language: Language | None = None
) -> tuple[Cue, ...]:
    """Cut a transcript into cues, in order and never overlapping: for formats of your own.

    *language* is that of the labels, "zh" or "en"; by default that of the text.
    """
    return cues_of(transcript, layout or USUAL, language)


def cues_of(
    transcript: Transcript, layout: Layout, language: Language | None, spell: Callable[[str], str] = str
) -> tuple[Cue, ...]:
    """Cut a transcript into cues; *spell* writes a text as the format needs it, before it is measured."""
    passages = passages_of(transcript)
    boundaries = segmentation_of(layout)  # before the transcript is looked at: what is missing is reported in any case
    if not passages:
        return ()
    text = full_text(passages)
    spoken = language_of(text, language)
    name = namer((passage.voice for passage in passages), spoken)
    labels = [label(name(passage.voice), spoken) if layout.labels else "" for passage in passages]
    finding = _Finding(pairs_of(text), boundaries)
    pieces: list[_Piece] = []
    for number, passage in enumerate(passages):
        again = number > 0 and passages[number - 1].voice == passage.voice
        pieces += _pieces(passage, "" if again else labels[number], layout, spell, finding)
    pieces = _joined(sorted(pieces, key=lambda piece: piece.start_ms), layout)
    pieces = [piece for piece in pieces if piece.is_spoken]
    slots = [Slot(piece.start_ms, piece.end_ms, width_of(piece.units)) for piece in pieces]
    times = paced(slots, _ms(layout.shortest_s), _ms(layout.longest_s), transcript.duration_ms)
    return tuple(
        Cue(start, end, lines_of(piece.units, piece.limit, layout.lines), spell(name(piece.voice)))
        for piece, (start, end) in zip(pieces, times, strict=True)
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _pieces(
    passage: Passage, label: str, layout: Layout, spell: Callable[[str], str], finding: _Finding
) -> Iterator[_Piece]:
    text = spell(passage.text)
    wide = is_wide(text)
    limit = layout.limit(wide=wide)
    units = units_of(text, limit=limit, wide=wide, pairs=finding.pairs, boundaries=finding.boundaries(text))
    units = timed(units, passage.words, (passage.start_ms, passage.end_ms))
    units = clumped(units, limit, _PAUSE_MS)
    if label:
        units = [*_labelling(spell(label), units[0].start_ms, limit, wide=wide), *units]
    for run in _runs(finished(units)):
        for part in _parts(run, limit, layout):
            yield _Piece(part, passage.voice, limit)


def _labelling(label: str, start_ms: int, limit: int, *, wide: bool) -> list[Unit]:
    """Make a label units that take no time and hold fast to what follows."""
    units = units_of(label, limit=limit, wide=wide)
    return [
        Unit(unit.text, unit.columns, unit.blank, 99.0, ends=False, start_ms=start_ms, end_ms=start_ms)
        for unit in units
    ]


def _runs(units: list[Unit]) -> Iterator[list[Unit]]:
    """Cut after each sentence, and where somebody pauses."""
    start = 0
    for index, (unit, after) in enumerate(pairwise(units), start=1):
        if unit.ends or after.start_ms - unit.end_ms >= _PAUSE_MS:
            yield units[start:index]
            start = index
    yield units[start:]


def _parts(units: list[Unit], limit: int, layout: Layout) -> Iterator[list[Unit]]:
    """Cut what does not fit at the best place near its middle, and again until all fits."""
    waiting = [units]
    while waiting:
        part = waiting.pop()
        if len(part) == 1 or _suits(part, limit, layout):
            yield part
        else:
            cut = _best_cut(part)
            waiting += [part[cut:], part[:cut]]


def _suits(units: Sequence[Unit], limit: int, layout: Layout) -> bool:
    too_long = units[-1].end_ms - units[0].start_ms > _ms(layout.longest_s)
    return fits(units, limit, layout.lines) and not (too_long and width_of(units) > _SMALL)


def _best_cut(units: Sequence[Unit]) -> int:
    edges = list(accumulate(unit.columns + unit.blank for unit in units))
    total = max(1, edges[-1])
    choices = [
        (unit.cost - _credit(after.start_ms - unit.end_ms) + _OFF_CENTRE * abs(edge / total - 0.5), index)
        for index, (edge, (unit, after)) in enumerate(zip(edges, pairwise(units), strict=False), start=1)
    ]
    return min(choices)[1]


def _credit(pause_ms: int) -> float:
    """Return what a pause that is too short to end a cue takes off the cost of ending it there."""
    return min(4.0, max(0, pause_ms) / 150)


def _joined(pieces: Sequence[_Piece], layout: Layout) -> list[_Piece]:
    """Join what is too short to be read by itself with its neighbour, where both fit together."""
    joined: list[_Piece] = []
    starts = [*(piece.start_ms for piece in pieces[1:]), None]
    for piece, after in zip(pieces, starts, strict=True):
        if joined and _belong(joined[-1], piece, after, layout):
            joined[-1] = _Piece(joined[-1].units + piece.units, piece.voice, piece.limit)
        else:
            joined.append(piece)
    return joined


def _belong(before: _Piece, piece: _Piece, after_ms: int | None, layout: Layout) -> bool:
    if before.voice != piece.voice or before.limit != piece.limit or piece.start_ms - before.end_ms >= _JOINED_MS:
        return False
    shortest = _ms(layout.shortest_s)
    hurried = piece.start_ms - before.start_ms < shortest or (
        after_ms is not None and after_ms - piece.start_ms < shortest
    )
    fragment = not before.units[-1].ends and min(width_of(before.units), width_of(piece.units)) <= _FRAGMENT
    return (hurried or fragment) and _suits(before.units + piece.units, piece.limit, layout)
