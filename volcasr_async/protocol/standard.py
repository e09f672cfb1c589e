"""Standard and idle: submit, then poll; one dialect on two pairs of paths (doc 1354868, 2606791, 2608618, 2608619)."""

from __future__ import annotations

from msgspec.structs import replace

from volcasr_async.editions import Idle, Standard
from volcasr_async.job import Order
from volcasr_async.lenient import json_of
from volcasr_async.models import Pending, Task
from volcasr_async.protocol import v3
from volcasr_async.protocol.charge import comparable_id
from volcasr_async.protocol.messages import Access, Call, Phase, Reply, Step
from volcasr_async.protocol.reading import pending, read_status, read_success, refuse

# doc 2606792 says that /query serves idle too, doc 2608619 gives /idle/query: ask in the edition that was submitted to.
_PATHS = {
    "standard": ("/api/v3/auc/bigmodel/submit", "/api/v3/auc/bigmodel/query"),
    "idle": ("/api/v3/auc/bigmodel/idle/submit", "/api/v3/auc/bigmodel/idle/query"),
}

_LONGEST_ID = 200


class StandardDialect:
    """The dialect of the standard and the idle edition.

    The task is queried by the `task_id` of the submit's reply, or by the request id where the reply has none
    (doc 2606791, doc 2606792).
    """

    phase: Phase = "submit"
    can_ask = True

    def __init__(self, edition: Standard | Idle, access: Access) -> None:
        self._edition = edition
        self._who = v3.authentication(access.credentials)
        self._submit, self._query = _PATHS[edition.name]

    def open(self, order: Order) -> Call:
        """Submit."""
        head = v3.headers(self._who, resource_id=self._edition.resource_id, request_id=order.request_id, sequence=True)
        return v3.opening(order, phase="submit", path=self._submit, head=head)

    def read_open(self, order: Order, reply: Reply, *, at: float) -> Step:
        """Return the accepted task."""
        status = read_status(reply)
        if status.rule.submit == "accepted":
            status = read_success(reply, status, "submit")
        if status.rule.submit != "accepted":
            refuse(status, reply, "submit", edition=self._edition.name, request_id=order.request_id)
        task = replace(self._task(order, at=at, log_id=status.log_id), id=_task_id(reply, order.request_id))
        return Pending(task=task, phase="accepted", log_id=status.log_id)

    def claim(self, order: Order, *, at: float) -> Task | None:
        """Return the task under the request id: its own id, if it has one, is in the lost answer."""
        return replace(self._task(order, at=at, log_id=None), accepted=False)

    def follow(self, task: Task, *, by_request_id: bool = False) -> Call:
        """Query. The body is `{}`: with none the gateway answers "unexpected end of JSON input" (reported)."""
        name = task.request_id if by_request_id else task.id
        head = v3.headers(self._who, resource_id=self._edition.resource_id, request_id=name, sequence=False)
        return Call("query", self._query, head, b"{}")

    def named_by(self, reply: Reply) -> str | None:
        """Return the request id that the reply repeats."""
        return reply.headers.get("x-api-request-id")

    def read_follow(self, task: Task, reply: Reply) -> Step:
        """Return the state or the transcript."""
        status = read_status(reply)
        if status.rule.query == "done":
            result = v3.finished(reply, status)
            if result is not None:
                return v3.transcript(result, reply, status, task)
        if status.rule.query in ("done", "pending", "silent"):
            status = read_success(reply, status, "query")
        match status.rule.query:
            case "pending" | "done":
                # Success without a result is still running (reported twice).
                return pending(task, status)
            case "silent":
                return v3.silence(reply, status, task)
            case _:
                refuse(status, reply, "query", edition=self._edition.name, request_id=task.request_id, task=task)

    def _task(self, order: Order, *, at: float, log_id: str | None) -> Task:
        return Task(
            id=order.request_id,
            edition=self._edition,
            request_id=order.request_id,
            submitted_at=at,
            key=order.job.name,
            log_id=log_id,
        )


def _task_id(reply: Reply, request_id: str) -> str:
    """Return the `task_id` of a submit's reply; the request id where there is none that a header can hold."""
    try:
        body = json_of(reply.body)
    except ValueError:
        return request_id
    found = body.get("task_id") if isinstance(body, dict) else None
    name = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    usable = name and len(name) <= _LONGEST_ID and name.isascii() and name.isprintable() and " " not in name
    return name if usable and comparable_id(name) != comparable_id(request_id) else request_id
