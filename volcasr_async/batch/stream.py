"""`Batch`: a bounded stream of outcomes, owned by the block it is opened in."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from volcasr_async._session import Session
from volcasr_async.batch.engine import Engine
from volcasr_async.batch.feed import Feed, Input
from volcasr_async.batch.flight import Flight
from volcasr_async.batch.intake import Intake
from volcasr_async.batch.recorder import Recorder
from volcasr_async.batch.signals import reported
from volcasr_async.errors import InputError, JournalError
from volcasr_async.journal import Journal
from volcasr_async.models import Task
from volcasr_async.outcomes import BatchStats, Done, Outcome
from volcasr_async.telemetry.log import log_note

_IN_USE: set[int] = set()
"""The journals that a batch uses at present, by their `id()`."""

OpenJournal = Callable[[], Awaitable[tuple[Journal | None, bool]]]
"""Brings the journal, and whether it is the batch's to close."""


class Batch:
    """A batch under way: an async context manager and an async iterator of its outcomes.

    Each job ends in one `Done` or `Failed`. What no job can survive ends the iteration with its error: credentials or a
    grant refused, a quota spent, a journal that cannot be written, an input that raises. With a journal the jobs that are
    left are kept for its next run. Without one, the batch submits nothing more, waits for the tasks that were accepted,
    returns them, and then raises.

    `stop` ends the batch after the requests under way, without a journal after the accepted tasks. Leaving the block ends it
    at once. The tasks that nobody waits for then are logged at WARNING (logger `volcasr_async.charges`), and `open_tasks`
    returns them.

    An outcome counts as taken care of when the next one is asked for; one that was not is brought again by the next run.
    """

    def __init__(
        self,
        session: Session,
        items: Input,
        *,
        workers: int,
        window: int,
        redo: bool,
        replay: bool,
        journal: OpenJournal,
    ) -> None:
        self._session, self._feed, self._open_journal = session, Feed(items), journal
        self._workers, self._window = workers, window
        self._redo, self._replay = redo, replay
        self._journal: Journal | None = None
        self._engine: Engine | None = None
        self._tasks: TaskGroup | None = None
        self._work = anyio.CancelScope()
        self._last: tuple[Flight, Outcome] | None = None
        self._ended: float | None = None

    def __repr__(self) -> str:
        if self._engine is None:
            return "<Batch [not begun]>"
        s = self.stats
        return f"<Batch [{s.done} done, {s.failed} failed | {s.in_air} in the air, {s.waiting} waiting, {s.sending} to send]>"

    async def __aenter__(self) -> Self:
        self._journal, self._ours = await self._open_journal()
        if id(self._journal) in _IN_USE:
            # Each batch knows only its own jobs: two of them would submit the same recording twice.
            raise JournalError(f"{self._journal!r} is used by another batch: wait for its end, or name another journal")
        if self._journal is not None:
            _IN_USE.add(id(self._journal))
        try:
            recorder = await self._recorder(self._journal)
        except BaseException:
            await self._leave_journal()
            raise
        self._engine = Engine(self._session, recorder, workers=self._workers)
        self._intake = Intake(self._engine, self._feed, window=self._window, redo=self._redo, replay=self._replay)
        self._began = anyio.current_time()
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._run, self._engine)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        engine, tasks = self._begun()
        self._work.cancel()  # not the group's own scope: asyncio's `Task.cancel` of the caller could be taken for ours
        cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        try:
            # An error of the caller's own is no business of the group, which would wrap it.
            await tasks.__aexit__(*((kind, error, trace) if cancelled else (None, None, None)))
        finally:
            self._ended = anyio.current_time()
            with anyio.CancelScope(shield=True):
                try:
                    await engine.wind_up()
                    try:
                        await self._feed.aclose()
                    finally:  # the input is the caller's, and may raise anything
                        await self._leave_journal()
                except JournalError as failure:
                    engine.error = engine.error or failure
                    raise
                finally:
                    engine.report_open_tasks()

    async def _recorder(self, journal: Journal | None) -> Recorder:
        """Take the journal for this client's service and account, and learn what it knows of the service."""
        if journal is None:
            return Recorder(None)
        account = self._session.account(journal.id)
        condition = await journal.bind(self._session.host, account)
        for note in condition.notes:
            log_note(note)
        if condition.own_task_ids:
            self._session.rules.facts.own_task_ids = True
        if condition.newest_at is not None:
            # An earlier process may have used the whole rate until the moment in which it was killed.
            self._session.budget.assume_recent(time.time() - condition.newest_at)
        return Recorder(journal, condition, account)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """Bring the next outcome; the one before counts as taken care of."""
        engine, _ = self._begun()
        if self._last is not None:
            flight, outcome = self._last
            if isinstance(outcome, Done) and not flight.is_replayed:
                engine.recorder.delivered(flight.key)
            # A recording that failed, was redone or replayed is skipped when it stands in the list once more.
            once = self._redo or self._replay
            engine.settled(flight, again=isinstance(outcome, Done) and not once)
            self._last = None
        self._last = await engine.next()
        if self._last is None:
            raise engine.error or StopAsyncIteration
        engine.taken()
        return self._last[1]

    def stop(self) -> None:
        """Submit nothing more: the iteration ends after the requests under way. The journal keeps the rest.

        Without a journal it ends after the tasks that were accepted, because only this process knows them.
        """
        self._begun()[0].stop()

    @property
    def open_tasks(self) -> tuple[Task, ...]:
        """The tasks that are charged, or may be, and whose outcome the caller has not taken care of.

        The outcome returned last is among them until the next one is asked for. With a journal, which keeps them, there are
        none. It can be read after the block as well: `VolcASR.wait` waits for such a task at no cost.
        """
        return tuple(self._begun()[0].open_tasks())

    @property
    def stats(self) -> BatchStats:
        """How far it has come."""
        engine, _ = self._begun()
        budget, read, skipped = self._session.budget.stats, self._intake.read, self._intake.skipped
        waiting, in_air = engine.board.waiting, engine.in_air
        now = self._ended if self._ended is not None else anyio.current_time()
        return BatchStats(
            read=read,
            skipped=skipped,
            done=engine.done,
            failed=engine.failed,
            failed_free=engine.failures["refused"],
            failed_charged=engine.failures["charged"],
            uncertain=engine.failures["uncertain"],
            missing=engine.failures["missing"],
            sending=max(read - skipped - engine.done - engine.failed - waiting - in_air, 0),
            waiting=waiting,
            in_air=in_air,
            requests=engine.requests,
            audio_s=engine.audio_ms / 1000,
            elapsed_s=now - self._began,
            exhausted=engine.exhausted,
            rate=budget.rate,
            rejected=budget.rejected,
            replayed=engine.replayed,
            total=self._feed.length if self._feed.length is not None else read if engine.exhausted else None,
        )

    async def _run(self, engine: Engine) -> None:
        """Run all parts; the outcomes end with the engine, and what still reads the input is left."""
        with self._work:
            async with anyio.create_task_group() as parts:
                parts.start_soon(reported, engine.halt, self._feed.read_ahead)
                parts.start_soon(reported, engine.halt, self._intake.run)
                await engine.run()
                parts.cancel_scope.cancel()

    async def _leave_journal(self) -> None:
        if self._journal is None:
            return
        try:
            await (self._journal.aclose() if self._ours else self._journal.settle())
        finally:
            _IN_USE.discard(id(self._journal))

    def _begun(self) -> tuple[Engine, TaskGroup]:
        if self._engine is None or self._tasks is None:
            raise InputError("open the batch first: async with asr.batch(...) as batch", reason="usage")
        return self._engine, self._tasks
