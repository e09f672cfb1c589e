"""What a batch needs of a record: how far each recording has come. `sqlite_journal` keeps one in a file.

*Planned before sent, accepted as soon as known, done only when the result is safely written.*

    planned    known, nothing sent
    sent       may have been sent; the service is asked before it is sent again
    accepted   the service has it; the task says how to ask
    done       the transcript is here
    failed     it cannot succeed as it stands
    uncertain  sent, answer lost, and the edition has no way to ask
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol
from uuid import UUID, uuid5

from msgspec import Struct

from volcasr_async.models import Task, Transcript

State = Literal["planned", "sent", "accepted", "done", "failed", "uncertain"]
STATES: tuple[State, ...] = ("planned", "sent", "accepted", "done", "failed", "uncertain")


class Entry(Struct, frozen=True):
    """What the journal knows of a key."""

    key: str
    state: State
    attempt: int
    request_id: str
    fingerprint: str
    task: Task | None
    delivered: bool


class Change(Struct, frozen=True, kw_only=True):
    """How far a job has come now; `transcript` comes with "done", `error` with "failed" and "uncertain"."""

    key: str
    state: State
    edition: str
    attempt: int
    request_id: str
    fingerprint: str
    task: Task | None = None
    error: Exception | None = None
    transcript: Transcript | None = None


class Journal(Protocol):
    """What a batch needs of a journal; another store would be another implementation."""

    id: str

    async def look_up(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Tell what is known of these keys."""
        ...

    async def transcript(self, key: str) -> tuple[bytes, str | None, bool] | None:
        """Bring what was kept of a done job: the reply's body, its log id, and whether it was silent; `None` for none."""
        ...

    def note(self, change: Change) -> None:
        """Write down a change; `settle` makes it last."""
        ...

    def delivered(self, key: str) -> None:
        """Write down that the outcome has been taken care of by the caller."""
        ...

    async def settle(self) -> None:
        """Return when all that was noted so far is safely written; `JournalError` where it cannot be."""
        ...

    async def aclose(self) -> None:
        """Write the rest and let go of the file."""
        ...


def request_id_of(journal_id: str, key: str, attempt: int) -> str:
    """Derive the id of a deliberate attempt: even a row lost with the power comes back under the same one."""
    return str(uuid5(UUID(journal_id), f"{attempt}:{key}"))
