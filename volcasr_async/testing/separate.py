"""Async context managers that may be left in another task than the one that entered them.

A fixture of pytest-asyncio does so: its setup and its teardown are different tasks. A task group must not.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio

_T = TypeVar("_T")


class SeparateTask(AbstractAsyncContextManager[_T], Generic[_T]):
    """Holds a context manager open in a task of its own.

    *opened_by* names the call for the error that is raised when it is left in another event loop.
    """

    def __init__(self, context: AbstractAsyncContextManager[_T], opened_by: str) -> None:
        self._context, self._opened_by = context, opened_by
        self._values: list[_T] = []
        self._error: Exception | None = None

    async def __aenter__(self) -> _T:
        """Enter the context; raises what it raises."""
        self._opened, self._leave, self._ended = anyio.Event(), anyio.Event(), anyio.Event()
        self._loop = asyncio.get_running_loop() if _on_asyncio() else _trio().lowlevel.current_trio_token()
        if _on_asyncio():
            self._task: object = asyncio.create_task(
                self._hold()
            )  # the loop itself keeps tasks by weak references only
        else:
            _trio().lowlevel.spawn_system_task(self._hold)
        try:
            await self._opened.wait()
        except BaseException:  # cancelled meanwhile
            self._leave.set()
            raise
        if self._error is not None:
            raise self._error
        return self._values[0]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the context; raises what broke it, unless the block raised by itself."""
        loop = asyncio.get_running_loop() if _on_asyncio() else _trio().lowlevel.current_trio_token()
        if loop is not self._loop:
            raise RuntimeError(
                f"{self._opened_by} was entered in one event loop and left in another: give the fixture and its tests "
                "the same event loop, or use the fixture volcasr_simulator_url or Simulator.serve_in_thread(), which "
                "work with any event loop and without one"
            )
        self._leave.set()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()
        if self._error is not None and error is None:
            raise self._error

    async def _hold(self) -> None:
        try:
            async with self._context as value:
                self._values.append(value)
                self._opened.set()
                await self._leave.wait()
        except Exception as error:  # noqa: BLE001 - raised again where the context was entered or is left
            self._error = error
        finally:
            self._opened.set()
            self._ended.set()


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _trio() -> Any:
    return sys.modules["trio"]
