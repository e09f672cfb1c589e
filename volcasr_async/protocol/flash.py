"""Flash: one request, one answer (doc 1631584, doc 2608628)."""

from __future__ import annotations

from typing import Never

from volcasr_async.editions import Flash
from volcasr_async.errors import InputError
from volcasr_async.job import Order
from volcasr_async.models import Task
from volcasr_async.protocol import v3
from volcasr_async.protocol.messages import Access, Call, Phase, Reply, Step
from volcasr_async.protocol.reading import read_status, read_success, refuse, unreadable

_PATH = "/api/v3/auc/bigmodel/recognize/flash"


class FlashDialect:
    """Speaks the flash edition."""

    phase: Phase = "flash"
    can_ask = False

    def __init__(self, edition: Flash, access: Access) -> None:
        self._edition = edition
        self._who = v3.authentication(access.credentials)

    def open(self, order: Order) -> Call:
        """Ask for the transcript at once; the audio goes inside or by link."""
        head = v3.headers(self._who, resource_id=self._edition.resource_id, request_id=order.request_id, sequence=True)
        return v3.opening(order, phase="flash", path=_PATH, head=head)

    def read_open(self, order: Order, reply: Reply, *, at: float) -> Step:  # noqa: ARG002 - flash has no task to date
        """Return the transcript."""
        status = read_status(reply)
        if status.rule.flash == "done":
            result = v3.finished(reply, status)
            if result is not None:
                return v3.transcript(result, reply, status, None)
            status = read_success(reply, status, "flash")
        match status.rule.flash:
            case "silent":
                return v3.silence(reply, status, None)
            case "done":
                raise unreadable(reply, status, "the reply says success but holds no transcript")
            case _:
                refuse(status, reply, "flash", edition="flash", request_id=order.request_id)

    def claim(self, order: Order, *, at: float) -> Task | None:  # noqa: ARG002 - the answer is always the same
        """Flash leaves nothing to ask about: whether its result can be queried is unknown."""
        return None

    def follow(self, task: Task, *, by_request_id: bool = False) -> Never:  # noqa: ARG002 - the answer is always the same
        """Refuse: there is nothing to follow."""
        raise InputError(f"flash answers at once and has no task to ask about ({task.id})")

    def named_by(self, reply: Reply) -> str | None:
        """Return the request id that the reply repeats."""
        return reply.headers.get("x-api-request-id")

    def read_follow(self, task: Task, reply: Reply) -> Never:
        """Refuse: there is nothing to follow."""
        raise InputError(f"flash answers at once and has no task to ask about ({task.id}, HTTP {reply.status})")
