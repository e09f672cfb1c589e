"""The request budget of one app key: who may start a request now.

Everything that goes through one client takes its turns here. A turn is one request, never a job's whole life, so jobs that
wait for their result cost nothing. Interactive calls go first, submits and queries of theirs alternating; what a batch
sends comes after them. Nothing runs in the background: whoever stands in front watches the clock itself.

Waiters, slots and uploads belong to one event loop. The rate and the memory of recent starts are shared by all event loops
that use the client. Shared moments are on the clock of the first loop; each loop knows its offset from it.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final, Literal, Protocol

import anyio
from msgspec import Struct

from volcasr_async._clock import now, wait_for
from volcasr_async._loops import PerLoop, listen_for_forks
from volcasr_async._recent import RECENT, Trace
from volcasr_async.errors import BudgetFull, RateLimited, ServerBusy, VolcASRError
from volcasr_async.policies import Limits
from volcasr_async.protocol.timing import Adaptive, Pace

Kind = Literal["submit", "query"]
_Need = Literal["submit", "query", "batch", "renewal"]
_OTHER: dict[Kind, Kind] = {"submit": "query", "query": "submit"}

SUBMIT_PAUSE_S = 180.0
"""45000131 counts the audio of half an hour: submits wait minutes (doc 2611432), queries do not."""
_LOWEST_QPS = 0.2
_PROMPT_S: Final = 0.005
"""What a request on an open connection takes to leave."""
_SAME_CLOCK_S: Final = 0.05
"""Event loops of asyncio share one clock. uvloop reads it once for each round of its loop."""
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


class Turn(Struct):
    """The right to make one request, when it was given or confirmed, and for how many seconds the request waited for it."""

    started: float
    waited_s: float = 0.0


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

    def check_line(self, size: int) -> None:
        """Raise `BudgetFull` if a first submit with so many bytes of audio would be refused now."""

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

    async def confirm(self, turn: Turn) -> None:
        """Wait for another start where opening a connection took long: the service counts requests when they arrive."""

    def assume_recent(self, age_s: float) -> None:
        """Assume that a full second of requests was sent *age_s* seconds ago, by another process."""

    def close(self) -> None:
        """Leave the memory of recent starts to the next client of the same key."""

    @property
    def submits_at(self) -> float:
        """Tell before which moment of the loop's clock no submit may start, though queries may."""
        ...

    def heed(self, error: VolcASRError, turn: Turn) -> None:
        """Learn from a request that failed: slow down where the service asks for it."""


class _Waiter:
    __slots__ = ("need", "woken")

    def __init__(self, need: _Need) -> None:
        self.need: _Need = need
        self.woken = anyio.Event()


class _Turn(Turn, kw_only=True):
    room: _Room
    counted: float
    """The start on the shared clock, as it is remembered."""


class _Room:
    """What belongs to one event loop: its waiters, its slots in use, its uploads, and the offset of its clock."""

    def __init__(self, offset: float) -> None:
        self.offset = offset
        self.in_flight = self.upload_bytes = 0
        self.renewals: dict[_Waiter, None] = {}
        self.calls: dict[Kind, dict[_Waiter, None]] = {"submit": {}, "query": {}}
        self.batches: dict[_Waiter, None] = {}
        self.line: dict[object, float] = {}  # calls that wait to submit, and since when
        self.last: Kind = "query"
        # Without a checkpoint: who need not wait has its turn before anybody else looks how many wait.
        self.landed, self.boarding = anyio.Event(), anyio.Lock(fast_acquire=True)

    def queue(self, need: _Need) -> dict[_Waiter, None]:
        """Return the queue of those who need this."""
        if need == "renewal":
            return self.renewals
        return self.batches if need == "batch" else self.calls[need]

    @property
    def waiting(self) -> int:
        return len(self.line) + len(self.calls["query"]) + len(self.batches)


class _Shared:
    """What all event loops of a client share. The lock guards it, because loops may run in several threads."""

    def __init__(self, limits: Limits, key: bytes | None) -> None:
        self.lock = threading.RLock()  # a signal handler may read `stats` while it is held
        self.pace = Pace()
        self.rate = Adaptive(limits.qps, floor=_LOWEST_QPS, climb=0.5)
        self.slots = Adaptive(limits.concurrency, floor=1.0, climb=0.2)
        self.rejected = self.started = 0
        self.submits_at = float("-inf")
        self._key = key
        self._clock: tuple[float, float] | None = None  # the same moment on the shared clock and on time.monotonic
        self._own_since = float("-inf")
        listen_for_forks(self)

    def start(self, at: float) -> None:
        """Count a start; the caller holds the lock."""
        self.pace.start(at, self.rate.value(at))
        self._clock = (at, time.monotonic())

    def offset(self, at: float) -> float:
        """Return by how much the clock of a loop, which says *at* now, is ahead of the shared one."""
        moment = time.monotonic()
        with self.lock:
            if self._clock is None:
                self._clock = (at, moment)
                self._adopt(at, moment)
                return 0.0
            shared, real = self._clock
            offset = at - (shared + moment - real)
            return offset if abs(offset) > _SAME_CLOCK_S else 0.0

    def save_recent_starts(self) -> None:
        """Save the recent starts, and the pauses, for the next client of the same key."""
        with self.lock:
            if self._key is None or self._clock is None:
                return
            ahead = self._clock[1] - self._clock[0]
            own = [at + ahead for at in self.pace.starts if at >= self._own_since]
            trace = Trace(own, self.pace.held_until + ahead, self.submits_at + ahead)
        RECENT.add(self._key, trace)

    def after_fork(self) -> None:
        """Make a new lock. Another thread may have held it during the fork."""
        self.lock = threading.RLock()

    def _adopt(self, at: float, moment: float) -> None:
        if self._key is None:
            return
        trace, ahead = RECENT.of(self._key), at - moment
        self._own_since = at
        self.pace.adopt(min(start + ahead, at - 1e-6) for start in trace.starts)
        self.pace.hold(trace.held_until + ahead)
        self.submits_at = max(self.submits_at, trace.submits_at + ahead)


class KeyBudget:
    """Slots and a strict rate, both adaptive, for one process.

    Clients with the same *key* inherit the recent starts of those that are closed.
    """

    def __init__(self, limits: Limits, key: bytes | None = None) -> None:
        self._limits = limits
        self._shared = shared = _Shared(limits, key)
        self._rooms: PerLoop[_Room] = PerLoop(lambda: _Room(shared.offset(now())))
        self._end = weakref.finalize(self, shared.save_recent_starts)
        self._end.atexit = False

    @property
    def stats(self) -> Stats:
        """How things stand; outside the event loop, as when somebody last took a turn."""
        shared, rooms = self._shared, self._rooms.values()
        rate, slots = shared.rate.last, shared.slots.last
        if (room := self._rooms.peek()) is not None:
            at = now() - room.offset
            with shared.lock:
                rate, slots = shared.rate.value(at), shared.slots.value(at)
        return Stats(
            in_air=sum(room.in_flight for room in rooms),
            waiting=sum(room.waiting for room in rooms),
            upload_bytes=sum(room.upload_bytes for room in rooms),
            rejected=shared.rejected,
            started=shared.started,
            rate=rate,
            slots=int(slots or 1),
        )

    @property
    def rate(self) -> float | None:
        """Requests a second that were kept to when somebody last took a turn."""
        return self._shared.rate.last

    @asynccontextmanager
    async def turn(self, kind: Kind, *, size: int = 0, first: bool = False) -> AsyncIterator[Turn]:
        """Wait in front of all batches; submits and queries alternate while both wait."""
        room = self._rooms.get()
        place, at = object(), now() - room.offset
        if first:
            self._admit(room, size, at)
        if kind == "submit":
            room.line[place] = at
        try:
            async with self.upload(size) if size else nullcontext():
                turn = _turn(room, await self._wait(room, kind))
                turn.waited_s = turn.counted - at
                room.line.pop(place, None)
                try:
                    yield turn
                finally:
                    self.give_back(turn)
        finally:
            room.line.pop(place, None)

    def check_line(self, size: int) -> None:
        """Raise `BudgetFull` if a first submit with so many bytes of audio would be refused now."""
        room = self._rooms.get()
        self._admit(room, size, now() - room.offset)

    async def take(self) -> Turn:
        """Wait behind all interactive calls."""
        room = self._rooms.get()
        return _turn(room, await self._wait(room, "batch"))

    def take_now(self, at: float) -> Turn | None:
        """Take a turn if nobody waits and one is free."""
        room = self._rooms.get()
        shared_at = at - room.offset
        if self._front(room, shared_at) is None and self._start(room, "batch", shared_at):
            return _Turn(at, room=room, counted=shared_at)
        return None

    def give_back(self, turn: Turn) -> None:
        """Free a slot."""
        room = turn.room if isinstance(turn, _Turn) else self._rooms.get()
        room.in_flight -= 1
        self._wake_front(room)

    @asynccontextmanager
    async def upload(self, size: int) -> AsyncIterator[None]:
        """Wait for room in the air; an upload larger than the limit goes alone."""
        room = self._rooms.get()
        async with room.boarding:  # in the order of coming, or a large file would let small ones pass for ever
            while not self._has_room(room, size):
                await room.landed.wait()
            room.upload_bytes += size
        try:
            yield
        finally:
            room.upload_bytes -= size
            room.landed.set()
            room.landed = anyio.Event()

    async def confirm(self, turn: Turn) -> None:
        """Return the permit if opening the connection took long, and wait for a new one before all other waiters."""
        shared = self._shared
        if shared.rate.last is None or now() - turn.started <= _PROMPT_S or not isinstance(turn, _Turn):
            return
        room = turn.room
        with shared.lock:
            shared.pace.withdraw(turn.counted, shared.rate.last)
        turn.counted = await self._wait(room, "renewal")
        turn.started = turn.counted + room.offset

    def assume_recent(self, age_s: float) -> None:
        """Let nothing start for the rest of the second that another process may have filled, and the guard."""
        room, shared = self._rooms.get(), self._shared
        at = now() - room.offset
        with shared.lock:
            rate = shared.rate.value(at)
            if rate is not None:
                shared.pace.fill(at - max(age_s, 0.0), rate)

    def close(self) -> None:
        """Leave the memory of recent starts to the next client of the same key."""
        self._end()

    @property
    def submits_at(self) -> float:
        """Tell until when submits are paused."""
        room = self._rooms.peek()
        return self._shared.submits_at + (room.offset if room is not None else 0.0)

    def heed(self, error: VolcASRError, turn: Turn) -> None:
        """Cut the rate, or the slots, at once; a later refusal of what had started before says nothing new."""
        if not isinstance(error, RateLimited | ServerBusy):
            return
        room, shared = self._rooms.get(), self._shared
        at, started = now() - room.offset, turn.started - room.offset
        with shared.lock:
            shared.rejected += 1
            if isinstance(error, RateLimited) and error.pauses_submits:
                shared.submits_at = max(shared.submits_at, at + (error.retry_after_s or SUBMIT_PAUSE_S))
                return
            pace = shared.pace
            pace.refused(at)
            if error.retry_after_s is not None:
                pace.hold(at + error.retry_after_s)
            busy, crowded = isinstance(error, ServerBusy), isinstance(error, RateLimited) and error.crowded
            if busy and pace.refused_share(at) < _BUSY_SHARE:
                return
            if busy or crowded:
                shared.slots.cut(at, started=started, passed=0.0)
            if busy or not crowded:
                shared.rate.cut(at, started=started, passed=pace.let_through(at))

    # ---- the queue of one event loop; *at* is on the shared clock ----

    def _admit(self, room: _Room, size: int, at: float) -> None:
        """Refuse a submit that would have to wait behind too many."""
        most, waiting = self._limits.max_waiting, len(room.line)
        ahead = room.calls["submit"] or room.calls["query"] or (size and room.boarding.locked())
        could_start = not ahead and self._has_room(room, size) and self._delay(room, at, "submit") == 0
        if most is not None and waiting >= most and not could_start:
            message = f"{waiting} calls wait to submit, Limits(max_waiting={most}) lets no more wait; nothing was sent"
            raise BudgetFull(message, retry_after_s=self._until_gone(room, at))

    def _has_room(self, room: _Room, size: int) -> bool:
        return not (size and room.upload_bytes) or room.upload_bytes + size <= self._limits.upload_bytes

    def _until_gone(self, room: _Room, at: float) -> float:
        """Estimate when all who wait to submit now will have had their turn."""
        shared = self._shared
        with shared.lock:
            rate = shared.rate.value(at)
            pause = max(shared.pace.delay(at, rate), shared.submits_at - at)
        turns = len(room.line) * (2 if room.calls["query"] else 1)
        stood = at - next(iter(room.line.values()), at)  # where slots are short, a newcomer's wait as well
        return max(pause + (turns / rate if rate else 0.0), stood, 1.0)

    async def _wait(self, room: _Room, need: _Need) -> float:
        """Wait for a start; return its moment."""
        at = now() - room.offset
        front = self._front(room, at)
        if (front is None or (need == "renewal" and not room.renewals)) and self._start(room, need, at):
            return at
        waiter = _Waiter(need)
        queue = room.queue(need)
        queue[waiter] = None
        try:
            return await self._stand(room, waiter)
        finally:
            del queue[waiter]
            self._wake_front(room)

    async def _stand(self, room: _Room, waiter: _Waiter) -> float:
        """Stand in the queue; in front of it, watch the clock."""
        while True:
            at = now() - room.offset
            front, delay = self._front(room, at), None
            if front is waiter:
                if self._start(room, waiter.need, at):
                    return at
                delay = self._delay(room, at, waiter.need)
            elif front is not None:
                front.woken.set()  # the end of a pause for submits changes who stands in front, and nobody else tells
            await wait_for(waiter.woken, delay)
            waiter.woken = anyio.Event()

    def _delay(self, room: _Room, at: float, need: _Need) -> float | None:
        """Tell how long the front waiter has to wait; `None` until a slot is free, of which it will be told."""
        shared = self._shared
        with shared.lock:
            if need != "renewal" and room.in_flight >= int(shared.slots.value(at) or 1):
                return None
            delay = shared.pace.delay(at, shared.rate.value(at))
            return max(delay, shared.submits_at - at) if need == "submit" else delay

    def _start(self, room: _Room, need: _Need, at: float) -> bool:
        """Start a request if one may start now. No other thread can start one in between."""
        shared = self._shared
        with shared.lock:
            if self._delay(room, at, need) != 0:
                return False
            shared.start(at)
            if need == "renewal":
                return True
            shared.started += 1
        room.in_flight += 1
        if need != "batch":
            room.last = need
        return True

    def _front(self, room: _Room, at: float) -> _Waiter | None:
        if room.renewals:
            return next(iter(room.renewals))  # they have a slot and a connection
        calls = room.calls
        if not (room.batches or calls["query"] or calls["submit"]):
            return None
        others_wait = bool(calls["query"] or room.batches)
        submits = calls["submit"] if self._shared.submits_at <= at or not others_wait else {}
        queues = {"submit": submits, "query": calls["query"]}
        queue = queues[_OTHER[room.last]] or queues[room.last] or room.batches
        return next(iter(queue), None)

    def _wake_front(self, room: _Room) -> None:
        someone = room.renewals or room.batches or room.calls["query"] or room.calls["submit"]
        if someone and (front := self._front(room, now() - room.offset)) is not None:
            front.woken.set()


def _turn(room: _Room, at: float) -> _Turn:
    return _Turn(at + room.offset, room=room, counted=at)
