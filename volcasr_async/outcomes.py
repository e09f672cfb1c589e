"""What a batch brings: one outcome for each job, and how far it has come."""

from __future__ import annotations

from msgspec import Struct

from volcasr_async.errors import Charged, VolcASRError
from volcasr_async.job import Job
from volcasr_async.models import Transcript


class Done(Struct, frozen=True):
    """A job that ended with its transcript; silence is one."""

    job: Job
    transcript: Transcript


class Failed(Struct, frozen=True):
    """A job that ended without a transcript.

    The error states why, carries the task where one goes on at the service, and states with `charged` whether the service
    has accepted the recording.
    """

    job: Job
    error: VolcASRError

    @property
    def charged(self) -> Charged:
        """Whether the service has accepted the recording, and charges for it."""
        return self.error.charged


Outcome = Done | Failed


class BatchStats(Struct, frozen=True, kw_only=True):
    """A snapshot of a batch.

    `read`: jobs read from the input; of these `skipped` were done in an earlier run, or stand in the list twice. `done` and
    `failed` have ended. Of the `done`, `replayed` were done and returned in an earlier run, and are returned again from the
    journal (`replay=True`). `ended` is the number of jobs that nothing is left to do for: `done`, `failed` and `skipped`.
    `total` is the number that `ended` reaches: the length of the input where it has one, as a list does, else what was read
    once the input is exhausted, and `None` before. Of those that failed, `failed_free` are not charged, `failed_charged` were accepted by the service,
    of `uncertain` it is not known, and `missing` were accepted and cannot be found any more.
    `sending` wait for their submit, `waiting` for their result. `in_air`: requests under way. `requests`: requests made.
    `audio_s`: seconds of audio recognised, without replayed results. `elapsed_s`: since the batch began. `exhausted`: the input has been read to
    its end. `rate` and `rejected` are the budget's.
    """

    read: int
    skipped: int
    done: int
    failed: int
    failed_free: int
    failed_charged: int
    uncertain: int
    missing: int
    sending: int
    waiting: int
    in_air: int
    requests: int
    audio_s: float
    elapsed_s: float
    exhausted: bool
    rate: float | None
    rejected: int
    replayed: int = 0
    total: int | None = None

    @property
    def ended(self) -> int:
        """Return how many jobs nothing is left to do for."""
        return self.done + self.failed + self.skipped
