"""Spans and metrics for OpenTelemetry (extra `[otel]`).

Only the API is needed; where spans and metrics go is the program's choice.
"""

from __future__ import annotations

import time
from contextvars import Token
from typing import Final

from msgspec import Struct
from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from volcasr_async._version import __version__
from volcasr_async.telemetry.instruments import Instruments, instruments_of
from volcasr_async.telemetry.records import AbandonedRecord, ClientRecord, ExchangeRecord, JobRecord, Observer

_NAME: Final = "volcasr_async"
_OPEN_SPANS: Final = 10_000
_WHO: Final = ("edition", "resource_id", "request_id", "task_id")
_FACTS: Final = (
    *_WHO,
    "log_id",
    "code",
    "attempts",
    "queries",
    "bytes_sent",
    "audio_s",
    "waited_s",
    "silent",
    "outcome",
    "charged",
)


class _Open(Struct, eq=False, gc=False):
    """A span that has begun, and how the task's context was before it became the current one."""

    span: Span
    token: Token[Context] | None


class OpenTelemetry(Observer):
    """A span for each job, a child of it for each exchange, and metrics.

    Without providers the global ones are used; what the program has not set is left out. An open span takes about 3 KB.
    So at most *open_spans* jobs of batches have theirs open, with a child for each exchange; what begins while so many are
    open gets its span when it ends, with its true beginning and all attributes, but without children.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        open_spans: int = _OPEN_SPANS,
    ) -> None:
        tracers, meters = tracer_provider or trace.get_tracer_provider(), meter_provider or metrics.get_meter_provider()
        self._tracer = tracers.get_tracer(_NAME, __version__) if _is_set(tracers) else None
        self._instruments: Instruments | None = instruments_of(meters) if _is_set(meters) else None
        self._most, self._open = open_spans, 0

    @property
    def is_configured(self) -> bool:
        """Whether there is any provider that spans or metrics could go to."""
        return self._tracer is not None or self._instruments is not None

    def client_opened(self, client: ClientRecord) -> None:
        """Read its gauges from now on."""
        if self._instruments is not None:
            self._instruments.add(client)

    def client_closed(self, client: ClientRecord) -> None:
        """Read them no longer."""
        if self._instruments is not None:
            self._instruments.remove(client)

    def job_began(self, job: JobRecord) -> None:
        """Open the job's span, the current one for a single call; a batch's workers have many jobs."""
        if self._instruments is not None:
            self._instruments.began(job)
        if self._tracer is None or (job.in_batch and self._open >= self._most):
            return
        span = self._job_span(job)
        if job.in_batch:
            self._open += 1
            job.note = _Open(span, None)
        else:
            job.note = _Open(span, context.attach(trace.set_span_in_context(span)))

    def exchange_began(self, exchange: ExchangeRecord) -> None:
        """Open a span under the job's and make it the current one, for whatever traces the HTTP library."""
        opened: _Open | None = exchange.job.note
        if self._tracer is None or opened is None:
            return
        client = exchange.job.client
        attributes: dict[str, AttributeValue] = {
            "http.request.method": "POST",
            "http.request.body.size": exchange.body_bytes,
            "server.address": client.host,
            "server.port": client.port,
            "url.full": client.base_url + exchange.path,
            "url.template": exchange.path,
            "volcasr.phase": exchange.phase,
        }
        if exchange.phase != "query" and exchange.number > 1:
            attributes["http.request.resend_count"] = exchange.number - 1
        attributes |= _known(exchange.job, _WHO)
        span = self._tracer.start_span(
            f"POST {exchange.path}",
            trace.set_span_in_context(opened.span),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=exchange.began_ns,
        )
        exchange.note = _Open(span, context.attach(trace.set_span_in_context(span)))

    def exchange_ended(self, exchange: ExchangeRecord) -> None:
        """Close it, and count the request."""
        if self._instruments is not None:
            self._instruments.exchanged(exchange)
        opened: _Open | None = exchange.note
        if opened is None:
            return
        if opened.token is not None:
            context.detach(opened.token)
        span, exchange.note = opened.span, None
        if span.is_recording():
            if exchange.http_status is not None:
                span.set_attribute("http.response.status_code", exchange.http_status)
            span.set_attributes(_known(exchange, ("code", "log_id", "waited_s")) | _known(exchange.job, ("task_id",)))
            _mark(span, exchange)
        span.end()

    def job_ended(self, job: JobRecord) -> None:
        """Close the job's span, or make it now, and count the job."""
        if self._instruments is not None:
            self._instruments.ended(job)
        if self._tracer is None:
            return
        opened: _Open | None = job.note
        if opened is None:
            span = self._job_span(job)
        else:
            span, job.note = opened.span, None
            self._open -= job.in_batch
            if opened.token is not None:
                context.detach(opened.token)
        if span.is_recording():
            span.set_attributes(_known(job, _FACTS))
            _mark(span, job)
        span.end(time.time_ns())

    def recording_abandoned(self, recording: AbandonedRecord) -> None:
        """Count it."""
        if self._instruments is not None:
            self._instruments.abandoned(recording)

    def _job_span(self, job: JobRecord) -> Span:
        assert self._tracer is not None  # noqa: S101 - the callers have looked
        attributes: dict[str, AttributeValue] = {"volcasr.batch": job.in_batch, "server.address": job.client.host}
        return self._tracer.start_span(f"volcasr {job.verb}", attributes=attributes, start_time=job.began_ns)


def _is_set(provider: TracerProvider | MeterProvider) -> bool:
    """Tell whether it is a provider that does something: the API's own are stand-ins."""
    return not type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


def _known(record: JobRecord | ExchangeRecord, names: tuple[str, ...]) -> dict[str, AttributeValue]:
    """Collect attributes; OpenTelemetry takes no `None`."""
    found = ((name, getattr(record, name)) for name in names)
    return {f"volcasr.{name}": value for name, value in found if value is not None}


def _mark(span: Span, record: JobRecord | ExchangeRecord) -> None:
    """Say how it ended; to be cancelled is no error, and a finished exchange leaves the status open, as it should."""
    if record.error_type is None:
        return
    span.set_attribute("error.type", record.error_type)
    if record.error_type != "cancelled":
        span.set_status(Status(StatusCode.ERROR, record.error_message))
