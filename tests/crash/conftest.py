"""Real processes on the real clock: `pytest -m crash` selects them, `-m "not crash"` leaves them out."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "crash: kills real processes; up to a minute in all")
