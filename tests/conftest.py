"""Both backends, in virtual time: an hour of waiting passes at once, but never while a thread works for us."""

import asyncio
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
import sniffio
import trio
from hypothesis import settings
from trio.testing import MockClock

from volcasr_async._recent import RECENT

settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.register_profile("default", max_examples=100, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

SAMPLES = Path(__file__).parent / "samples"

_working = 0
_run_sync = anyio.to_thread.run_sync


async def _counted(*args: Any, **kwargs: Any) -> Any:
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


@pytest.fixture(autouse=True)
def _count_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(anyio.to_thread, "run_sync", _counted)
    yield


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Virtual time; a test that needs real sockets asks for `real_time` beside it."""
    real = "real_time" in request.fixturenames
    if request.param == "asyncio":
        return "asyncio", {} if real else {"loop_factory": JumpingLoop}
    return "trio", {} if real else {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture(autouse=True)
def _forget_closed_clients() -> None:
    """No test waits for the requests of an earlier one, whose client had the same credentials."""
    RECENT.clear()


@pytest.fixture
def real_time() -> None:
    """Run on the real clock: for real sockets and processes."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the credentials of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("VOLCASR_")]:
        monkeypatch.delenv(name)
