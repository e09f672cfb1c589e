"""One request from its head to the plan of its answer: the same for every face, without I/O.

A face opens an exchange, feeds it the body, asks for the plan, carries it out, and closes it:

    exchange = Exchange(service, head)
    try:
        for chunk in body: exchange.feed(chunk)
        plan = exchange.finish()
        ...
    finally:
        exchange.close()
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from volcasr_async.testing import replies, v1, v3
from volcasr_async.testing.auth import Head, v3_account
from volcasr_async.testing.faults import possible
from volcasr_async.testing.mishaps import Hit, failover, served, unserved
from volcasr_async.testing.replies import Answer
from volcasr_async.testing.scanner import REST_LIMIT, BodyScanner
from volcasr_async.testing.service import Prepared, Request, Service
from volcasr_async.testing.views import view

Manner = Literal["whole", "drop", "reset", "cut", "drip"]
Prepare = Callable[[Service, Request], Answer | Prepared]

_V3, _V1 = "/api/v3/auc/bigmodel", "/api/v1/auc"
# path -> edition, call, what reads it
ROUTES: dict[str, tuple[str, str, Prepare]] = {
    f"{_V3}/submit": ("standard", "submit", v3.prepare_submit),
    f"{_V3}/query": ("standard", "query", v3.prepare_query),
    f"{_V3}/idle/submit": ("idle", "submit", v3.prepare_submit),
    f"{_V3}/idle/query": ("idle", "query", v3.prepare_query),
    f"{_V3}/recognize/flash": ("flash", "flash", v3.prepare_flash),
    f"{_V1}/submit": ("v1", "submit", v1.prepare_submit),
    f"{_V1}/query": ("v1", "query", v1.prepare_query),
}
_MANNERS: dict[str, Manner] = {
    "lost-answer": "drop",
    "lost-and-forgotten": "drop",
    "reset": "reset",
    "cut-body": "cut",
    "slow-body": "drip",
}


class ConnectionDropped(ConnectionError):
    """The simulator drops the connection here; `manner` says how the client is to see it."""

    def __init__(self, manner: str) -> None:
        super().__init__(f"the simulator dropped the connection ({manner})")
        self.manner = manner


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send back and how; `delay` and `drip` in seconds, an infinite delay means never."""

    answer: Answer
    delay: float = 0.0
    manner: Manner = "whole"
    drip: float = 0.0


class Exchange:
    """One request that is being served."""

    def __init__(self, service: Service, head: Head) -> None:
        self._service, self._head = service, head
        with service.lock:
            self._begin()

    def _begin(self) -> None:
        service, head = self._service, self._head
        self._now = service.clock()
        route = ROUTES.get(head.path)
        self._edition, self._verb = route[:2] if route else ("", "other")
        self._prepare = route[2] if route else None
        self._account = self._asked = ""
        self._scanner = BodyScanner()
        self._raw = bytearray()  # v1: the body as it came, for its signature covers it
        self._received = 0
        self._breaks_at: int | None = None
        self._early = view(service, head)
        self._counted = self._early is None
        if self._counted:
            service.enter(self._now)
            service.requests[self._verb] += 1
            self._early = self._look_at_head()

    @property
    def _is_v1(self) -> bool:
        return self._edition == "v1"

    def note(self, what: str) -> None:
        """Note a violation of this request."""
        self._service.violate(self._head.request_id, self._head.path, what)

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body; raises `ConnectionDropped` where a fault breaks the upload off."""
        self._received += len(chunk)
        if self._breaks_at is not None and self._received >= self._breaks_at:
            raise ConnectionDropped("drop-upload")
        if self._early is not None:
            return  # refused already: the rest is drained
        if not self._is_v1:
            self._scanner.feed(chunk)
        elif len(self._raw) <= REST_LIMIT:
            self._raw += chunk

    def finish(self) -> Plan:
        """The body is here: decide."""
        with self._service.lock:
            return self._decide()

    def _decide(self) -> Plan:
        plan = self._plan()
        if self._counted and self._edition and not self._is_v1 and not plan.answer.page:
            answer = plan.answer
            if self._service.config.echo_request_id:
                answer = replies.echoing(answer, self._head.request_id)
            plan = Plan(answer.also(("X-Tt-Logid", self._service.log_id())), plan.delay, plan.manner, plan.drip)
        if self._counted:
            key = {"drop": "lost-answer", "reset": "reset"}.get(plan.manner, plan.answer.code)
            self._service.answers[key] += 1
        return plan

    def close(self) -> None:
        """The exchange is over, whatever way it ended."""
        with self._service.lock:
            if self._counted:
                self._service.leave()
            if self._asked:
                self._service.querying[self._asked] -= 1
                if not self._service.querying[self._asked]:
                    del self._service.querying[self._asked]

    def _look_at_head(self) -> Answer | None:
        head, service = self._head, self._service
        if head.http_version == "1.0":
            self.note("HTTP/1.0")
        if self._prepare is None:
            self.note(f"no such path: {head.method} {head.path}")
            return replies.plain(404, {"code": 404, "message": "simulator: no such path"})
        if head.method != "POST":
            self.note(f"method {head.method}; it is POST")
            return replies.plain(405, {"code": 405, "message": "simulator: only POST"}).also(("Allow", "POST"))
        self._look_at_content()
        if not self._is_v1:
            v3.look_at(head, self._verb, self.note)
            account = v3_account(head, service.config, self.note)
            if isinstance(account, Answer):
                return account
            self._account = account
        kind = service.quota(self._now)
        if kind is not None:
            return v1.refuse(1003, kind) if self._is_v1 else replies.over_quota(kind, head.request_id)
        self._maybe_break()
        return None if self._is_v1 else v3.gate(head, self._edition, service.config, self.note)

    def _look_at_content(self) -> None:
        headers = self._head.headers
        kind = headers.get("content-type", "application/json").lower()
        if "json" not in kind:
            self.note(f"Content-Type is {kind!r}; it is application/json, or missing")
        if headers.get("content-encoding", "identity") != "identity":
            self.note("the body is compressed")

    def _maybe_break(self) -> None:
        if self._service.script.upload(self._verb, self._head.request_id or self._head.path):
            self._breaks_at = max(1, (self._head.content_length or 2) // 2)

    def _plan(self) -> Plan:
        delay = self._service.config.reply_delay
        if self._early is not None or self._prepare is None:
            return Plan(self._early or replies.plain(404, {}), delay if self._counted else 0.0)
        declared = self._head.content_length
        if declared is not None and declared != self._received:
            self.note(f"Content-Length is {declared}, the body has {self._received} bytes")
        if self._verb == "query":
            self._count_query()
        request = self._request()
        if request is None:
            return Plan(v1.refuse(1001) if self._is_v1 else replies.v3(replies.INVALID, "[simulator] too large"), delay)
        prepared = self._prepare(self._service, request)
        if isinstance(prepared, Answer):
            return Plan(prepared, delay)
        return self._carry_out(prepared)

    def _count_query(self) -> None:
        self._asked = v1.queried_id(bytes(self._raw)) if self._is_v1 else self._head.request_id
        if self._asked:
            self._service.querying[self._asked] += 1
            if self._service.querying[self._asked] > 1:
                self.note("more than one query of one task in the air at once")

    def _request(self) -> Request | None:
        scanner = self._scanner
        if scanner.overflow or len(self._raw) > REST_LIMIT:
            self.note("more than 1 MiB of JSON beside the audio")
            return None
        clip = scanner.sink.clip() if scanner.sink else None
        return Request(
            head=self._head,
            edition=self._edition,
            account=self._account,
            now=self._service.clock(),
            raw=bytes(self._raw if self._is_v1 else scanner.rest),
            clip=clip,
            received=self._received,
            broken_audio=scanner.sink is not None and clip is None,
        )

    def _carry_out(self, prepared: Prepared) -> Plan:
        service, delay = self._service, self._service.config.reply_delay
        failing = service.script.failover(self._verb, prepared.url, service.clock())
        kinds = possible(self._verb, is_v1=self._is_v1, found=prepared.found is not None, running=prepared.running)
        fault = None if failing else service.script.request(self._verb, prepared.url, prepared.task, kinds)
        if fault is None and not failing:
            return Plan(prepared.perform(), delay + prepared.seconds)
        hit = Hit(service, prepared, self._verb, self._is_v1, self._head.request_id)
        if fault is None:
            return Plan(failover(hit), delay)
        answer, stall = unserved(hit, fault), 0.0
        if answer is None:
            answer, delay = served(hit, fault), delay + prepared.seconds
            if fault.kind == "stall":
                stall = float("inf") if fault.seconds is None else fault.seconds
        if fault.retry_after is not None and answer.code not in {replies.OK, "1000"}:
            answer = answer.also(("Retry-After", f"{fault.retry_after:g}"))
        drip = 5.0 if fault.seconds is None else fault.seconds
        return Plan(answer, delay + stall, _MANNERS.get(fault.kind, "whole"), drip)
