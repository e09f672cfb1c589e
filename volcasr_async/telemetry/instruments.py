"""The metrics: what is counted, measured and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final
from weakref import WeakKeyDictionary, ref

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.util.types import AttributeValue

from volcasr_async._budget import Stats
from volcasr_async._version import __version__
from volcasr_async.telemetry.records import AbandonedRecord, ClientRecord, ExchangeRecord, JobRecord

_NAME: Final = "volcasr_async"
_TIMES_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 24 * 3600)

_REQUEST_TIMES_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

_Attributes = dict[str, AttributeValue]


class Instruments:
    """One set for each meter provider: a gauge that is made twice would be read for its first maker only."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(_NAME, __version__)
        self._jobs = meter.create_counter("volcasr.jobs", "{job}", "Jobs that ended, by outcome")
        self._active = meter.create_up_down_counter("volcasr.jobs.active", "{job}", "Jobs under way")
        self._requests = meter.create_counter("volcasr.requests", "{request}", "Requests made, by phase and code")
        self._refused = meter.create_counter(
            "volcasr.rejections", "{request}", "Requests refused for the rate or by a busy service"
        )
        self._times = meter.create_histogram(
            "volcasr.time_to_result",
            "s",
            "From the submit to the transcript",
            explicit_bucket_boundaries_advisory=_TIMES_S,
        )
        self._durations = meter.create_histogram(
            "volcasr.request_duration",
            "s",
            "From the permit of a request to its answer",
            explicit_bucket_boundaries_advisory=_REQUEST_TIMES_S,
        )
        self._waits = meter.create_histogram(
            "volcasr.permit_wait",
            "s",
            "Time that requests waited for their permits",
            explicit_bucket_boundaries_advisory=_REQUEST_TIMES_S,
        )
        self._abandoned = meter.create_counter(
            "volcasr.abandoned", "{recording}", "Recordings that may be charged and whose result nobody waits for"
        )
        self._audio = meter.create_counter("volcasr.audio", "s", "Audio of the transcripts that came, as it is charged")
        self._clients: dict[int, ref[ClientRecord]] = {}
        for name, unit, what, read in _GAUGES:
            meter.create_observable_gauge(name, [self._reader(read)], unit, what)

    def add(self, client: ClientRecord) -> None:
        """Read this client's gauges from now on."""
        self._clients[id(client)] = ref(client)

    def remove(self, client: ClientRecord) -> None:
        """Read them no longer."""
        self._clients.pop(id(client), None)

    def began(self, job: JobRecord) -> None:
        """Count a job as under way."""
        self._active.add(1, {"server.address": job.client.host})

    def exchanged(self, exchange: ExchangeRecord) -> None:
        """Count a request, and a refusal."""
        about: _Attributes = {"volcasr.phase": exchange.phase, **_who(exchange.job), **_error(exchange)}
        if exchange.code is not None:
            about["volcasr.code"] = exchange.code
        if exchange.http_status is not None:
            about["http.response.status_code"] = exchange.http_status
        self._requests.add(1, about)
        phase: _Attributes = {"volcasr.phase": exchange.phase, **_who(exchange.job)}
        self._durations.record(exchange.seconds, phase | _error(exchange))
        self._waits.record(exchange.waited_s, phase | {"volcasr.batch": exchange.job.in_batch})
        if exchange.refused:
            self._refused.add(1, about)

    def ended(self, job: JobRecord) -> None:
        """Count a job and what it brought."""
        who = _who(job)
        self._active.add(-1, {"server.address": job.client.host})
        about: _Attributes = {
            "volcasr.verb": job.verb,
            "volcasr.outcome": job.outcome or "",
            "volcasr.charged": job.charged,
        }
        self._jobs.add(1, about | who | _error(job))
        if job.result_s is not None:
            self._times.record(job.result_s, who)
        if job.outcome == "done" and job.audio_s is not None:
            self._audio.add(job.audio_s, who)

    def abandoned(self, recording: AbandonedRecord) -> None:
        """Count a recording that may be charged and whose result nobody waits for."""
        about: _Attributes = {"volcasr.edition": recording.edition, "volcasr.charged": recording.charged}
        self._abandoned.add(1, about | {"volcasr.has_task": recording.task_id is not None})

    def _reader(self, read: Callable[[Stats], float | None]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Read one value of all clients, those of one address together; called in the exporter's own thread."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            sums: dict[str, float] = {}
            for client in self._living():
                value = read(client.stats)
                if value is not None:
                    sums[client.host] = sums.get(client.host, 0) + value
            return [Observation(value, {"server.address": host}) for host, value in sums.items()]

        return observe

    def _living(self) -> Iterator[ClientRecord]:
        for number, found in list(self._clients.items()):
            client = found()
            if client is not None:
                yield client
            else:
                self._clients.pop(number, None)


_GAUGES: Final[tuple[tuple[str, str, str, Callable[[Stats], float | None]], ...]] = (
    ("volcasr.waiting", "{request}", "Requests that wait for their turn", lambda stats: stats.waiting),
    ("volcasr.in_air", "{request}", "Requests under way", lambda stats: stats.in_air),
    ("volcasr.rate", "{request}/s", "The rate that is kept to just now", lambda stats: stats.rate),
)

_made: WeakKeyDictionary[MeterProvider, Instruments] = WeakKeyDictionary()


def instruments_of(provider: MeterProvider) -> Instruments:
    """Give the instruments of a provider, the same for all clients."""
    found = _made.get(provider)
    if found is None:
        found = _made[provider] = Instruments(provider)
    return found


def _who(job: JobRecord) -> _Attributes:
    return {"volcasr.edition": job.edition} if job.edition is not None else {}


def _error(record: JobRecord | ExchangeRecord) -> _Attributes:
    return {"error.type": record.error_type} if record.error_type is not None else {}
