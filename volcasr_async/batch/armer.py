"""Makes jobs ready for their submit, shortly before their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from volcasr_async._session import Session
from volcasr_async.batch.board import Board
from volcasr_async.batch.flight import Flight, as_failure
from volcasr_async.batch.recorder import Recorder
from volcasr_async.batch.rooms import Rooms
from volcasr_async.batch.signals import Signal
from volcasr_async.errors import VolcASRError


class Armer:
    """Looks at local audio and has the journal write "may be sent"; then a job stands on the board.

    *armed* is called when there is more on the board, *fail* where a job cannot be sent.
    """

    def __init__(
        self,
        session: Session,
        recorder: Recorder,
        board: Board,
        *,
        workers: int,
        armed: Callable[[], None],
        fail: Callable[[Flight, VolcASRError], Awaitable[None]],
    ) -> None:
        self._session, self._recorder, self._board = session, recorder, board
        self._low, self._ahead = workers, 2 * workers
        self._armed, self._fail = armed, fail
        self._fresh: deque[Flight] = deque()
        self._arming = 0
        self._wanted = Signal()
        self.rooms: Rooms = Rooms(session.budget)
        self.stopping: bool = False

    @property
    def left(self) -> int:
        """How many are not on the board yet."""
        return len(self._fresh) + self._arming

    def enlist(self, flight: Flight) -> None:
        """Take in a job that has to be submitted."""
        self._fresh.append(flight)
        self.hurry()

    def hurry(self) -> None:
        """Wake it when half of what was armed is gone: many jobs at once cost it little more than one."""
        if self._fresh and self._board.armed <= self._low:
            self._wanted.set()

    def stop(self) -> None:
        """Arm nothing more, and wait for no room."""
        self.stopping = True
        self.rooms.give_up()
        self._wanted.set()

    async def run(self) -> None:
        """Keep the board supplied until stopped."""
        while not self.stopping:
            count = min(len(self._fresh), self._ahead - self._board.armed)
            if count <= 0:
                await self._wanted.wait()
                continue
            flights = [self._fresh.popleft() for _ in range(count)]
            self._arming = count
            await self._ready(flights)
            del flights
            self._arming = 0
            self._armed()

    async def _ready(self, flights: list[Flight]) -> None:
        """Make these ready for their submit: links together, local audio one by one, as there is room in the air."""
        links = []
        for flight in flights:
            if not flight.is_prepared and not await self._prepare(flight):
                continue
            if flight.upload is None or self.rooms.has(flight):
                links.append(flight)
                continue
            await self._launch(links)
            links = []
            if not await self.rooms.take(flight, flight.upload):
                return
            await self._launch([flight])
        await self._launch(links)

    async def _prepare(self, flight: Flight) -> bool:
        """Make the order and look at local audio; bad input is the job's outcome."""
        try:
            order = flight.progress.order if flight.progress is not None else None
            if order is None:
                order = self._session.order(flight.job).named(self._recorder.request_id(flight))
            order, flight.upload = await self._session.look(order)
        except Exception as error:  # noqa: BLE001 - a job may hold anything
            await self._fail(flight, as_failure(flight.key, error))
            return False
        if flight.progress is None:
            flight.progress = self._session.begin(order)
        flight.progress.order = order
        return True

    async def _launch(self, flights: list[Flight]) -> None:
        """Write down that these may be sent from now on; then they may."""
        for flight in flights:
            if flight.under_way.dialect.can_ask:
                self._recorder.sent(flight)
        await self._recorder.settle()
        for flight in flights:
            self._board.arm(flight)
        self._arming -= len(flights)
        self._armed()
