"""The request budget of one app key: who may start a request now.

Everything that goes through one client takes its turns here. A turn is one request, never a job's whole life, so jobs that
wait for their result cost nothing. Interactive calls go first, submits and queries of theirs alternating; what a batch
sends comes after them. Nothing runs in the background: whoever stands in front watches the clock itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Literal, Protocol

import anyio
from msgspec import Struct

from volcasr_async._clock import now, wait_for
from volcasr_async.errors import BudgetFull, RateLimited, ServerBusy, VolcASRError
from volcasr_async.policies import Limits
from volcasr_async.protocol.timing import Adaptive, Pace

Kind = Literal["submit", "query"]
_OTHER: dict[Kind, Kind] = {"submit": "query", "query": "submit"}

_SUBMIT_PAUSE_S = 180.0
"""45000131 counts the audio of half an hour: submits wait minutes (doc 2611432), queries do not."""
_LOWEST_QPS = 0.2
_BUSY_SHARE = 0.2
"""A busy server now and then is no reason to slow down for long; one that refuses a fifth of all requests is."""


class Stats(Struct, frozen=True, kw_only=True):
    """A snapshot of one client's budget.

    `in_air`: requests under way; `waiting`: callers waiting for a turn, or with a call of their own for room for its
    audio; `upload_bytes`: audio under way. `started` and `rejected` count requests and refusals for the rate so far.
    `rate` and `slots` are what is kept to just now: requests a second (`None`: no limit), and requests at once.
    """

    in_air: int
    waiting: int
    upload_bytes: int
    rejected: int
    started: int
    rate: float | None
    slots: int


class Turn(Struct, frozen=True):
    """The right to make one request, and when it was given."""

    started: float


class Budget(Protocol):
    """What the floors above need; a budget that several processes share would be another implementation."""

    @property
    def stats(self) -> Stats:
        """How things stand."""
        ...

    @property
    def rate(self) -> float | None:
        """Requests a second that were kept to when somebody last took a turn; `None` for no limit."""

    def turn(self, kind: Kind, *, size: int = 0, first: bool = False) -> AbstractAsyncContextManager[Turn]:
        """Wait, before all batches, for a slot and room for audio; a job's *first* may meet `BudgetFull` instead."""
        ...

    async def take(self) -> Turn:
        """Wait, behind all interactive calls, until a request may start; the taker chooses its kind then."""
        ...

    def take_now(self, at: float) -> Turn | None:
        """Take such a turn where there is one at this moment, *at* on the loop's clock."""

    def give_back(self, turn: Turn) -> None:
        """Free the slot that `take` gave."""

    def upload(self, size: int) -> AbstractAsyncContextManager[None]:
        """Wait until so many bytes of audio may be in the air, and count them until they have landed."""
        ...

    def left(self, turn: Turn) -> None:
        """Learn that the request of this turn has begun to leave, which opening a connection may have delayed."""

    @property
    def submits_at(self) -> float:
        """Tell before which moment of the loop's clock no submit may start, though queries may."""
        ...

    def heed(self, error: VolcASRError, turn: Turn) -> None:
        """Learn from a request that failed: slow down where the service asks for it."""


class _Waiter:
    __slots__ = ("kind", "woken")

    def __init__(self, kind: Kind | None) -> None:
        self.kind: Kind | None = kind
        self.woken = anyio.Event()


class KeyBudget:
    """Slots and a strict rate, both adaptive, for one process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pace = Pace()
        self._rate = Adaptive(limits.qps, floor=_LOWEST_QPS, climb=0.5)
        self._slots = Adaptive(limits.concurrency, floor=1.0, climb=0.2)
        self._in_air = self._rejected = self._started = self._bytes = 0
        self._calls: dict[Kind, dict[_Waiter, None]] = {"submit": {}, "query": {}}
        self._batches: dict[_Waiter, None] = {}
        self._line: dict[object, float] = {}  # calls that wait to submit, and since when
        self._last: Kind = "query"
        self._submits_at = float("-inf")
        # Without a checkpoint: who need not wait has its turn before anybody else looks how many wait.
        self._landed, self._boarding = anyio.Event(), anyio.Lock(fast_acquire=True)

    @property
    def stats(self) -> Stats:
        """How things stand; outside the event loop, as when somebody last took a turn."""
        try:
            at = now()
            rate, slots = self._rate.value(at), self._slots.value(at)
        except RuntimeError:
            rate, slots = self._rate.last, self._slots.last
        return Stats(
            in_air=self._in_air,
            waiting=len(self._line) + len(self._calls["query"]) + len(self._batches),
            upload_bytes=self._bytes,
            rejected=self._rejected,
            started=self._started,
            rate=rate,
            slots=int(slots or 1),
        )

    @property
    def rate(self) -> float | None:
        """Requests a second that were kept to when somebody last took a turn."""
        return self._rate.last

    @asynccontextmanager
    async def turn(self, kind: Kind, *, size: int = 0, first: bool = False) -> AsyncIterator[Turn]:
        """Wait in front of all batches; submits and queries alternate while both wait."""
        place, at = object(), now()
        if first:
            self._admit(size, at)
        if kind == "submit":
            self._line[place] = at
        try:
            async with self.upload(size) if size else nullcontext():
                turn = await self._wait(self._calls[kind], kind)
                self._line.pop(place, None)
                try:
                    yield turn
                finally:
                    self.give_back(turn)
        finally:
            self._line.pop(place, None)

    async def take(self) -> Turn:
        """Wait behind all interactive calls."""
        return await self._wait(self._batches, None)

    def take_now(self, at: float) -> Turn | None:
        """Take a turn if nobody waits and one is free."""
        if self._front(at) is None and self._delay(at, None) == 0:
            return self._start(None, at)
        return None

    def give_back(self, turn: Turn) -> None:  # noqa: ARG002 - another budget may need to know which
        """Free a slot."""
        self._in_air -= 1
        self._wake_front()

    @asynccontextmanager
    async def upload(self, size: int) -> AsyncIterator[None]:
        """Wait for room in the air; an upload larger than the limit goes alone."""
        async with self._boarding:  # in the order of coming, or a large file would let small ones pass for ever
            while not self._has_room(size):
                await self._landed.wait()
            self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size
            self._landed.set()
            self._landed = anyio.Event()

    def left(self, turn: Turn) -> None:
        """Count a start that was held up from when it left."""
        if self._rate.last is not None:
            self._pace.left(turn.started, now())

    @property
    def submits_at(self) -> float:
        """Tell until when submits are paused."""
        return self._submits_at

    def heed(self, error: VolcASRError, turn: Turn) -> None:
        """Cut the rate, or the slots, at once; a later refusal of what had started before says nothing new."""
        if not isinstance(error, RateLimited | ServerBusy):
            return
        at = now()
        self._rejected += 1
        if isinstance(error, RateLimited) and error.pauses_submits:
            self._submits_at = max(self._submits_at, at + (error.retry_after_s or _SUBMIT_PAUSE_S))
            return
        self._pace.refused(at)
        if error.retry_after_s is not None:
            self._pace.hold(at + error.retry_after_s)
        busy, crowded = isinstance(error, ServerBusy), isinstance(error, RateLimited) and error.crowded
        if busy and self._pace.refused_share(at) < _BUSY_SHARE:
            return
        if busy or crowded:
            self._slots.cut(at, started=turn.started, passed=0.0)
        if busy or not crowded:
            self._rate.cut(at, started=turn.started, passed=self._pace.let_through(at))

    # ---- the queue ----

    def _admit(self, size: int, at: float) -> None:
        """Refuse a submit that would have to wait behind too many."""
        most, waiting = self._limits.max_waiting, len(self._line)
        ahead = self._calls["submit"] or self._calls["query"] or (size and self._boarding.locked())
        could_start = not ahead and self._has_room(size) and self._delay(at, "submit") == 0
        if most is not None and waiting >= most and not could_start:
            message = f"{waiting} calls wait to submit, Limits(max_waiting={most}) lets no more wait; nothing was sent"
            raise BudgetFull(message, retry_after_s=self._until_gone(at))

    def _has_room(self, size: int) -> bool:
        return not (size and self._bytes) or self._bytes + size <= self._limits.upload_bytes

    def _until_gone(self, at: float) -> float:
        """Estimate when all who wait to submit now will have had their turn."""
        rate = self._rate.value(at)
        pause = max(self._pace.delay(at, rate), self._submits_at - at)
        turns = len(self._line) * (2 if self._calls["query"] else 1)
        stood = at - next(iter(self._line.values()), at)  # where slots are short, a newcomer's wait as well
        return max(pause + (turns / rate if rate else 0.0), stood, 1.0)

    async def _wait(self, queue: dict[_Waiter, None], kind: Kind | None) -> Turn:
        at = now()
        if self._front(at) is None and self._delay(at, kind) == 0:
            return self._start(kind, at)
        waiter = _Waiter(kind)
        queue[waiter] = None
        try:
            return await self._stand(waiter)
        finally:
            del queue[waiter]
            self._wake_front()

    async def _stand(self, waiter: _Waiter) -> Turn:
        """Stand in the queue; in front of it, watch the clock."""
        while True:
            at = now()
            front = self._front(at)
            delay = self._delay(at, waiter.kind) if front is waiter else None
            if delay == 0:
                return self._start(waiter.kind, at)
            if front is not waiter and front is not None:
                front.woken.set()  # the end of a pause for submits changes who stands in front, and nobody else tells
            await wait_for(waiter.woken, delay)
            waiter.woken = anyio.Event()

    def _delay(self, at: float, kind: Kind | None) -> float | None:
        """Tell how long the front waiter has to wait; `None` until a slot is free, of which it will be told."""
        if self._in_air >= int(self._slots.value(at) or 1):
            return None
        delay = self._pace.delay(at, self._rate.value(at))
        return max(delay, self._submits_at - at) if kind == "submit" else delay

    def _front(self, at: float) -> _Waiter | None:
        if not (self._batches or self._calls["query"] or self._calls["submit"]):
            return None
        others_wait = bool(self._calls["query"] or self._batches)
        submits = self._calls["submit"] if self._submits_at <= at or not others_wait else {}
        queues = {"submit": submits, "query": self._calls["query"]}
        queue = queues[_OTHER[self._last]] or queues[self._last] or self._batches
        return next(iter(queue), None)

    def _wake_front(self) -> None:
        someone = self._batches or self._calls["query"] or self._calls["submit"]
        if someone and (front := self._front(now())) is not None:
            front.woken.set()

    def _start(self, kind: Kind | None, at: float) -> Turn:
        self._pace.start(at, self._rate.value(at))
        self._in_air += 1
        self._started += 1
        if kind is not None:
            self._last = kind
        return Turn(at)
