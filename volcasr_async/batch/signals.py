"""What the tasks of a batch tell each other: to wake up, and what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVarTuple, Unpack

import anyio

from volcasr_async._clock import wait_for

_T = TypeVarTuple("_T")


class Signal:
    """Wakes the one task that waits for it, also when it was set before."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake it, now or when it comes."""
        self._event.set()

    async def wait(self, most: float | None = None) -> None:
        """Wait to be woken, *most* seconds at most."""
        await wait_for(self._event, most)
        if self._event.is_set():
            self._event = anyio.Event()


async def reported(
    report: Callable[[Exception], None], part: Callable[[Unpack[_T]], Awaitable[None]], *args: *_T
) -> None:
    """Run a part; whatever goes wrong in it is reported, for a group of errors is nobody's to catch."""
    try:
        await part(*args)
    except Exception as error:  # noqa: BLE001 - the input, the audio and the journal are the caller's, and may raise anything
        report(error)
