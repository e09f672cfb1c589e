"""The event loop's clock, read and waited for cheaply: a batch does so ten times a request."""

from __future__ import annotations

import asyncio

import anyio


def now() -> float:
    """Seconds on the running event loop's own clock, which tests may turn; `RuntimeError` outside any loop."""
    try:
        return asyncio.get_running_loop().time()  # 0.2 us, where anyio first finds out which library runs: 4 us
    except RuntimeError:
        return anyio.current_time()


async def wait_for(event: anyio.Event, most: float | None) -> None:
    """Wait for the event, *most* seconds at most; it may be set afterwards though nobody did so: look at the clock."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        with anyio.move_on_after(most):
            await event.wait()
        return
    if most is None:
        await event.wait()
        return
    alarm = loop.call_later(most, event.set)  # a cancel scope would take the loop round once more for each wait
    try:
        await event.wait()
    finally:
        alarm.cancel()
