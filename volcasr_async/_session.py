"""What a single call and a batch share: one app key's way to the service, one request at a time within its budget."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import anyio
from msgspec import Struct
from msgspec.structs import replace

from volcasr_async._audio import Upload, open_audio
from volcasr_async._budget import Budget, Turn
from volcasr_async._clock import now
from volcasr_async._transport import Door
from volcasr_async.credentials import veil
from volcasr_async.editions import Edition
from volcasr_async.errors import TransportError, VolcASRError
from volcasr_async.job import Job, Order, prepare
from volcasr_async.models import Pending, Task
from volcasr_async.options import Options
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access, Call, Dialect, Step
from volcasr_async.protocol.progress import Progress, Rules
from volcasr_async.sources import AudioUrl
from volcasr_async.telemetry.log import log_retry
from volcasr_async.telemetry.records import ExchangeRecord, Verb
from volcasr_async.telemetry.watch import Telemetry, brought, heard

_FLASH_REPLY_S = 300.0
"""Flash answers when it is done: about 10 s for 30 minutes of audio (doc 1354871), two hours at most."""


_C = TypeVar("_C", bound="HasSession")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Defaults(Struct, frozen=True):
    """What jobs get that do not say."""

    edition: Edition | None
    options: Options | None
    cluster: str | None


class Session:
    """Makes orders of jobs, begins and follows them, and makes their requests."""

    def __init__(
        self, door: Door, access: Access, budget: Budget, rules: Rules, defaults: Defaults, telemetry: Telemetry
    ) -> None:
        self.door = door
        self.budget = budget
        self.rules = rules
        self.telemetry = telemetry
        self._access, self._defaults = access, defaults
        self._dialects: dict[Edition, Dialect] = {}

    def order(self, job: Job, edition: Edition | str | None = None, options: Options | None = None) -> Order:
        """Make every choice and refuse what cannot be sent, credentials that do not fit the edition among it."""
        defaults = self._defaults
        order = prepare(
            job,
            edition=edition or defaults.edition,
            options=options or defaults.options,
            cluster=defaults.cluster,
        )
        self._dialect(order.edition)
        return order

    async def look(self, order: Order) -> tuple[Order, Upload | None]:
        """Look at local audio, so that bad input is refused before anything is sent."""
        if isinstance(order.source, AudioUrl):
            return order, None
        upload = await open_audio(order.source, order.edition)
        return replace(order, source=upload.source), upload

    def begin(self, order: Order) -> Progress:
        """Start a job's life."""
        at = now()
        return Progress(self._dialect(order.edition), self.rules, order=order, due=at, since=at)

    def follow(self, task: Task, order: Order | None = None) -> Progress:
        """Take up a task that may be old: its age decides how often it is asked about."""
        at, age = now(), max(time.time() - task.submitted_at, 0.0)
        due = at + max(self.rules.poll.first - age, 0.0)
        dialect = self._dialect(task.edition)
        return Progress(dialect, self.rules, order=order, task=task, state="wait", since=at - age, due=due)

    async def request(self, progress: Progress, upload: Upload | None, turn: Turn) -> Step:
        """Make the job's next request in a turn of the budget; raises what went wrong, unplanned still."""
        submitting = progress.kind == "submit"
        call = progress.call(at=time.time())
        upload = upload if submitting else None
        job, begun = self.telemetry.watched, False

        async def leaving() -> None:
            nonlocal begun
            await self.budget.confirm(turn)
            begun = True

        try:
            if job is None:
                return await self._exchange(progress, call, upload, leaving)
            with self.telemetry.exchange(job, progress, call, upload) as record:
                return await self._exchange(progress, call, upload, leaving, record)
        except VolcASRError as error:
            rate = self.budget.rate
            self.budget.heed(error, turn)
            self.telemetry.heeded(error, rate, self.budget.rate)
            raise
        except anyio.get_cancelled_exc_class():
            if submitting and begun:
                # Cut off before its answer, it may have arrived.
                progress.doubt = TransportError("it was cut off before the answer came", sent="maybe")
            raise

    async def _exchange(
        self,
        progress: Progress,
        call: Call,
        upload: Upload | None,
        leaving: Callable[[], Awaitable[None]],
        record: ExchangeRecord | None = None,
    ) -> Step:
        patience = _FLASH_REPLY_S if call.phase == "flash" else self.rules.retry.reply_timeout
        reply = await self.door.send(call, upload, reply_timeout=patience, leaving=leaving)
        if record is not None:
            heard(record, reply)
        try:
            step = progress.read(reply, at=time.time())
        except VolcASRError as error:
            veil(error, self._access.credentials)
            raise
        if record is not None:
            brought(record, step)
        return step

    def went_on(self, progress: Progress, step: Pending) -> None:
        """Plan the next request after the news that the task is not finished."""
        progress.went_on(step, now=now(), draw=_draw())

    def failed(self, progress: Progress, upload: Upload | None, error: VolcASRError) -> None:
        """Plan the next request after a failure, or raise it when it is final."""
        resendable = upload is None or upload.resendable
        was, name = progress.state, progress.order.request_id if progress.order is not None else ""
        at = now()
        progress.failed(error, now=at, draw=_draw(), resendable=resendable)
        log_retry(progress, error, was=was, name=name, pause_s=progress.due - at)

    def _dialect(self, edition: Edition) -> Dialect:
        if edition not in self._dialects:
            self._dialects[edition] = dialect_of(edition, self._access)
        return self._dialects[edition]


class HasSession(Protocol):
    """A client."""

    _session: Session


def watched(
    verb: Verb,
) -> Callable[[Callable[Concatenate[_C, _P], Awaitable[_T]]], Callable[Concatenate[_C, _P], Coroutine[Any, Any, _T]]]:
    """Have a client's method followed by whoever observes the client."""

    def decorate(
        method: Callable[Concatenate[_C, _P], Awaitable[_T]],
    ) -> Callable[Concatenate[_C, _P], Coroutine[Any, Any, _T]]:
        @wraps(method)
        async def call(self: _C, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
            telemetry = self._session.telemetry
            if not telemetry.on:
                return await method(self, *args, **kwargs)
            with telemetry.job(verb):
                return await method(self, *args, **kwargs)

        return call

    return decorate


def claimed(progress: Progress) -> Task | None:
    """Name the task of a job that was accepted, or may have been; `None` where there is none, or nobody can name it."""
    if progress.task is None and progress.doubt is not None and progress.order is not None:
        return progress.dialect.claim(progress.order, at=time.time())
    return progress.task


def _draw() -> float:
    return random.random()  # noqa: S311 - jitter, no secret
