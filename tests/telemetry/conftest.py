"""The SDK for each test."""

import pytest
from otel_kit import Otel


@pytest.fixture
def otel() -> Otel:
    """Give OpenTelemetry with everything in memory."""
    return Otel()
