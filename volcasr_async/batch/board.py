"""Whose turn it is."""

from __future__ import annotations

import math
from collections import deque

from volcasr_async.batch.flight import Flight
from volcasr_async.batch.timetable import Timetable
from volcasr_async.protocol.progress import Progress
from volcasr_async.protocol.timing import Hunch, Sharing


class Board:
    """Who is next: submits in the order of the list, queries by their due time."""

    def __init__(self) -> None:
        self._armed: deque[Flight] = deque()
        self._queries, self._retries = Timetable(), Timetable()
        self.sharing: Sharing = Sharing()
        self.hunch: Hunch = Hunch()

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
        """Take in a job whose next request has a time; tells when it is made at the earliest."""
        table = self._retries if progress.kind == "submit" else self._queries
        return table.add(flight, progress.due)

    def next_at(self, now: float, submits_at: float) -> float | None:
        """Return when there will be something to do; `None` while there is nothing. No submit before *submits_at*."""
        times = [] if (query := self._query_at(now)) is None else [query]
        if submits_at == math.inf:
            pass  # nothing is submitted any more
        elif self._armed:
            times.append(submits_at)
        elif (retry := self._retries.next_at()) is not None:
            times.append(max(retry, submits_at))
        return min(times, default=None)

    def pick(self, now: float, *, submits_at: float, left: int | None, rate: float | None) -> Flight | None:
        """Choose whose request is made now; *left* jobs have still to be armed (`None`: not known)."""
        retry = self._retries.is_due(now)
        submit = (retry or bool(self._armed)) and submits_at <= now
        query = (at := self._query_at(now)) is not None and at <= now
        if not submit and not query:
            return None
        unsent = None if left is None else left + len(self._armed)
        if self.sharing.choose(submit=submit, query=query, left=unsent, rate=rate) == "query":
            return self._queries.pop()
        return self._retries.pop() if retry else self._armed.popleft()

    def finished(self, progress: Progress, now: float) -> None:
        """Learn from a task that ended how long tasks take."""
        self.sharing.finished(now - progress.since)
        self._asked(progress, now, found=True)

    def unfinished(self, progress: Progress, now: float) -> None:
        """Learn from a task that goes on."""
        self._asked(progress, now, found=False)

    def _asked(self, progress: Progress, now: float, *, found: bool) -> None:
        if progress.asks == 1:
            self.hunch.asked(now - progress.since, found=found, longest=progress.longest_gap)

    def flights(self) -> list[Flight]:
        """Return all jobs that stand on it."""
        return [*self._armed, *self._retries, *self._queries]

    def unsent(self) -> list[Flight]:
        """Return the jobs of which the service has nothing: never sent, or refused."""
        return [flight for flight in [*self._armed, *self._retries] if flight.under_way.charged == "no"]

    def _query_at(self, now: float) -> float | None:
        """Tell when the next task is asked about; those of an age at which hardly any is finished are put off first."""
        while self._queries.is_due(now):
            flight = self._queries.first()
            progress = flight.under_way
            if progress.asks or progress.state != "wait":
                break
            wait = self.hunch.wait(now - progress.since)
            if wait <= 0:
                break
            self._queries.pop()
            progress.due = now + wait
            self._queries.add(flight, progress.due)
        return self._queries.next_at()
