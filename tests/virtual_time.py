"""Virtual time: an hour of waiting passes at once, but never while a thread works for us."""

import asyncio
import math
from typing import Any

import anyio.to_thread
import sniffio
import trio
from trio.testing import MockClock

_working = 0
_run_sync = anyio.to_thread.run_sync


async def counted(*args: Any, **kwargs: Any) -> Any:
    global _working
    _working += 1
    _hold_trio()
    try:
        return await _run_sync(*args, **kwargs)
    finally:
        _working -= 1
        _hold_trio()


def _hold_trio() -> None:
    """Let trio's clock jump only while no thread works for us, as the loop of asyncio does."""
    if sniffio.current_async_library() == "trio":
        clock = trio.lowlevel.current_clock()
        if isinstance(clock, MockClock):
            clock.autojump_threshold = math.inf if _working else 0


class JumpingLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer when all is quiet, but not while a thread works."""

    _selector: Any  # as asyncio calls it

    def __init__(self) -> None:
        super().__init__()
        self._skipped = 0.0
        select = self._selector.select

        def jump(timeout: float | None = None) -> Any:
            if _working or not timeout:
                return select(timeout)
            events = select(0)
            if not events:
                self._skipped += timeout
            return events

        self._selector.select = jump

    def time(self) -> float:
        return super().time() + self._skipped
