"""All that can go wrong, by whose fault it is.

    VolcASRError
        InputError                  ours, before anything was sent (also a ValueError)
        ConfigurationError          no or contradicting credentials, bad base URL (also a ValueError)
        BudgetFull                  too many calls wait for their turn; nothing was sent
        TransportError              the way there: sent = no | maybe | yes
        ReplyError                  it answered nonsense
        ServiceError                it answered no
            InvalidRequest          45000001, other 450xxxxx, 1001, other 4xx
            TaskNotFound            45000000 "cannot find task"
            AuthenticationFailed    45000010, 1002, 401
            ResourceNotGranted      45000030, 403
            QuotaExceeded           45000292 *_lifetime, 1004
            RateLimited             45000292 qps and concurrency, 45000131, 1003, 429
            ServerBusy              55000031, 1005
            ServerError             550xxxxx, 1006, 1020, 1021, 1022, 1099, 5xx
            AudioError              the recording itself
                EmptyAudio          45000002, 1014
                BadAudioFormat      45000151, 1012
                AudioTooLong        1010
                AudioTooLarge       45000132, 1011
                AudioDownloadFailed 45000006, 21701, 1015
        SubmitUncertain             the answer to a billed submit was lost and cannot be resolved
        WaitTimeout                 the deadline passed (also a TimeoutError)
        JournalError                the record of a batch cannot be read or written

An error is born once, with everything known at that moment, and is never wrapped in another. All of them pickle. Their
messages hold no secret and no query string of a URL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal

from volcasr_async.public_messages import CODE_OF_REASON, MESSAGES, InputReason, PublicCode

if TYPE_CHECKING:
    from volcasr_async.job import Job
    from volcasr_async.models import Task

Sent = Literal["no", "maybe", "yes"]
Charged = Literal["no", "maybe", "yes"]
"""Whether the service has accepted a recording, and therefore charges for it.

`no`: no complete submit was sent, or the service refused it with a listed code. `maybe`: a complete submit may have been sent,
and no usable answer arrived. `yes`: the submit was accepted, or a query found the task.
"""
Evidence = Literal["accepted", "ended", "refused", "check", "nothing"]
"""What an answer proves about the task; `protocol.status` lists it for each code."""

# A query ends at a blank and nowhere else: one with a quotation mark in it must not show its rest. JSON may write \/ for /;
# a link that was taken for a path has lost a slash; an input method writes full-width characters.
# It goes over a link without a query as well, or a text of thousands of them would be gone over from each to its end.
_QUERY = re.compile(r"((?:[:：]\\?[/／]|https?[:：])\\?[/／][^\s?？#＃]++)([?？#＃]\S*)?")
_USERINFO = re.compile(r"((?:[:：]\\?[/／]|https?[:：])\\?[/／])[^\s/／?？#＃]*@")


def without_queries(text: str) -> str:
    """Cut the query, fragment and user part from every URL in *text*: a pre-signed link is a credential."""
    return _USERINFO.sub(r"\1", _QUERY.sub(_cut, text)) if "/" in text or "／" in text else text


def _cut(found: re.Match[str]) -> str:
    return f"{found[1]}?..." if found[2] else found[0]


def in_one_line(text: str) -> str:
    """Take out what moves a cursor or forges a line of a log: what the service says is anybody's text."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


class VolcASRError(Exception):
    """The root: catch this to catch all that the library raises on purpose."""

    retryable: bool = False
    """Whether the same call, made again later, may succeed. The retry plan reads this and nothing else."""
    account_wide: bool = False
    """Whether no job at all can succeed before somebody changes the account: a batch stops on it."""
    charged: Charged = "no"
    """Whether the service has accepted the recording that the error is about; see `Charged`."""
    _public_code: ClassVar[PublicCode] = "internal"

    def __init__(self, *said: object) -> None:
        # Whatever finds its way into a message, such as a link that was given as a format: its query does not.
        super().__init__(*(without_queries(part) if isinstance(part, str) else part for part in said))

    @property
    def public_code(self) -> PublicCode:
        """Return the stable code of `public_message`, such as "recording_too_large": a key for translations."""
        return self._public_code

    @property
    def public_message(self) -> str:
        """Return a sentence in English that may be shown to the caller of a web service.

        It states what is wrong and what the caller can do. It is a constant for each `public_code`, so it contains no ids,
        hosts, paths, links, texts of the service or advice for programmers.
        """
        return MESSAGES[self.public_code]


class InputError(VolcASRError, ValueError):
    """The input cannot be sent; nothing was sent. The message states what is wrong and what to do.

    `reason` tells the kinds apart: "missing", "directory", "unreadable", "empty", "not-audio", "format", "damaged",
    "too-large", "too-long", "link", "value" (any other value) or "usage" (an incorrect call of the library).
    """

    def __init__(self, *said: object, reason: InputReason = "value") -> None:
        super().__init__(*said)
        self.reason: InputReason = reason

    @property
    def public_code(self) -> PublicCode:
        """Return the code that belongs to `reason`."""
        return CODE_OF_REASON[self.reason]


class ConfigurationError(VolcASRError, ValueError):
    """Credentials or the base URL are missing, contradict each other or do not fit the edition."""

    account_wide = True


class BudgetFull(VolcASRError):
    """More calls than `Limits(max_waiting=...)` would have waited for their first request; nothing was sent.

    Raised at once and never retried by the library: a web service answers 503. `retry_after_s` is an estimate of when
    those that wait now will have had their turn, in seconds, at least 1.
    """

    retryable = True
    _public_code: ClassVar[PublicCode] = "busy"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TransportError(VolcASRError):
    """The exchange broke on the way.

    `sent` tells what the service can have seen: "no" (no complete request, it cannot have acted), "yes" (all of it left
    us), "maybe" (not known). Only "no" makes it safe to repeat a submit.
    """

    retryable = True
    _public_code: ClassVar[PublicCode] = "unavailable"

    def __init__(self, message: str, *, sent: Sent = "maybe") -> None:
        super().__init__(message)
        self.sent: Sent = sent


class ReplyError(VolcASRError):
    """The reply has no shape we know: not JSON, no status code, a finished task without a transcript.

    `excerpt` holds the beginning of the body, at most 200 characters.
    """

    retryable = True
    _public_code: ClassVar[PublicCode] = "unavailable"
    evidence: Evidence = "nothing"
    """What the answer proves about the task: a success that cannot be read proves that the service has it."""

    def __init__(
        self, message: str, *, excerpt: str = "", http_status: int | None = None, log_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.excerpt = excerpt
        self.http_status = http_status
        self.log_id = log_id


class ServiceError(VolcASRError):
    """The service answered no.

    `code` is the service's own number, `None` where only the HTTP status spoke; `message` its own text; `log_id` what its
    support asks for; `hint` what to do about it. `task` is there when a task had been accepted before.
    `retry_after_s` is the pause that the service asked for, in seconds.
    """

    new_task: bool = False
    """The task has ended badly: only a fresh one, with a new id and perhaps charged again, may succeed."""
    most_tries: int | None = None
    """After how many tries a retryable refusal is final; `None` leaves it to the retry policy."""
    evidence: Evidence = "nothing"
    """What the answer proves about the task, by its code and the phase in which it came."""
    default_hint: ClassVar[str] = ""

    def __init__(  # noqa: PLR0913 - all that is known at its birth
        self,
        message: str = "",
        *,
        code: int | None = None,
        log_id: str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        edition: str | None = None,
        task: Task | None = None,
        hint: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.log_id = log_id
        self.request_id = request_id
        self.http_status = http_status
        self.edition = edition
        self.task = task
        self.hint: str = hint if hint is not None else self.default_hint
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        said = in_one_line(self.message) or "the service gave no reason"
        number = f"{self.code}: " if self.code is not None else ""
        where = {
            "edition": self.edition,
            "HTTP": self.http_status,
            "log id": self.log_id,
            "request id": self.request_id,
        }
        facts = ", ".join(f"{name} {value}" for name, value in where.items() if value)
        return f"{number}{said}" + (f" ({facts})" if facts else "") + (f". {self.hint}" if self.hint else "")


class InvalidRequest(ServiceError):
    """A field is missing, has a value the service does not take, or the request was a repetition."""

    default_hint = "Compare the options with the edition's document; the log id lets the service's support see why"

    @property
    def public_code(self) -> PublicCode:
        """Return "internal", because the program chose the fields; a request that is too large (413) has another code."""
        return "recording_too_large" if self.http_status == 413 else "internal"


class TaskNotFound(ServiceError):
    """The service does not know the task: never accepted, expired, or queried with another resource id or key.

    With `charged == "yes"` the task had been accepted; with "maybe" no answer had shown that (`Task.accepted`). Neither is
    submitted again without permission.
    """

    _public_code: ClassVar[PublicCode] = "not_found"
    default_hint = "The task was never accepted, or its result has expired (the service keeps results for 24 hours)"


class AuthenticationFailed(ServiceError):
    """The credentials were not accepted."""

    account_wide = True
    default_hint = (
        "A new-console key goes into ApiKey (VOLCASR_API_KEY), an old-console pair into AppKey (VOLCASR_APP_KEY and "
        "VOLCASR_ACCESS_KEY); neither console takes the other's"
    )


class ResourceNotGranted(ServiceError):
    """The credentials are good, but not for this resource id."""

    account_wide = True
    default_hint = "See in the console which resource ids the key is granted, and pass the edition with resource_id=..."


class QuotaExceeded(ServiceError):
    """The amount that was bought or given is spent; it stays so until more is bought."""

    account_wide = True
    default_hint = "Buy more in the console, or use another resource id that still has an allowance"


class RateLimited(ServiceError):
    """More requests, or more audio, than the app key may send just now; no failure of the job."""

    retryable = True
    _public_code: ClassVar[PublicCode] = "busy"
    default_hint = "Lower Limits(qps=..., concurrency=...) if other programs use the same app key"
    pauses_submits: bool = False
    """Set for 45000131 (500 hours of audio within half an hour): submits have to wait minutes, queries do not."""
    crowded: bool = False
    """Set where too many requests were in the air at once, rather than too many in a second."""


class ServerBusy(ServiceError):
    """The service is overloaded and did not take the request."""

    retryable = True
    _public_code: ClassVar[PublicCode] = "busy"


class ServerError(ServiceError):
    """The service failed inside."""

    retryable = True
    _public_code: ClassVar[PublicCode] = "unavailable"


class AudioError(ServiceError):
    """The recording cannot be recognised as it is; other recordings are not concerned."""

    _public_code: ClassVar[PublicCode] = "recording_rejected"


class EmptyAudio(AudioError):
    """There is no audio in it."""

    _public_code: ClassVar[PublicCode] = "recording_empty"
    default_hint = "The recording holds no samples; check the file behind the link"


class BadAudioFormat(AudioError):
    """It could not be decoded: a wrong label, or a container that the edition does not take."""

    _public_code: ClassVar[PublicCode] = "recording_format"
    default_hint = "Leave format= out rather than giving a wrong one, or convert the recording to WAV, MP3 or OGG OPUS"


class AudioTooLong(AudioError):
    """Longer than the edition takes (5 h; flash 2 h)."""

    _public_code: ClassVar[PublicCode] = "recording_too_long"
    default_hint = "Cut the recording; flash takes 2 hours, the other editions 5"


class AudioTooLarge(AudioError):
    """Larger than the edition takes (512 MB; flash 100 MB)."""

    _public_code: ClassVar[PublicCode] = "recording_too_large"
    default_hint = "Compress or cut the recording; flash takes 100 MB, the other editions 512 MB"


class AudioDownloadFailed(AudioError):
    """The service could not fetch the link."""

    _public_code: ClassVar[PublicCode] = "link_not_downloadable"
    default_hint = (
        "The service downloads from mainland China: give a link to object storage there, without redirect or login, "
        "signed for longer than the edition's promised waiting time"
    )


class SubmitUncertain(VolcASRError):
    """A submit left, its answer was lost, and no query can tell whether the service accepted it.

    Standard and idle: `task` can be queried later with `query` or `wait`. v1 and flash: only `job` is known. Submitting
    again can be charged again; `RetryPolicy(pay_again=True)` permits it.
    """

    charged: Charged = "maybe"
    _public_code: ClassVar[PublicCode] = "uncertain"

    def __init__(self, message: str, *, job: Job | None = None, task: Task | None = None) -> None:
        super().__init__(message)
        self.job = job
        self.task = task


class WaitTimeout(VolcASRError, TimeoutError):
    """The deadline passed.

    `charged` states whether the service has the recording. `task` is the accepted or presumed task; `wait(error.task)`
    waits for it again at no cost. It is `None` where nothing was sent, for flash, and for a v1 submit that was not
    accepted. `__cause__` is the last failure of a request, if there was one.
    """

    @property
    def public_code(self) -> PublicCode:
        """Return "not_finished" if there is a task to wait for, else "timed_out"."""
        return "timed_out" if self.task is None else "not_finished"

    def __init__(self, message: str, *, task: Task | None = None, job: Job | None = None) -> None:
        super().__init__(message)
        self.task = task
        self.job = job


class JournalError(VolcASRError):
    """The journal of a batch cannot be read or written: a foreign or broken file, a file in use, a full disk.

    A batch ends with it instead of continuing without a record. `tasks` holds the tasks that the batch knew then, which are
    charged and may not be in the journal.
    """

    account_wide = True

    def __init__(self, message: str, *, tasks: tuple[Task, ...] = ()) -> None:
        super().__init__(message)
        self.tasks = tasks
