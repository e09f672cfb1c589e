"""Virtual time on asyncio and trio for the in-process face; the loopback tests ask for real time instead."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sim_calls import Calls

from volcasr_async.testing import Simulator, virtual_time


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


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
