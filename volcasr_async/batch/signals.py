"""Waking one task."""

from __future__ import annotations

import anyio


class Signal:
    """Wakes the one task that waits for it, also when it was set before."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake it, now or when it comes."""
        self._event.set()

    async def wait(self, most: float | None = None) -> None:
        """Wait to be woken, *most* seconds at most."""
        with anyio.move_on_after(most):
            await self._event.wait()
        if self._event.is_set():
            self._event = anyio.Event()
