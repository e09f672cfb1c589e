"""Values that belong to one event loop, such as connections, locks and waiters, and their end.

A client may be used in several event loops: one after the other, in several threads at the same time, and in a forked
child. A socket or an event works only in the loop that made it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar

_T = TypeVar("_T")

_ABANDONED: Final[list[object]] = []
"""Values of the parent process. They are neither closed nor collected, because their sockets are the parent's too."""


class _Forked(Protocol):
    def after_fork(self) -> None:
        """Drop what belongs to the parent process."""


_FORK_LISTENERS: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


def listen_for_forks(listener: _Forked) -> None:
    """Call `after_fork` of the listener in each forked child, before any other code of ours runs there."""
    _FORK_LISTENERS.add(listener)


def _after_fork() -> None:
    for listener in list(_FORK_LISTENERS):
        listener.after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)


def running_loop() -> object:
    """Return the running event loop: asyncio's loop or trio's token; `RuntimeError` outside any loop."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if "trio" not in sys.modules:
            raise
    token: object = sys.modules["trio"].lowlevel.current_trio_token()
    return token


class PerLoop(Generic[_T]):
    """Makes and keeps one value for each running event loop."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._values: dict[object, _T] = {}
        self._lock = threading.RLock()  # a signal handler may ask while it is held
        self._last: tuple[object, _T | None] = (None, None)
        listen_for_forks(self)

    def get(self) -> _T:
        """Return the value of the running loop. It is made when it is first asked for."""
        loop = running_loop()
        known, value = self._last
        return value if known is loop and value is not None else self._find(loop)

    def peek(self) -> _T | None:
        """Return the value of the running loop; `None` where there is none or no loop runs."""
        try:
            return self._values.get(running_loop())
        except RuntimeError:
            return None

    def values(self) -> list[_T]:
        """Return the values of all loops."""
        return list(self._values.values())

    def clear(self) -> list[tuple[object, _T]]:
        """Forget all values; return each with its loop."""
        with self._lock:
            values, self._values, self._last = self._values, {}, (None, None)
        return list(values.items())

    def after_fork(self) -> None:
        """Keep the parent's values alive and unused. Another thread may have held the lock during the fork."""
        _ABANDONED.extend((self._values, self._last))
        self._values, self._last = {}, (None, None)
        self._lock = threading.RLock()

    def _find(self, loop: object) -> _T:
        with self._lock:
            value = self._values.get(loop)
            if value is None:
                for ended in [other for other in self._values if _is_ended(other)]:
                    del self._values[ended]
                value = self._values[loop] = self._make()
            self._last = (loop, value)
            return value


class LoopEnd:
    """Closes something when the running event loop ends, or when this object is dropped.

    `asyncio.run` and `trio.run` close the async generators that are still open at their end. This object holds one whose
    `finally` does the closing.
    """

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        self._generator = _closing(close)

    async def begin(self) -> None:
        """Register with the running loop."""
        await anext(self._generator)

    async def aclose(self) -> None:
        """Close now."""
        await self._generator.aclose()

    def close_in(self, loop: object) -> None:
        """Close in another loop, which may run in another thread; do nothing where that loop has ended.

        asyncio does it by itself as soon as this object is dropped. trio would complain about that.
        """
        if not isinstance(loop, asyncio.AbstractEventLoop):
            token: Any = loop
            with suppress(RuntimeError):  # trio.RunFinishedError
                token.run_sync_soon(sys.modules["trio"].lowlevel.spawn_system_task, self.aclose)


async def _closing(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await close()


def _is_ended(loop: object) -> bool:
    if isinstance(loop, asyncio.AbstractEventLoop):
        return loop.is_closed()
    token: Any = loop
    try:
        token.run_sync_soon(_nothing)
    except RuntimeError:  # trio.RunFinishedError
        return True
    return False


def _nothing() -> None:
    pass
