"""A simulator that listens for the whole run, and the command to be called."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_calls import SECRET, Caller, Port

from volcasr_async.testing import Simulator, make_wav


@pytest.fixture(scope="session")
def port() -> Iterator[Port]:
    """One simulator for the tests of this directory."""
    with Port(Simulator(processing_time=0.5)) as port:
        yield port


@pytest.fixture
def service(port: Port, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """The environment leads to the simulator."""
    monkeypatch.setenv("VOLCASR_BASE_URL", port.url)
    monkeypatch.setenv("VOLCASR_API_KEY", SECRET)
    return port.simulator


@pytest.fixture
def volcasr(capfd: pytest.CaptureFixture[str]) -> Caller:
    """Call the command in this process."""
    return Caller(capfd)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """A recording of two seconds."""
    path = tmp_path / "talk.wav"
    path.write_bytes(make_wav(2.0))
    return path
