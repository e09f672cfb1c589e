"""One job on its way through a batch: a record, for a sleeping task would hold ten times as much."""

from __future__ import annotations

from msgspec import Struct

from volcasr_async._audio import Upload
from volcasr_async.errors import InputError, VolcASRError, without_queries
from volcasr_async.job import Job
from volcasr_async.journal import Entry
from volcasr_async.models import Task
from volcasr_async.protocol.progress import Progress
from volcasr_async.sources import AudioUrl


class Flight(Struct):
    """One job, from reading to its outcome."""

    job: Job
    key: str
    fingerprint: str = ""
    attempt: int = 0
    request_id: str = ""
    """The request id that an earlier run gave it, where that can be used again."""
    before: Entry | None = None
    """The row of an earlier task, which a new one takes the place of; it is charged, or may be."""
    account: str | None = None
    """The digest of the credentials that an earlier run submitted it with, until this run submits it."""
    path: str | None = None
    """The absolute path of a local recording that is named by its path."""
    denied_task: Task | None = None
    """The task of a submit with this request id whose answer an earlier run lost, and which queries denied then."""
    is_replayed: bool = False
    """Whether its result was returned by an earlier run, and is returned again."""
    progress: Progress | None = None
    upload: Upload | None = None

    @property
    def is_prepared(self) -> bool:
        """Whether it could be sent now: its order is made, and local audio was looked at."""
        return self.progress is not None and (self.upload is not None or isinstance(self.job.source, AudioUrl))

    def begin(self, progress: Progress) -> None:
        """Set `progress`, with the charge state of the tasks that it follows, and what was lost in an earlier run."""
        self.progress = progress
        if self.denied_task is not None:
            progress.lost, progress.sent_at = True, self.denied_task.submitted_at
        if self.before is not None:
            progress.charged_before = self.before.charged

    @property
    def task_before(self) -> Task | None:
        """The task that the present one follows."""
        return self.before.task if self.before is not None else None

    @property
    def under_way(self) -> Progress:
        """Where it stands, once it has been prepared."""
        if self.progress is None:
            msg = f"{self.key} has not been prepared"
            raise RuntimeError(msg)
        return self.progress


def as_failure(key: str, error: Exception) -> VolcASRError:
    """Make of whatever a caller's job or audio raised an error that can be its outcome."""
    if isinstance(error, VolcASRError):
        return error
    failure = InputError(f"{key} cannot be sent: {type(error).__name__}: {without_queries(str(error))}")
    failure.__cause__ = error
    return failure
