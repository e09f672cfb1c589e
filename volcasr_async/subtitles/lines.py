"""Units into lines: how many they need, and where they break best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from volcasr_async.subtitles.units import Unit

_ORPHAN = 7  # columns: a word or two that look lost on a line
_COLUMNS_A_COST = 5.0  # how many columns of imbalance a better place to break is worth


def fits(units: Sequence[Unit], limit: int, lines: int) -> bool:
    """Return whether the units can stand in that many lines of *limit* columns."""
    width = width_of(units)
    if width <= limit:
        return True
    if width > limit * lines:
        return False
    rows = _filled(units, limit)
    return len(rows) <= lines and not _is_number(rows[-1])


def width_of(units: Sequence[Unit]) -> int:
    """Count the columns of units on one line."""
    return sum(unit.columns + unit.blank for unit in units) - (units[-1].blank if units else 0)


def lines_of(units: Sequence[Unit], limit: int, lines: int) -> tuple[str, ...]:
    """Break units that fit into as few lines as they need: evenly, and rather after punctuation than elsewhere."""
    rows: list[Sequence[Unit]] = []
    rest = units
    for left in range(min(lines, len(_filled(units, limit))), 1, -1):
        cut = _best_break(rest, limit, left)
        rows.append(rest[:cut])
        rest = rest[cut:]
    return tuple("".join(unit.text for unit in row).rstrip(" ") for row in [*rows, rest])


def _filled(units: Sequence[Unit], limit: int) -> list[Sequence[Unit]]:
    """Fill one line after the other: no other way needs fewer."""
    rows: list[Sequence[Unit]] = []
    start, width = 0, 0
    for index, unit in enumerate(units):
        if width + unit.columns > limit and index > start:
            rows.append(units[start:index])
            start, width = index, 0
        width += unit.columns + unit.blank
    return [*rows, units[start:]]


def _best_break(units: Sequence[Unit], limit: int, lines: int) -> int:
    """Choose how many units stand on the first of *lines* lines."""
    edges = list(accumulate(unit.columns + unit.blank for unit in units))
    ideal = edges[-1] / lines
    choices = [
        (
            abs(edges[cut - 1] - ideal) * 2
            + _COLUMNS_A_COST * units[cut - 1].cost
            + _orphaned(min(edges[cut - 1], edges[-1] - edges[cut - 1])),
            cut,
        )
        for cut in range(1, len(units))
        if edges[cut - 1] - units[cut - 1].blank <= limit and edges[-1] - edges[cut - 1] <= limit * (lines - 1) + 1
    ]
    return next(
        (cut for _, cut in sorted(choices) if fits(units[cut:], limit, lines - 1)), len(_filled(units, limit)[0])
    )


def _orphaned(width: int) -> float:
    """Return the cost of a line with so little on it."""
    return 6.0 * max(0, _ORPHAN - width)


def _is_number(row: Sequence[Unit]) -> bool:
    """Return whether a line is only digits: as a last one, several readers of SRT take it for the number of the next cue."""
    return "".join(unit.text for unit in row).rstrip(" ").isdecimal()
