"""What passes between the floors: a Call goes down to the transport, a Reply comes up, a Step is what it meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

from volcasr_async.credentials import Credentials
from volcasr_async.job import Order
from volcasr_async.models import Pending, Task, Transcript
from volcasr_async.protocol.envelope import encoded_length

Phase = Literal["submit", "query", "flash"]


class Call(Struct, frozen=True):
    """One request, as a value: the body is *prefix*, the audio in base64 when `has_audio`, and *suffix*.

    A fresh body is opened from it for each attempt.
    """

    phase: Phase
    path: str
    headers: tuple[tuple[str, str], ...]
    prefix: bytes
    suffix: bytes = b""
    has_audio: bool = False

    def __repr__(self) -> str:
        """Show no header and no body: they hold the credentials, signed links and audio."""
        return f"<Call {self.phase} {self.path}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("phase", self.phase), ("path", self.path)]

    def content_length(self, audio_bytes: int = 0) -> int:
        """Tell the exact length of the body, known before its first byte."""
        audio = encoded_length(audio_bytes) if self.has_audio else 0
        return len(self.prefix) + audio + len(self.suffix)


class Reply(Struct, frozen=True):
    """One answer: the HTTP status, the headers under lower-case names, the body's bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Step = Pending | Transcript
"""What an answer meant when it was no refusal; refusals are raised."""


class Access(Struct, frozen=True):
    """Who asks and where: credentials, and host and path of the base URL, which the v1 signature covers."""

    credentials: Credentials
    host: str = "openspeech.bytedance.com"
    base_path: str = ""


class Dialect(Protocol):
    """How one edition speaks. Nobody above asks which edition it is."""

    phase: Phase
    """The phase that `open` belongs to: "submit", or "flash" where the answer comes at once."""
    can_ask: bool
    """Whether a task can be queried by the request id of its submit, so that a lost answer can be resolved."""

    def open(self, order: Order) -> Call:
        """Say what starts the job."""
        ...

    def read_open(self, order: Order, reply: Reply, *, at: float) -> Step:
        """Understand the answer to `open`, which came *at* that second since 1970; raise what it refused."""
        ...

    def claim(self, order: Order, *, at: float) -> Task | None:
        """Return the task that the job has if its submit, sent *at* that second, arrived.

        `None` where only the service's answer names the task.
        """
        ...

    def follow(self, task: Task, *, by_request_id: bool = False) -> Call:
        """Return the query for the task, by its id or by the request id of its submit."""
        ...

    def named_by(self, reply: Reply) -> str | None:
        """Return the request or the task that the answer to a query names; `None` where it names none."""
        ...

    def read_follow(self, task: Task, reply: Reply) -> Step:
        """Understand the answer to `follow`; raise what it refused."""
        ...
