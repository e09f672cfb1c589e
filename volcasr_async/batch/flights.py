"""The jobs in flight: as records in queues and heaps, for a sleeping task would hold ten times as much."""

from __future__ import annotations

import heapq
from collections import deque
from contextlib import AsyncExitStack

from msgspec import Struct

from volcasr_async._audio import Upload
from volcasr_async.job import Job
from volcasr_async.protocol.progress import Progress
from volcasr_async.protocol.timing import Sharing


class Flight(Struct):
    """One job, from reading to its outcome."""

    job: Job
    key: str
    fingerprint: str = ""
    attempt: int = 0
    progress: Progress | None = None
    upload: Upload | None = None
    room: AsyncExitStack | None = None

    @property
    def under_way(self) -> Progress:
        """Where it stands, once it has been prepared."""
        if self.progress is None:
            msg = f"{self.key} has not been prepared"
            raise RuntimeError(msg)
        return self.progress


class Board:
    """Who is next: submits in the order of the list, queries by their due time."""

    def __init__(self) -> None:
        self._armed: deque[Flight] = deque()
        self._queries: list[tuple[float, int, Flight]] = []
        self._retries: list[tuple[float, int, Flight]] = []
        self._number = 0
        self.sharing = Sharing()

    def __len__(self) -> int:
        return len(self._armed) + len(self._queries) + len(self._retries)

    @property
    def armed(self) -> int:
        """How many are ready for their first submit."""
        return len(self._armed)

    @property
    def waiting(self) -> int:
        """How many wait for their result."""
        return len(self._queries)

    def arm(self, flight: Flight) -> None:
        """Take in a job that may be submitted as soon as there is a turn."""
        self._armed.append(flight)

    def plan(self, flight: Flight, progress: Progress) -> float:
        """Take in a job whose next request has a time; tells that time."""
        self._number += 1
        heap = self._retries if progress.kind == "submit" else self._queries
        heapq.heappush(heap, (progress.due, self._number, flight))
        return progress.due

    def next_at(self, submits_at: float) -> float | None:
        """Tell when there will be something to do; `None` while there is nothing. No submit before *submits_at*."""
        times = [self._queries[0][0]] if self._queries else []
        if self._armed:
            times.append(submits_at)
        elif self._retries:
            times.append(max(self._retries[0][0], submits_at))
        return min(times, default=None)

    def pick(self, now: float, *, submits_at: float, left: int | None, total: int, rate: float | None) -> Flight | None:
        """Choose whose request is made now; *left* of *total* jobs have still to be armed (`None`: not known)."""
        retry = bool(self._retries) and self._retries[0][0] <= now
        submit = (retry or bool(self._armed)) and submits_at <= now
        query = bool(self._queries) and self._queries[0][0] <= now
        if not submit and not query:
            return None
        unsent = None if left is None else left + len(self._armed)
        if self.sharing.choose(submit=submit, query=query, left=unsent, total=total, rate=rate) == "query":
            return heapq.heappop(self._queries)[2]
        return heapq.heappop(self._retries)[2] if retry else self._armed.popleft()

    def unsent(self) -> list[Flight]:
        """Name the jobs of which nothing has been sent."""
        return list(self._armed)
