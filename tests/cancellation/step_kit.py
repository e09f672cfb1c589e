"""Cancels some work at its first, second, ... suspension, until a run of it comes to its end, and looks what is left.

Four kinds of cancellation. *scope* is an anyio cancel scope. *task* is asyncio's own `Task.cancel`, struck as soon as a
task of the work is suspended; *late* the same, struck when what that task waits for has come and before it has run on:
who holds something only from that moment on may lose it. *twice* strikes once more at the next suspension, into the
clearing up: an impatient caller.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import sniffio
import trio
from io_kit import BASE, PAIR

from volcasr_async import VolcASR
from volcasr_async.telemetry import ExchangeRecord, JobRecord, Observer
from volcasr_async.testing import Simulator

Work = Callable[[], Awaitable[Any]]
FEW = 1500
"""More suspensions than any work here has: a run that goes on for ever is no run."""

_STRIKES: ContextVar[Moment | None] = ContextVar("strikes", default=None)
_POOLS = ("AnyIO worker thread", "Trio thread", "asyncio_")
_SETTLING_S = 3.0


class Moment:
    """One suspension at which the work is cancelled, counted over all its tasks from 1."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind, self.number = kind, number
        self.reached = self.cancelled = False
        self.result: Any = None
        self._count = 0
        self._cancel: Callable[[], object] = lambda: None

    def __repr__(self) -> str:
        return f"<{self.kind} at suspension {self.number}>"

    def comes(self) -> bool:
        """Count one suspension; tells whether this is one to strike at."""
        self._count += 1
        self.reached = self.reached or self._count == self.number
        return self._count == self.number or (self.kind == "twice" and self._count == self.number + 1)

    def now(self, *_: object) -> None:
        """Cancel the work."""
        self._cancel()

    async def strike(self, work: Work) -> None:
        """Run the work and cancel it; anything that it raises beside the cancellation is raised here."""
        if sniffio.current_async_library() == "trio":
            await self._on_trio(work)
        elif self.kind == "scope":
            await self._task(self._in_scope(work))
        else:
            await self._natively(work)

    async def _in_scope(self, work: Work) -> None:
        with anyio.CancelScope() as scope:
            self._cancel = scope.cancel
            self.result = await work()
            if self.reached:
                await anyio.lowlevel.checkpoint()  # what was shielded to its end is cancelled here
        self.cancelled = scope.cancelled_caught
        assert self.cancelled == self.reached, "the cancellation was swallowed"

    async def _natively(self, work: Work) -> None:
        async def kept() -> None:
            self.result = await work()

        task = self._spawned(kept())
        landed = []
        self._cancel = lambda: landed.append(task.cancel())
        await asyncio.wait([task])
        self.cancelled = task.cancelled()
        if not self.cancelled:
            task.result()
        assert self.cancelled == (True in landed), "the cancellation was swallowed"

    async def _task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._spawned(coroutine)
        await asyncio.wait([task])
        task.result()

    def _spawned(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        token = _STRIKES.set(self)
        try:
            return asyncio.get_running_loop().create_task(coroutine)
        finally:
            _STRIKES.reset(token)

    async def _on_trio(self, work: Work) -> None:
        instrument = _Steps(self)
        trio.lowlevel.add_instrument(instrument)
        try:
            async with trio.open_nursery() as nursery:
                token = _STRIKES.set(self)
                nursery.start_soon(self._in_scope, work)
                _STRIKES.reset(token)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            trio.lowlevel.remove_instrument(instrument)


class _Steps(trio.abc.Instrument):
    """Counts on trio."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        ended = task.coro.cr_frame is None
        if not ended and task.context.get(_STRIKES) is self._moment and self._moment.comes():
            self._moment.now()


class _Counted(Coroutine[Any, Any, Any]):
    """Counts on asyncio: stands around the coroutine of a task and sees each of its suspensions."""

    def __init__(self, inner: Any, moment: Moment) -> None:
        self._inner, self._moment = inner, moment

    def send(self, value: Any) -> Any:
        return self._suspended(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._suspended(self._inner.throw(*error))

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # anyio asks for the coroutine's state

    def _suspended(self, waits_for: Any) -> Any:
        if self._moment.comes():
            if self._moment.kind == "late" and waits_for is not None:
                waits_for.add_done_callback(self._moment.now)  # before the task's own, which lets it run on
            else:
                asyncio.get_running_loop().call_soon(self._moment.now)
        return waits_for


def _factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
    moment = _STRIKES.get()
    return asyncio.Task(coroutine if moment is None else _Counted(coroutine, moment), loop=loop, **more)


# ---- all of them ----


async def each_moment(
    once: Callable[[Moment], Awaitable[None]], *, dense: int = FEW, stride: int = 1
) -> dict[str, int]:
    """Do something once for each moment of each kind: the first *dense* ones, then one of *stride*, others by each kind.

    Gives the last suspension of a whole run that was struck at, by kind. After each, nothing may be held that was not
    held before.
    """
    native = sniffio.current_async_library() == "asyncio"
    counts = {}
    await turns()
    with _watched_loop() if native else _nothing():
        for offset, kind in enumerate(("scope", "task", "late", "twice") if native else ("scope",)):
            number = 1
            while number < FEW:
                moment = Moment(kind, number)
                try:
                    before = Held()
                    await once(moment)
                    await before.again()
                except BaseException as error:
                    error.add_note(f"cancelled: {moment!r}")
                    raise
                if not moment.reached:
                    break
                counts[kind] = number
                number += 1 if number < dense else 1 + offset % stride if number == dense else stride
            assert number < FEW, "it never came to its end"
        gc.collect()
    return counts


class Held:
    """What this process holds: tasks, threads, descriptors."""

    def __init__(self) -> None:
        self._before = _held()

    async def again(self) -> None:
        """Wait until no more is held than before: what ends by itself needs a few turns of the loop."""
        await self._until(lambda more: not more)

    async def plus(self, *, sockets: int) -> None:
        """Wait until no more than so many sockets were opened since."""
        await self._until(lambda more: sum("socket:" in one for one in more) <= sockets)

    async def _until(self, enough: Callable[[set[str]], bool]) -> None:
        deadline = time.monotonic() + _SETTLING_S
        while not enough(more := _held() - self._before):
            assert time.monotonic() < deadline, f"still held: {sorted(more)}"
            await turns()
            time.sleep(0.0005)  # noqa: ASYNC251 - threads end in real time, whatever the loop's clock says


class _Stepped(httpx.AsyncBaseTransport):
    """A way to the simulator with a suspension before it looks at a request, and one after it has decided."""

    def __init__(self, simulator: Simulator) -> None:
        self._inner = simulator.transport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        reply = await self._inner.handle_async_request(request)
        await anyio.lowlevel.checkpoint()
        return reply


class Watch(Observer):
    """Counts what has begun and not ended."""

    def __init__(self) -> None:
        self.open = 0

    def job_began(self, job: JobRecord) -> None:
        self.open += 1

    def job_ended(self, job: JobRecord) -> None:
        self.open -= 1

    def exchange_began(self, exchange: ExchangeRecord) -> None:
        self.open += 1

    def exchange_ended(self, exchange: ExchangeRecord) -> None:
        self.open -= 1


def stepped(simulator: Simulator, **more: Any) -> VolcASR:
    """Give a client at the simulator in this process; no virtual time passes on the way, and no real time either."""
    return VolcASR(PAIR, base_url=BASE, http=_Stepped(simulator), **more)


async def turns() -> None:
    """Let others run that are ready to."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


def _held() -> set[str]:
    held = {thread.name for thread in threading.enumerate() if not thread.name.startswith(_POOLS)}
    for entry in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        try:
            target = str(entry.readlink())
            if not target.startswith("/proc/"):  # the one that lists them
                held.add(f"{entry.name} -> {target}")
        except OSError:
            continue  # closed meanwhile
    if sniffio.current_async_library() == "asyncio":
        return held | {f"{task.get_name()} {id(task)}" for task in asyncio.all_tasks()}
    return held | {f"task {number}" for number in range(trio.lowlevel.current_statistics().tasks_living)}


@contextmanager
def _watched_loop() -> Iterator[None]:
    """Count the suspensions of new tasks, and fail for what the loop has to complain about."""
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_task_factory(_factory)
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        yield
    finally:
        loop.set_task_factory(None)
        loop.set_exception_handler(None)
    assert complaints == []


@contextmanager
def _nothing() -> Iterator[None]:
    yield
