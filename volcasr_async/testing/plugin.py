"""The pytest plugin. It is loaded into every test run of its users, so it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from volcasr_async.testing.simulator import Simulator
    from volcasr_async.testing.threads import SharedPort

MARKER = "volcasr_simulator"
_OF_THE_DEVELOPER = ("VOLCASR_APP_KEY", "VOLCASR_ACCESS_KEY", "VOLCASR_SECRET_KEY", "VOLCASR_CLUSTER")
_QUICK = {"VOLCASR_POLL_FIRST": "0", "VOLCASR_POLL_SHORTEST": "0.02"}
_NUMBERS = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(**settings): make the simulator of this test with these settings, as Simulator(...) takes them",
    )


@pytest.fixture
def volcasr_simulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """Give a fresh simulator whose tasks are done at once.

    `@pytest.mark.volcasr_simulator(processing_time=5, qps=20)` and indirect parameters set it otherwise; its attributes
    can be changed within the test. Clients that are made during the test, without a `PollPolicy`, ask at once.
    """
    from volcasr_async.testing.simulator import Simulator

    for name, value in _QUICK.items():
        monkeypatch.setenv(name, value)
    simulator = Simulator(processing_time=0)
    try:
        simulator.configure(**_settings(request))
    except (TypeError, ValueError) as error:
        pytest.fail(f"{request.node.nodeid}: {error}", pytrace=False)
    return simulator


@pytest.fixture
def volcasr_simulator_url(
    volcasr_simulator: Simulator, _volcasr_port: SharedPort, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Serve the test's simulator over a socket of this machine, in a thread of its own; give the base URL.

    It works for sync and async code and for other processes. The environment leads there: `VOLCASR_BASE_URL` and
    `VOLCASR_API_KEY` are set, and credentials of another kind are unset, so that no test reaches the real service. The URL
    is the same for the whole run, the key another one for each test.
    """
    for name in _OF_THE_DEVELOPER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOLCASR_BASE_URL", _volcasr_port.url)
    # Requests are counted for each key, in this process also after the end of a client: tests must not wait for each other.
    monkeypatch.setenv("VOLCASR_API_KEY", f"simulator-{next(_NUMBERS)}")
    with _volcasr_port.serve(volcasr_simulator) as url:
        yield url


@pytest.fixture(scope="session")
def _volcasr_port() -> Iterator[SharedPort]:
    from volcasr_async.testing.threads import SharedPort

    with SharedPort.open() as port:
        yield port


def _settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Collect what the markers of a test, its class and its module say, the nearest last, and then the parameter."""
    settings: dict[str, Any] = {}
    for mark in reversed([*request.node.iter_markers(MARKER)]):
        if mark.args:
            raise TypeError(f"settings have names: @pytest.mark.{MARKER}(processing_time=5)")
        settings |= mark.kwargs
    given = getattr(request, "param", {})
    if not isinstance(given, dict):
        raise TypeError(f"the parameter of {MARKER} is {given!r}; it is a dictionary of settings")
    return settings | given
