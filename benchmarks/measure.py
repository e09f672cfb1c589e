"""Reading CPU time, memory and stalls of this process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

MB = 1_000_000


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
    """The longest time that the loop was kept from a task that asked to be woken each millisecond, beyond that one."""

    worst_s = 0.0


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[Stall]:
    """Watch the loop."""
    stall = Stall()

    async def tick() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            stall.worst_s = max(stall.worst_s, time.perf_counter() - before - 0.001)

    task = asyncio.create_task(tick())
    await asyncio.sleep(0.01)
    stall.worst_s = 0.0
    try:
        yield stall
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def alone(function: Callable[..., Any], *args: Any) -> Any:
    """Run a measurement in a fresh process, so that no rival inherits another's memory or imports."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_call, args=(its, function, args))
    process.start()
    its.close()
    try:
        return json.loads(mine.recv())
    finally:
        process.join()


def _call(pipe: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    result = function(*args)
    pipe.send(json.dumps(asyncio.run(result) if isinstance(result, Awaitable) else result))


def median(rows: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(rows)
