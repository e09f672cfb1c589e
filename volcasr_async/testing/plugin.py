"""The pytest plugin: one fixture. It is loaded into every test run of its users, so it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from volcasr_async.testing.simulator import Simulator


@pytest.fixture
def volcasr_simulator() -> Simulator:
    """Give a fresh simulator with default settings; `Simulator(...)` makes others."""
    from volcasr_async.testing.simulator import Simulator

    return Simulator()
