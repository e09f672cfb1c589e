"""A client as thin as possible, so that a test says on the wire exactly what it means to say."""

import base64
import json
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from volcasr_async.testing import Simulator

SAMPLES = Path(__file__).parent.parent / "samples"
URL = "https://example.com/a.mp3"
V3 = "/api/v3/auc/bigmodel"
PATHS = {
    "standard": (f"{V3}/submit", f"{V3}/query", "volc.bigasr.auc"),
    "idle": (f"{V3}/idle/submit", f"{V3}/idle/query", "volc.bigasr.auc_idle"),
    "flash": (f"{V3}/recognize/flash", "", "volc.bigasr.auc_turbo"),
}


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return found


def shape(value: Any) -> Any:
    """Keys and types of a JSON value; a list has the shape of its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def body(url: str | None = URL, *, audio: Any = None, **request: Any) -> dict[str, Any]:
    source = {} if url is None else {"url": url}
    return {"audio": {**source, **(audio or {})}, "request": {"model_name": "bigmodel", **request}}


def inline(data: bytes, **audio: Any) -> dict[str, Any]:
    return body(None, audio={"data": base64.b64encode(data).decode(), **audio})


def v1_body(url: str = URL, **more: Any) -> dict[str, Any]:
    app = {"appid": "app", "token": "token", "cluster": "volc_auc_common"}
    return {"app": app, "user": {"uid": "u"}, "audio": {"url": url}, **more}


class Calls:
    """The seven calls. Headers given as None are left out."""

    def __init__(self, simulator: Simulator, base_url: str | None = None) -> None:
        transport = simulator.transport() if base_url is None else None
        self.http = httpx.AsyncClient(transport=transport, base_url=base_url or "http://simulator", trust_env=False)

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, error, trace)

    async def post(self, path: str, headers: dict[str, str | None], content: Any) -> httpx.Response:
        sent = {name: value for name, value in headers.items() if value is not None}
        content = json.dumps(content).encode() if isinstance(content, dict) else content
        return await self.http.post(path, headers=sent, content=content)

    async def submit(
        self, content: Any = None, *, task: str | None = None, edition: str = "standard", headers: Any = None
    ) -> httpx.Response:
        path, _, resource = PATHS[edition]
        content = body() if content is None else content
        return await self.post(path, {**v3_headers(task or str(uuid.uuid4()), resource), **(headers or {})}, content)

    async def query(
        self, task: str, content: Any = b"{}", *, edition: str = "standard", headers: Any = None
    ) -> httpx.Response:
        _, path, resource = PATHS[edition]
        sent = {**v3_headers(task, resource), "X-Api-Sequence": None, **(headers or {})}
        return await self.post(path, sent, content)

    async def flash(self, content: Any = None, *, task: str | None = None, headers: Any = None) -> httpx.Response:
        return await self.submit(content, task=task, edition="flash", headers=headers)

    async def v1_submit(self, content: Any = None, *, headers: Any = None) -> httpx.Response:
        sent = {"Authorization": "Bearer; token", **(headers or {})}
        return await self.post("/api/v1/auc/submit", sent, v1_body() if content is None else content)

    async def v1_query(self, task: str, *, headers: Any = None, **more: Any) -> httpx.Response:
        content = {"appid": "app", "token": "token", "cluster": "volc_auc_common", "id": task, **more}
        sent = {"Authorization": "Bearer; token", **(headers or {})}
        return await self.post("/api/v1/auc/query", sent, content)


def v3_headers(task: str, resource: str) -> dict[str, str | None]:
    return {
        "Content-Type": "application/json",
        "X-Api-Key": "key",
        "X-Api-Resource-Id": resource,
        "X-Api-Request-Id": task,
        "X-Api-Sequence": "-1",
    }


def code(reply: httpx.Response) -> str:
    """The verdict, wherever it stands."""
    if "x-api-status-code" in reply.headers:
        return reply.headers["x-api-status-code"]
    found = reply.json()
    return str((found.get("header") or found.get("resp") or found).get("code"))


def said(simulator: Simulator) -> list[str]:
    """What the violations say."""
    return [violation.what for violation in simulator.violations]
