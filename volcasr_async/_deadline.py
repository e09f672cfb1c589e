"""A call's deadline, and what is said when it ends early: what goes on at the service, and how to come back to it."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from volcasr_async._clock import now
from volcasr_async._timeouts import Deadline
from volcasr_async.errors import ServiceError, VolcASRError, WaitTimeout
from volcasr_async.protocol.progress import Progress
from volcasr_async.telemetry.watch import Telemetry

_T = TypeVar("_T")


async def within(limit: float, progress: Progress, work: Coroutine[Any, Any, _T], telemetry: Telemetry) -> _T | None:
    """Do the work until the deadline, which gives `None`; when the caller cancels it, report what may be charged."""
    deadline = Deadline()
    deadline.at = now() + limit
    try:
        with deadline:
            return await work
    except anyio.get_cancelled_exc_class():
        telemetry.abandoned(progress, progress.presumed_task(at=time.time()), why="cancelled")
        raise
    return None


def timed_out(progress: Progress, limit: float) -> WaitTimeout:
    """Return the error of a passed deadline: its reason, whether anything was sent, and the task to wait for."""
    task, order, cause = progress.presumed_task(at=time.time()), progress.order, progress.last_error
    job = order.job if order is not None else None
    reason = f" The last request failed: {cause}." if cause is not None else ""
    if task is not None:
        known = "" if progress.charged == "yes" else ", if it was accepted"
        text = (
            f"task {task.id} ({task.edition.name}) was not finished after {limit:g} s and goes on at the service{known}."
            f"{reason} Wait for error.task again, nothing is charged for that"
        )
    elif progress.charged_in_all == "no":
        name = job.name if job is not None else "the job"
        text = f"{name} had no answer after {limit:g} s; {_nothing(cause)}.{reason}"
    else:
        name = job.name if job is not None else "the job"
        text = f"{name} had no answer after {limit:g} s; it was sent and may have been recognised and billed.{reason}"
    error = WaitTimeout(text.rstrip("."), task=task, job=job)
    error.charged, error.__cause__ = progress.charged_in_all, cause
    return error


def _nothing(cause: VolcASRError | None) -> str:
    """Return why nothing is charged: no bytes left, or every submit was refused."""
    return "the service refused it, nothing is charged" if isinstance(cause, ServiceError) else "nothing was sent"
