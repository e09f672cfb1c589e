"""What a batch brings: one outcome for each job, and how far it has come."""

from __future__ import annotations

from msgspec import Struct

from volcasr_async.errors import VolcASRError
from volcasr_async.job import Job
from volcasr_async.models import Transcript


class Done(Struct, frozen=True):
    """A job that ended with its transcript; silence is one."""

    job: Job
    transcript: Transcript


class Failed(Struct, frozen=True):
    """A job that ended without one; the error says why, and carries the task where one goes on at the service."""

    job: Job
    error: VolcASRError


Outcome = Done | Failed


class BatchStats(Struct, frozen=True, kw_only=True):
    """A snapshot of a batch.

    `read`: jobs read from the input; of these `skipped` were done in an earlier run. `done` and `failed` have ended;
    `sending` wait for their submit, `waiting` for their result. `in_air`: requests under way. `requests`: requests made.
    `audio_s`: seconds of audio recognised. `elapsed_s`: since the batch began. `exhausted`: the input has been read to
    its end. `rate` and `rejected` are the budget's.
    """

    read: int
    skipped: int
    done: int
    failed: int
    sending: int
    waiting: int
    in_air: int
    requests: int
    audio_s: float
    elapsed_s: float
    exhausted: bool
    rate: float | None
    rejected: int
