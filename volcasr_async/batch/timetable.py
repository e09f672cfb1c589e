"""Who is due when: a wheel of short slots, which holds a reference for each flight and nothing else."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from typing import Final

from volcasr_async.batch.flight import Flight

SLOT_S: Final = 1 / 64
"""What is due within a slot is due at its end, one timer for all; a power of two, so that whole seconds are exact."""


class Timetable:
    """Flights by the time of their next request, those of one slot in the order in which they came."""

    def __init__(self) -> None:
        self._slots: dict[int, list[Flight] | deque[Flight]] = {}
        self._order: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Flight]:
        for number in sorted(self._slots):
            yield from self._slots[number]

    def add(self, flight: Flight, due: float) -> float:
        """Enter a flight; tells the end of its slot, before which it is not due."""
        number = math.ceil(due / SLOT_S)
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = []  # an empty deque takes 600 bytes
            heapq.heappush(self._order, number)
        slot.append(flight)
        self._count += 1
        return number * SLOT_S

    def next_at(self) -> float | None:
        """Tell when the first is due; `None` while there is none."""
        return self._order[0] * SLOT_S if self._order else None

    def is_due(self, now: float) -> bool:
        """Tell whether the first is due."""
        return bool(self._order) and self._order[0] * SLOT_S <= now

    def first(self) -> Flight:
        """Show the first."""
        return self._front()[0]

    def pop(self) -> Flight:
        """Take the first out."""
        front = self._front()
        flight = front.popleft()
        if not front:
            del self._slots[heapq.heappop(self._order)]
        self._count -= 1
        return flight

    def _front(self) -> deque[Flight]:
        number = self._order[0]
        slot = self._slots[number]
        if isinstance(slot, list):
            slot = self._slots[number] = deque(slot)
        return slot
