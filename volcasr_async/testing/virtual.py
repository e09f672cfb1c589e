"""Virtual time for tests: an hour of waiting passes at once, but never while a thread works.

Reading files and writing a journal happen in threads. A clock that jumped meanwhile would let every timeout fire.
"""

from __future__ import annotations

import asyncio
import math
from contextvars import Context
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import sniffio

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import trio


def virtual_time(backend: str = "asyncio", *, threshold: float = 0.0) -> tuple[str, dict[str, Any]]:
    """Return a backend of anyio with virtual time: the value of a fixture `anyio_backend`, or the end of `anyio.run`.

    When nothing can go on but by waiting, the clock of the event loop jumps to the next timer. It runs as usual while a
    thread works that was started by `anyio.to_thread`, `asyncio.to_thread`, `run_in_executor` or `trio.to_thread`. Threads
    that are started otherwise, or with a limiter of their own, are not seen: let the clock jump only after *threshold*
    real seconds without an event, such as 0.05. The same holds for sockets and other processes, where any threshold may
    be too short: use real time there. `time.time` and `time.monotonic` do not jump.

    Raises `ValueError` for an unknown backend.
    """
    if backend == "asyncio":
        return backend, {"loop_factory": lambda: VirtualTimeLoop(threshold=threshold)}
    if backend == "trio":
        from trio.testing import MockClock

        clock = MockClock(autojump_threshold=threshold)
        return backend, {"clock": clock, "instruments": [_thread_watch(clock, threshold)]}
    raise ValueError(f"there is no backend {backend!r}; use 'asyncio' or 'trio'")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop of asyncio with virtual time, as `virtual_time` describes it: `Runner(loop_factory=VirtualTimeLoop)`."""

    _selector: Any  # as asyncio calls it

    def __init__(self, *, threshold: float = 0.0) -> None:
        super().__init__()
        self._skipped = 0.0
        self._working = 0
        self._limiter: anyio.CapacityLimiter | None = None
        select = self._selector.select

        def select_or_jump(timeout: float | None = None) -> Any:
            if not timeout or self._is_thread_working():
                return select(timeout)
            events = select(min(threshold, timeout))
            if not events and threshold < timeout:
                self._skipped += timeout - threshold
            return events

        self._selector.select = select_or_jump

    def time(self) -> float:
        """Return seconds that include what was jumped over."""
        return super().time() + self._skipped

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run it in a thread, and keep the clock from jumping meanwhile."""
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self._working += 1
        future.add_done_callback(self._end_work)
        return future

    def _end_work(self, _: asyncio.Future[Any]) -> None:
        self._working -= 1

    def _is_thread_working(self) -> bool:
        if self._limiter is None:
            self._limiter = Context().run(_find_limiter)
        return self._working > 0 or self._limiter.borrowed_tokens > 0


def _find_limiter() -> anyio.CapacityLimiter:
    """Find the running loop's limiter of threads, outside its tasks, where sniffio does not see what runs."""
    sniffio.current_async_library_cvar.set("asyncio")
    return anyio.to_thread.current_default_thread_limiter()


def _thread_watch(clock: trio.testing.MockClock, threshold: float) -> trio.abc.Instrument:
    """Return an instrument for trio that keeps a clock from jumping while a thread works."""
    import trio

    class ThreadWatch(trio.abc.Instrument):
        def before_run(self) -> None:
            self._limiter: trio.CapacityLimiter | None = None
            self._held = False

        def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - trio passes it
            if self._limiter is None:  # the same for a whole run, and this comes at every step
                self._limiter = trio.to_thread.current_default_thread_limiter()
            working = self._limiter.borrowed_tokens > 0
            if working is not self._held:
                self._held = working
                clock.autojump_threshold = math.inf if working else threshold

    return ThreadWatch()
