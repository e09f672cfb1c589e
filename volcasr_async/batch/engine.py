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

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from volcasr_async._budget import Turn
from volcasr_async._session import Session, claimed
from volcasr_async.batch.flights import Board, Flight, Rooms, as_failure, late
from volcasr_async.batch.recorder import Recorder
from volcasr_async.batch.signals import Signal, reported
from volcasr_async.errors import VolcASRError
from volcasr_async.models import Pending, Transcript
from volcasr_async.outcomes import Done, Failed, Outcome
from volcasr_async.protocol.messages import Step
from volcasr_async.protocol.progress import Progress

_BUFFER = 64  # outcomes may wait for the caller before the workers do
Hand = tuple[Turn, Flight]


class Engine:
    """Runs flights to their outcomes."""

    def __init__(self, session: Session, recorder: Recorder, *, workers: int) -> None:
        self.session, self.recorder, self.board = session, recorder, Board()
        self._workers, self._ahead = workers, 2 * workers
        self.fresh: deque[Flight] = deque()
        self.flying: set[str] = set()
        self.places_free, self._armable, self._pumpable = Signal(), Signal(), Signal()
        self.open = self.in_air = self.done = self.failed = self.requests = self.audio_ms = self.enlisted = 0
        self._arming = self._at_work = 0
        self._rooms = Rooms(session.budget)
        self._beginning = anyio.CancelScope()
        self.exhausted = self.stopping = False
        self.error: Exception | None = None
        self._outcomes: MemoryObjectSendStream[tuple[Flight, Outcome]]
        self.outcomes: MemoryObjectReceiveStream[tuple[Flight, Outcome]]
        self._outcomes, self.outcomes = anyio.create_memory_object_stream(_BUFFER)

    # ---- what others tell it ----

    def enlist(self, flight: Flight) -> None:
        """Take in a job that has to be submitted."""
        self.enlisted += 1
        self.fresh.append(flight)
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
        """Begin nothing more, and wait for nothing that would only serve to."""
        self.stopping = True
        self._beginning.cancel()
        self._rooms.give_up()
        self._wake()

    def halt(self, error: Exception) -> None:
        """Stop for good, with the error that the caller will see."""
        self.error = self.error or error
        self.stop()

    def taken(self) -> None:
        """An outcome has reached the caller: its place is free."""
        self.open -= 1
        self.places_free.set()

    def settled(self, flight: Flight) -> None:
        """The caller has taken care of an outcome, now or in an earlier run: nothing more is done about its key."""
        self.flying.discard(flight.key)

    async def bring(self, flight: Flight, outcome: Outcome) -> None:
        """Count an outcome and hand it over; waits while the caller is behind."""
        if isinstance(outcome, Done):
            self.done += 1
            self.audio_ms += outcome.transcript.duration_ms or 0
        else:
            self.failed += 1
        await self._rooms.leave(flight)
        await self._outcomes.send((flight, outcome))

    # ---- its parts ----

    async def run(self) -> None:
        """Run until everything has ended or was stopped, and the requests in the air have come back."""
        hands, work = anyio.create_memory_object_stream[Hand](0)
        idle = anyio.Semaphore(self._workers)
        with self._outcomes:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reported, self.halt, self._arm)
                for _ in range(self._workers):
                    tasks.start_soon(self._work, work.clone(), idle)
                work.close()
                async with hands:
                    with self._beginning:
                        await reported(self.halt, self._pump, hands, idle)
                self._armable.set()

    async def _arm(self) -> None:
        while not self._over:
            count = min(len(self.fresh), self._ahead - self.board.armed)
            if count <= 0:
                await self._armable.wait()
                continue
            flights = [self.fresh.popleft() for _ in range(count)]
            self._arming = count
            await self._ready(flights)
            del flights
            self._arming = 0
            self._pumpable.set()

    async def _ready(self, flights: list[Flight]) -> None:
        """Make these ready for their submit: links together, local audio one by one, as there is room in the air."""
        links = []
        for flight in flights:
            if not flight.is_prepared and not await self._prepare(flight):
                continue
            if flight.upload is None or self._rooms.has(flight):
                links.append(flight)
                continue
            await self._launch(links)
            links = []
            if not await self._rooms.take(flight, flight.upload):
                return
            await self._launch([flight])
        await self._launch(links)

    async def _prepare(self, flight: Flight) -> bool:
        """Make the order and look at local audio; bad input is the job's outcome."""
        try:
            order = flight.progress.order if flight.progress is not None else None
            if order is None:
                order = self.session.order(flight.job).named(self.recorder.request_id(flight))
            order, flight.upload = await self.session.look(order)
        except Exception as error:  # noqa: BLE001 - a job may hold anything
            await self.fail(flight, as_failure(flight.key, error))
            return False
        if flight.progress is None:
            flight.progress = self.session.begin(order)
        flight.progress.order = order
        return True

    async def _launch(self, flights: list[Flight]) -> None:
        """Write down that these may be sent from now on; then they may."""
        for flight in flights:
            if flight.under_way.dialect.can_ask:
                self.recorder.sent(flight)
        await self.recorder.settle()
        for flight in flights:
            self.board.arm(flight)
        self._arming -= len(flights)
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
            flight = self._pick(anyio.current_time())
            if flight is None:
                self.session.budget.give_back(turn)
                idle.release()
                continue
            self._at_work += 1
            self._armable.set()
            try:
                await hands.send((turn, flight))
            except BaseException:
                self.session.budget.give_back(turn)
                self.board.put_back(flight)
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
                await reported(self.halt, self._serve, turn, flight, flight.under_way)
                del flight  # an idle worker would keep it, audio and all
                self._at_work -= 1
                idle.release()
                self._pumpable.set()

    async def _serve(self, turn: Turn, flight: Flight, progress: Progress) -> None:
        """Make one request of a job and do what its answer asks for."""
        if isinstance(step := await self._request(turn, flight, progress), Transcript):
            self.board.sharing.finished(anyio.current_time() - progress.since)
            self.recorder.done(flight, step)
            await self.recorder.settle()
            await self.bring(flight, Done(flight.job, step))
        elif isinstance(step, Pending):
            await self._went_on(flight, progress, step)
        else:
            await self._failed(flight, progress, step)

    async def _request(self, turn: Turn, flight: Flight, progress: Progress) -> Step | VolcASRError:
        self.requests += 1
        self.in_air += 1
        if progress.kind == "submit" and not progress.sends:
            progress.since = anyio.current_time()  # its patience begins here, not where it was made ready
        try:
            if progress.kind == "submit" and not progress.dialect.can_ask:
                # Nobody could resolve it after a crash: not a moment earlier than it is true.
                self.recorder.sent(flight)
                await self.recorder.settle()
            return await self.session.request(progress, flight.upload, turn)
        except VolcASRError as error:
            return error
        except Exception as error:
            if flight.upload is None:
                raise
            return as_failure(flight.key, error)  # what the caller's own audio raised
        finally:
            self.in_air -= 1
            self.session.budget.give_back(turn)

    async def _went_on(self, flight: Flight, progress: Progress, step: Pending) -> None:
        first = progress.state != "wait"
        self.session.went_on(progress, step)
        if first:
            self.recorder.accepted(flight, step.task)
            await self.recorder.settle()
            await self._rooms.leave(flight)
        await self._again(flight, progress)

    async def _failed(self, flight: Flight, progress: Progress, error: VolcASRError) -> None:
        if error.account_wide:
            self.recorder.left(flight)
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
        """Plan a job's next request, unless its time is up."""
        edition = progress.task.edition if progress.task is not None else progress.order and progress.order.edition
        if edition and anyio.current_time() - progress.since > edition.patience_s:
            await self.fail(flight, late(flight, claimed(progress), edition.patience_s))
        elif progress.kind == "submit" and not flight.is_prepared:
            self.enlist(flight)  # an earlier run had looked at its audio
        else:
            self.put(flight, progress)

    async def fail(self, flight: Flight, error: VolcASRError) -> None:
        """End a job without a transcript."""
        if error.account_wide:
            self.halt(error)
            return
        self.recorder.failed(flight, error)
        await self.recorder.settle()
        await self.bring(flight, Failed(flight.job, error))

    async def wind_up(self) -> None:
        """At the end, free what is held and write down of which jobs the service has nothing after all."""
        self.outcomes.close()
        await self._rooms.close()
        for flight in self.board.unsent():
            self.recorder.planned(flight)

    @property
    def _over(self) -> bool:
        idle = not (self.fresh or self._arming or self._at_work or len(self.board))
        return self.stopping or (self.exhausted and idle)

    def _wake(self) -> None:
        for signal in (self.places_free, self._armable, self._pumpable):
            signal.set()
