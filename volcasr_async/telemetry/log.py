"""The library's log of its work: DEBUG for exchanges, INFO for jobs, WARNING for what costs money or time.

Every line has its ids as fields of the record (`extra`), named as in spans with an underscore: `volcasr_request_id`, ...
"""

from __future__ import annotations

import logging
from typing import Any

from volcasr_async.errors import VolcASRError, in_one_line
from volcasr_async.job import Order
from volcasr_async.models import Task
from volcasr_async.protocol.progress import Progress
from volcasr_async.telemetry.faults import described
from volcasr_async.telemetry.records import ExchangeRecord, JobRecord, Observer

JOBS = logging.getLogger("volcasr_async.jobs")
EXCHANGES = logging.getLogger("volcasr_async.exchanges")
RATE = logging.getLogger("volcasr_async.rate")
CHARGES = logging.getLogger("volcasr_async.charges")
"""Recordings that are charged, or may be, and whose result nobody waits for any more."""
AUDIO = logging.getLogger("volcasr_async.audio")
# A program that has not set up its logging gets no lines on its terminal, except for what was paid for and is lost: without
# a handler Python writes warnings to stderr.
for _quiet in (JOBS, EXCHANGES, RATE, AUDIO):
    _quiet.addHandler(logging.NullHandler())

_IDS = ("edition", "resource_id", "request_id", "task_id")
_JOB = (
    *_IDS,
    "log_id",
    "code",
    "verb",
    "outcome",
    "attempts",
    "queries",
    "bytes_sent",
    "audio_s",
    "seconds",
    "charged",
)
_EXCHANGE = ("phase", "number", "http_status", "code", "log_id", "body_bytes", "seconds", "error_type")


def wanted() -> bool:
    """Whether anybody reads what single jobs and exchanges write."""
    return JOBS.isEnabledFor(logging.INFO) or EXCHANGES.isEnabledFor(logging.DEBUG)


class Log(Observer):
    """Writes what ended."""

    def exchange_ended(self, exchange: ExchangeRecord) -> None:
        """Write at DEBUG."""
        if not EXCHANGES.isEnabledFor(logging.DEBUG):
            return
        if exchange.http_status is None:
            said = f"brought no answer: {_failure(exchange)}"
        else:
            said = f"answered HTTP {exchange.http_status}, code {exchange.code}, in {exchange.seconds:.3f} s"
        fields = _fields(exchange.job, _IDS) | _fields(exchange, _EXCHANGE)
        EXCHANGES.debug("%s %d of %s %s", exchange.phase, exchange.number, _name(exchange.job), said, extra=fields)

    def job_ended(self, job: JobRecord) -> None:
        """Write at INFO."""
        if not JOBS.isEnabledFor(logging.INFO):
            return
        why = f": {_failure(job)}" if job.error_type else ""
        fields = _fields(job, (*_JOB, "error_type"))
        JOBS.info("%s of %s %s after %.1f s%s", job.verb, _name(job), job.outcome, job.seconds, why, extra=fields)


def log_retry(progress: Progress, error: VolcASRError, *, was: str, name: str, pause_s: float) -> None:
    """Write that a request is made again: at WARNING where money is at stake, else at INFO."""
    order, task = progress.order, progress.task
    at = order or task
    if at is None:
        return
    log, level = JOBS, logging.WARNING
    if order is not None and order.request_id != name:
        log, what = CHARGES, f"a new task follows {name}, which may be charged again"
    elif progress.state == "ask" and was == "submit":
        what = "no usable answer to the submit; querying the service for it"
    elif progress.state == "submit" and was == "ask":
        # A service that accepted the submit and has forgotten it charges for it again: nobody can tell that from here.
        log, what = CHARGES, "the service does not know the submit; sending it again under the same request id"
    else:
        level, what = logging.INFO, f"trying again in {max(pause_s, 0.0):.1f} s"
    if log.isEnabledFor(level):
        _log_failure(log, level, progress, at, error, what)


def log_denied(progress: Progress, error: VolcASRError) -> None:
    """Write at WARNING that a submit without a usable answer counts as not charged, because queries did not find it.

    A service that accepted the submit and has forgotten it would charge for the next one again.
    """
    if progress.order is not None:
        what = "the service does not know the submit, so it counts as not charged"
        _log_failure(CHARGES, logging.WARNING, progress, progress.order, error, what)


def _log_failure(
    log: logging.Logger, level: int, progress: Progress, at: Order | Task, error: VolcASRError, what: str
) -> None:
    task = progress.task
    fields: dict[str, str | None] = {"volcasr_edition": at.edition.name, "volcasr_request_id": at.request_id}
    fields |= {"volcasr_error_type": type(error).__name__, "volcasr_task_id": task.id if task else None}
    fields["volcasr_charged"] = progress.charged_in_all
    log.log(level, "%s: %s: %s", in_one_line(at.request_id), what, described(error), extra=fields)


def log_abandoned(progress: Progress, task: Task | None, *, why: str) -> None:
    """Write at WARNING that nobody waits any more for a recording that is charged, or may be."""
    order, charged = progress.order, progress.charged_in_all
    request_id = order.request_id if order is not None else task.request_id if task is not None else ""
    fields = {"volcasr_request_id": request_id, "volcasr_task_id": task.id if task else None}
    fields["volcasr_charged"] = charged
    if task is not None:
        words = "%s; task %s may go on at the service and can be waited for"
        CHARGES.warning(words, why, task.to_json(), extra=fields)
    else:
        what = in_one_line(order.job.name) if order is not None else "a job"
        CHARGES.warning(
            "%s; %s (request id %s) may be charged, and its result is lost", why, what, request_id, extra=fields
        )


def log_note(note: str) -> None:
    """Write at WARNING what a batch found out about its journal."""
    CHARGES.warning("%s", in_one_line(note))


def log_cut(error: VolcASRError, rate: float, *, warn: bool) -> None:
    """Write that the service has slowed us down."""
    fields = {"volcasr_rate": rate, "volcasr_error_type": type(error).__name__}
    fields["volcasr_code"] = getattr(error, "code", None)
    level = logging.WARNING if warn else logging.INFO
    RATE.log(level, "the rate is cut to %.2f requests a second: %s", rate, described(error), extra=fields)


def log_pause(error: VolcASRError, pause_s: float, *, what: str) -> None:
    """Write at WARNING that nothing, or no submit, is sent for a long time, and why."""
    fields = {"volcasr_pause_s": pause_s, "volcasr_error_type": type(error).__name__}
    fields["volcasr_code"] = getattr(error, "code", None)
    RATE.warning("%s pause for %.0f s, as the service asks: %s", what, pause_s, described(error), extra=fields)


def _name(job: JobRecord) -> str:
    return in_one_line(job.task_id or job.request_id or "a job")


def _failure(record: JobRecord | ExchangeRecord) -> str:
    return f"{record.error_type}" + (f" ({record.error_message})" if record.error_message else "")


def _fields(record: JobRecord | ExchangeRecord, names: tuple[str, ...]) -> dict[str, Any]:
    return {f"volcasr_{name}": getattr(record, name) for name in names}
