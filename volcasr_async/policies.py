"""What the caller allows: how much at once, how often again, how long to wait. Times are seconds."""

from __future__ import annotations

import math

from msgspec import Struct
from msgspec.structs import force_setattr

from volcasr_async._checks import check_bool
from volcasr_async.errors import InputError


class Limits(Struct, frozen=True, kw_only=True):
    """The request budget of one app key, shared by everything that goes through one `VolcASR`.

    `qps`: requests started in any second, submits and queries together; `None` for no limit. `concurrency`: requests in
    the air at once. `upload_bytes`: bytes of local audio in the air at once (a larger single file goes alone).

    `max_waiting`: calls that may wait to submit, for a turn or for room for their audio; one more raises `BudgetFull` at
    once, where by default it would wait as well. It refuses only who has sent nothing yet: neither the queries of a task
    nor the repetition of a submit, and nothing of a batch.
    """

    qps: float | None = 20.0
    concurrency: int = 20
    upload_bytes: int = 256_000_000
    max_waiting: int | None = None

    def __post_init__(self) -> None:
        if self.qps is not None and not (_is_number(self.qps) and self.qps > 0):
            raise InputError(
                f"Limits(qps={self.qps!r}) must be a number above 0; use qps=None for no limit", reason="usage"
            )
        if not _is_count(self.concurrency, 1):
            raise InputError(
                f"Limits(concurrency={self.concurrency!r}) must be a whole number, at least 1", reason="usage"
            )
        if not _is_count(self.upload_bytes, 1):
            raise InputError(
                f"Limits(upload_bytes={self.upload_bytes!r}) must be a whole number, at least 1", reason="usage"
            )
        if self.max_waiting is not None and not _is_count(self.max_waiting, 0):
            raise InputError(
                f"Limits(max_waiting={self.max_waiting!r}) must be a whole number, at least 0; None lets all wait",
                reason="usage",
            )


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """What is done again, and how often.

    `attempts` counts the tries of one request that failed in a way that may pass; refusals for the request rate do not
    count, they are the budget's affair. Pauses between tries double from `first` up to `longest`, with jitter.
    `reply_timeout`: how long a request may stay without an answer, and at most 15 s of it without a connection. A whole
    reply may take twice as long, and a second more for each 8 KiB that came.
    `grace`: for how long after a lost answer the service is queried before the submit counts as not accepted, and for how
    long an internal error in place of a task's state is queried again. An accepted task that is not found is queried for
    twice as long.

    What can be charged twice is off. `pay_again=True` permits all of it: a recording that was charged, or may have been, is
    submitted again where its result cannot be had any more. Its parts: `resubmit_v1` (submit to v1 again although the lost
    submit may have arrived), `resend_flash` (the same for flash), `new_tasks` (how many new tasks may follow a task that the
    service ended badly; with `pay_again` at least one).
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    reply_timeout: float = 60.0
    grace: float = 30.0
    resubmit_v1: bool = False
    resend_flash: bool = False
    new_tasks: int = 0
    pay_again: bool = False

    def __post_init__(self) -> None:
        if not _is_count(self.attempts, 1):
            raise InputError(
                f"RetryPolicy(attempts={self.attempts!r}) must be a whole number, at least 1: the first try counts",
                reason="usage",
            )
        for name, least in (("first", 0), ("longest", 0), ("reply_timeout", 0), ("grace", None)):
            _check_seconds("RetryPolicy", name, getattr(self, name), above=least)
        if self.first > self.longest:
            raise InputError(
                f"RetryPolicy(first={self.first!r}) must not be above longest={self.longest!r}, in seconds",
                reason="usage",
            )
        if not _is_count(self.new_tasks, 0):
            raise InputError(
                f"RetryPolicy(new_tasks={self.new_tasks!r}) must be a whole number, at least 0", reason="usage"
            )
        for name in ("resubmit_v1", "resend_flash", "pay_again"):
            # A permission to be charged again: the text "no" must not count as one.
            check_bool(f"RetryPolicy({name})", getattr(self, name))
        if self.pay_again:
            force_setattr(self, "resubmit_v1", True)
            force_setattr(self, "resend_flash", True)
            force_setattr(self, "new_tasks", max(self.new_tasks, 1))


class PollPolicy(Struct, frozen=True, kw_only=True):
    """When a task is asked about.

    The first query goes out `first` seconds after the submit was accepted; after it, the gap is `growth` times the task's
    age, at least `shortest` and at most `longest` (`None`: 30 s, idle edition 300 s), give or take a tenth.

    A batch learns how long its tasks take: while hardly any is finished at the age of `first`, it asks later, by `longest`
    at most.
    """

    first: float = 2.0
    growth: float = 0.2
    shortest: float = 1.0
    longest: float | None = None

    def __post_init__(self) -> None:
        _check_seconds("PollPolicy", "first", self.first)
        if not _is_number(self.growth) or self.growth < 0:
            raise InputError(f"PollPolicy(growth={self.growth!r}) must be a number, at least 0", reason="usage")
        _check_seconds("PollPolicy", "shortest", self.shortest, above=0)
        if self.longest is not None:
            _check_seconds("PollPolicy", "longest", self.longest, above=0)
            if self.longest < self.shortest:
                raise InputError(
                    f"PollPolicy(longest={self.longest!r}) must not be below shortest={self.shortest!r}, in seconds",
                    reason="usage",
                )


def _check_seconds(what: str, name: str, value: object, *, above: float | None = None) -> None:
    """Reject what is not a number of seconds: at least 0, or above *above*."""
    if isinstance(value, int | float) and _is_number(value) and (value > above if above is not None else value >= 0):
        return
    limit = f"above {above}" if above is not None else "at least 0"
    raise InputError(f"{what}({name}={value!r}) must be a number of seconds, {limit}", reason="usage")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
