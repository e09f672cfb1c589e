"""Hints that a task may have ended: how a waiting call hears of one, and how much one is worth.

A hint is somebody's word and never believed. It brings the next question forward, within the budget; when that question
finds the task unfinished, the plan stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from msgspec.structs import replace

from volcasr_async._clock import now, wait_for
from volcasr_async.errors import InputError
from volcasr_async.job import Job
from volcasr_async.policies import PollPolicy
from volcasr_async.protocol.charge import comparable_id
from volcasr_async.protocol.progress import Progress

_MOST_KEPT = 4096
"""Hints that nobody waits for yet; the oldest is forgotten first, and polling finds its result."""
_QUIET_S = 1.0
"""How long a hint may not hurry the same waiter once more, doubled each time: who repeats them must not eat the budget."""


class Bell:
    """What one waiting call sleeps beside."""

    def __init__(self, *, rung: bool = False) -> None:
        self._rung = rung
        self._event = anyio.Event()
        self._quiet_s, self._quiet_until = _QUIET_S, float("-inf")

    def ring(self) -> None:
        """Say that the task may have ended."""
        self._rung = True
        self._event.set()

    async def sleep(self, progress: Progress) -> float | None:
        """Sleep until the next request is due. Where a hint ended the sleep, give the time that had been planned."""
        while True:
            at = now()
            hurried = self._rung and progress.state == "wait"
            until = min(progress.due, self._quiet_until) if hurried else progress.due
            if at >= until:
                break
            await wait_for(self._event, until - at)
            self._event = anyio.Event()
        if progress.state == "wait":
            self._rung = False
        if at >= progress.due:
            return None
        self._quiet_until = at + self._quiet_s
        self._quiet_s *= 2
        return progress.due


class Hints:
    """Brings hints to the calls of one client that wait; one that comes before its call is kept for it."""

    def __init__(self) -> None:
        self._bells: dict[str, list[Bell]] = {}
        self._early: dict[str, None] = {}

    def give(self, request_id: str) -> None:
        """Wake whoever waits for the task of this request id."""
        name = comparable_id(request_id)
        for bell in self._bells.get(name, ()):
            bell.ring()
        if name in self._bells:
            return
        self._early.pop(name, None)
        self._early[name] = None
        if len(self._early) > _MOST_KEPT:
            del self._early[next(iter(self._early))]

    @contextmanager
    def heard(self, progress: Progress) -> Iterator[Bell]:
        """Listen for a job's hints, under the name that its callback was given."""
        name = comparable_id(_named(progress))
        bell = Bell(rung=name in self._early)
        self._early.pop(name, None)
        bells = self._bells.setdefault(name, [])
        bells.append(bell)
        try:
            yield bell
        finally:
            bells.remove(bell)
            if not bells:
                del self._bells[name]


def paced(progress: Progress, poll: PollPolicy | None) -> Progress:
    """Have a job asked about by a policy of its own."""
    if poll is not None:
        progress.rules = replace(progress.rules, poll=poll)
        if progress.state == "wait":
            progress.due = max(progress.since + poll.first, now())
    return progress


def called_back(job: Job, callback: str | None, callback_data: str | None) -> Job:
    """Give a job its callback; `InputError` where it has one already."""
    for name, value in (("callback", callback), ("callback_data", callback_data)):
        if value is None:
            continue
        if getattr(job, name) is not None:
            raise InputError(
                f"this Job has a {name} of its own: leave out the parameter {name}, or the Job's", reason="usage"
            )
        job = replace(job, **{name: value})
    return job


def _named(progress: Progress) -> str:
    """A fresh task that follows a failed one has another request id, but the callback of its job."""
    if progress.order is not None:
        return progress.order.job.request_id
    return progress.task.request_id if progress.task is not None else ""
