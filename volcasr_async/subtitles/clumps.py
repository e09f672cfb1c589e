"""Units that stay on one line, as far as they fit on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from volcasr_async.subtitles.bonds import HELD
from volcasr_async.subtitles.costs import TORN
from volcasr_async.subtitles.lines import width_of
from volcasr_async.subtitles.units import Unit


def clumped(units: Sequence[Unit], limit: int, pause_ms: int) -> list[Unit]:
    """Make one unit of those that hold together, where they are no wider than *limit* columns.

    What is wider is cut where it holds least. A pause of *pause_ms* parts a quotation, but no word or number.
    """
    found: list[Unit] = []
    start = 0
    for index, unit in enumerate(units, start=1):
        if index == len(units) or not _holds(unit, units[index], pause_ms):
            found += _merged(units[start:index], limit)
            start = index
    return found


def _holds(unit: Unit, after: Unit, pause_ms: int) -> bool:
    paused = after.start_ms - unit.end_ms >= pause_ms
    return unit.cost >= (HELD + 2 if paused else HELD) and unit.cost != TORN


def _merged(units: Sequence[Unit], limit: int) -> Iterator[Unit]:
    waiting = [units]
    while waiting:
        part = waiting.pop()
        if len(part) == 1:
            yield part[0]
        elif width_of(part) <= limit:
            yield _one(part)
        else:
            cut = _weakest(part)
            waiting += [part[cut:], part[:cut]]


def _weakest(units: Sequence[Unit]) -> int:
    edges = list(accumulate(unit.columns + unit.blank for unit in units))
    middle = edges[-1] / 2
    return min(range(1, len(units)), key=lambda cut: (int(units[cut - 1].cost), abs(edges[cut - 1] - middle)))


def _one(units: Sequence[Unit]) -> Unit:
    first, last = units[0], units[-1]
    text = "".join(unit.text for unit in units)
    return Unit(text, width_of(units), last.blank, last.cost, last.ends, first.start_ms, last.end_ms)
