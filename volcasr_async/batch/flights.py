"""The jobs in flight: as records in queues and heaps, for a sleeping task would hold ten times as much."""

from __future__ import annotations

import heapq
from collections import deque
from contextlib import AsyncExitStack

import anyio
from msgspec import Struct

from volcasr_async._audio import Upload
from volcasr_async._budget import Budget
from volcasr_async.errors import InputError, VolcASRError, WaitTimeout, without_queries
from volcasr_async.job import Job
from volcasr_async.models import Task
from volcasr_async.protocol.progress import Progress
from volcasr_async.protocol.timing import Sharing
from volcasr_async.sources import AudioUrl


class Flight(Struct):
    """One job, from reading to its outcome."""

    job: Job
    key: str
    fingerprint: str = ""
    attempt: int = 0
    request_id: str = ""
    """What an earlier run named its task, where nothing was sent under that name."""
    progress: Progress | None = None
    upload: Upload | None = None

    @property
    def is_prepared(self) -> bool:
        """Whether it could be sent now: its order is made, and local audio was looked at."""
        return self.progress is not None and (self.upload is not None or isinstance(self.job.source, AudioUrl))

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

    def put_back(self, flight: Flight) -> None:
        """Take back a job that was picked and not served."""
        progress = flight.under_way
        if progress.kind == "submit" and not progress.sends and progress.doubt is None:
            self._armed.appendleft(flight)
        else:
            self.plan(flight, progress)

    def unsent(self) -> list[Flight]:
        """Name the jobs of which the service has nothing: never sent, or refused without a doubt."""
        flights = [*self._armed, *(flight for _, _, flight in self._retries)]
        return [flight for flight in flights if flight.under_way.doubt is None]


class Rooms:
    """The room in the air that local audio takes, from before its submit until the service has it."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held: dict[int, AsyncExitStack] = {}
        self._waiting: anyio.CancelScope | None = None
        self._given_up = False

    def has(self, flight: Flight) -> bool:
        """Whether this one has its room."""
        return id(flight) in self._held

    async def take(self, flight: Flight, upload: Upload) -> bool:
        """Wait for room, one at a time; false when that was given up."""
        room = AsyncExitStack()
        with anyio.CancelScope() as self._waiting:
            if not self._given_up:
                await room.enter_async_context(self._budget.upload(upload.size))
                self._held[id(flight)] = room
        self._waiting = None
        return self.has(flight)

    async def leave(self, flight: Flight) -> None:
        """Free its room, if it has one."""
        room = self._held.pop(id(flight), None)
        if room is not None:
            await room.aclose()

    def give_up(self) -> None:
        """Wait for room no longer."""
        self._given_up = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def close(self) -> None:
        """Free all that is held."""
        while self._held:
            await self._held.popitem()[1].aclose()


def as_failure(key: str, error: Exception) -> VolcASRError:
    """Make of whatever a caller's job or audio raised an error that can be its outcome."""
    if isinstance(error, VolcASRError):
        return error
    failure = InputError(f"{key} cannot be sent: {type(error).__name__}: {without_queries(str(error))}")
    failure.__cause__ = error
    return failure


def late(flight: Flight, task: Task | None, seconds: float) -> WaitTimeout:
    """Say that a job's time is up."""
    more = "its task can be waited for" if task is not None else "the service has not taken it"
    return WaitTimeout(f"{flight.key} was not finished within {seconds / 3600:g} h; {more}", task=task, job=flight.job)
