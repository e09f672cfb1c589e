"""When subtitles come and go: in order, one at a time, and long enough to be read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from msgspec import Struct

_LEAST_MS = 10  # every subtitle stands at least this long: ASS and LRC know nothing finer
_READ_COLUMN_MS = 60  # a reader takes eight Chinese characters a second
_LATE_MS = 2000  # how much later than its words a subtitle may come when two people talk at once
_FLICKER_MS = 250  # a shorter gap between two subtitles only makes them blink


class Slot(Struct, frozen=True, gc=False):
    """When something was said (ms), and its width in columns."""

    start_ms: int
    end_ms: int
    columns: int


def paced(slots: Sequence[Slot], shortest_ms: int, longest_ms: int, end_ms: int | None) -> list[tuple[int, int]]:
    """Time subtitles that are in the order of their starts so that they never overlap; start and end of each.

    Where two people talk at once, the one who began gives way when the other begins, but not before there was time to
    read; the other comes later, yet while still speaking and at most two seconds. A subtitle stays into the silence
    after it until it could be read, at least *shortest_ms*, but not past the next one, *longest_ms*, or *end_ms*, where
    the recording ends.
    """
    starts: list[int] = []
    for slot in slots:
        starts.append(slot.start_ms if not starts else _start(slots[len(starts) - 1], starts[-1], slot, shortest_ms))
    return [
        (start, _end(slot, start, after, (shortest_ms, longest_ms, end_ms)))
        for slot, start, after in zip(slots, starts, chain(starts[1:], (None,)), strict=False)
    ]


def _start(before: Slot, began_ms: int, slot: Slot, shortest_ms: int) -> int:
    hold = min(before.end_ms - before.start_ms, max(shortest_ms, before.columns * _READ_COLUMN_MS))
    latest = min(slot.end_ms, slot.start_ms + _LATE_MS)
    return max(slot.start_ms, min(began_ms + hold, latest), began_ms + _LEAST_MS)


def _end(slot: Slot, start: int, after: int | None, bounds: tuple[int, int, int | None]) -> int:
    shortest_ms, longest_ms, end_ms = bounds
    wanted = start + max(shortest_ms, slot.columns * _READ_COLUMN_MS)
    if end_ms is not None:
        wanted = min(wanted, end_ms)
    end = max(slot.end_ms, wanted, start + _LEAST_MS)
    if after is not None and after - end < _FLICKER_MS:
        end = after
    return min(end, start + max(longest_ms, _LEAST_MS))
