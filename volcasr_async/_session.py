"""What a single call and a batch share: one app key's way to the service, one request at a time within its budget."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from urllib.parse import urlsplit

import anyio
from msgspec import Struct
from msgspec.structs import replace

from volcasr_async._audio import Upload, open_audio
from volcasr_async._budget import Budget, Turn
from volcasr_async._clock import now
from volcasr_async._loops import PerLoop
from volcasr_async._streams import StreamUpload
from volcasr_async._transport import Door
from volcasr_async.credentials import account_digest, veil
from volcasr_async.editions import Edition, EditionName
from volcasr_async.environment import is_loopback, takes_private_links
from volcasr_async.errors import TransportError, VolcASRError
from volcasr_async.job import Job, Order, prepare
from volcasr_async.models import Pending, Task
from volcasr_async.options import Options
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access, Call, Dialect, Step
from volcasr_async.protocol.progress import Progress, Rules
from volcasr_async.sources import AudioStream, AudioUrl
from volcasr_async.spelling import advise_language
from volcasr_async.telemetry.log import AUDIO, log_denied, log_retry
from volcasr_async.telemetry.records import ExchangeRecord, Verb
from volcasr_async.telemetry.watch import Telemetry, brought, heard

_MOST_REMEMBERED = 10_000
"""Accepted tasks by request id, about 3 MB."""
_FLASH_REPLY_S = 300.0
"""Flash answers when it is done: about 10 s for 30 minutes of audio (doc 1354871), two hours at most."""


Hook = Callable[[], Awaitable[None]]
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
        # A transport of the caller's, such as the simulator's, stands for a service on this machine.
        self._takes_private_links = not door.leads_to_network or takes_private_links(
            urlsplit(f"//{door.host}").hostname or ""
        )
        self._warned: set[tuple[str, str]] = set()
        self._dialects: dict[Edition, Dialect] = {}
        self._accepted: dict[str, Task] = {}
        self._unanswered: dict[str, float] = {}
        self._streams: dict[str, None] = {}
        self._submitting: PerLoop[dict[str, anyio.Event]] = PerLoop(dict)

    @property
    def host(self) -> str:
        """The host as the journal stores it: all loopback addresses count as one host."""
        name = urlsplit(f"//{self.door.host}").hostname or self.door.host
        return "loopback" if is_loopback(name) else self.door.host

    def account(self, salt: str) -> str:
        """Return a digest of the credentials: a journal stores it instead of them."""
        return account_digest(self._access.credentials, salt)

    def order(self, job: Job, edition: Edition | EditionName | None = None, options: Options | None = None) -> Order:
        """Make every choice and refuse what cannot be sent, credentials that do not fit the edition among it."""
        defaults = self._defaults
        order = prepare(
            job,
            edition=edition if edition is not None else defaults.edition,
            options=options if options is not None else defaults.options,
            cluster=defaults.cluster,
            takes_private_links=self._takes_private_links,
        )
        self._dialect(order.edition)
        if order.source.language is not None:
            self._warn_of_language(order.source.language, order.edition.name)
        return order

    def _warn_of_language(self, language: str, edition: str) -> None:
        """Write one warning for a language that the documents of the edition do not list."""
        if (language, edition) in self._warned or (advice := advise_language(language, edition)) is None:
            return
        self._warned.add((language, edition))
        AUDIO.warning("%s", advice)

    async def look(self, order: Order) -> tuple[Order, Upload | None]:
        """Look at local audio, so that bad input is refused before anything is sent."""
        if isinstance(order.source, AudioUrl):
            return order, None
        upload = await open_audio(order.source, order.edition)
        return replace(order, source=upload.source), upload

    @asynccontextmanager
    async def opened(self, progress: Progress) -> AsyncIterator[Upload | None]:
        """Open the local audio of a single call for as long as the call takes; `None` for a URL or a task.

        A stream is not read where the budget would refuse the call at once.
        """
        if progress.order is None:
            yield None
            return
        if isinstance(progress.order.source, AudioStream):
            upload = await self._open_stream(progress)
        else:
            progress.order, upload = await self.look(progress.order)
        try:
            yield upload
        finally:
            if upload is not None:
                await upload.aclose()

    async def _open_stream(self, progress: Progress) -> Upload | None:
        """Read the first bytes of a stream, unless an earlier call with the same job did.

        The later call gets an upload that can send nothing: it follows the task of the earlier one.
        """
        order = progress.order
        if order is None or not isinstance(order.source, AudioStream):
            return None
        if order.request_id in self._streams:
            spent = StreamUpload(order.source)
            spent.resendable = False
            return spent
        self.budget.check_line(order.source.size)
        async with self._alone(order.request_id):  # a later call waits until this one submits
            _remember(self._streams, order.request_id, None)
            progress.order, upload = await self.look(order)
        return upload

    def begin(self, order: Order) -> Progress:
        """Start a job's life."""
        at = now()
        return Progress(self._dialect(order.edition), self.rules, order=order, due=at, since=at, began=at)

    def follow(self, task: Task, order: Order | None = None) -> Progress:
        """Return the progress of a task that may be old: its age decides how often it is queried."""
        progress = Progress(self._dialect(task.edition), self.rules, order=order, at=time.time())
        progress.resume(task, now=now(), age=max(time.time() - task.submitted_at, 0.0))
        return progress

    @asynccontextmanager
    async def single_submit(self, progress: Progress) -> AsyncIterator[None]:
        """Let one call at a time submit a request id; a call that comes later follows the task of the first.

        A request handler that is called again with the same `Job` then returns the same result.
        """
        order = progress.order
        if order is None or progress.state != "submit":
            yield
            return
        async with self._alone(order.request_id):
            known = self._accepted.get(order.request_id)
            if known is not None and known.edition == order.edition and not progress.sends:
                progress.resume(known, now=now(), age=max(time.time() - known.submitted_at, 0.0))
            elif (sent_at := self._unanswered.get(order.request_id)) is not None and progress.dialect.can_ask:
                # An earlier call had no answer: the service may have it, also where queries denied that.
                presumed = progress.dialect.claim(order, at=sent_at)
                progress.verify(presumed, now=now(), may_submit=True, seconds=self.rules.retry.grace)
            try:
                yield
            finally:
                if progress.sends and progress.charged != "yes" and (progress.lost or progress.charged == "maybe"):
                    _remember(self._unanswered, order.request_id, progress.sent_at)

    @asynccontextmanager
    async def _alone(self, request_id: str) -> AsyncIterator[None]:
        """Wait until no other call of this event loop works on a request id, and keep others waiting meanwhile."""
        submitting = self._submitting.get()
        while (other := submitting.get(request_id)) is not None:
            await other.wait()
        ended = submitting[request_id] = anyio.Event()
        try:
            yield
        finally:
            del submitting[request_id]
            ended.set()

    async def request(
        self,
        progress: Progress,
        upload: Upload | None,
        turn: Turn,
        before_it_counts: Callable[[], Awaitable[None]] | None = None,
    ) -> Step:
        """Make the job's next request in a turn of the budget; raises what went wrong, unplanned still.

        *before_it_counts* is awaited before the last piece of the request leaves: until then the service cannot act on it.
        """
        submitting = progress.kind == "submit"
        call = progress.call(at=time.time())
        upload = upload if submitting else None
        job, complete = self.telemetry.watched, False

        async def completing() -> None:
            nonlocal complete
            if before_it_counts is not None:
                await before_it_counts()
            complete = True

        hooks = (partial(self.budget.confirm, turn), completing)
        try:
            if job is None:
                return await self._exchange(progress, call, upload, hooks)
            with self.telemetry.exchange(job, progress, call, upload, waited_s=turn.waited_s) as record:
                return await self._exchange(progress, call, upload, hooks, record)
        except VolcASRError as error:
            progress.incomplete = submitting and not complete
            rate = self.budget.rate
            self.budget.heed(error, turn)
            self.telemetry.heeded(error, rate, self.budget.rate)
            raise
        except anyio.get_cancelled_exc_class():
            if submitting and complete:
                progress.interrupted()
            raise
        except Exception as error:
            if not (submitting and complete):
                raise
            # A caller's transport or event hook may raise anything. The service has the whole submit all the same.
            raise TransportError(f"{type(error).__name__} after the submit had left: {error}", sent="yes") from error
        finally:
            if job is not None:
                job.charged = progress.charged_in_all

    async def _exchange(
        self,
        progress: Progress,
        call: Call,
        upload: Upload | None,
        hooks: tuple[Hook, Hook],
        record: ExchangeRecord | None = None,
    ) -> Step:
        patience = _FLASH_REPLY_S if call.phase == "flash" else self.rules.retry.reply_timeout
        leaving, completing = hooks
        reply = await self.door.send(call, upload, reply_timeout=patience, leaving=leaving, completing=completing)
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
        if progress.state != "wait":
            self._remember_accepted(progress.order, step.task)
        progress.went_on(step, now=now(), draw=_draw())

    def failed(self, progress: Progress, upload: Upload | None, error: VolcASRError) -> None:
        """Plan the next request after a failure, or raise it when it is final."""
        resendable = upload is None or upload.resendable
        was, name = progress.state, progress.order.request_id if progress.order is not None else ""
        at = now()
        try:
            progress.failed(error, now=at, draw=_draw(), resendable=resendable)
            if was == "ask" and progress.state == "wait" and progress.task is not None:
                self._remember_accepted(progress.order, progress.task)
        except VolcASRError:
            if progress.ended:
                self._accepted.pop(name, None)  # another call is another try
            if progress.was_denied:
                log_denied(progress, error)
            raise
        log_retry(progress, error, was=was, name=name, pause_s=progress.due - at)

    def _remember_accepted(self, order: Order | None, task: Task) -> None:
        if order is not None:
            self._unanswered.pop(order.request_id, None)
            _remember(self._accepted, order.request_id, task)

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


def _remember(memory: dict[str, _T], request_id: str, value: _T) -> None:
    memory[request_id] = value
    if len(memory) > _MOST_REMEMBERED:
        del memory[next(iter(memory))]


def _draw() -> float:
    return random.random()  # noqa: S311 - jitter, no secret
