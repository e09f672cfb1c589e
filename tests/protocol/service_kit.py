"""A service that loses answers, ids and tasks, and counts what it charges; its replies come from nothing under test."""

import json
from collections import Counter
from typing import Literal

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from volcasr_async import errors as e
from volcasr_async.protocol.messages import Reply

Ids = Literal["request", "own", "both"]
FAILOVER_S = 40.0
PAGES = (400, 401, 403, 404, 408, 410, 413, 429, 500, 502, 503, 504)
UNLISTED = (45000077, 45099999, 46000000, 20000009, 1050)
INTERNAL = (55000000, 55012345)

# What happens to a request. "late ...": the service handles it, and then something else is answered. Without "late" the
# request did not reach the service.
FAULTS = [
    "broken no", "broken maybe", "late broken maybe", "late broken yes", "late cut", "late misnamed",
    *[f"{when}page {status}" for status in PAGES for when in ("", "late ")],
    *[f"{when}code {code}" for code in (*UNLISTED, *INTERNAL) for when in ("", "late ")],
    "late code 45000000", "late code 45000001",
    "qps", "hours", "busy",  # listed refusals: the request went no further
]  # fmt: skip
QUIET = [""] * (len(FAULTS) // 2)


class World(Struct, frozen=True, kw_only=True):
    """What kind of service it is.

    `ids`: by which id a task is known, the request's, its own, or both. `repeats_refused`: whether a request id that is
    known is refused, or accepted and charged once more. `forgets_after_s`: when an accepted task is forgotten. `failover_at`:
    when 40 s of "cannot find task" for everything begin. `known`: whether an earlier run submitted the job already, and nothing tells this one but the refusal of its id.
    `hidden`, `polls`: to how many queries a task is unknown and then not finished.
    """

    ids: Ids = "request"
    repeats_refused: bool = True
    forgets_after_s: float | None = None
    failover_at: float | None = None
    known: bool = False
    hidden: int = 0
    polls: int = 0

    @property
    def is_honest(self) -> bool:
        """Whether "cannot find task" three times and over the grace means that there is none."""
        return self.ids != "own" and self.forgets_after_s is None and self.failover_at is None


WORLDS = st.builds(
    World,
    ids=st.sampled_from(["request", "request", "own", "both"]),
    repeats_refused=st.booleans(),
    forgets_after_s=st.none() | st.none() | st.sampled_from([0.0, 1.0, 10.0, 45.0, 200.0]),
    failover_at=st.none() | st.none() | st.sampled_from([0.0, 0.2, 3.0, 30.0, 70.0]),
    known=st.sampled_from([False, False, False, True]),
    hidden=st.integers(0, 2),
    polls=st.integers(0, 4),
)
SCRIPTS = st.lists(st.sampled_from([*QUIET, *FAULTS]), max_size=40)


class Kept(Struct):
    """A task, as the service has it."""

    since: float
    own_id: str
    asked: int = 0


class Told(Struct):
    """What the client was told about a request id since its last submit that was accepted without an answer."""

    lost_at: float
    denied: int = 0
    last: float = 0.0


class Service:
    """One job's service. It speaks v3."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.tasks: dict[str, Kept] = {}
        self.charges: Counter[str] = Counter()
        self.unanswered: dict[str, Told] = {}
        self.answered: set[str] = set()
        self.second_charges: list[Told | None] = []
        if world.known and world.repeats_refused and world.forgets_after_s is None:
            self._accept(name, -100.0)
            self.unanswered[name] = Told(lost_at=-100.0)

    def answer(self, fault: str, phase: str, name: str, now: float) -> Reply:
        """Handle a request, or fail as the script says; `name` is the id in its header."""
        reply = self._handle(phase, name, now) if fault.startswith("late ") or not fault else None
        accepted = reply is not None and phase == "submit" and reply.headers["x-api-status-code"] == "20000000"
        if accepted:
            if fault:
                self.unanswered[name] = Told(lost_at=now)
            else:
                self.answered.add(name)
        if not fault and reply is not None:
            self._note_denial(phase, name, reply, now)
            return reply
        return fail(fault, reply)

    def _handle(self, phase: str, name: str, now: float) -> Reply:
        forgets = self.world.forgets_after_s
        if forgets is not None:
            self.tasks = {key: kept for key, kept in self.tasks.items() if now - kept.since < forgets}
        if phase == "submit":
            if name in self.tasks and self.world.repeats_refused:
                return said(45000001, "repeated")
            self._accept(name, now)
            body = {} if self.world.ids == "request" else {"task_id": self.tasks[name].own_id}
            return said(20000000, "OK", body)
        return self._state(name, now)

    def _state(self, name: str, now: float) -> Reply:
        kept = next((kept for key, kept in self.tasks.items() if name in self._names(key, kept)), None)
        if kept is None:
            return said(45000000, "cannot find task")
        kept.asked += 1
        began = self.world.failover_at
        down = began is not None and began <= now < began + FAILOVER_S
        if down or kept.asked <= self.world.hidden:
            return said(45000000, "cannot find task")
        if kept.asked <= self.world.hidden + self.world.polls:
            return said(20000001)
        return said(20000000, "OK", {"audio_info": {"duration": 5}, "result": {"text": "done"}})

    def _names(self, key: str, kept: Kept) -> tuple[str, ...]:
        return {"request": (key,), "own": (kept.own_id,), "both": (key, kept.own_id)}[self.world.ids]

    def _accept(self, name: str, now: float) -> None:
        if self.charges[name]:
            told = None if name in self.answered else self.unanswered.get(name)
            self.second_charges.append(told and replace(told))
        self.charges[name] += 1
        self.tasks[name] = Kept(since=now, own_id=f"own-{self.charges.total()}")

    def _note_denial(self, phase: str, name: str, reply: Reply, now: float) -> None:
        told = self.unanswered.get(name)
        if told is None or phase == "submit":
            return
        if "cannot find" in reply.headers["x-api-message"]:
            told.denied, told.last = told.denied + 1, now
        else:
            told.denied = 0


def said(code: int, message: str = "", body: object = None) -> Reply:
    return Reply(200, {"x-api-status-code": str(code), "x-api-message": message}, json.dumps(body or {}).encode())


def fail(fault: str, reply: Reply | None) -> Reply:
    """Answer what the script says in place of *reply*."""
    kind, _, detail = fault.removeprefix("late ").partition(" ")
    match kind:
        case "broken":
            raise e.TransportError("reset", sent=detail)  # type: ignore[arg-type]  # the script has no other words
        case "page":
            return Reply(int(detail), {"content-type": "text/html"}, b"<html>")
        case "code":
            return said(int(detail), "unexpected end of JSON input")
        case "qps":
            return said(45000292, "quota exceeded for types: qps")
        case "hours":
            return said(45000131)
        case "busy":
            return said(55000031)
    assert reply is not None
    if kind == "cut":
        return Reply(200, {}, reply.body[:3])
    return Reply(200, {**reply.headers, "x-api-request-id": "11111111-0000-4000-8000-000000000000"}, reply.body)


class DirectService:
    """A service whose submits nobody can ask about, flash or v1: it charges all that it gets, whatever the id."""

    def __init__(self, polls: int) -> None:
        self.charges = self.asked = 0
        self.polls = polls

    def answer(self, fault: str, phase: str, name: str, now: float) -> Reply:
        """Handle a request, or fail as the script says."""
        reply = self._handle(phase) if fault.startswith("late ") or not fault else None
        return reply if not fault and reply is not None else fail(fault, reply)

    def _handle(self, phase: str) -> Reply:
        if phase != "query":
            self.charges += 1
        if phase == "flash":
            return said(20000000, "OK", {"audio_info": {"duration": 5}, "result": {"text": "done"}})
        if phase == "submit":
            return Reply(200, {}, json.dumps({"resp": {"code": 1000, "id": f"task-{self.charges}"}}).encode())
        self.asked += 1
        resp = {"code": 2000} if self.asked <= self.polls else {"code": 1000, "text": "done"}
        return Reply(200, {}, json.dumps({"resp": resp}).encode())
