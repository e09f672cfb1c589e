"""Standard and idle: submit, then poll; one dialect on two pairs of paths (doc 1354868, 2606791, 2608618, 2608619)."""

from __future__ import annotations

from volcasr_async.editions import Idle, Standard
from volcasr_async.job import Order
from volcasr_async.models import Pending, Task
from volcasr_async.protocol import v3
from volcasr_async.protocol.messages import Access, Call, Phase, Reply, Step
from volcasr_async.protocol.reading import pending, read_status, refuse

# doc 2606792 says that /query serves idle too, doc 2608619 gives /idle/query: ask in the edition that was submitted to.
_PATHS = {
    "standard": ("/api/v3/auc/bigmodel/submit", "/api/v3/auc/bigmodel/query"),
    "idle": ("/api/v3/auc/bigmodel/idle/submit", "/api/v3/auc/bigmodel/idle/query"),
}


class StandardDialect:
    """Speaks the standard and the idle edition. The request id, ours, is the task's name."""

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
        """Take the acceptance; its body, empty or with a `task_id`, is not needed."""
        status = read_status(reply)
        if status.rule.submit != "accepted":
            refuse(status, reply, "submit", edition=self._edition.name, request_id=order.request_id)
        task = self._task(order, at=at, log_id=status.log_id)
        return Pending(task=task, phase="accepted", log_id=status.log_id)

    def claim(self, order: Order, *, at: float) -> Task | None:
        """Name the task by the id that we chose."""
        return self._task(order, at=at, log_id=None)

    def follow(self, task: Task) -> Call:
        """Query. The body is `{}`: with none the gateway answers "unexpected end of JSON input" (reported)."""
        head = v3.headers(self._who, resource_id=self._edition.resource_id, request_id=task.id, sequence=False)
        return Call("query", self._query, head, b"{}")

    def read_follow(self, task: Task, reply: Reply) -> Step:
        """Take the state or the transcript."""
        status = read_status(reply)
        match status.rule.query:
            case "pending":
                return pending(task, status)
            case "silent":
                return v3.silence(reply, status, task)
            case "done":
                # Success without a result is still running (reported twice).
                result = v3.finished(reply, status)
                return pending(task, status) if result is None else v3.transcript(result, reply, status, task)
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
