"""The request budget of one app key: who may start a request now.

Everything that goes through one client takes its turns here. A turn is one request, never a job's whole life, so jobs that
wait for their result cost nothing. Nothing runs in the background: whoever stands in front watches the clock itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, Protocol

import anyio
from msgspec import Struct

from volcasr_async.errors import RateLimited, ServerBusy, VolcASRError
from volcasr_async.policies import Limits
from volcasr_async.protocol.timing import Pace

Kind = Literal["submit", "query"]
_OTHER: dict[Kind, Kind] = {"submit": "query", "query": "submit"}

_BREATH_S = 1.0
"""How long nothing starts after a refusal for the request rate, where the service does not say."""


class Stats(Struct, frozen=True, kw_only=True):
    """A snapshot: requests in the air, callers waiting for a turn, bytes of audio in the air, refusals for the rate so
    far, requests started so far, and the rate that is kept, in requests a second.
    """

    in_air: int
    waiting: int
    upload_bytes: int
    rejected: int
    started: int
    rate: float | None


class Budget(Protocol):
    """What the client needs of a budget; one that several processes share would be another implementation."""

    @property
    def stats(self) -> Stats:
        """How things stand."""
        ...

    def turn(self, kind: Kind) -> AbstractAsyncContextManager[None]:
        """Wait until a request of this kind may start, and hold its slot until it has ended."""
        ...

    def upload(self, size: int) -> AbstractAsyncContextManager[None]:
        """Wait until so many bytes of audio may be in the air, and count them until they have landed."""
        ...

    def heed(self, error: VolcASRError) -> None:
        """Learn from a failed request: slow down where the service asks for it."""
        ...


class _Waiter:
    __slots__ = ("kind", "woken")

    def __init__(self, kind: Kind) -> None:
        self.kind, self.woken = kind, anyio.Event()


class KeyBudget:
    """Slots and a strict rate, for one process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pace = Pace(limits.qps)
        self._in_air = self._rejected = self._started = 0
        self._queues: dict[Kind, dict[_Waiter, None]] = {"submit": {}, "query": {}}
        self._last: Kind = "query"
        self._bytes = 0
        self._landed = anyio.Event()

    @property
    def stats(self) -> Stats:
        """How things stand."""
        return Stats(
            in_air=self._in_air,
            waiting=sum(map(len, self._queues.values())),
            upload_bytes=self._bytes,
            rejected=self._rejected,
            started=self._started,
            rate=self._limits.qps,
        )

    @asynccontextmanager
    async def turn(self, kind: Kind) -> AsyncIterator[None]:
        """Wait for the rate and a slot; submits and queries alternate while both wait."""
        await self._wait(kind)
        try:
            yield
        finally:
            self._in_air -= 1
            self._wake_front()

    @asynccontextmanager
    async def upload(self, size: int) -> AsyncIterator[None]:
        """Wait for room in the air; an upload larger than the limit goes alone."""
        while self._bytes and self._bytes + size > self._limits.upload_bytes:
            await self._landed.wait()
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size
            self._landed.set()
            self._landed = anyio.Event()

    def heed(self, error: VolcASRError) -> None:
        """Hold everything back for a moment after a refusal for the rate."""
        if not isinstance(error, RateLimited | ServerBusy):
            return
        self._rejected += 1
        pause = error.retry_after_s if error.retry_after_s is not None else _BREATH_S
        self._pace.hold(anyio.current_time() + pause)

    # ---- the queue ----

    async def _wait(self, kind: Kind) -> None:
        now = anyio.current_time()
        if not any(self._queues.values()) and self._ready(now):
            self._start(kind, now)
            return
        waiter = _Waiter(kind)
        self._queues[kind][waiter] = None
        try:
            await self._stand(waiter)
        finally:
            del self._queues[kind][waiter]
            self._wake_front()

    async def _stand(self, waiter: _Waiter) -> None:
        """Wait in the queue; in front of it, watch the clock."""
        while True:
            delay = None
            if self._front() is waiter and self._in_air < self._limits.concurrency:
                now = anyio.current_time()
                delay = self._pace.delay(now)
                if delay <= 0:
                    self._start(waiter.kind, now)
                    return
            with anyio.move_on_after(delay):
                await waiter.woken.wait()
            waiter.woken = anyio.Event()

    def _front(self) -> _Waiter | None:
        queue = self._queues[_OTHER[self._last]] or self._queues[self._last]
        return next(iter(queue), None)

    def _wake_front(self) -> None:
        front = self._front()
        if front is not None:
            front.woken.set()

    def _ready(self, now: float) -> bool:
        return self._in_air < self._limits.concurrency and self._pace.delay(now) <= 0

    def _start(self, kind: Kind, now: float) -> None:
        self._pace.start(now)
        self._in_air += 1
        self._started += 1
        self._last = kind
