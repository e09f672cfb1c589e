"""Where a reply hides its status, and how a refusal is born."""

from __future__ import annotations

from typing import Any, Never

import msgspec
from msgspec import Struct

from volcasr_async.errors import RateLimited, ReplyError, ServerError, ServiceError, TaskNotFound, without_queries
from volcasr_async.lenient import json_of
from volcasr_async.models import Pending, Task
from volcasr_async.protocol.messages import Phase, Reply
from volcasr_async.protocol.status import Rule, Verdict, is_failure, rule_of

_EXCERPT = 200
_LONGEST_MESSAGE = 2000
"""Characters; a body may have 64 MB of them, and a message goes into logs and journals."""


class Status(Struct, frozen=True):
    """What a reply says of itself: code and message where found, the log id, and the row of the status table."""

    code: int | None
    message: str
    log_id: str | None
    rule: Rule


class _Said(Struct, frozen=True):
    code: int | None = None
    message: str = ""


class _Body(Struct, frozen=True):
    header: _Said | None = None
    code: int | None = None
    message: str = ""
    resp: _Said | None = None


_BODY = msgspec.json.Decoder(_Body, strict=False)


def read_status(reply: Reply) -> Status:
    """Find the code: `X-Api-Status-Code`, then `header.code`, `code` and `resp.code` of the body, else none.

    Gateways answer without the header, v1 answers in `resp` (doc 80820), where the code may be a string.
    """
    log_id = reply.headers.get("x-tt-logid")
    code, message = as_int(reply.headers.get("x-api-status-code")), reply.headers.get("x-api-message", "")
    if code is None:
        code, said = _said_in_body(reply.body)
        message = said or message
    elif not message:
        message = _said_in_body(reply.body)[1]
    message = without_queries(message[:_LONGEST_MESSAGE])
    return Status(code, message, log_id, rule_of(code, message, reply.status))


def read_success(reply: Reply, status: Status, phase: Phase) -> Status:
    """Return the status of the body where it reports a failure under a success in the header, else *status*.

    Without this a failed task would be polled until the deadline.
    """
    code, message = _said_in_body(reply.body)
    if code is None or code == status.code or not is_failure(code, phase):
        return status
    message = without_queries(message[:_LONGEST_MESSAGE])
    return Status(code, message, status.log_id, rule_of(code, message, reply.status))


def refuse(
    status: Status, reply: Reply, phase: Phase, *, edition: str, request_id: str, task: Task | None = None
) -> Never:
    """Raise what the answer refused."""
    verdict = status.rule.verdict(phase)
    if verdict in ("unreadable", "accepted", "pending", "done", "silent"):
        raise unreadable(reply, status)
    # v1 has one code for an invalid field and for an unknown task; in the answer to a query it is the second.
    kind = TaskNotFound if phase == "query" and verdict == "missing" else status.rule.error
    error = kind(
        status.message or status.rule.meaning,
        code=status.code,
        log_id=status.log_id,
        request_id=request_id,
        http_status=reply.status,
        edition=edition,
        task=task,
        hint=_hint(status, verdict),
        retry_after_s=retry_after_s(reply),
    )
    _mark(error, status.rule, phase)
    if reply.status >= 500 and phase == "submit" and isinstance(error, ServerError):
        # With such a status the code in the body describes a failure inside the service, not a refusal before it.
        error.evidence = "nothing"
    raise error


def unreadable_success(reply: Reply, status: Status, why: str) -> ReplyError:
    """Return the error for a success that cannot be read: the service has the task."""
    error = unreadable(reply, status, why)
    error.evidence = "accepted"
    return error


def unreadable(reply: Reply, status: Status, why: str = "the reply has no status code that fits") -> ReplyError:
    """Make the error for an answer that settles nothing."""
    excerpt = without_queries(reply.body[: 4 * _EXCERPT].decode("utf-8", "replace"))[:_EXCERPT]
    number = f", code {status.code}" if status.code is not None else ""
    shown = f": {excerpt!r}" if excerpt else ", empty body"
    return ReplyError(
        f"{why} (HTTP {reply.status}{number}){shown}", excerpt=excerpt, http_status=reply.status, log_id=status.log_id
    )


def pending(task: Task, status: Status) -> Pending:
    """Say that the task goes on."""
    return Pending(task=task, phase="queued" if status.rule.queued else "processing", log_id=status.log_id)


def as_int(value: object) -> int | None:
    """Read a whole number from a number or a string of one (v1 codes are both, doc 80820)."""
    try:
        return int(value)  # type: ignore[call-overload,no-any-return]  # that is what the except is for
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after_s(reply: Reply) -> float | None:
    """Read `Retry-After` in seconds; no report says that it is sent, nor that it is not."""
    value = as_int(reply.headers.get("retry-after"))
    return None if value is None or value < 0 else float(min(value, 3600))


def _said_in_body(body: bytes) -> tuple[int | None, str]:
    try:
        found = _BODY.decode(body)
    except (ValueError, RecursionError):
        return _said_loosely(body)
    for said in (found.header, found, found.resp):
        if said is not None and said.code is not None:
            return said.code, said.message
    return None, ""


def _said_loosely(data: bytes) -> tuple[int | None, str]:
    """Look again where a field has a type, or the text a charset, that nobody reported."""
    try:
        body: Any = json_of(data)
    except ValueError:
        return None, ""
    if not isinstance(body, dict):
        return None, ""
    for said in (body.get("header"), body, body.get("resp")):
        code = as_int(said.get("code")) if isinstance(said, dict) else None
        if isinstance(said, dict) and code is not None:
            return code, str(said.get("message") or "")
    return None, ""


def _mark(error: ServiceError, rule: Rule, phase: Phase) -> None:
    """Note on the error what its class alone does not say."""
    verdict = rule.verdict(phase)
    error.retryable = verdict in ("back-off", "ask-first")
    error.evidence = rule.evidence(phase)
    error.new_task = verdict == "new-task"
    error.most_tries = rule.tries
    # A page without the service's code comes from some gateway: it does not speak for the account.
    error.account_wide = verdict == "reject-account"
    if isinstance(error, RateLimited):
        error.pauses_submits, error.crowded = rule.pauses_submits, rule.crowded


def _hint(status: Status, verdict: Verdict) -> str | None:
    if verdict != "reject-account" or "resource" not in status.message.lower():
        return None
    models = (("volc.bigasr.auc_turbo", "volc.seedasr.auc_turbo"), ("volc.bigasr.auc", "volc.seedasr.auc"))
    for model_1, model_2 in models:
        if f"{model_2}]" in status.message:
            return f"The key is not granted {model_2}; see in the console which resource it has, {model_1} perhaps"
        if f"{model_1}]" in status.message:
            return f"The key is not granted {model_1}; new accounts usually have {model_2}"
    return "See in the console which resource ids the key is granted, and pass the edition with resource_id=..."
