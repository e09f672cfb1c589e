"""Follows the jobs and exchanges of one client, for whoever observes it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal
from urllib.parse import urlsplit

from volcasr_async._audio import Upload
from volcasr_async._budget import SUBMIT_PAUSE_S, Budget
from volcasr_async._clock import now
from volcasr_async._loops import PerLoop
from volcasr_async.editions import AucV1
from volcasr_async.errors import RateLimited, ServerBusy, TransportError, VolcASRError
from volcasr_async.models import Pending, Task, Transcript
from volcasr_async.protocol.messages import Call, Reply, Step
from volcasr_async.protocol.progress import Progress
from volcasr_async.protocol.reading import read_status
from volcasr_async.telemetry import log
from volcasr_async.telemetry.faults import error_message, error_type
from volcasr_async.telemetry.records import AbandonedRecord, ClientRecord, ExchangeRecord, JobRecord, Observer, Verb

Observe = Observer | Literal[False] | None

_WATCHED: ContextVar[JobRecord | None] = ContextVar("volcasr_watched", default=None)
_WARN_EVERY_S = 60.0
_LONG_PAUSE_S = 10.0


class Telemetry:
    """What one client tells. Nothing is kept, and nothing asked but whether anybody listens, while nobody does."""

    def __init__(self, observe: Observe, base_url: str, budget: Budget) -> None:
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self.client: ClientRecord = ClientRecord(base_url=base_url, host=parts.hostname or "", port=port, budget=budget)
        self._observer = chosen(observe)
        self._listeners: tuple[Observer, ...] = (self._observer,) if self._observer is not None else ()
        self._listeners = (*self._listeners, log.Log())
        self._raised: set[tuple[int, str]] = set()
        self._warned_s = float("-inf")
        self._pauses: PerLoop[dict[str, float]] = PerLoop(dict)
        self._tell("client_opened", self.client)

    def close(self) -> None:
        """The client is closed."""
        self._tell("client_closed", self.client)

    @property
    def on(self) -> bool:
        """Whether anybody listens."""
        return self._observer is not None or log.wanted()

    @property
    def watched(self) -> JobRecord | None:
        """The job that the running task makes requests for, where somebody listens."""
        job = _WATCHED.get()
        # Audio that is sent may come through another client, which may be none of the observer's business.
        return job if job is None or job.client is self.client else None

    # ---- jobs ----

    @contextmanager
    def job(self, verb: Verb) -> Iterator[None]:
        """Follow one call."""
        record = self.begin(verb)
        token = _WATCHED.set(record)
        try:
            yield
        except BaseException as error:
            self.end(record, error)
            raise
        else:
            self.end(record)
        finally:
            _WATCHED.reset(token)

    def begin(self, verb: Verb, *, in_batch: bool = False) -> JobRecord:
        """Begin with a job."""
        record = JobRecord(client=self.client, verb=verb, in_batch=in_batch, began_ns=time.time_ns(), began_s=now())
        self._tell("job_began", record)
        return record

    def end(self, job: JobRecord, error: BaseException | None = None, *, left: bool = False) -> None:
        """End it, with what it brought or with an error."""
        job.seconds = now() - job.began_s
        if error is not None:
            job.error_type, job.error_message = error_type(error), error_message(error)
            if isinstance(error, VolcASRError):
                job.charged = error.charged
            job.outcome = "cancelled" if job.error_type == "cancelled" else "failed"
        elif left:
            job.outcome = "left"
        elif job.verb == "submit":
            job.outcome = "accepted"
        elif job.outcome == "done":
            job.result_s = job.age_s + job.seconds
        else:
            job.outcome = "pending"
        self._tell("job_ended", job)

    def watches(self) -> Watches | None:
        """Follow the jobs of a batch; `None` while nobody listens."""
        return Watches(self) if self.on else None

    # ---- exchanges ----

    @contextmanager
    def exchange(
        self, job: JobRecord, progress: Progress, call: Call, upload: Upload | None, *, waited_s: float
    ) -> Iterator[ExchangeRecord]:
        """Follow one exchange, which waited so long for its permit."""
        record = _begun(job, progress, call, upload)
        record.waited_s = waited_s
        job.waited_s += waited_s
        self._tell("exchange_began", record)
        try:
            yield record
        except BaseException as error:
            _fail(record, error)
            raise
        finally:
            record.seconds = now() - record.began_s
            if record.http_status is not None:
                job.code, job.log_id = record.code, record.log_id or job.log_id
            self._tell("exchange_ended", record)

    def abandoned(self, progress: Progress, task: Task | None, *, why: str) -> None:
        """Report a recording that is charged, or may be, and whose result nobody waits for any more."""
        charged, at = progress.charged_in_all, progress.order or progress.task
        if charged == "no" or at is None:
            return
        log.log_abandoned(progress, task, why=why)
        record = AbandonedRecord(
            client=self.client,
            edition=at.edition.name,
            request_id=at.request_id,
            task_id=task.id if task is not None else None,
            charged=charged,
        )
        self._tell("recording_abandoned", record)

    def heeded(self, error: VolcASRError, before: float | None, after: float | None) -> None:
        """The budget has learnt from a failed request."""
        self._note_pause(error)
        if after is None or (before is not None and after >= before):
            return
        at = now()
        warn = not 0 <= at - self._warned_s < _WARN_EVERY_S  # the clock of another event loop may be behind
        if warn:
            self._warned_s = at
        log.log_cut(error, after, warn=warn)

    def _note_pause(self, error: VolcASRError) -> None:
        """Log a long pause once. Requests in flight together meet the same refusal."""
        if not isinstance(error, RateLimited | ServerBusy):
            return
        no_submits = isinstance(error, RateLimited) and error.pauses_submits
        pause_s = error.retry_after_s or (SUBMIT_PAUSE_S if no_submits else 0.0)
        what, at, ends = "submits" if no_submits else "all requests", now(), self._pauses.get()
        if pause_s > _LONG_PAUSE_S and at + pause_s > ends.get(what, float("-inf")) + _LONG_PAUSE_S:
            ends[what] = at + pause_s
            log.log_pause(error, pause_s, what=what)

    def _tell(self, what: str, record: ClientRecord | JobRecord | ExchangeRecord | AbandonedRecord) -> None:
        """Tell all; what an observer raises is said once, for no recording may be lost by looking at it."""
        for listener in self._listeners:
            try:
                getattr(listener, what)(record)
            except Exception:  # noqa: BLE001 - an observer is the caller's, and may raise anything
                if (id(listener), what) not in self._raised:
                    self._raised.add((id(listener), what))
                    log.JOBS.exception("the observer %s failed in %s", type(listener).__name__, what)


class Watches:
    """The jobs of one batch, from their first request to their outcome."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._records: dict[int, tuple[object, JobRecord]] = {}

    def enter(self, flight: object) -> None:
        """The running task makes requests for this one now."""
        known = self._records.get(id(flight))
        if known is None:
            # With the flight itself, so that nobody else gets its id.
            known = self._records[id(flight)] = (flight, self._telemetry.begin("transcribe", in_batch=True))
        _WATCHED.set(known[1])

    def end(self, flight: object, error: VolcASRError | None) -> None:
        """It has its outcome; a transcript that an earlier run left is none of this one's work."""
        known = self._records.pop(id(flight), None)
        if known is not None:
            self._telemetry.end(known[1], error)
        elif error is not None:
            self._telemetry.end(self._telemetry.begin("transcribe", in_batch=True), error)

    def close(self) -> None:
        """The batch has ended before these."""
        while self._records:
            self._telemetry.end(self._records.popitem()[1][1], left=True)


def chosen(observe: Observe) -> Observer | None:
    """Take the caller's observer, or OpenTelemetry's where the program has set a provider of its own."""
    if observe is False:
        return None
    if observe is not None:
        return observe
    if not {"opentelemetry.trace", "opentelemetry.metrics"} & set(sys.modules):
        return None  # nobody can have set one, and the import would cost 30 ms
    from volcasr_async.telemetry.otel import OpenTelemetry

    otel = OpenTelemetry()
    return otel if otel.is_configured else None


def heard(exchange: ExchangeRecord, reply: Reply) -> None:
    """Take what an answer says of itself."""
    status = read_status(reply)
    exchange.http_status, exchange.code, exchange.log_id = reply.status, status.code, status.log_id
    exchange.job.bytes_sent += exchange.body_bytes


def brought(exchange: ExchangeRecord, step: Step) -> None:
    """Take what an answer meant."""
    job = exchange.job
    if step.task is not None:
        job.task_id = step.task.id
    if isinstance(step, Pending):
        return
    job.outcome, job.silent = "done", step.silent
    job.audio_s = _audio_s(step)


def _audio_s(transcript: Transcript) -> float | None:
    return None if transcript.duration_ms is None else transcript.duration_ms / 1000


def _begun(job: JobRecord, progress: Progress, call: Call, upload: Upload | None) -> ExchangeRecord:
    at = progress.order or progress.task
    if at is not None:
        edition = at.edition
        job.edition, job.request_id = edition.name, at.request_id
        job.resource_id = edition.cluster if isinstance(edition, AucV1) else edition.resource_id
    job.task_id = progress.task.id if progress.task is not None else None  # a fresh task has yet to be named
    if progress.state == "wait" and not (job.attempts or job.queries):
        job.age_s = max(job.began_s - progress.since, 0.0)  # submitted earlier, or elsewhere
    if call.phase == "query":
        job.queries += 1
    else:
        job.attempts += 1
    return ExchangeRecord(
        job=job,
        phase=call.phase,
        path=call.path,
        number=job.queries if call.phase == "query" else job.attempts,
        began_ns=time.time_ns(),
        began_s=now(),
        body_bytes=call.content_length(upload.size if upload is not None else 0),
    )


def _fail(exchange: ExchangeRecord, error: BaseException) -> None:
    exchange.error_type, exchange.error_message = error_type(error), error_message(error)
    exchange.refused = isinstance(error, RateLimited | ServerBusy)
    if isinstance(error, TransportError) and error.sent == "yes":
        exchange.job.bytes_sent += exchange.body_bytes
