"""`VolcASR`: one recording in, its transcript out."""

from __future__ import annotations

import os
import time
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import anyio

from volcasr_async._arguments import as_credentials, check_batch, check_call, check_client, check_task
from volcasr_async._audio import Upload
from volcasr_async._budget import Budget, KeyBudget, Stats
from volcasr_async._deadline import timed_out, within
from volcasr_async._hints import Bell, Hints, called_back, paced
from volcasr_async._recent import RECENT
from volcasr_async._session import Defaults, Session, watched
from volcasr_async._transport import MOST_CONNECTIONS, Door
from volcasr_async.batch import Batch
from volcasr_async.batch.feed import Input
from volcasr_async.credentials import Credentials
from volcasr_async.editions import Edition, EditionName
from volcasr_async.environment import base_url_of, credentials_from, poll_from
from volcasr_async.errors import (
    BudgetFull,
    InputError,
    ReplyError,
    SubmitUncertain,
    TaskNotFound,
    VolcASRError,
)
from volcasr_async.job import Job, as_edition, as_job
from volcasr_async.journal import Journal
from volcasr_async.models import Pending, Task, Transcript
from volcasr_async.options import Options
from volcasr_async.policies import Limits, PollPolicy, RetryPolicy
from volcasr_async.protocol.messages import Access, Step
from volcasr_async.protocol.progress import Progress, Rules
from volcasr_async.sources import SourceLike
from volcasr_async.telemetry.watch import Observe, Telemetry

if TYPE_CHECKING:
    import httpx

Engine = Literal["httpx", "aiohttp"]

_SUBMIT_S = 600.0
"""How long `submit` tries by default; what it could not settle by then it hands over."""


class VolcASR:
    """The client: an async context manager that many tasks may use at once.

    *credentials* are an `ApiKey`, an `AppKey`, or a string, which is the key of the new console.
    Without *credentials* the environment is read, here and now: `VOLCASR_API_KEY`, or `VOLCASR_APP_KEY` with
    `VOLCASR_ACCESS_KEY` (and `VOLCASR_SECRET_KEY` for signed v1); also `VOLCASR_CLUSTER` and `VOLCASR_BASE_URL`.
    *edition* and *options* are what jobs get that do not say. *limits* is the budget of the app key, shared by all that
    goes through this client. *http* takes an `httpx.AsyncClient` or `httpx.AsyncBaseTransport` of yours, which stays open,
    or the name of an engine: "httpx", or "aiohttp", which uses half the CPU (extra `[speed]`, on asyncio).
    *observe* takes a `telemetry.Observer`; by default it is OpenTelemetry where the program has set a provider before;
    `False` is none. *poll* says when tasks are asked about; without it `VOLCASR_POLL_FIRST` and `VOLCASR_POLL_SHORTEST`
    (seconds) replace two defaults of `PollPolicy`, for tests.

    Raises `ConfigurationError` for credentials or a base URL that cannot be used, and `InputError` for any other argument
    of a wrong type.
    """

    def __init__(  # noqa: PLR0913 - each has a default
        self,
        credentials: Credentials | str | None = None,
        *,
        edition: Edition | EditionName | None = None,
        options: Options | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen values may be defaults
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008
        poll: PollPolicy | None = None,
        base_url: str | None = None,
        http: httpx.AsyncClient | httpx.AsyncBaseTransport | Engine | None = None,
        observe: Observe = None,
    ) -> None:
        check_client(
            edition=edition,
            options=options,
            limits=limits,
            retry=retry,
            poll=poll,
            base_url=base_url,
            http=http,
            observe=observe,
        )
        base = base_url_of(base_url, os.environ)
        cluster = os.environ.get("VOLCASR_CLUSTER")
        chosen = as_edition(edition, cluster=cluster) if edition is not None else None
        self._limits, self._grace = limits, retry.grace
        self._hints = Hints()
        self._door = Door(base, connections=limits.concurrency, http=http)
        who = as_credentials(credentials) if credentials is not None else credentials_from(os.environ)
        access = Access(who, self._door.host, self._door.base_path)
        key = RECENT.key_of(access.host, access.credentials) if self._door.leads_to_network else None
        self._budget: Budget = KeyBudget(limits, key)
        defaults = Defaults(chosen, options, cluster)
        self._telemetry = Telemetry(observe, base, self._budget)
        self._session = Session(
            self._door, access, self._budget, Rules(retry, poll or poll_from(os.environ)), defaults, self._telemetry
        )

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
        """Close the connections that this client opened. Those of other event loops are closed in their loops."""
        self._telemetry.close()
        self._budget.close()
        with anyio.CancelScope(shield=True):
            await self._door.aclose()

    @property
    def stats(self) -> Stats:
        """What is in the air and waiting: a snapshot, cheap enough for a health endpoint."""
        return self._budget.stats

    # ---- the verbs ----

    @watched("transcribe")
    async def transcribe(
        self,
        source: SourceLike | Job,
        *,
        edition: Edition | EditionName | None = None,
        options: Options | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline carries the task, a bare cancellation could not
        poll: PollPolicy | None = None,
    ) -> Transcript:
        """Upload or submit, wait, and bring the transcript; silence is one with `silent=True`.

        *timeout* is in seconds, by default what the edition promises (3 h, idle 24 h, flash 15 min). *poll* replaces the
        client's `PollPolicy` for this call.

        Raises `InputError`, `ConfigurationError` or `BudgetFull` before anything is sent; `ServiceError` for what the
        service refused; `WaitTimeout` with the task after the deadline; `SubmitUncertain` where a billed answer was lost.
        Failures on the way and refusals for the request rate are retried as `RetryPolicy` says; a submit whose answer
        was lost is asked about before it is sent again, so nothing is paid twice.
        """
        check_call(edition=edition, options=options, timeout=timeout, poll=poll)
        order = self._session.order(as_job(source), edition, options)
        limit = timeout if timeout is not None else order.edition.patience_s
        return await self._finish(paced(self._session.begin(order), poll), limit)

    @watched("submit")
    async def submit(
        self,
        source: SourceLike | Job,
        *,
        edition: Edition | EditionName | None = None,
        options: Options | None = None,
        callback: str | None = None,
        callback_data: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> Task:
        """Submit, and bring the task to be waited for, here or in another process; flash has none.

        *callback* is a URL that the service calls when the task has ended, *callback_data* what it passes on (not in v1);
        `volcasr_async.callbacks` takes such calls. *timeout* is in seconds, by default ten minutes.

        Raises as `transcribe` does; after the deadline a submit that may have arrived is `SubmitUncertain`, with its task.
        """
        check_call(edition=edition, options=options, timeout=timeout)
        job = called_back(as_job(source), callback, callback_data)
        order = self._session.order(job, edition, options)
        progress = self._session.begin(order)
        if progress.dialect.phase == "flash":
            raise InputError(
                "flash answers at once and has no task: use transcribe, or submit to standard or idle", reason="usage"
            )
        limit = timeout if timeout is not None else _SUBMIT_S
        step = await within(limit, progress, self._submitted(progress), self._telemetry)
        if step is not None:
            return _task_of(step)
        if progress.charged != "no":
            raise SubmitUncertain(
                f"after {limit:g} s it is still not known whether {order.job.name} was accepted: {progress.last_error}",
                job=order.job,
                task=progress.presumed_task(at=time.time()),
            ) from progress.last_error
        raise timed_out(progress, limit)

    @watched("query")
    async def query(self, task: Task) -> Pending | Transcript:
        """Ask once about a task.

        Raises what the service answered, `TaskNotFound` among it once the task is older than `RetryPolicy.grace`, and
        `TransportError`; nothing is retried.
        """
        check_task(task)
        progress = self._session.follow(task)
        try:
            return await self._exchange(progress, None)
        except TaskNotFound as error:
            if time.time() - task.submitted_at > self._grace:
                progress.learn(error)
                raise
            return Pending(task=task, phase="accepted", log_id=error.log_id)
        except VolcASRError as error:
            progress.learn(error)
            raise

    @watched("wait")
    async def wait(
        self,
        task: Task,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        poll: PollPolicy | None = None,
    ) -> Transcript:
        """Wait for a task's transcript. *timeout* is in seconds, by default what the edition promises.

        *poll* replaces the client's `PollPolicy` for this call; a `hint` brings the next question forward.

        Raises `WaitTimeout` with the task after the deadline. Failures on the way are retried until then: asking costs
        nothing.
        """
        check_task(task)
        check_call(timeout=timeout, poll=poll)
        progress = paced(self._session.follow(task), poll)
        return await self._finish(progress, timeout if timeout is not None else task.edition.patience_s)

    def hint(self, task: Task | str) -> None:
        """Say that a task, or the task of a request id, may have ended: `wait` and `transcribe` then ask at once.

        Within the budget, and for once: a hint that proves wrong changes nothing, one that is repeated counts less each
        time, and one that comes before `wait` is kept for it. A batch takes none. Call it in the client's event loop.
        """
        if not isinstance(task, str):
            check_task(task)
        self._hints.give(task.request_id if isinstance(task, Task) else task)

    def batch(
        self,
        jobs: Input,
        *,
        window: int = 1000,
        journal: str | PathLike[str] | Journal | None = None,
        redo: bool = False,
        replay: bool = False,
    ) -> Batch:
        """Transcribe many: `async with asr.batch(urls, journal="run.db") as batch: async for outcome in batch: ...`.

        *jobs* is any sync or async iterable of sources or `Job`s, read lazily: at most *window* of them are under way.
        Each ends in one `Done` or `Failed`, in the order in which they end.

        With a *journal*, a file that is made where there is none, a later run of the same list continues where this one
        stopped. Recordings that are done are not sent again, accepted tasks are waited for, and submits without an answer
        are queried first. A task that ended with a listed final code is followed by a new task, as in the first run of its
        recording. Anything else that is charged, or may be, is submitted again only with `RetryPolicy(pay_again=True)`.
        Request ids are derived from the journal. *replay* also returns the results of recordings that are done and were
        returned by an earlier run: they are read from the journal, nothing is sent or charged for them, and
        `BatchStats.replayed` counts them. *redo* transcribes every recording again, also with other options than
        before, and is charged again.

        A journal that was passed in as an object stays open.

        Raises `InputError` for an argument of a wrong type, and on entry `JournalError` for a journal that is foreign,
        broken or in use.
        """
        check_batch(window=window, journal=journal, redo=redo, replay=replay)

        async def opened() -> tuple[Journal | None, bool]:
            if not isinstance(journal, str | PathLike):
                return journal, False
            from volcasr_async.sqlite_journal import SqliteJournal

            return await SqliteJournal.open(Path(journal)), True

        workers = min(self._limits.concurrency, MOST_CONNECTIONS)
        return Batch(self._session, jobs, workers=workers, window=window, redo=redo, replay=replay, journal=opened)

    # ---- one job ----

    async def _finish(self, progress: Progress, limit: float) -> Transcript:
        transcript = await within(limit, progress, self._transcript(progress), self._telemetry)
        if transcript is None:
            raise timed_out(progress, limit)
        return transcript

    async def _transcript(self, progress: Progress) -> Transcript:
        async with self._session.opened(progress) as upload:
            with self._hints.heard(progress) as bell:
                while True:
                    step = await self._news(progress, upload, bell)
                    if isinstance(step, Transcript):
                        return step

    async def _submitted(self, progress: Progress) -> Step:
        async with self._session.opened(progress) as upload:
            return await self._news(progress, upload, Bell())

    async def _news(self, progress: Progress, upload: Upload | None, bell: Bell) -> Step:
        """Make the job's next requests, each when it is due or hinted at, until one of them brings news."""
        while True:
            async with self._session.single_submit(progress):
                step = await self._requests(progress, upload, bell)
            if step is not None:
                return step

    async def _requests(self, progress: Progress, upload: Upload | None, bell: Bell) -> Step | None:
        """Make the next requests; `None` when a new task takes the place of the one before, under another request id."""
        name = progress.order.request_id if progress.order is not None else ""
        while progress.order is None or progress.order.request_id == name:
            planned = await bell.sleep(progress)
            try:
                step = await self._exchange(progress, upload)
            except BudgetFull:
                raise  # at once: it is there so that nobody waits
            except VolcASRError as error:
                self._session.failed(progress, upload, error)
                continue
            if isinstance(step, Pending):
                self._session.went_on(progress, step)
                progress.due = planned or progress.due
            return step
        return None

    async def _exchange(self, progress: Progress, upload: Upload | None) -> Step:
        """Make one request within the budget, in front of all batches."""
        submits = progress.kind == "submit"
        first = submits and not (progress.sends or progress.fresh)  # later, it may be billed and is not turned away
        size = upload.size if upload is not None and submits else 0
        async with self._budget.turn(progress.kind, size=size, first=first) as turn:
            return await self._session.request(progress, upload, turn)


def _task_of(step: Step) -> Task:
    if step.task is None:
        error = ReplyError(
            "the service answered the submit with a result and no task; use transcribe for this recording"
        )
        error.charged = "yes"
        raise error
    return step.task
