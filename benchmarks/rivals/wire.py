"""What every rival sends and how it reads a reply: so that all do the same work for a request."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple

FLASH = "/api/v3/auc/bigmodel/recognize/flash"
SUBMIT = "/api/v3/auc/bigmodel/submit"
QUERY = "/api/v3/auc/bigmodel/query"

DONE, RUNNING, OVER_QUOTA = "20000000", ("20000001", "20000002"), "45000292"
AUDIO = "https://example.com/a.mp3"

Post = Callable[[str, str, bytes], Awaitable[Any]]
"""Make one request: path, request id, body; brings the decoded reply, or raises `OverQuota` or `ServiceError`."""
Several = Callable[[int], Awaitable[None]]
"""Make so many small requests, spread over all connections."""
Finished = Callable[[str, str], None]
"""Told of each job that has ended: its link and the text."""
Transcribe = Callable[[Iterable[str], Finished], Awaitable[None]]
"""Transcribe all links."""


class Work(NamedTuple):
    """Whole jobs: where, as whom, how many, and what is allowed. *poll_s*: seconds between two questions about a task."""

    url: str
    key: str
    jobs: int
    qps: float | None
    connections: int
    poll_s: float
    cap_s: float

    def links(self) -> Iterator[str]:
        """Make the list; the same for everybody."""
        return (f"https://example.com/recordings/{number:05}.mp3" for number in range(self.jobs))


class ServiceError(Exception):
    """The service said no."""


class OverQuota(ServiceError):
    """More requests than the key may send in a second."""


class Running(ServiceError):
    """No result yet."""


def headers(key: str, request_id: str, resource: str) -> dict[str, str]:
    """What every request carries: content type and the four headers of the service."""
    return {
        "Content-Type": "application/json",
        "X-Api-Key": key,
        "X-Api-Resource-Id": resource,
        "X-Api-Request-Id": request_id,
        "X-Api-Sequence": "-1",
    }


def resource(path: str) -> str:
    """Name the resource that a path belongs to."""
    return "volc.bigasr.auc_turbo" if path == FLASH else "volc.bigasr.auc"


def question(url: str) -> dict[str, Any]:
    """Ask for the transcript of a link."""
    return {"user": {"uid": "bench"}, "audio": {"url": url}, "request": {"model_name": "bigmodel", "enable_itn": True}}


def body(url: str) -> bytes:
    """The same as bytes."""
    return json.dumps(question(url)).encode()


def read(code: str | None, content: bytes) -> Any:
    """Check the status and decode the body."""
    if code == DONE:
        return json.loads(content)
    if code in RUNNING:
        raise Running
    raise OverQuota if code == OVER_QUOTA else ServiceError(code)


def flashing(post: Post, connections: int) -> Several:
    """Spread small requests over so many tasks; each takes the next when its last is answered."""

    async def one() -> None:
        reply = await post(FLASH, str(uuid.uuid4()), body(AUDIO))
        assert reply["result"]["text"]

    return spread(one, connections)


def spread(one: Callable[[], Awaitable[Any]], connections: int) -> Several:
    """Make *one* so many times, by as many tasks as there are connections."""

    async def run(count: int) -> None:
        for _ in range(count):
            await one()

    async def several(count: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(connections):
                tasks.create_task(run(count // connections))

    return several
