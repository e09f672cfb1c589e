"""What the tests of the ground floor share: samples as replies, orders, dialects."""

import json
from pathlib import Path
from typing import Any

from volcasr_async import ApiKey, AppKey, AucV1, Flash, Idle, Job, Options, Standard
from volcasr_async.job import Order, prepare
from volcasr_async.models import Task
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access, Call, Dialect, Reply

SAMPLES = Path(__file__).parent / "samples"
URL = "https://example.com/a.mp3"
ID = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"
SAMPLED = "11111111-2222-4333-8444-555555555555"  # the task of the samples
PAIR = AppKey("app-id", "access-token")
KEY = ApiKey("api-key")
CLUSTER = AucV1("volc_auc_common")
EDITIONS = (Standard(), Idle(), Flash(), CLUSTER)
POLLED = (Standard(), Idle(), CLUSTER)


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return found


def reply_of(name: str) -> Reply:
    found = sample(name)
    body = found["body"]
    return Reply(
        found["http_status"] or 200,
        {key.lower(): value for key, value in found["headers"].items()},
        body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode(),
    )


def answer(code: int | str | None = None, message: str = "", body: object = None, *, status: int = 200) -> Reply:
    """A v3 reply with its code in the header."""
    headers = {} if code is None else {"x-api-status-code": str(code), "x-api-message": message}
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Reply(status, headers, data)


def v1_answer(code: int | str, message: str = "", **more: object) -> Reply:
    """A v1 reply with its code in the body."""
    return answer(body={"resp": {"code": code, "message": message, **more}})


def order_of(source: Any = URL, edition: Any = None, options: Options | None = None, **job: Any) -> Order:
    job.setdefault("request_id", ID)
    return prepare(Job(source, **job), edition=edition or Standard(), options=options, cluster=None)


def speak(edition: Any, credentials: Any = PAIR, **access: Any) -> Dialect:
    return dialect_of(edition, Access(credentials, **access))


def open_call(edition: Any = None, options: Options | None = None, source: Any = URL, **job: Any) -> Call:
    edition = edition or Standard()
    return speak(edition).open(order_of(source, edition, options, **job))


def body_of(call: Call, audio: str = "QUJD") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call.prefix + (audio.encode() if call.has_audio else b"") + call.suffix)
    return found


def task_of(edition: Any = None, **more: Any) -> Task:
    told: dict[str, Any] = {
        "id": ID,
        "edition": edition or Standard(),
        "request_id": ID,
        "submitted_at": 1_800_000_000.0,
    }
    return Task(**(told | more))


def task_in(reply: Reply, edition: Any, **more: Any) -> Task:
    """The task that a recorded reply is about: v1 replies name it, and are read for that task alone."""
    if edition != CLUSTER:
        return task_of(edition, **more)
    return task_of(edition, id=json.loads(reply.body)["resp"].get("id", SAMPLED), **more)
