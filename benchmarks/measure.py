"""Reading CPU time, memory and stalls of this process, and running measurements in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import logging
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

MB = 1_000_000

NOT_INSTALLED: dict[str, tuple[str, ...]] = {"httpx": ("pybase64", "httpx_aiohttp", "aiohttp"), "aiohttp": ()}
"""By the library's engine, which is what is installed: the modules that a process must not find."""


def cpu_s() -> float:
    """User and system seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def reset_peak() -> None:
    """Begin the kernel's record of the peak anew."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The largest size since `reset_peak`, in bytes, by the kernel's own record."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


class Stall:
    """The longest time that the loop was kept from a call that asked to be made each millisecond, beyond that one.

    `own_s` is the longest without the time in which the loop's thread was ready to run and the machine ran something else.
    A timer's callback and not a task that sleeps: its CPU counts as that of who is watched.
    """

    def __init__(self, queue: Callable[[], float]) -> None:
        self._queue, self._loop = queue, asyncio.get_running_loop()
        self.worst_s = self.own_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._at, self._queued_s = time.perf_counter(), self._queue()
        self._timer = self._loop.call_later(0.001, self._tick)

    def _tick(self) -> None:
        self._look()
        self._begin()

    def _look(self) -> None:
        late, queued = time.perf_counter() - self._at - 0.001, self._queue() - self._queued_s
        self.worst_s, self.own_s = max(self.worst_s, late), max(self.own_s, late - queued)

    def end(self) -> None:
        """Watch no longer; what stalled the loop at the very end is over before the timer could tell."""
        self._timer.cancel()
        self._look()


@contextlib.contextmanager
def run_queue() -> Iterator[Callable[[], float]]:
    """Bring a reading of the seconds that this thread was ready to run while the machine ran something else."""
    try:
        record = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:  # a kernel that keeps no such record
        yield lambda: 0.0
        return
    try:
        yield lambda: int(os.pread(record, 100, 0).split()[1]) / 1e9  # 1 us; to open it each time takes 17
    finally:
        os.close(record)


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[Stall]:
    """Watch the loop."""
    with run_queue() as queue:
        stall = Stall(queue)
        try:
            yield stall
        finally:
            stall.end()


class Used:
    """What a piece of work took: seconds, CPU seconds, bytes above start, the loop's worst stalls."""

    wall_s = cpu_s = stall_s = own_stall_s = 0.0
    memory = 0

    def row(self) -> dict[str, float]:
        """Name the figures as the tables do."""
        return {"wall s": self.wall_s, "CPU s": self.cpu_s, "memory MB": self.memory / MB}

    def stalls(self) -> dict[str, float]:
        """Name the stalls as the tables do."""
        return {"stall ms": self.stall_s * 1000, "own stall ms": self.own_stall_s * 1000}


@contextlib.asynccontextmanager
async def using(start: int | None = None, *, watched: bool = True) -> AsyncIterator[Used]:
    """Measure what is done meanwhile; memory above *start* bytes, by default above what is held now.

    Unless *watched*, the loop's stalls are not: to watch takes about 35 ms of CPU a second.
    """
    used = Used()
    reset_peak()
    async with watching() if watched else contextlib.nullcontext() as stall:
        start, began, spent = start or resident(), time.perf_counter(), cpu_s()
        yield used
        used.wall_s, used.cpu_s, used.memory = time.perf_counter() - began, cpu_s() - spent, peak() - start
    if stall is not None:
        used.stall_s, used.own_stall_s = stall.worst_s, stall.own_s


def alone(
    function: Callable[..., Any], *args: Any, environ: Mapping[str, str] | None = None, without: Iterable[str] = ()
) -> Any:
    """Run a measurement in a fresh process, so that no rival inherits another's memory or imports.

    *environ* is set there on top of ours, and modules named by *without* cannot be imported. Its result comes back as JSON.
    """
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    where = (function.__module__, function.__qualname__)
    process = context.Process(target=_call, args=(its, tuple(without), where, args))
    with _environment(environ or {}):
        process.start()
    its.close()
    try:
        return json.loads(mine.recv())
    except EOFError:
        msg = f"{function.__module__}.{function.__name__} ended without a result; what it said stands above"
        raise RuntimeError(msg) from None
    finally:
        process.join()


@contextlib.contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _call(pipe: Any, without: tuple[str, ...], where: tuple[str, str], args: tuple[Any, ...]) -> None:
    """Import the function's module only here, after what is not there is gone; warnings would stand between the progress."""
    logging.getLogger("volcasr_async").setLevel(logging.ERROR)
    gone: dict[str, Any] = dict.fromkeys(without)  # None there means: cannot be imported
    sys.modules.update(gone)
    module, name = where
    result = attrgetter(name)(importlib.import_module(module))(*args)
    pipe.send(json.dumps(asyncio.run(result) if asyncio.iscoroutine(result) else result))


def median(rows: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(rows)


def middle(rows: list[dict[str, Any]], *keys: str, digits: int = 3) -> dict[str, Any]:
    """Make one row of several rounds' rows: the medians of the figures named by *keys*, the rest as in the first."""
    figures = {key: round(median(row[key] for row in rows), digits) for key in keys}
    return {**rows[0], **figures}
