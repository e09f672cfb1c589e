"""What moves the jobs of a batch: armer, pump and workers around one board.

    fresh --armer--> board --pump--> worker --> outcome
                       ^                |
                       +--- not yet ----+

The *armer* looks at local audio and has the journal write "may be sent" shortly before a job's turn. The *pump* takes a
turn of the budget for whatever is due next and hands it to a *worker*, which makes one request and puts the job back on
the board or brings its outcome.
"""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from volcasr_async._audio import Upload
from volcasr_async._budget import Turn
from volcasr_async._session import Session, claimed
from volcasr_async.batch.flights import Board, Flight
from volcasr_async.batch.recorder import Recorder
from volcasr_async.batch.signals import Signal
from volcasr_async.errors import VolcASRError, WaitTimeout
from volcasr_async.models import Pending, Transcript
from volcasr_async.outcomes import Done, Failed, Outcome
from volcasr_async.protocol.progress import Progress

_BUFFER = 64
"""Outcomes that may wait for the caller before the workers do."""

Hand = tuple[Turn, Flight]


class Engine:
    """Runs flights to their outcomes."""

    def __init__(self, session: Session, recorder: Recorder, *, workers: int) -> None:
        self.session, self.recorder, self.board = session, recorder, Board()
        self._workers, self._ahead = workers, 2 * workers
        self.fresh: deque[Flight] = deque()
        self.flying: set[str] = set()
        self.places_free, self._armable, self._pumpable = Signal(), Signal(), Signal()
        self.open = self.at_work = self.done = self.failed = self.requests = self.audio_ms = self.enlisted = 0
        self._arming = 0
        self._rooms: dict[int, AsyncExitStack] = {}
        self.exhausted = self.stopping = False
        self.error: Exception | None = None
        self._outcomes: MemoryObjectSendStream[tuple[Flight, Outcome]]
        self.outcomes: MemoryObjectReceiveStream[tuple[Flight, Outcome]]
        self._outcomes, self.outcomes = anyio.create_memory_object_stream(_BUFFER)

    # ---- what others tell it ----

    def enlist(self, flight: Flight) -> None:
        """Take in a job that has to be submitted."""
        self.fresh.append(flight)
        self.enlisted += 1
        self._armable.set()

    def put(self, flight: Flight, progress: Progress) -> None:
        """Put a job on the board for its next request."""
        self.board.plan(flight, progress)
        self._pumpable.set()

    def end_of_input(self) -> None:
        """Nothing more will be enlisted."""
        self.exhausted = True
        self._wake()

    def stop(self) -> None:
        """Begin nothing more."""
        self.stopping = True
        self._wake()

    def halt(self, error: Exception) -> None:
        """Stop for good, with the error that the caller will see."""
        self.error = self.error or error
        self.stop()

    def taken(self, flight: Flight) -> None:
        """An outcome has reached the caller: its place is free."""
        self.open -= 1
        self.flying.discard(flight.key)
        self.places_free.set()

    async def bring(self, flight: Flight, outcome: Outcome) -> None:
        """Count an outcome and hand it over; waits while the caller is behind."""
        if isinstance(outcome, Done):
            self.done += 1
            self.audio_ms += outcome.transcript.duration_ms or 0
        else:
            self.failed += 1
        if flight.room is not None:
            await self._rooms.pop(id(flight)).aclose()
        await self._outcomes.send((flight, outcome))

    # ---- its parts ----

    async def run(self) -> None:
        """Run until everything has ended or was stopped, and the requests in the air have come back."""
        hands, work = anyio.create_memory_object_stream[Hand](0)
        idle = anyio.Semaphore(self._workers)
        with self._outcomes:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._guarded_arm)
                for _ in range(self._workers):
                    tasks.start_soon(self._work, work.clone(), idle)
                work.close()
                async with hands:
                    await self._pump(hands, idle)
                self._armable.set()

    async def _guarded_arm(self) -> None:
        try:
            await self._arm()
        except VolcASRError as error:
            self.halt(error)

    async def _arm(self) -> None:
        while not self._over:
            count = min(len(self.fresh), self._ahead - self.board.armed)
            if count <= 0:
                await self._armable.wait()
                continue
            flights = [self.fresh.popleft() for _ in range(count)]
            self._arming = count
            await self._ready(flights)
            self._arming = 0
            self._pumpable.set()

    async def _ready(self, flights: list[Flight]) -> None:
        """Make these ready for their submit: links together, local audio one by one, as there is room in the air."""
        links = []
        for flight in flights:
            if flight.progress is None and not await self._prepare(flight):
                continue
            if flight.upload is None or flight.room is not None:
                links.append(flight)
                continue
            await self._launch(links)
            links = []
            await self._make_room(flight, flight.upload)
            await self._launch([flight])
        await self._launch(links)

    async def _prepare(self, flight: Flight) -> bool:
        """Make the order and look at local audio; bad input is the job's outcome."""
        try:
            order = self.session.order(flight.job).named(self.recorder.request_id(flight))
            order, flight.upload = await self.session.look(order)
        except VolcASRError as error:
            await self.fail(flight, error)
            return False
        flight.progress = self.session.begin(order)
        return True

    async def _make_room(self, flight: Flight, upload: Upload) -> None:
        flight.room = AsyncExitStack()
        await flight.room.enter_async_context(self.session.budget.upload(upload.size))
        self._rooms[id(flight)] = flight.room

    async def _launch(self, flights: list[Flight]) -> None:
        """Write down that these may be sent from now on; then they may."""
        for flight in flights:
            self.recorder.sent(flight)
        await self.recorder.settle()
        for flight in flights:
            self.board.arm(flight)
        self._pumpable.set()

    async def _pump(self, hands: MemoryObjectSendStream[Hand], idle: anyio.Semaphore) -> None:
        while not self._over:
            now = anyio.current_time()
            at = self.board.next_at(now + self.session.budget.submits_wait())
            if at is None or at > now:
                await self._pumpable.wait(None if at is None else at - now)
                continue
            await idle.acquire()
            turn = await self.session.budget.take()
            now = anyio.current_time()
            flight = self._pick(now)
            if flight is None:
                self.session.budget.give_back(turn)
                idle.release()
                continue
            self.at_work += 1
            self._armable.set()
            try:
                await hands.send((turn, flight))
            except BaseException:
                self.session.budget.give_back(turn)
                raise

    def _pick(self, now: float) -> Flight | None:
        budget = self.session.budget
        left = len(self.fresh) + self._arming if self.exhausted else None
        return self.board.pick(
            now, submits_at=now + budget.submits_wait(), left=left, total=self.enlisted, rate=budget.rate
        )

    async def _work(self, work: MemoryObjectReceiveStream[Hand], idle: anyio.Semaphore) -> None:
        with work:
            async for turn, flight in work:
                try:
                    await self._serve(turn, flight, flight.under_way)
                except VolcASRError as error:
                    self.halt(error)
                finally:
                    self.at_work -= 1
                    idle.release()
                    self._pumpable.set()

    async def _serve(self, turn: Turn, flight: Flight, progress: Progress) -> None:
        """Make one request of a job and do what its answer asks for."""
        self.requests += 1
        try:
            step = await self.session.request(progress, flight.upload, turn)
        except VolcASRError as error:
            self.session.budget.give_back(turn)
            await self._failed(flight, progress, error)
            return
        except BaseException:
            self.session.budget.give_back(turn)
            raise
        self.session.budget.give_back(turn)
        if isinstance(step, Transcript):
            self.board.sharing.finished(anyio.current_time() - progress.since)
            self.recorder.done(flight, step)
            await self.recorder.settle()
            await self.bring(flight, Done(flight.job, step))
        else:
            await self._went_on(flight, progress, step)

    async def _went_on(self, flight: Flight, progress: Progress, step: Pending) -> None:
        first = progress.state != "wait"
        self.session.went_on(progress, step)
        if first:
            self.recorder.accepted(flight, step.task)
            await self.recorder.settle()
        await self._again(flight, progress)

    async def _failed(self, flight: Flight, progress: Progress, error: VolcASRError) -> None:
        if error.account_wide:
            self._keep(flight, progress)
            self.halt(error)
            return
        name = progress.order.request_id if progress.order is not None else ""
        try:
            self.session.failed(progress, flight.upload, error)
        except VolcASRError as final:
            await self.fail(flight, final)
            return
        if progress.order is not None and progress.order.request_id != name:
            self.enlist(flight)  # a fresh task: its new id is written down before it is sent
        else:
            await self._again(flight, progress)

    async def _again(self, flight: Flight, progress: Progress) -> None:
        """Put a job back on the board, unless its time is up."""
        edition = progress.task.edition if progress.task is not None else progress.order and progress.order.edition
        if edition and anyio.current_time() - progress.since > edition.patience_s:
            task = claimed(progress)
            late = f"{flight.key} was not finished within {edition.patience_s / 3600:g} h; its task can be waited for"
            await self.fail(flight, WaitTimeout(late, task=task, job=flight.job))
            return
        self.put(flight, progress)

    async def fail(self, flight: Flight, error: VolcASRError) -> None:
        """End a job without a transcript."""
        if error.account_wide:
            self.halt(error)
            return
        self.recorder.failed(flight, error)
        await self.recorder.settle()
        await self.bring(flight, Failed(flight.job, error))

    def _keep(self, flight: Flight, progress: Progress) -> None:
        """A refusal of the account leaves the job as it was: of a first submit, nothing was taken."""
        if progress.state == "submit" and progress.doubt is None:
            self.recorder.planned(flight)

    async def wind_up(self) -> None:
        """At the end, free what is held and write down which armed jobs were not sent after all."""
        self.outcomes.close()
        for room in self._rooms.values():
            await room.aclose()
        for flight in self.board.unsent():
            self.recorder.planned(flight)

    @property
    def _over(self) -> bool:
        idle = not (self.fresh or self._arming or self.at_work or len(self.board))
        return self.stopping or (self.exhausted and idle)

    def _wake(self) -> None:
        for signal in (self.places_free, self._armable, self._pumpable):
            signal.set()
