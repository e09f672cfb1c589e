"""What is told of a client's work, and to whom: plain facts, none of them secret, none of them from a recording."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from volcasr_async._budget import Budget, Stats
from volcasr_async.errors import Charged
from volcasr_async.protocol.messages import Phase

Verb = Literal["transcribe", "submit", "query", "wait"]
End = Literal["done", "accepted", "pending", "failed", "cancelled", "left"]


class ClientRecord(Struct, kw_only=True, eq=False, weakref=True):
    """One `VolcASR`: where it sends to, and its budget. `base_url` holds neither credentials nor a query."""

    base_url: str
    host: str
    port: int
    budget: Budget

    def __repr__(self) -> str:
        return f"<ClientRecord {self.base_url}>"

    @property
    def stats(self) -> Stats:
        """What is in the air and waiting, and the present rate; may be read from any thread."""
        return self.budget.stats


class JobRecord(Struct, kw_only=True, eq=False):
    """One job: a call of `transcribe`, `submit`, `query` or `wait`, or one job of a batch (verb "transcribe").

    A call begins when it is made; a job of a batch with its first request. Times are nanoseconds since 1970 and seconds.

    - `edition`, `resource_id` (v1: the cluster), `request_id`, `task_id`: known from the first exchange on.
    - `log_id`, `code`: of the last answer; `attempts`: submits sent; `queries`: questions asked.
    - `bytes_sent`: bodies that left whole. `audio_s`: length of the recording, once its transcript is here (not v1).
    - `outcome`: "done"; "accepted" (`submit`); "pending" (`query`); "failed"; "cancelled" by the caller; "left" by a batch
      that ended before it. `seconds`: from its beginning to its end, and `result_s` from its submit to its transcript,
      also where that submit was made earlier or elsewhere. `waited_s`: how long its requests waited for their permits.
    - `charged`: whether the service has accepted the recording: "no", "maybe" or "yes".
    - `error_type`: the error's class. `error_message`: what it says, where that cannot hold anything of a recording.
    - `note`: the observer's own, a span perhaps.
    """

    client: ClientRecord
    verb: Verb
    in_batch: bool
    began_ns: int
    began_s: float
    edition: str | None = None
    resource_id: str | None = None
    request_id: str | None = None
    task_id: str | None = None
    log_id: str | None = None
    code: int | None = None
    attempts: int = 0
    queries: int = 0
    bytes_sent: int = 0
    age_s: float = 0.0
    audio_s: float | None = None
    silent: bool = False
    outcome: End | None = None
    seconds: float = 0.0
    result_s: float | None = None
    waited_s: float = 0.0
    charged: Charged = "no"
    error_type: str | None = None
    error_message: str | None = None
    note: Any = None

    def __repr__(self) -> str:
        return f"<JobRecord {self.verb} {self.outcome or 'under way'}, request id {self.request_id}>"


class ExchangeRecord(Struct, kw_only=True, eq=False):
    """One request and its answer.

    `number` counts the submits, or the queries, of its job. `http_status` is `None` where no answer came, `code` also
    where the answer had none. `body_bytes`: the length of the request's body. `refused`: for the rate, or because the
    service is busy: no failure of the job. `error_type` is "cancelled" where the exchange was cut off.
    """

    job: JobRecord
    phase: Phase
    path: str
    number: int
    began_ns: int
    began_s: float
    body_bytes: int
    http_status: int | None = None
    code: int | None = None
    log_id: str | None = None
    seconds: float = 0.0
    waited_s: float = 0.0
    refused: bool = False
    error_type: str | None = None
    error_message: str | None = None
    note: Any = None

    def __repr__(self) -> str:
        return f"<ExchangeRecord {self.phase} {self.number}, HTTP {self.http_status}, code {self.code}>"


class AbandonedRecord(Struct, kw_only=True, eq=False):
    """A recording that is charged, or may be, and whose result nobody waits for any more.

    A call was cancelled, or a batch without a journal ended first. `task_id` is `None` if there is no task to wait for: then
    the result is lost. `charged` is "maybe" or "yes".
    """

    client: ClientRecord
    edition: str
    request_id: str
    task_id: str | None
    charged: Charged

    def __repr__(self) -> str:
        return f"<AbandonedRecord {self.edition}, request id {self.request_id}>"


class Observer:
    """Is told what a client does; subclass it and write the methods that you need.

    All are called on the event loop and must be quick. `exchange_began` and `exchange_ended` of one exchange are called in
    the same task, and so are `job_began` and `job_ended` of a single call; those of a batch's job may be called in
    different tasks, all of which have the context (`contextvars`) that the batch was opened in. What an observer raises is
    logged and changes nothing.
    """

    def client_opened(self, client: ClientRecord) -> None:
        """A client was made."""

    def client_closed(self, client: ClientRecord) -> None:
        """It was closed; not told of a client that nobody closes."""

    def job_began(self, job: JobRecord) -> None:
        """A job began; most of its facts are not known yet."""

    def exchange_began(self, exchange: ExchangeRecord) -> None:
        """A request has its turn and is about to leave."""

    def exchange_ended(self, exchange: ExchangeRecord) -> None:
        """Its answer was understood, or it failed."""

    def job_ended(self, job: JobRecord) -> None:
        """A job has its outcome."""

    def recording_abandoned(self, recording: AbandonedRecord) -> None:
        """A recording is charged, or may be, and nobody waits for its result; the logger `volcasr_async.charges` wrote it."""
