"""What the tests of telemetry share: the SDK with everything in memory, and what must not be told."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from io_kit import PAIR
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import Event, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status

from volcasr_async import VolcASR
from volcasr_async.outcomes import Outcome
from volcasr_async.sources import SourceLike
from volcasr_async.telemetry import OpenTelemetry

SECRETS = ("signed-link-secret", PAIR.app_key, PAIR.access_key, "S3CRET")


def links(count: int) -> list[str]:
    return [f"https://example.com/{number}.mp3" for number in range(count)]


async def outcomes_of(asr: VolcASR, items: Sequence[SourceLike], **more: Any) -> list[Outcome]:
    async with asr.batch(items, **more) as batch:
        return [outcome async for outcome in batch]


class Ended(Protocol):
    """A span that has ended: it has what the SDK's own types call optional."""

    name: str
    kind: SpanKind
    attributes: Mapping[str, Any]
    context: SpanContext
    parent: SpanContext | None
    start_time: int
    end_time: int
    status: Status
    events: Sequence[Event]
    links: Sequence[Link]

    def to_json(self) -> str: ...


class Otel:
    """The SDK with everything in memory."""

    def __init__(self, **more: Any) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider(**more)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._reader])
        self.tracer = self.tracers.get_tracer("a program")

    def observer(self, **more: Any) -> OpenTelemetry:
        return OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters, **more)

    @property
    def spans(self) -> tuple[Ended, ...]:
        return cast("tuple[Ended, ...]", self._spans.get_finished_spans())

    def jobs(self) -> list[Ended]:
        return [span for span in self.spans if span.name.startswith("volcasr ")]

    def job(self) -> Ended:
        [span] = self.jobs()
        return span

    def under(self, parent: Ended) -> list[Ended]:
        """The children of a span, in the order in which they began."""
        found = [span for span in self.spans if span.parent and span.parent.span_id == parent.context.span_id]
        return sorted(found, key=lambda span: span.start_time)

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """All data points of a metric, as (attributes, value or histogram point)."""
        data = self._reader.get_metrics_data()
        return [
            (dict(point.attributes or {}), getattr(point, "value", point))
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def total(self, name: str, **attributes: object) -> float:
        """The sum of a counter over the points that have these attributes (a dot is written as two underscores)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        return sum(float(value) for found, value in self.points(name) if wanted.items() <= found.items())

    def everything(self) -> str:
        """All that would leave the process, as text."""
        spans = " ".join(span.to_json() for span in self.spans)
        return spans + str(self._reader.get_metrics_data())
