"""v1 auc: the older service; submit, then poll; the service names the task (doc 80820, doc 192519, doc 2534847)."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

import msgspec
from msgspec import Struct

from volcasr_async.credentials import AppKey
from volcasr_async.editions import AucV1
from volcasr_async.errors import ConfigurationError
from volcasr_async.job import Order
from volcasr_async.lenient import json_of
from volcasr_async.models import Pending, Task, Transcript
from volcasr_async.options import Options
from volcasr_async.protocol.messages import Access, Call, Phase, Reply, Step
from volcasr_async.protocol.reading import Status, pending, read_status, refuse, unreadable_success
from volcasr_async.protocol.requests import AudioSection, UserSection, audio_section
from volcasr_async.protocol.results import read_v1

_SUBMIT, _QUERY = "/api/v1/auc/submit", "/api/v1/auc/query"
_UID = "volcasr_async"  # required by the document, and only told apart by the caller

# Ours on the left, the key inside `additions` on the right. `show_utterances` has none: v1 always sends them.
_ADDITIONS = {
    "enable_itn": "use_itn",
    "enable_punc": "use_punc",
    "enable_ddc": "use_ddc",
    "enable_speaker_info": "with_speaker_info",
    "enable_channel_split": "channel_split",
}


class AppSection(Struct, frozen=True):
    """`app`: who asks, the token for the second time."""

    appid: str
    token: str
    cluster: str


class RequestSection(Struct, frozen=True, omit_defaults=True):
    """`request`: what is left of it beside `additions`."""

    callback: str | None = None
    boosting_table_name: str | None = None


class SubmitBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole body of a submit; every value of `additions` is a string."""

    app: AppSection
    user: UserSection
    audio: AudioSection
    request: RequestSection | None = None
    additions: dict[str, str] = {}


class QueryBody(Struct, frozen=True):
    """The whole body of a query."""

    appid: str
    token: str
    cluster: str
    id: str


class AucDialect:
    """Speaks the v1 edition."""

    phase: Phase = "submit"
    can_ask = False

    def __init__(self, edition: AucV1, access: Access) -> None:
        if not isinstance(access.credentials, AppKey):
            raise ConfigurationError(
                "v1 takes the old console's pair: pass AppKey(app_key, access_key) or set VOLCASR_APP_KEY and "
                "VOLCASR_ACCESS_KEY instead of the API key"
            )
        self._edition, self._access, self._pair = edition, access, access.credentials

    def open(self, order: Order) -> Call:
        """Submit."""
        job, corpus = order.job, order.options.corpus
        audio = audio_section(order)
        body = SubmitBody(
            app=AppSection(self._pair.app_key, self._pair.access_key, self._edition.cluster),
            user=UserSection(job.uid or _UID),
            audio=msgspec.structs.replace(audio, language=None),
            request=_request_section(job.callback, corpus.boosting_table_name if corpus else None),
            additions=_additions(order.options, audio.language, called_back=job.callback is not None),
        )
        return self._call("submit", _SUBMIT, msgspec.json.encode(body))

    def read_open(self, order: Order, reply: Reply, *, at: float) -> Step:
        """Take the task's id; without one nothing could be asked."""
        status = read_status(reply)
        if status.rule.submit == "silent":
            return self._silence(reply, status, None)
        if status.rule.submit != "accepted":
            refuse(status, reply, "submit", edition="v1", request_id=order.request_id)
        task_id = _task_id(reply)
        if task_id is None:
            raise unreadable_success(reply, status, "the submit was accepted, but without the task's id")
        task = Task(
            id=task_id,
            edition=self._edition,
            request_id=order.request_id,
            submitted_at=at,
            key=order.job.name,
            log_id=status.log_id,
        )
        return Pending(task=task, phase="accepted", log_id=status.log_id)

    def claim(self, order: Order, *, at: float) -> Task | None:  # noqa: ARG002 - the answer is always the same
        """Only the service's answer names the task."""
        return None

    def follow(self, task: Task, *, by_request_id: bool = False) -> Call:  # noqa: ARG002 - v1 knows no request id
        """Query."""
        body = QueryBody(self._pair.app_key, self._pair.access_key, self._edition.cluster, task.id)
        return self._call("query", _QUERY, msgspec.json.encode(body))

    def named_by(self, reply: Reply) -> str | None:
        """Return `resp.id`."""
        return _task_id(reply)

    def read_follow(self, task: Task, reply: Reply) -> Step:
        """Return the state or the transcript."""
        status = read_status(reply)
        match status.rule.query:
            case "pending":
                return pending(task, status)
            case "silent":
                return self._silence(reply, status, task)
            case "done":
                return self._done(reply, status, task)
            case _:
                refuse(status, reply, "query", edition="v1", request_id=task.request_id, task=task)

    def _done(self, reply: Reply, status: Status, task: Task) -> Transcript:
        try:
            result = read_v1(reply.body)
        except ValueError as error:
            raise unreadable_success(reply, status, "the reply says success but its body cannot be read") from error
        if result is None:
            raise unreadable_success(reply, status, "the reply says success but holds no transcript")
        return Transcript(
            text=result.text, utterances=result.utterances, task=task, log_id=status.log_id, raw=reply.body
        )

    def _silence(self, reply: Reply, status: Status, task: Task | None) -> Transcript:
        """1013 is a result: nothing was spoken."""
        return Transcript(text="", silent=True, task=task, log_id=status.log_id, raw=reply.body)

    def _call(self, phase: Phase, path: str, body: bytes) -> Call:
        head = (("Authorization", self._authorization(path, body)), ("Content-Type", "application/json"))
        return Call(phase, path, head, body)

    def _authorization(self, path: str, body: bytes) -> str:
        """Bearer with a semicolon, or the HMAC over request line, host and body (doc 2534847)."""
        pair = self._pair
        if pair.secret_key is None:
            return f"Bearer; {pair.access_key}"
        head = f"POST {self._access.base_path}{path} HTTP/1.1\n{self._access.host}\n"
        mac = urlsafe_b64encode(hmac.digest(pair.secret_key.encode(), head.encode() + body, "sha256")).decode()
        return f'HMAC256; access_token="{pair.access_key}"; mac="{mac}"; h="Host"'


def _request_section(callback: str | None, table: str | None) -> RequestSection | None:
    return RequestSection(callback, table) if callback is not None or table is not None else None


def _additions(options: Options, language: str | None, *, called_back: bool) -> dict[str, str]:
    """Booleans are the strings "True" and "False", with a capital letter."""
    said = {"language": language} if language else {}
    for name, key in _ADDITIONS.items():
        value = getattr(options, name)
        if value is not None:
            said[key] = str(bool(value))
    if called_back:
        said["enable_query"] = "True"  # without it a task with a callback refuses queries (2024-08)
    return said | dict(options.extra)


class _Named(Struct, frozen=True):
    id: str | int | None = None


class _Reply(Struct, frozen=True):
    resp: _Named | None = None


_REPLY = msgspec.json.Decoder(_Reply)


def _task_id(reply: Reply) -> str | None:
    """Return `resp.id`, which may be a number; `None` where there is none.

    A result may have 30,000 words, so they are not decoded for this. Without the id of a submit a paid task is lost, so a
    body of an unknown shape is read once more.
    """
    try:
        found = _REPLY.decode(reply.body).resp
        return str(found.id) if found is not None and found.id else None
    except (ValueError, RecursionError):
        return _task_id_of(reply)


def _task_id_of(reply: Reply) -> str | None:
    """Return the id of a body in any charset and of any types."""
    try:
        body = json_of(reply.body)
    except ValueError:
        return None
    resp = body.get("resp") if isinstance(body, dict) else None
    found = resp.get("id") if isinstance(resp, dict) else None
    return str(found) if isinstance(found, str | int) and found else None
