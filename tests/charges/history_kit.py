"""What the histories are made of: a service that behaves badly in every way, a journal in memory that can be killed and restored."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid4

import anyio
import httpx
from msgspec.structs import replace

from volcasr_async.journal import Change, Condition, Entry

REPLY_TIMEOUT_S = 60.0
REFUSALS = (45000131, 45000292, 55000031)
FINAL = (45000002, 45000006, 45000151)
PAGES = (400, 401, 403, 404, 408, 410, 429, 500, 502, 504)
UNLISTED = (45000077, 55012345, 20000009)
SUBMITS = (
    *("refusal", "final", "page", "page-after", "unlisted", "unlisted-after", "generic", "error", "error-after"),
    *("lost", "lost-request", "connect", "late", "foreign", "unreadable-after"),
)
QUERIES = (
    "not-found",
    "page",
    "unlisted",
    "generic",
    "invalid",
    "error",
    "lost",
    "connect",
    "foreign",
    "unreadable",
    "empty",
    "busy",
)

TaskIds = Literal["request", "own", "both"]
Repeated = Literal["refused", "charged", "joined"]


@dataclass
class Behaviour:
    """How a service behaves. `share` is the probability of a fault of each request."""

    edition: Literal["standard", "v1", "flash"] = "standard"
    task_ids: TaskIds = "request"
    repeated: Repeated = "refused"
    share: float = 0.3
    forgets: float = 0.0
    failovers: tuple[tuple[float, float], ...] = ()
    processing_s: float = 20.0
    seed: int = 0


@dataclass
class Task:
    """A task that the service has accepted, and charges for."""

    source: str
    ready_at: float
    ending: int | None
    forgotten: bool = False


@dataclass
class Service(httpx.AsyncBaseTransport):
    """Accepts, loses, forgets and refuses. `charges` is the bill: one entry for each accepted submit."""

    how: Behaviour
    tasks: dict[str, Task] = field(default_factory=dict)
    by_request: dict[str, str] = field(default_factory=dict)
    charges: list[str] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)
    """How often a query about a recording that is charged was answered "cannot find task"."""
    calm: bool = False
    began: float = 0.0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.how.seed)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(await request.aread())
        verb = "query" if request.url.path.endswith("query") else "submit"
        name = body.get("id") or request.headers.get("x-api-request-id", "")
        if self.how.edition == "flash":
            return await self._flash(body["audio"]["url"], name)
        return await (self._query(name) if verb == "query" else self._submit(body["audio"]["url"], name))

    # ---- submit ----

    async def _submit(self, source: str, name: str) -> httpx.Response:
        fault = self._fault(SUBMITS)
        if self._is_failover:
            self._accept(source, name)
            return self._say(55000000 if not self._v1 else 1099, "general server error")
        match fault:
            case "connect":
                raise httpx.ConnectError("refused")
            case "lost-request":
                raise httpx.ReadError("reset before it arrived")
            case "refusal":
                return self._say(
                    self.dice.choice((1003, 1005) if self._v1 else REFUSALS), "quota exceeded for types: qps"
                )
            case "final":
                return self._say(self.dice.choice((1012, 1014) if self._v1 else FINAL), "no")
            case "page":
                return self._page()
            case "unlisted":
                return self._say(1050 if self._v1 else self.dice.choice(UNLISTED), "what is this")
            case "generic" if not self._v1:
                return self._say(45000000, "something is wrong")
            case "error":
                return self._say(1099 if self._v1 else 55000000, "general server error")
        task_id = self._accept(source, name)
        if task_id is None:
            return self._say(1001 if self._v1 else 45000001, "repeated request")
        match fault:
            case "page-after":
                return self._page()
            case "unlisted-after":
                return self._say(1050 if self._v1 else self.dice.choice(UNLISTED), "what is this")
            case "error-after":
                return self._say(1099 if self._v1 else 55000000, "general server error")
            case "lost":
                raise httpx.ReadError("reset")
            case "late":
                await anyio.sleep(REPLY_TIMEOUT_S + 30)
                raise httpx.ReadTimeout("too late")
            case "unreadable-after":
                return httpx.Response(200, content=b"{")
            case "foreign" if not self._v1:
                return httpx.Response(200, headers={"x-api-request-id": str(uuid4())}, json={})
        return self._accepted(task_id)

    def _accept(self, source: str, name: str) -> str | None:
        """Take the task and charge for it; `None` where the request id is refused as repeated."""
        if self.how.edition != "v1" and name in self.by_request and not self._is_gone(name):
            if self.how.repeated == "refused":
                return None
            if self.how.repeated == "joined":
                return self.by_request[name]
        own = self._v1 or self.how.task_ids != "request"
        task_id = str(uuid4()) if own else name
        ending = self.dice.choice((1012, 1014) if self._v1 else FINAL) if self._happens(0.05) else None
        delay = self.how.processing_s * self.dice.uniform(0.2, 3)
        self.tasks[task_id] = Task(source, anyio.current_time() + delay, ending, self._happens(self.how.forgets))
        self.by_request[name] = task_id
        self.charges.append(source)
        return task_id

    def _accepted(self, task_id: str) -> httpx.Response:
        if self._v1:
            return self._say(1000, "Success", id=task_id)
        body = {} if self.how.task_ids == "request" else {"task_id": task_id}
        return httpx.Response(200, headers={"x-api-status-code": "20000000"}, json=body)

    # ---- query ----

    async def _query(self, name: str) -> httpx.Response:
        fault = self._fault(QUERIES)
        match fault:
            case "connect":
                raise httpx.ConnectError("refused")
            case "lost":
                raise httpx.ReadError("reset")
            case "page":
                return self._page()
            case "unlisted":
                return self._say(1050 if self._v1 else self.dice.choice(UNLISTED), "what is this")
            case "generic" | "invalid":
                return self._say(
                    1001 if self._v1 else 45000000 if fault == "generic" else 45000001, "something is wrong"
                )
            case "error":
                return self._say(1099 if self._v1 else 55000000, "read result timeout")
            case "unreadable" if self._v1:
                return httpx.Response(200, content=b'{"resp": {"code": 1000, "id')
            case "unreadable":
                return httpx.Response(200, headers={"x-api-status-code": "20000000"}, content=b"{")
            case "busy":
                return self._say(1005 if self._v1 else 55000031, "busy")
            case "foreign" if not self._v1:
                other = {"audio_info": {"duration": 1000}, "result": {"text": "someone else's words"}}
                return httpx.Response(
                    200, headers={"x-api-status-code": "20000000", "x-api-request-id": str(uuid4())}, json=other
                )
        task = self._find(name)
        if task is None or self._is_failover or fault == "not-found":
            charged = self.tasks.get(name) or self.tasks.get(self.by_request.get(name, ""))
            if charged is not None:
                self.denied[charged.source] += 1
            return self._say(1001 if self._v1 else 45000000, "cannot find task")
        if anyio.current_time() < task.ready_at or fault == "empty":
            return self._say(2000 if self._v1 else 20000001, "running")
        if task.ending is not None:
            self.ended[task.source] += 1
            return self._say(task.ending, "ended")
        return self._result(task.source, name)

    def _find(self, name: str) -> Task | None:
        """Find a task by the ids that this service takes."""
        task = self.tasks.get(name)
        if task is None and self.how.task_ids == "both" and name in self.by_request:
            task = self.tasks[self.by_request[name]]
        return None if task is None or task.forgotten else task

    def _is_gone(self, name: str) -> bool:
        return self.tasks[self.by_request[name]].forgotten

    def _result(self, source: str, name: str) -> httpx.Response:
        if self._v1:
            return self._say(1000, "Success", id=name, text=source, utterances=[])
        body = {"audio_info": {"duration": 1000}, "result": {"text": source}}
        return httpx.Response(200, headers={"x-api-status-code": "20000000"}, json=body)

    # ---- flash ----

    async def _flash(self, source: str, name: str) -> httpx.Response:
        match self._fault(SUBMITS):
            case "connect":
                raise httpx.ConnectError("refused")
            case "lost-request":
                raise httpx.ReadError("reset before it arrived")
            case "refusal":
                return self._say(self.dice.choice(REFUSALS), "quota exceeded for types: qps")
            case "final":
                return self._say(self.dice.choice(FINAL), "no")
            case "page":
                return self._page()
            case "unlisted":
                return self._say(self.dice.choice(UNLISTED), "what is this")
            case "error":
                return self._say(55000000, "general server error")
            case "page-after":
                self.charges.append(source)
                return self._page()
            case "unlisted-after" | "error-after":
                self.charges.append(source)
                return self._say(55000000, "general server error")
            case "lost" | "late":
                self.charges.append(source)
                raise httpx.ReadError("reset")
            case "unreadable-after":
                self.charges.append(source)
                return httpx.Response(200, content=b"{")
        await anyio.sleep(self.dice.uniform(0.5, 5))
        self.charges.append(source)
        return self._result(source, name)

    # ---- what is said ----

    @property
    def _v1(self) -> bool:
        return self.how.edition == "v1"

    @property
    def _is_failover(self) -> bool:
        moment = anyio.current_time() - self.began
        return not self.calm and any(start <= moment < start + length for start, length in self.how.failovers)

    def _happens(self, share: float) -> bool:
        return not self.calm and self.dice.random() < share

    def _fault(self, kinds: Sequence[str]) -> str:
        return self.dice.choice(kinds) if self._happens(self.how.share) else ""

    def _say(self, code: int, message: str, **fields: object) -> httpx.Response:
        if self._v1:
            return httpx.Response(200, json={"resp": {"code": code, "message": message, **fields}})
        return httpx.Response(200, headers={"x-api-status-code": str(code), "x-api-message": message}, json={})

    def _page(self) -> httpx.Response:
        return httpx.Response(self.dice.choice(PAGES), content=b"<html>gateway</html>")


class MemoryJournal:
    """A journal in memory: what is settled lasts, what is not is gone with its process; it can be put back to any commit."""

    def __init__(self, seed: int) -> None:
        self.id = str(UUID(int=seed))
        self.rows: dict[str, Entry] = {}
        self.meta: dict[str, str] = {}
        self.kept: dict[str, tuple[bytes, str | None, bool]] = {}
        self.commits: list[tuple[dict[str, Entry], dict[str, str], dict[str, Any]]] = []
        self.written = self.sequence = 0
        self._noted: list[Change | str] = []
        self._facts: dict[str, str] = {}
        self._dead = False

    def open(self) -> MemoryJournal:
        """Return it as a new process finds it."""
        self._noted, self._facts, self._dead = [], {}, False
        return self

    def kill(self) -> None:
        """Lose what is not settled, and take nothing more from this process."""
        self._dead = True

    def restore(self, share: float) -> None:
        """Put it back to an earlier commit. The number beside a real journal stays."""
        if self.commits:
            number = int(share * len(self.commits))
            rows, meta, kept = self.commits[number]
            self.rows, self.meta, self.kept = copy.copy(rows), copy.copy(meta), copy.copy(kept)
            self.sequence = number + 1
            del self.commits[number + 1 :]

    async def bind(self, host: str, account: str) -> Condition:
        behind = self.written > self.sequence
        if behind:
            self.meta["behind"] = "1"
        self.sequence = self.written = max(self.written, self.sequence)
        known = self.meta | self._facts
        return Condition(is_behind="behind" in self.meta, own_task_ids="own_task_ids" in known)

    async def look_up(self, keys: Sequence[str]) -> dict[str, Entry]:
        return {key: self.rows[key] for key in keys if key in self.rows}

    async def transcript(self, key: str) -> tuple[bytes, str | None, bool] | None:
        return self.kept.get(key)

    def note(self, change: Change) -> None:
        self._noted.append(change)

    def note_own_task_ids(self) -> None:
        self._facts["own_task_ids"] = "1"

    def delivered(self, key: str) -> None:
        self._noted.append(key)

    async def settle(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self._dead or not (self._noted or self._facts):
            return
        noted, self._noted = self._noted, []
        for change in noted:
            if isinstance(change, str):
                self.rows[change] = replace(self.rows[change], delivered=True)
            else:
                self.rows[change.key] = _entry(change)
                if change.transcript is not None:
                    self.kept[change.key] = (change.transcript.raw, None, change.transcript.silent)
        self.meta |= self._facts
        self.sequence += 1
        self.written = max(self.written, self.sequence)
        self.commits.append((copy.copy(self.rows), copy.copy(self.meta), copy.copy(self.kept)))

    async def aclose(self) -> None:
        await self.settle()


def _entry(change: Change) -> Entry:
    return Entry(
        key=change.key,
        state=change.state,
        attempt=change.attempt,
        request_id=change.request_id,
        fingerprint=change.fingerprint,
        task=change.task,
        delivered=False,
        charged=change.charged,
        account=change.account,
        path=change.path,
        before=change.before,
    )
