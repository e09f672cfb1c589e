"""What a batch needs of a journal: how far each recording has come, and its charge state. `sqlite_journal` keeps one in a file.

A job is *planned* before it is sent, *accepted* as soon as that is known, and *done* only when the result is safely written.

    state      charge    meaning
    planned    no        known, nothing sent
    sent       maybe     may have been sent; `task` is the task that it has if its submit arrived
    accepted   yes       the service has it, and no listed code ended it; `task` is what to query
    done       yes       the transcript is here
    failed     no, yes   refused before it was accepted (no), or ended by a listed final code (yes)
    uncertain  maybe     sent, answer lost, and the service offers no way to check
    missing    yes       accepted, and the service does not know the task any more
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable
from uuid import UUID, uuid5

from msgspec import Struct

from volcasr_async.errors import Charged
from volcasr_async.models import Task, Transcript

BESIDE = ("-wal", "-shm", "-journal", "-seq", "-lock")
"""What the files beside a journal have after its name: those of SQLite, the number of commits, and the lock."""

State = Literal["planned", "sent", "accepted", "done", "failed", "uncertain", "missing"]
STATES: tuple[State, ...] = ("planned", "sent", "accepted", "done", "failed", "uncertain", "missing")


class Entry(Struct, frozen=True):
    """What the journal knows of a key.

    `charged` is about the recording: of its present task, and of those before it. `before` is the row as it was before the
    present task, where that follows one that is charged, or may be; it is `None` once the present task is accepted.
    `updated_at` is seconds since 1970. `account` is the digest of the credentials that it was sent with, `None` where that
    is not known. `path` is the absolute path of a local recording that is named by its path.
    """

    key: str
    state: State
    attempt: int
    request_id: str
    fingerprint: str
    task: Task | None
    delivered: bool
    charged: Charged = "no"
    updated_at: float = 0.0
    account: str | None = None
    path: str | None = None
    before: Entry | None = None


class Change(Struct, frozen=True, kw_only=True):
    """How far a job has come now; `transcript` comes with "done", `error` with what ended without one."""

    key: str
    state: State
    edition: str
    attempt: int
    request_id: str
    fingerprint: str
    charged: Charged
    task: Task | None = None
    error: Exception | None = None
    transcript: Transcript | None = None
    account: str | None = None
    path: str | None = None
    before: Entry | None = None


class Condition(Struct, frozen=True, kw_only=True):
    """What a journal was found to be when a batch opened it.

    `is_behind`: it is older than what was sent: restored from a copy, or copied without its last rows. What it does not know
    may have been sent, and the service still has the results. `was_behind`: it was found so at any time. `other_account`: it
    was used with other credentials. `own_task_ids`: the service gave a task an id of its own. `newest_at`: when its newest row
    was written, in seconds since 1970. `notes`: what the caller should read.
    """

    is_behind: bool = False
    was_behind: bool = False
    other_account: bool = False
    own_task_ids: bool = False
    newest_at: float | None = None
    notes: tuple[str, ...] = ()


class Journal(Protocol):
    """What a batch needs of a journal; another store would be another implementation."""

    id: str

    async def bind(self, host: str, account: str) -> Condition:
        """Take the journal for one service and one digest of credentials, and return its condition.

        Raises `JournalError` for a journal that belongs to another host.
        """
        ...

    async def look_up(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what is known of these keys. The task of a recording that is done and delivered may be left out."""
        ...

    async def transcript(self, key: str) -> tuple[bytes, str | None, bool] | None:
        """Return what was kept of a done job: the reply's body, its log id, and whether it was silent; `None` for none."""
        ...

    def note(self, change: Change) -> None:
        """Note a change; `settle` makes it last."""
        ...

    def note_own_task_ids(self) -> None:
        """Note that the service gives tasks ids of its own; `settle` makes it last."""
        ...

    def delivered(self, key: str) -> None:
        """Note that the outcome has been taken care of by the caller."""
        ...

    async def settle(self) -> None:
        """Return when all that was noted so far is safely written; `JournalError` where it cannot be."""
        ...

    async def aclose(self) -> None:
        """Write the rest and let go of the file."""
        ...


@runtime_checkable
class KeepsTasks(Protocol):
    """A journal whose `look_up` leaves out the tasks of delivered recordings, and which can return them for a replay or a redo."""

    async def look_up_with_tasks(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what is known of these keys, with all tasks."""
        ...


def request_id_of(journal_id: str, key: str, attempt: int) -> str:
    """Derive the id of a deliberate attempt: even a row lost with the power comes back under the same one."""
    return str(uuid5(UUID(journal_id), f"{attempt}:{key}"))
