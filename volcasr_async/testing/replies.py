"""The shapes of what the service says: one frozen `Answer`, and the functions that make the documented ones."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

import msgspec

Header = tuple[str, str]

_STATUSES = frozenset(HTTPStatus)
_JSON: Header = ("Content-Type", "application/json")

OK = "20000000"
PROCESSING = "20000001"
QUEUED = "20000002"
SILENCE = "20000003"
CLIENT_ERROR = "45000000"
INVALID = "45000001"
EMPTY_AUDIO = "45000002"
DOWNLOAD_FAILED = "45000006"
UNAUTHORISED = "45000010"
NOT_GRANTED = "45000030"
WINDOW_EXCEEDED = "45000131"
TOO_LARGE = "45000132"
BAD_FORMAT = "45000151"
QUOTA = "45000292"
SERVER_ERROR = "55000000"
BUSY = "55000031"
TIMEOUT = "55001010"

REQUEST_ID = "X-Api-Request-Id"
CANNOT_FIND_TASK = "[Client-side generic error] OperatorWrapper Process failed: cannot find task"
RUNNING_BODY = b'{"audio_info":{},"result":{"text":""}}'


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: HTTP status, headers without Content-Length, body, and the verdict as a word for the counters."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    code: str
    page: bool = False  # of an edge proxy, which adds no header of the service

    def also(self, *headers: Header) -> "Answer":
        """The same answer with more headers."""
        return replace(self, headers=(*self.headers, *headers))


def encode(body: object) -> bytes:
    """JSON bytes; bytes pass as they are."""
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def v3(code: str, message: str, body: object = b"{}") -> Answer:
    """A business answer of the v3 family: HTTP 200, the verdict in the headers."""
    return Answer(200, (_JSON, ("X-Api-Status-Code", code), ("X-Api-Message", message)), encode(body), code)


def gateway(status: int, code: str, message: str, *, request_id: str = "", verdict: bool = False) -> Answer:
    """A refusal at the gateway: a nested body; `verdict` adds the X-Api-* headers, which some refusals lack."""
    headers: tuple[Header, ...] = (_JSON,)
    if verdict:
        headers = (_JSON, ("X-Api-Status-Code", code), ("X-Api-Message", message))
    body = {"header": {"reqid": request_id, "code": int(code), "message": message}}
    return Answer(status, headers, encode(body), code)


def unauthorised(message: str, request_id: str) -> Answer:
    """401 without X-Api-* headers, as public clients report it."""
    return gateway(401, UNAUTHORISED, message, request_id=request_id)


def not_granted(resource: str, request_id: str) -> Answer:
    """403 for a resource that the key was not granted."""
    message = f"[resource_id={_visible(resource)}] requested resource not granted"
    return gateway(403, NOT_GRANTED, message, request_id=request_id, verdict=True)


def over_quota(kind: str, request_id: str) -> Answer:
    """429; only the `concurrency` kind came without X-Api-* headers."""
    message = f"quota exceeded for types: {kind}"
    return gateway(429, QUOTA, message, request_id=request_id, verdict=kind != "concurrency")


def v1(code: int | str, message: str, fields: Mapping[str, object] | None = None) -> Answer:
    """An answer of the v1 family: everything in the body, HTTP 200 always (other statuses are unknown)."""
    body = {"resp": {**(fields or {}), "code": code, "message": message}}
    return Answer(200, (_JSON,), encode(body), str(code))


def page(status: int) -> Answer:
    """Return an edge proxy's page. It holds no code anywhere."""
    text = f"<html><head><title>{status} {phrase(status)}</title></head><body></body></html>"
    return Answer(status, (("Content-Type", "text/html"),), text.encode(), f"http-{status}", page=True)


def phrase(status: int) -> str:
    """Return the reason phrase of a status, or nothing for a number that HTTP does not list."""
    return HTTPStatus(status).phrase if status in _STATUSES else ""


def echoing(answer: Answer, request_id: str) -> Answer:
    """Name the request in a v3 answer that has X-Api-* headers, unless the answer names another one."""
    names = {name for name, _ in answer.headers}
    if not request_id or "X-Api-Status-Code" not in names or REQUEST_ID in names:
        return answer
    return answer.also((REQUEST_ID, _visible(request_id)))


def plain(status: int, body: object, *, code: str = "") -> Answer:
    """JSON of the simulator's own (its views, wrong paths and methods)."""
    return Answer(status, (_JSON,), encode(body), code or f"http-{status}")


def _visible(text: str) -> str:
    """Header values stay printable ASCII, whatever a client sent."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)
