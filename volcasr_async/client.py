"""`VolcASR`: one recording in, its transcript out."""

from __future__ import annotations

import logging
import os
import random
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from volcasr_async._audio import Upload, open_audio
from volcasr_async._budget import Budget, KeyBudget, Stats
from volcasr_async._transport import Door
from volcasr_async.credentials import Credentials
from volcasr_async.editions import Edition
from volcasr_async.environment import BASE_URL, checked_base_url, credentials_from
from volcasr_async.errors import InputError, ReplyError, SubmitUncertain, TaskNotFound, VolcASRError, WaitTimeout
from volcasr_async.job import Job, Order, as_edition, as_job, prepare
from volcasr_async.models import Pending, Task, Transcript
from volcasr_async.options import Options
from volcasr_async.policies import Limits, PollPolicy, RetryPolicy
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access, Dialect, Step
from volcasr_async.protocol.progress import Progress, Rules
from volcasr_async.sources import AudioUrl, SourceLike

if TYPE_CHECKING:
    import httpx

_log = logging.getLogger("volcasr_async")

_SUBMIT_S = 600.0
"""How long `submit` tries by default; what it could not settle by then it hands over."""
_FLASH_REPLY_S = 300.0
"""Flash answers when it is done: about 10 s for 30 minutes of audio (doc 1354871), two hours at most."""


class VolcASR:
    """The client: an async context manager that many tasks may use at once.

    Without *credentials* the environment is read, here and now: `VOLCASR_API_KEY`, or `VOLCASR_APP_KEY` with
    `VOLCASR_ACCESS_KEY` (and `VOLCASR_SECRET_KEY` for signed v1); also `VOLCASR_CLUSTER` and `VOLCASR_BASE_URL`.
    *edition* and *options* are what jobs get that do not say. *limits* is the budget of the app key, shared by all that
    goes through this client. *http* takes an `httpx.AsyncClient` or `httpx.AsyncBaseTransport` of yours, which stays open.

    Raises `ConfigurationError` for credentials or a base URL that cannot serve.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        edition: Edition | str | None = None,
        options: Options | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen values may be defaults
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008
        poll: PollPolicy = PollPolicy(),  # noqa: B008
        base_url: str | None = None,
        http: httpx.AsyncClient | httpx.AsyncBaseTransport | None = None,
    ) -> None:
        base = checked_base_url(base_url or os.environ.get("VOLCASR_BASE_URL") or BASE_URL)
        self._cluster = os.environ.get("VOLCASR_CLUSTER")
        self._edition = as_edition(edition, cluster=self._cluster) if edition is not None else None
        self._options = options
        self._door = Door(base, connections=limits.concurrency, http=http)
        self._access = Access(credentials or credentials_from(os.environ), self._door.host, self._door.base_path)
        self._budget: Budget = KeyBudget(limits)
        self._rules = Rules(retry, poll)
        self._dialects: dict[Edition, Dialect] = {}

    def __repr__(self) -> str:
        stats = self.stats
        return f"<VolcASR {self._door.host} [{stats.in_air} in the air, {stats.waiting} waiting]>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that this client opened."""
        with anyio.CancelScope(shield=True):
            await self._door.aclose()

    @property
    def stats(self) -> Stats:
        """What is in the air and waiting: a snapshot, cheap enough for a health endpoint."""
        return self._budget.stats

    # ---- the verbs ----

    async def transcribe(
        self,
        source: SourceLike | Job,
        *,
        edition: Edition | str | None = None,
        options: Options | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline carries the task, a bare cancellation could not
    ) -> Transcript:
        """Upload or submit, wait, and bring the transcript; silence is one with `silent=True`.

        *timeout* is in seconds, by default what the edition promises (3 h, idle 24 h, flash 15 min).

        Raises `InputError` or `ConfigurationError` before anything is sent; `ServiceError` for what the service refused;
        `WaitTimeout` with the task after the deadline; `SubmitUncertain` where a billed answer was lost for good.
        Failures on the way and refusals for the request rate are retried as `RetryPolicy` says; a submit whose answer
        was lost is asked about before it is sent again, so nothing is paid twice.
        """
        order, upload = await self._prepare(source, edition, options)
        progress = self._begin(order)
        return await self._finish(progress, upload, timeout if timeout is not None else order.edition.patience_s)

    async def submit(
        self,
        source: SourceLike | Job,
        *,
        edition: Edition | str | None = None,
        options: Options | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> Task:
        """Submit, and bring the task to be waited for, here or in another process; flash has none.

        *timeout* is in seconds, by default ten minutes. Raises as `transcribe` does; after the deadline a submit that may
        have arrived is `SubmitUncertain`, with its task.
        """
        order, upload = await self._prepare(source, edition, options)
        progress = self._begin(order)
        if progress.dialect.phase == "flash":
            raise InputError("flash answers at once and has no task: use transcribe, or submit to standard or idle")
        limit = timeout if timeout is not None else _SUBMIT_S
        with anyio.move_on_after(limit):
            return _task_of(await self._news(progress, upload))
        if progress.doubt is not None:
            raise SubmitUncertain(
                f"after {limit:g} s it is still not known whether {order.job.name} was taken: {progress.doubt}",
                job=order.job,
                task=progress.task,
            ) from progress.doubt
        raise WaitTimeout(f"{order.job.name} could not be submitted within {limit:g} s", job=order.job)

    async def query(self, task: Task) -> Pending | Transcript:
        """Ask once about a task.

        Raises what the service answered, `TaskNotFound` among it once the task is older than `RetryPolicy.grace`, and
        `TransportError`; nothing is retried.
        """
        progress = self._follow(task)
        try:
            return await self._exchange(progress, None)
        except TaskNotFound as error:
            if time.time() - task.submitted_at > self._rules.retry.grace:
                raise
            return Pending(task=task, phase="accepted", log_id=error.log_id)

    async def wait(self, task: Task, *, timeout: float | None = None) -> Transcript:  # noqa: ASYNC109 - as above
        """Wait for a task's transcript. *timeout* is in seconds, by default what the edition promises.

        Raises `WaitTimeout` with the task after the deadline. Failures on the way are retried until then: asking costs
        nothing.
        """
        progress = self._follow(task)
        return await self._finish(progress, None, timeout if timeout is not None else task.edition.patience_s)

    # ---- one job ----

    async def _prepare(
        self, source: SourceLike | Job, edition: Edition | str | None, options: Options | None
    ) -> tuple[Order, Upload | None]:
        """Make every choice and look at local audio, so that bad input is refused before anything is sent."""
        order = prepare(
            as_job(source),
            edition=edition or self._edition,
            options=options or self._options,
            cluster=self._cluster,
        )
        self._dialect(order.edition)
        if isinstance(order.source, AudioUrl):
            return order, None
        upload = await open_audio(order.source, order.edition)
        return order.labelled(upload.container), upload

    def _dialect(self, edition: Edition) -> Dialect:
        if edition not in self._dialects:
            self._dialects[edition] = dialect_of(edition, self._access)
        return self._dialects[edition]

    def _begin(self, order: Order) -> Progress:
        now = anyio.current_time()
        return Progress(self._dialect(order.edition), self._rules, order=order, due=now, since=now)

    def _follow(self, task: Task) -> Progress:
        """Take up a task that may be old: its age decides how often it is asked about."""
        now, age = anyio.current_time(), max(time.time() - task.submitted_at, 0.0)
        due = now + max(self._rules.poll.first - age, 0.0)
        return Progress(self._dialect(task.edition), self._rules, task=task, state="wait", since=now - age, due=due)

    async def _finish(self, progress: Progress, upload: Upload | None, limit: float) -> Transcript:
        try:
            with anyio.move_on_after(limit):
                return await self._transcript(progress, upload)
        except anyio.get_cancelled_exc_class():
            if progress.task is not None:
                _log.warning("cancelled; task %s goes on at the service and can be waited for", progress.task.to_json())
            raise
        raise _timed_out(progress, limit)

    async def _transcript(self, progress: Progress, upload: Upload | None) -> Transcript:
        while True:
            step = await self._news(progress, upload)
            if isinstance(step, Transcript):
                return step

    async def _news(self, progress: Progress, upload: Upload | None) -> Step:
        """Make the job's next requests, each when it is due, until one of them brings news."""
        while True:
            await anyio.sleep_until(progress.due)
            try:
                step = await self._exchange(progress, upload)
            except VolcASRError as error:
                resendable = upload is None or upload.resendable
                progress.failed(error, now=anyio.current_time(), draw=_draw(), resendable=resendable)
                _log.info("trying again in %.1f s: %s", progress.due - anyio.current_time(), error)
                continue
            if isinstance(step, Pending):
                progress.went_on(step, now=anyio.current_time(), draw=_draw())
            return step

    async def _exchange(self, progress: Progress, upload: Upload | None) -> Step:
        """Make one request within the budget."""
        try:
            async with AsyncExitStack() as stack:
                body = upload if upload is not None and progress.kind == "submit" else None
                if body is not None:
                    await stack.enter_async_context(self._budget.upload(body.size))
                await stack.enter_async_context(self._budget.turn(progress.kind))
                call = progress.call(at=time.time())
                patience = _FLASH_REPLY_S if call.phase == "flash" else self._rules.retry.reply_timeout
                reply = await self._door.send(call, body, reply_timeout=patience)
            return progress.read(reply, at=time.time())
        except VolcASRError as error:
            self._budget.heed(error)
            raise


def _task_of(step: Step) -> Task:
    if step.task is None:
        raise ReplyError("the service answered the submit with a result and no task; use transcribe for this recording")
    return step.task


def _timed_out(progress: Progress, limit: float) -> WaitTimeout:
    """Say what goes on at the service after the deadline, and how to come back to it."""
    task, order = progress.task, progress.order
    if task is not None:
        return WaitTimeout(
            f"task {task.id} ({task.edition.name}) was not finished after {limit:g} s and goes on at the service; wait for "
            "error.task again, nothing is charged for that",
            task=task,
        )
    name = order.job.name if order is not None else "the job"
    sent = progress.sends > 0
    more = "what was sent may have been recognised and billed" if sent else "nothing had been sent"
    return WaitTimeout(f"{name} had no answer after {limit:g} s; {more}", job=order.job if order is not None else None)


def _draw() -> float:
    return random.random()  # noqa: S311 - jitter, no secret
