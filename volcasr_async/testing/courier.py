"""Sends the callbacks of tasks as they end, and what the faults add to them.

What a v1 callback holds is documented: the body of a query reply (doc 80820). Of v3 nothing is known, so its shape here is
made up, and a receiver that reads it relies on nothing.
"""

import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import anyio
import msgspec

from volcasr_async.testing import replies, v1, v3
from volcasr_async.testing.records import Callback, Delivery
from volcasr_async.testing.service import Service
from volcasr_async.testing.tasks import Task

if TYPE_CHECKING:
    import httpx

    from volcasr_async.testing.posting import Post, Receiver

_PATIENCE_S = 10.0  # made up, as nobody says how long the service waits for an answer
_LATE_S, _AGAIN_S = 30.0, 1.0
_LIE = "[simulator] a result that somebody made up"


@dataclass(frozen=True, slots=True, order=True)
class Letter:
    """One callback to send, in the order of time."""

    due: float
    number: int
    kind: str = field(compare=False)
    url: str = field(compare=False)
    callback: Callback = field(compare=False)
    task: Task = field(compare=False)


@asynccontextmanager
async def carry(service: Service, via: "Receiver | httpx.AsyncBaseTransport | None") -> AsyncIterator[None]:
    """Send until the context ends; what is still to come then is not sent.

    An error of the caller's block comes out as itself, not in the group that the tasks would make of it.
    """
    from volcasr_async.testing.posting import posting

    if service.courier is not None:
        raise RuntimeError("this simulator sends its callbacks already")
    failure: Exception | None = None
    async with posting(via) as post, anyio.create_task_group() as tasks:
        courier = Courier(service, post)
        service.courier = courier.take
        tasks.start_soon(courier.run)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again below, outside the group
            failure = error
        finally:
            service.courier = None
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Courier:
    """Takes callbacks when their tasks are accepted, and sends each when it is due."""

    def __init__(self, service: Service, post: "Post") -> None:
        self._service, self._post = service, post
        self._letters: list[Letter] = []
        self._numbers = count()
        self._more = anyio.Event()
        sent = {delivery.task_id for delivery in service.deliveries}
        waiting = {callback.task_id: callback for callback in service.callbacks}  # once for an id that was forgotten
        for callback in waiting.values():
            if callback.task_id not in sent:
                self.take(callback)

    def take(self, callback: Callback) -> None:
        """Plan what is sent for a task."""
        task = self._service.tasks[callback.task_id]
        faults = self._service.script.callback(task.source)
        half = task.submitted + (task.queue + task.processing) / 2
        if "forged-callback" in faults:
            self._plan(half, "forged-callback", _other(callback.url), callback)
        if "early-callback" in faults:
            self._plan(half, "early-callback", callback.url, callback)
        if task.ends_at == float("inf") or "lost-callback" in faults:
            return
        late, twice = faults.get("late-callback"), faults.get("repeated-callback")
        due = task.ends_at + (_or(late.seconds, _LATE_S) if late else 0.0)
        self._plan(due, late.kind if late else "callback", callback.url, callback)
        if twice:
            self._plan(due + _or(twice.seconds, _AGAIN_S), twice.kind, callback.url, callback)

    async def run(self) -> None:
        """Send, each in a task of its own: a slow receiver does not hold up the others."""
        async with anyio.create_task_group() as tasks:
            while True:
                wait = self._letters[0].due - self._service.clock() if self._letters else float("inf")
                if wait > 0:
                    with anyio.move_on_after(wait):
                        await self._more.wait()
                    self._more = anyio.Event()
                    continue
                tasks.start_soon(self._send, heapq.heappop(self._letters))

    def _plan(self, due: float, kind: str, url: str, callback: Callback) -> None:
        task = self._service.tasks[callback.task_id]
        heapq.heappush(self._letters, Letter(due, next(self._numbers), kind, url, callback, task))
        self._more.set()

    async def _send(self, letter: Letter) -> None:
        if self._service.tasks.get(letter.task.id) is not letter.task or letter.task.forgotten:
            return  # the simulator was reset, or the service has lost the task
        at, status = self._service.clock(), None
        with anyio.move_on_after(_PATIENCE_S):
            status = await self._post(letter.url, _body(self._service, letter))
        delivery = Delivery(letter.task.id, letter.kind, letter.url, at, status)
        self._service.deliveries.append(delivery)


def _body(service: Service, letter: Letter) -> bytes:
    """What the callback holds; the two kinds that come too early hold a lie."""
    task, early = letter.task, letter.kind in {"early-callback", "forged-callback"}
    if task.edition == "v1":
        lie = replies.v1(1000, "Success", {"id": task.id, "text": _LIE, "utterances": []})
        return (lie if early else v1.tell(service, task, task.ends_at)).body
    lie = replies.v3(replies.OK, "OK", {"audio_info": {"duration": 1}, "result": {"text": _LIE}})
    answer = lie if early else v3.tell(service, task, task.ends_at)
    found: dict[str, object] = msgspec.json.decode(answer.body)
    said = {"task_id": task.id, "code": int(answer.code), "callback_data": letter.callback.data}
    return replies.encode({**said, **found})


def _other(url: str) -> str:
    """An address nearly the same: nobody who guesses comes closer."""
    return url[:-1] + ("A" if url[-1:] != "A" else "B")


def _or(seconds: float | None, usual: float) -> float:
    return usual if seconds is None else seconds
