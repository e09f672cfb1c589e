"""The answers that faults give instead of the service's own, in both families."""

from dataclasses import dataclass

from volcasr_async.testing import replies, v1, v3
from volcasr_async.testing.dice import task_id
from volcasr_async.testing.faults import Fault
from volcasr_async.testing.replies import Answer
from volcasr_async.testing.service import Prepared, Service

FOREIGN_TEXT = "someone else's words"
_FOREIGN_MS = 1000
_FORGETTING = frozenset({"forgotten", "lost-and-forgotten"})
# fault -> code and message of v3, code of v1
_CODES: dict[str, tuple[str, str, int]] = {
    "refuse-busy": (replies.BUSY, "[simulator] server busy", 1005),
    "rate-limited": (replies.QUOTA, "qps", 1003),
    "too-concurrent": (replies.QUOTA, "concurrency", 1003),
    "quota-lifetime": (replies.QUOTA, "audio_duration_lifetime", 1004),
    "server-error": (replies.SERVER_ERROR, "[simulator] general server error", 1099),
    "unlisted-code": ("45000999", "[simulator] a code that is in no document", 1050),
    "generic-error": (
        replies.CLIENT_ERROR,
        "[Client-side generic error] OperatorWrapper Process failed: internal error",
        1001,
    ),
}
_CODES_AFTER = {"server-error-after": "server-error", "unlisted-code-after": "unlisted-code"}


@dataclass(frozen=True, slots=True)
class Hit:
    """A request that a fault hits."""

    service: Service
    prepared: Prepared
    verb: str
    is_v1: bool
    request_id: str


def unserved(hit: Hit, fault: Fault) -> Answer | None:
    """Return the answer of a fault that keeps the request from being served."""
    match fault.kind:
        case "reset" | "html-502":
            return replies.page(502)
        case "gateway-page":
            return replies.page(fault.status)
        case "not-found":
            return _not_found(hit)
        case "foreign-reply":
            return _foreign_v1(hit) if hit.is_v1 else _foreign_v3(hit)
        case "body-error":
            code, message = v3.ENDINGS["bad-format"]
            return replies.v3(replies.OK, "OK", {"code": int(code), "message": message})
        case "empty-text":
            return _empty(hit)
        case kind:
            return _coded(hit, kind) if kind in _CODES else None


def served(hit: Hit, fault: Fault) -> Answer:
    """Serve the request, and return the answer that the fault makes of the service's own."""
    service, billed = hit.service, len(hit.service.charges)
    answer = hit.prepared.perform()
    if fault.kind in _FORGETTING:
        for charge in service.charges[billed:]:
            service.forget(charge.task_id)
    match fault.kind:
        case "html-502-after":
            return replies.page(502)
        case "gateway-page-after":
            return replies.page(fault.status)
        case kind if kind in _CODES_AFTER:
            return _coded(hit, _CODES_AFTER[kind])
        case "no-result" if answer.status == 200:
            return replies.v1(1000, "Success") if hit.is_v1 else replies.v3(replies.OK, "OK")
        case "not-json":
            return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2] or b"{", "not-json")
        case "no-status":
            return Answer(200, answer.headers[:1], b'{"resp":{}}' if hit.is_v1 else b"{}", "no-status")
        case _:
            return answer


def failover(hit: Hit) -> Answer:
    """Return the answer of a service that is failing over: it accepts, but says otherwise, and finds no task."""
    if hit.verb == "query":
        return _not_found(hit)
    hit.prepared.perform()
    return _coded(hit, "server-error")


def _coded(hit: Hit, kind: str) -> Answer:
    code, message, old = _CODES[kind]
    if hit.is_v1:
        return v1.refuse(old)
    return replies.over_quota(message, hit.request_id) if code == replies.QUOTA else replies.v3(code, message)


def _not_found(hit: Hit) -> Answer:
    return v1.not_found(hit.prepared.task) if hit.is_v1 else v3.not_found()


def _empty(hit: Hit) -> Answer:
    task = hit.prepared.found
    assert task is not None  # noqa: S101 - the fault is chosen for a running task only
    if hit.is_v1:
        return replies.v1(1000, "Success", {"id": task.id, "text": "", "utterances": []})
    body = {"audio_info": {"duration": task.duration_ms}, "result": {"text": ""}}
    return replies.v3(replies.OK, "OK", body)


def _foreign_v3(hit: Hit) -> Answer:
    name = _stranger(hit)
    if hit.verb == "submit":
        answer = v3.submitted(hit.service.config, name)
    else:
        result = {"additions": {"duration": str(_FOREIGN_MS)}, **_foreign_result()}
        answer = replies.v3(replies.OK, "OK", {"audio_info": {"duration": _FOREIGN_MS}, "result": result})
    return answer.also((replies.REQUEST_ID, name))


def _foreign_v1(hit: Hit) -> Answer:
    result = {} if hit.verb == "submit" else _foreign_result()
    return replies.v1(1000, "Success", {"id": _stranger(hit), **result})


def _foreign_result() -> dict[str, object]:
    utterance = {"text": FOREIGN_TEXT, "start_time": 0, "end_time": _FOREIGN_MS, "words": []}
    return {"text": FOREIGN_TEXT, "utterances": [utterance]}


def _stranger(hit: Hit) -> str:
    """Return an id that no client of this service has sent or received."""
    return task_id(hit.service.config.seed, "stranger", hit.service.number())
