"""A call's deadline, and what is said when it ends early: what goes on at the service, and how to come back to it."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from volcasr_async._clock import now
from volcasr_async._session import claimed
from volcasr_async._timeouts import Deadline
from volcasr_async.errors import WaitTimeout
from volcasr_async.protocol.progress import Progress

_T = TypeVar("_T")
_log = logging.getLogger("volcasr_async")


async def within(limit: float, progress: Progress, work: Coroutine[Any, Any, _T]) -> _T | None:
    """Do the work until the deadline, which gives `None`; when the caller cancels it, say what goes on elsewhere."""
    deadline = Deadline()
    deadline.at = now() + limit
    try:
        with deadline:
            return await work
    except anyio.get_cancelled_exc_class():
        task = claimed(progress)
        if task is not None:
            _log.warning("cancelled; task %s may go on at the service and can be waited for", task.to_json())
        raise
    return None


def timed_out(progress: Progress, limit: float) -> WaitTimeout:
    """Say what goes on at the service after the deadline, and how to come back to it."""
    task, order = claimed(progress), progress.order
    if task is not None:
        known = "" if progress.task is not None else ", if it was taken at all"
        return WaitTimeout(
            f"task {task.id} ({task.edition.name}) was not finished after {limit:g} s and goes on at the service{known}; "
            "wait for error.task again, nothing is charged for that",
            task=task,
            job=order.job if order is not None else None,
        )
    name = order.job.name if order is not None else "the job"
    sent = progress.sends > 0
    more = "what was sent may have been recognised and billed" if sent else "nothing had been sent"
    return WaitTimeout(f"{name} had no answer after {limit:g} s; {more}", job=order.job if order is not None else None)
