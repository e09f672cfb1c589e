"""Both backends, in virtual time: an hour of waiting passes at once, but never while a thread works for us."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from volcasr_async._recent import RECENT
from volcasr_async.testing import virtual_time

settings.register_profile("thorough", max_examples=2000, deadline=None)
# The same examples in each run, so that a change decides about red and green, and no draw. "thorough" draws new ones.
settings.register_profile("default", max_examples=100, deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

SAMPLES = Path(__file__).parent / "samples"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: left out unless SLOW_TESTS is set in the environment; .ci/run sets it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("SLOW_TESTS"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Virtual time; a test that needs real sockets asks for `real_time` beside it."""
    return (request.param, {}) if "real_time" in request.fixturenames else virtual_time(request.param)


@pytest.fixture(autouse=True)
def _forget_closed_clients() -> None:
    """No test waits for the requests of an earlier one, whose client had the same credentials."""
    RECENT.clear()


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """The command sends the library's log to stderr; other tests want it as it was."""
    log = logging.getLogger("volcasr_async")
    before = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.level, log.propagate = before


@pytest.fixture
def real_time() -> None:
    """Run on the real clock: for real sockets and processes."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the credentials of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("VOLCASR_")]:
        monkeypatch.delenv(name)
