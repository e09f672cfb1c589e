"""A simulator that is served by a thread with an event loop of its own, whatever the test does with its thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from anyio.from_thread import BlockingPortal, start_blocking_portal

from volcasr_async.testing.loopback import serve
from volcasr_async.testing.service import Service
from volcasr_async.testing.simulator import Simulator


def in_thread() -> AbstractContextManager[BlockingPortal]:
    """Start a thread with an event loop. It ends with the context, or with the process."""
    return start_blocking_portal("asyncio", name="volcasr-simulator")


class SharedPort:
    """One address for a whole test run, behind which each test has a simulator of its own.

    Clients that a program makes once and keeps, such as a global one, find the simulator of each test at the same URL.
    """

    def __init__(self) -> None:
        self.url = ""
        self._current = Simulator()  # what is left over between tests goes there

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[SharedPort]:
        """Listen on a free port of this machine until the context ends."""
        port = cls()

        def serving() -> Service:
            return port._current.app.service

        with in_thread() as portal, portal.wrap_async_context_manager(serve(serving, "127.0.0.1", 0)) as port.url:
            yield port

    @contextmanager
    def serve(self, simulator: Simulator) -> Iterator[str]:
        """Serve this simulator until the context ends; gives the base URL."""
        before, self._current = self._current, simulator
        try:
            yield self.url
        finally:
            self._current = before
