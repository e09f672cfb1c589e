"""What the tests of the command and of telemetry share is found here too."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for _name in ("cli", "telemetry"):
    sys.path.append(str(Path(__file__).parents[1] / _name))

from cli_calls import Caller  # noqa: E402 - found by the lines above
from leak_kit import Log  # noqa: E402


@pytest.fixture
def log() -> Iterator[Log]:
    """Everything that anybody logs, at DEBUG."""
    with Log() as log:
        yield log


@pytest.fixture
def volcasr(capfd: pytest.CaptureFixture[str]) -> Caller:
    """Call the command in this process."""
    return Caller(capfd)
