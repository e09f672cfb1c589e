"""What moves the jobs of a batch: an armer and workers around one board.

    fresh --armer--> board --worker--> outcome
                       ^        |
                       +-not yet+

The *armer* looks at local audio and has the journal write "may be sent" shortly before a job's turn. One *worker* at a
time holds the baton: it waits until something is due, takes a turn of the budget for it, passes the baton on, makes that
one request, and puts the job back on the board or brings its outcome. Where much is due, nobody waits for anybody.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from volcasr_async._budget import Turn
from volcasr_async._clock import now
from volcasr_async._deadline import timed_out
from volcasr_async._session import Session
from volcasr_async._timeouts import Deadline
from volcasr_async.batch.armer import Armer
from volcasr_async.batch.board import Board
from volcasr_async.batch.flight import Flight, as_failure
from volcasr_async.batch.recorder import Recorder
from volcasr_async.batch.signals import Signal, reported
from volcasr_async.errors import JournalError, SubmitUncertain, VolcASRError, WaitTimeout
from volcasr_async.journal import Entry
from volcasr_async.models import Pending, Task, Transcript
from volcasr_async.outcomes import Done, Failed, Outcome
from volcasr_async.protocol.charge import kind_of_failure, worse
from volcasr_async.protocol.messages import Step
from volcasr_async.protocol.progress import Progress

_BUFFER = 64  # outcomes may wait for the caller before the workers do
_OUTAGE_S = 600.0
"""For how long a batch waits for the network to come back; what it sends meanwhile does not use up its jobs' attempts."""
Hand = tuple[Turn, Flight]


class Engine:
    """Runs flights to their outcomes."""

    def __init__(self, session: Session, recorder: Recorder, *, workers: int) -> None:
        self.session = session
        self.recorder = recorder
        self.board: Board = Board()
        self._workers = workers
        self._watches = session.telemetry.watches()  # None while nobody listens
        self.flying: set[str] = set()
        self.places_free: Signal = Signal()
        self._due, self._came = Signal(), Signal()
        self._armer = Armer(session, recorder, self.board, workers=workers, armed=self._due.set, fail=self.fail)
        self.enlist: Callable[[Flight], None] = self._armer.enlist
        self._rooms = self._armer.rooms
        self._watched = 0.0  # until when the baton's holder sleeps
        self._baton = anyio.Lock(fast_acquire=True)
        self.open: int = 0
        self.in_air: int = 0
        self.done: int = 0
        self.replayed: int = 0
        self.failed: int = 0
        self.failures: Counter[str] = Counter()
        self.requests: int = 0
        self.audio_ms: int = 0
        self._at_work = 0
        self._beginning = anyio.CancelScope()
        self.exhausted: bool = False
        self.draining: bool = False
        self.error: Exception | None = None
        self._held_until = 0.0  # nothing is sent before, because the network is down
        # Submitted by this run, perhaps charged, and not taken care of by the caller.
        self._charged: dict[int, Flight] = {}
        self._noted_task_ids = recorder.condition.own_task_ids
        self._outcomes: MemoryObjectSendStream[tuple[Flight, Outcome]]
        self._ready: MemoryObjectReceiveStream[tuple[Flight, Outcome]]
        self._outcomes, self._ready = anyio.create_memory_object_stream(_BUFFER)

    # ---- what others tell it ----

    def put(self, flight: Flight, progress: Progress) -> None:
        """Put a job on the board for its next request."""
        if self.board.plan(flight, progress) < self._watched:
            self._due.set()

    def end_of_input(self) -> None:
        """Nothing more will be enlisted."""
        self.exhausted = True
        self._wake()

    def stop(self) -> None:
        """Submit nothing more. Without a journal, wait for the tasks that are accepted, because only this process knows them."""
        self.draining = True
        self._beginning.cancel()  # what is left may need no permit at all
        self._armer.stop()
        self._wake()

    def halt(self, error: Exception) -> None:
        """Stop for good, with the error that the caller will see."""
        self.error = self.error or error
        self.stop()

    @property
    def reads_more(self) -> bool:
        """Whether more of the input is wanted."""
        return not self.draining

    @property
    def _is_stopped(self) -> bool:
        """Whether nothing is sent any more: the journal knows the tasks that are accepted."""
        return self.draining and self.recorder.records

    def open_tasks(self) -> list[Task]:
        """Return the tasks that are charged, or may be, and that nothing but this batch knows of.

        A journal knows them, unless it could not be written.
        """
        return [task for _, task in self._open() if task is not None]

    def _open(self) -> list[tuple[Flight, Task | None]]:
        if self.recorder.records and not isinstance(self.error, JournalError):
            return []
        flights = {id(flight): flight for flight in self.board.flights()} | self._charged
        known = [flight for flight in flights.values() if flight.under_way.charged_in_all != "no"]
        return [(flight, flight.under_way.presumed_task(at=time.time()) or flight.task_before) for flight in known]

    def taken(self) -> None:
        """An outcome has reached the caller: its place is free."""
        self.open -= 1
        self.places_free.set()

    def settled(self, flight: Flight, *, again: bool = True) -> None:
        """Note that the caller has taken care of an outcome; *again* is whether its key may be worked on once more."""
        self._charged.pop(id(flight), None)
        if again:
            self.flying.discard(flight.key)

    async def bring(self, flight: Flight, outcome: Outcome) -> None:
        """Count an outcome and hand it over; waits while the caller is behind."""
        if isinstance(outcome, Done):
            self.done += 1
            if flight.is_replayed:
                self.replayed += 1
            else:
                self.audio_ms += outcome.transcript.duration_ms or 0
        else:
            self.failed += 1
            self.failures[kind_of_failure(outcome.error)] += 1
        if self._watches is not None:
            self._watches.end(flight, outcome.error if isinstance(outcome, Failed) else None)
        await self._rooms.leave(flight)
        await self._armer.close_stream(flight)
        await self._outcomes.send((flight, outcome))
        self._came.set()

    async def next(self) -> tuple[Flight, Outcome] | None:
        """Wait for the next outcome; `None` when there are no more."""
        await anyio.lowlevel.checkpoint()
        while True:
            try:  # its own `receive` loses what asyncio's `Task.cancel` overtakes on the way to the caller
                return self._ready.receive_nowait()
            except anyio.WouldBlock:
                await self._came.wait()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                return None

    # ---- its parts ----

    async def run(self) -> None:
        """Run until everything has ended or was stopped, and the requests in the air have come back."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reported, self.halt, self._armer.run)
                async with anyio.create_task_group() as workers:
                    for _ in range(self._workers):
                        workers.start_soon(reported, self.halt, self._work)
                self._armer.stop()
        finally:
            self._outcomes.close()
            self._came.set()

    async def _work(self) -> None:
        while (hand := await self._next()) is not None:
            try:
                await self._serve(*hand)
            except Exception as error:  # noqa: BLE001 - audio and journal are the caller's, and may raise anything
                self.halt(error)
            del hand  # an idle worker would keep the job, audio and all
            self._at_work -= 1
            if self._over:
                self._due.set()

    async def _next(self) -> Hand | None:
        """Hold the baton until there is a request to make; `None` when nothing more will be begun."""
        budget = self.session.budget
        if self._baton.locked():
            await self._baton.acquire()
        else:
            self._baton.acquire_nowait()
        try:
            while not self._over:
                moment = now()
                at = self.board.next_at(moment, self._submits_at)
                if at is not None and self._held_until > moment:
                    at = max(at, self._held_until)
                if at is None or at > moment:
                    self._watched = math.inf if at is None else at
                    await self._due.wait(None if at is None else at - moment)
                    self._watched = 0.0
                elif (turn := budget.take_now(moment) or await self._turn()) is not None:
                    flight = self._pick(turn.started)
                    if flight is not None:
                        turn.waited_s = max(turn.started - flight.under_way.due, 0.0)
                        self._at_work += 1
                        self._armer.hurry()
                        return turn, flight
                    budget.give_back(turn)
            return None
        finally:
            self._baton.release()

    async def _turn(self) -> Turn | None:
        """Wait for a turn of the budget; `None` when that was given up."""
        turn = None
        with anyio.CancelScope() as self._beginning:
            turn = await self.session.budget.take()
        if turn is not None and self._is_stopped:
            self.session.budget.give_back(turn)
            return None
        return turn

    def _pick(self, moment: float) -> Flight | None:
        budget = self.session.budget
        left = self._armer.left if self.exhausted else None
        return self.board.pick(moment, submits_at=self._submits_at, left=left, rate=budget.rate)

    @property
    def _submits_at(self) -> float:
        """Before which moment nothing is submitted: never, once the batch only waits for what was accepted."""
        return math.inf if self.draining else self.session.budget.submits_at

    async def _serve(self, turn: Turn, flight: Flight) -> None:
        """Make one request of a job and do what its answer asks for."""
        progress = flight.under_way
        step = await self._request(turn, flight, progress)
        if not isinstance(step, VolcASRError):
            self._held_until = 0.0
        if isinstance(step, Transcript):
            self.board.finished(progress, now())
            self.recorder.done(flight, step)
            await self.recorder.settle()
            await self.bring(flight, Done(flight.job, step))
        elif isinstance(step, Pending):
            await self._went_on(flight, progress, step)
        elif isinstance(step, WaitTimeout):
            await self.fail(flight, step)
        else:
            await self._failed(flight, progress, step)

    async def _request(self, turn: Turn, flight: Flight, progress: Progress) -> Step | VolcASRError:
        if self._watches is not None:
            self._watches.enter(flight)
        self.requests += 1
        self.in_air += 1
        if progress.kind == "submit" and not progress.sends:
            progress.since = progress.began = now()  # the deadline begins here, not where the job was made ready
            progress.outage_s = _OUTAGE_S
        self._charged[id(flight)] = flight
        limit, deadline = _deadline_of(progress), Deadline()
        deadline.at = max(progress.began + limit, now() + 1.0)
        hook = None
        if progress.kind == "submit" and not progress.dialect.can_ask:
            hook = partial(self._record_sent, flight)
        try:
            with deadline:
                return await self.session.request(progress, flight.upload, turn, hook)
            return timed_out(progress, limit)
        except VolcASRError as error:
            return error
        except anyio.get_cancelled_exc_class():
            self.recorder.left(flight)
            raise
        except Exception as error:
            if flight.upload is None:
                raise
            return as_failure(flight.key, error)  # what the caller's own audio raised
        finally:
            self.in_air -= 1
            self.session.budget.give_back(turn)
            if progress.charged_in_all == "no":
                self._charged.pop(id(flight), None)

    async def _record_sent(self, flight: Flight) -> None:
        """Note "sent" just before the service can act on the submit: after a crash no query could tell."""
        self.recorder.sent(flight)
        await self.recorder.settle()

    async def _went_on(self, flight: Flight, progress: Progress, step: Pending) -> None:
        first = progress.state != "wait"
        if not first:
            self.board.unfinished(progress, now())
        self.session.went_on(progress, step)
        if first:
            await self._accepted(flight, progress, step.task)
        await self._again(flight, progress)

    async def _accepted(self, flight: Flight, progress: Progress, task: Task) -> None:
        """Note that the service has the task."""
        if not progress.rules.retry.new_tasks:
            progress.order = None  # the task says all that is needed now, and a hundred thousand may wait
        if progress.rules.facts.own_task_ids and not self._noted_task_ids:
            self._noted_task_ids = True
            self.recorder.own_task_ids()
        self.recorder.accepted(flight, task)
        await self.recorder.settle()
        await self._rooms.leave(flight)

    async def _failed(self, flight: Flight, progress: Progress, error: VolcASRError) -> None:
        was, task = progress.state, progress.task
        name = progress.order.request_id if progress.order is not None else ""
        try:
            self.session.failed(progress, flight.upload, error)
        except VolcASRError as final:
            await self.fail(flight, final)
            return
        if error.account_wide:
            self.halt(error)
        if progress.down_since is not None:
            self._held_until = max(self._held_until, progress.due)
        if progress.order is not None and progress.order.request_id != name:
            self.recorder.replaced(flight, name, task, error)
            if self.draining and not self.recorder.records:
                await self.bring(flight, Failed(flight.job, error))  # nothing is submitted any more
            else:
                self._armer.enlist(flight)  # a new task: its id is written down before it is sent
            return
        if was == "ask" and progress.state == "submit" and self.recorder.records:
            self._armer.enlist(flight)  # "sent" is written down before it is sent
            return
        if was == "ask" and progress.state == "wait" and progress.task is not None:
            await self._accepted(flight, progress, progress.task)
        if progress.charged == "no" and not progress.dialect.can_ask:
            self.recorder.planned(flight)  # it did not leave, or was refused: after a crash it is not uncertain
        await self._again(flight, progress)

    async def _again(self, flight: Flight, progress: Progress) -> None:
        """Plan a job's next request, unless its time is up."""
        limit = _deadline_of(progress)
        if now() - progress.began > limit:
            await self.fail(flight, timed_out(progress, limit))
        elif progress.kind == "submit" and not flight.is_prepared:
            self._armer.enlist(flight)  # an earlier run had looked at its audio
        else:
            self.put(flight, progress)

    async def fail(self, flight: Flight, error: VolcASRError) -> None:
        """End a job without a transcript.

        An error of the account ends the batch instead, unless the job is charged: then its task is returned with it.
        """
        progress = flight.progress
        if progress is not None:
            error.charged = worse(error.charged, progress.charged_in_all)
        if flight.before is not None:
            error.charged = worse(error.charged, flight.before.charged)
        if error.account_wide and (self.recorder.records or progress is None or progress.charged_in_all == "no"):
            if progress is not None and progress.charged_in_all != "no":
                self.recorder.failed(flight, error)
            else:
                self.recorder.left(flight)
            self.halt(error)
            return
        if error.account_wide:
            self.halt(error)
        before, transcript = _row_to_restore(flight, error), None
        if before is None:
            self.recorder.failed(flight, error)
        else:
            self.recorder.restored(flight, before, error)
            transcript = await self.recorder.transcript(before) if before.state == "done" else None
        await self.recorder.settle()
        await self.bring(flight, Done(flight.job, transcript) if transcript else Failed(flight.job, error))

    async def wind_up(self) -> None:
        """Free at the end what is held, and note of which jobs the service has nothing."""
        self._ready.close()
        if self._watches is not None:
            self._watches.close()
        await self._rooms.close()
        await self._armer.close_streams()
        for flight in self.board.unsent():
            self.recorder.left(flight)

    def report_open_tasks(self) -> None:
        """Log the tasks that nobody waits for any more, and state them on the error of a journal that was not written."""
        why = "the batch ended before its result"
        if isinstance(self.error, JournalError):
            why = "the journal could not be written"
            self.error.tasks = tuple(self.open_tasks())
        for flight, task in self._open():
            self.session.telemetry.abandoned(flight.under_way, task, why=why)

    @property
    def _over(self) -> bool:
        if self.draining:
            return self._is_stopped or not (self._at_work or self.board.waiting)
        idle = not (self._armer.left or self._at_work or len(self.board))
        return self.exhausted and idle

    def _wake(self) -> None:
        for signal in (self.places_free, self._due):
            signal.set()


def _row_to_restore(flight: Flight, error: VolcASRError) -> Entry | None:
    """Return the earlier row, if a task that was to follow was not submitted by this run, and queries do not find it.

    The earlier row is one that is waited for or delivered. It never leads to a submit without permission.
    """
    before, progress = flight.before, flight.progress
    if before is None or before.state not in ("done", "accepted", "missing"):
        return None
    only_queried = progress is not None and not progress.sends
    return before if only_queried and isinstance(error, SubmitUncertain) else None


def _deadline_of(progress: Progress) -> float:
    """Return how long a job may take, in seconds: what its edition promises."""
    at = progress.task or progress.order
    return at.edition.patience_s if at is not None else math.inf
