"""What a client tells of its work: OpenTelemetry where the program uses it, or an observer of your own.

VolcASR()                               OpenTelemetry when the program has set a provider before, else nothing
VolcASR(observe=MyObserver())           your own: subclass `Observer` and write the methods that you need
VolcASR(observe=OpenTelemetry(...))     with providers other than the global ones, or a bound on open spans
VolcASR(observe=False)                  nothing, whatever the program has set
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volcasr_async.errors import ConfigurationError
from volcasr_async.telemetry.records import AbandonedRecord, ClientRecord, ExchangeRecord, JobRecord, Observer

if TYPE_CHECKING:
    from volcasr_async.telemetry.otel import OpenTelemetry

__all__ = ["AbandonedRecord", "ClientRecord", "ExchangeRecord", "JobRecord", "Observer", "OpenTelemetry"]


def __getattr__(name: str) -> Any:
    """Bring OpenTelemetry's observer when it is asked for: the library is an extra."""
    if name != "OpenTelemetry":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    try:
        from volcasr_async.telemetry.otel import OpenTelemetry
    except ImportError as error:
        raise ConfigurationError(
            'OpenTelemetry needs its API, 1.30 or later: pip install "volcasr-async[otel]"'
        ) from error
    return OpenTelemetry
