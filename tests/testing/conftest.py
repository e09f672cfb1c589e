"""Virtual time on asyncio and trio for the in-process face; the loopback tests ask for real time instead.

Unlike the fixture of the other tests this one need not wait for threads, so on trio too hundreds of pauses cost nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sim_calls import Calls
from trio.testing import MockClock

from volcasr_async.testing import Simulator


class JumpingLoop(asyncio.SelectorEventLoop):
    """When nothing is ready and a timer waits, time jumps to the timer."""

    _selector: Any  # as asyncio calls it

    def __init__(self) -> None:
        super().__init__()
        self._skipped = 0.0
        real_select = self._selector.select

        def select(timeout: float | None = None) -> Any:
            if not timeout:
                return real_select(timeout)
            events = real_select(0)
            if not events:
                self._skipped += timeout
            return events

        self._selector.select = select

    def time(self) -> float:
        return super().time() + self._skipped


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": JumpingLoop}
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
def settings() -> dict[str, Any]:
    """What `simulator` is made with; `@pytest.mark.parametrize("settings", [...])` replaces it."""
    return {}


@pytest.fixture
def simulator(settings: dict[str, Any]) -> Simulator:
    return Simulator(**settings)


@pytest.fixture
async def calls(simulator: Simulator) -> AsyncIterator[Calls]:
    async with Calls(simulator) as open_calls:
        yield open_calls
