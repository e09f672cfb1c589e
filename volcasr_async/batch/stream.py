"""`Batch`: a bounded stream of outcomes, owned by the block it is opened in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from volcasr_async._session import Session
from volcasr_async.batch.engine import Engine
from volcasr_async.batch.feed import Feed, Input
from volcasr_async.batch.flights import Flight
from volcasr_async.batch.intake import Intake
from volcasr_async.batch.recorder import Recorder
from volcasr_async.errors import InputError
from volcasr_async.journal import Journal
from volcasr_async.outcomes import BatchStats, Outcome

OpenJournal = Callable[[], Awaitable[Journal | None]]


class Batch:
    """A batch under way: an async context manager and an async iterator of its outcomes.

    Each job ends in one `Done` or `Failed`. What no job can survive ends the iteration with its error: credentials or a
    grant refused, a quota spent, a journal that cannot be written, an input that raises; the jobs it left undone are kept
    for the next run of the same journal. Leaving the block ends the batch at once; `stop` ends it after the requests in
    the air.

    An outcome counts as taken care of when the next one is asked for; one that was not is brought again by the next run.
    """

    def __init__(
        self, session: Session, items: Input, *, workers: int, window: int, redo: bool, journal: OpenJournal
    ) -> None:
        if window < 1:
            raise InputError(f"window={window} must be at least 1: it is how many jobs may be under way")
        self._session, self._feed, self._open_journal = session, Feed(items), journal
        self._workers, self._window, self._redo = workers, window, redo
        self._journal: Journal | None = None
        self._engine: Engine | None = None
        self._tasks: TaskGroup | None = None
        self._last: Flight | None = None

    def __repr__(self) -> str:
        if self._engine is None:
            return "<Batch [not begun]>"
        s = self.stats
        return f"<Batch [{s.done} done, {s.failed} failed | {s.in_air} in the air, {s.waiting} waiting, {s.sending} to send]>"

    async def __aenter__(self) -> Self:
        self._journal = await self._open_journal()
        self._engine = Engine(self._session, Recorder(self._journal), workers=self._workers)
        self._intake = Intake(self._engine, self._feed, window=self._window, redo=self._redo)
        self._began = anyio.current_time()
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._run, self._engine)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        engine, tasks = self._begun()
        tasks.cancel_scope.cancel()
        cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        try:
            # An error of the caller's own is no business of the group, which would wrap it.
            await tasks.__aexit__(*((kind, error, trace) if cancelled else (None, None, None)))
        finally:
            self._feed.close()
            with anyio.CancelScope(shield=True):
                await engine.wind_up()
                if self._journal is not None:
                    await self._journal.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """Bring the next outcome; the one before counts as taken care of."""
        engine, _ = self._begun()
        if self._last is not None:
            engine.recorder.delivered(self._last.key)
            self._last = None
        try:
            self._last, outcome = await engine.outcomes.receive()
        except anyio.EndOfStream:
            if engine.error is not None:
                raise engine.error from None
            raise StopAsyncIteration from None
        engine.taken(self._last)
        return outcome

    def stop(self) -> None:
        """Begin nothing more: the iteration ends when the requests in the air have. The journal keeps the rest."""
        self._begun()[0].stop()

    @property
    def stats(self) -> BatchStats:
        """How far it has come."""
        engine, _ = self._begun()
        budget = self._session.budget.stats
        return BatchStats(
            read=self._intake.read,
            skipped=self._intake.skipped,
            done=engine.done,
            failed=engine.failed,
            sending=len(engine.fresh) + engine.board.armed,
            waiting=engine.board.waiting,
            in_air=engine.at_work,
            requests=engine.requests,
            audio_s=engine.audio_ms / 1000,
            elapsed_s=anyio.current_time() - self._began,
            exhausted=engine.exhausted,
            rate=budget.rate,
            rejected=budget.rejected,
        )

    async def _run(self, engine: Engine) -> None:
        """Run all parts; the outcomes end with the engine, and what still reads the input is left."""
        async with anyio.create_task_group() as parts:
            parts.start_soon(self._reading, engine, self._feed.read_ahead)
            parts.start_soon(self._reading, engine, self._intake.run)
            await engine.run()
            parts.cancel_scope.cancel()

    async def _reading(self, engine: Engine, part: Callable[[], Awaitable[None]]) -> None:
        """Let what the input raises reach the caller through the iteration, unwrapped."""
        try:
            await part()
        except Exception as error:  # noqa: BLE001 - the input is the caller's: whatever it raises is the caller's to see
            engine.halt(error)

    def _begun(self) -> tuple[Engine, TaskGroup]:
        if self._engine is None or self._tasks is None:
            raise InputError("open the batch first: async with asr.batch(...) as batch")
        return self._engine, self._tasks
