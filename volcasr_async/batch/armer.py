"""Makes jobs ready for their submit, shortly before their turn."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Awaitable, Callable
from operator import itemgetter

import anyio
from anyio.abc import TaskGroup

from volcasr_async._audio import Upload
from volcasr_async._deadline import timed_out
from volcasr_async._session import Session
from volcasr_async.batch.board import Board
from volcasr_async.batch.flight import Flight, as_failure
from volcasr_async.batch.recorder import Recorder
from volcasr_async.batch.rooms import Rooms
from volcasr_async.batch.signals import Signal, reported
from volcasr_async.errors import VolcASRError
from volcasr_async.job import Order
from volcasr_async.protocol.progress import Progress
from volcasr_async.sources import AudioStream, AudioUrl
from volcasr_async.telemetry.log import AUDIO


class Armer:
    """Looks at local audio and has the journal write "may be sent"; then a job stands on the board.

    Jobs that need no room for their upload, and local files that do, stand in two queues. So links are armed while a file
    waits for room. The order within each queue is the order of the list. The older head of the two goes first, unless a
    file waits for room. The first bytes of streams are awaited beside the queues, of `2 * workers` at the most. So streams that
    are slow hold up no link, and files only when there are more of them.

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
        self._enlisted = 0
        self._links: deque[tuple[int, Flight]] = deque()
        self._files: deque[tuple[int, Flight]] = deque()
        self._links_wanted, self._files_wanted = Signal(), Signal()
        self._arming = 0
        self._opening = 0
        self._waits_for_room = False
        self._error: Exception | None = None
        self.rooms: Rooms = Rooms(session.budget)
        self.stopping: bool = False
        self._opened: dict[int, Flight] = {}  # by id; their streams have to be closed

    @property
    def left(self) -> int:
        """How many are not on the board yet."""
        return len(self._links) + len(self._files) + self._arming + self._opening

    def enlist(self, flight: Flight) -> None:
        """Take in a job that has to be submitted."""
        # A fresh task for a file that still holds its room must not wait behind one that waits for this room.
        needs_room = not isinstance(flight.job.source, AudioUrl) and not self.rooms.has(flight)
        self._enlisted += 1
        (self._files if needs_room else self._links).append((self._enlisted, flight))
        self.hurry()

    def hurry(self) -> None:
        """Wake it when half of what was armed is gone: many jobs at once cost it little more than one."""
        if (self._links or self._files) and self._board.armed <= self._low:
            self._wake()

    def stop(self) -> None:
        """Arm nothing more, and wait for no room."""
        self.stopping = True
        self.rooms.give_up()
        self._wake()

    async def run(self) -> None:
        """Keep the board supplied until stopped."""
        async with anyio.create_task_group() as streams:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reported, self._broke, self._arm_links)
                tasks.start_soon(reported, self._broke, self._arm_files, streams)
            streams.cancel_scope.cancel()
        if self._error is not None:
            raise self._error

    def _broke(self, error: Exception) -> None:
        self._error = self._error or error
        self.stop()

    def _wake(self) -> None:
        self._links_wanted.set()
        self._files_wanted.set()

    # ---- two queues ----

    async def _arm_links(self) -> None:
        """Arm what needs no room: as many together as may be, so that the journal is asked seldom."""
        while not self.stopping:
            flights = self._next_links()
            if not flights:
                await self._links_wanted.wait()
                continue
            self._files_wanted.set()  # the head of that queue may be the older one now
            ready = await self._prepare_all(flights)
            await self._launch(ready)
            del flights, ready  # a waiting task would keep the jobs

    async def _prepare_all(self, flights: list[Flight]) -> list[Flight]:
        """Prepare these, and return those that can be sent."""
        ready = []
        for flight in flights:
            if flight.is_prepared or await self._prepare(flight):
                ready.append(flight)
            else:
                self._ended()
        return ready

    async def _arm_files(self, streams: TaskGroup) -> None:
        """Arm local files one by one, as there is room in the air."""
        while not self.stopping:
            place = self._next_file()
            if place is None:
                await self._files_wanted.wait()
                continue
            self._links_wanted.set()
            flight = place[1]
            if _is_unopened(flight):
                streams.start_soon(reported, self._broke, self._open_stream, place)
            elif not flight.is_prepared and not await self._prepare(flight):
                self._ended()
            elif await self._has_room(flight):
                await self._launch([flight])
            del place, flight

    async def _open_stream(self, place: tuple[int, Flight]) -> None:
        """Await the first bytes of a stream, then put it back into its place in the queue of files."""
        flight = place[1]
        is_ready = await self._prepare(flight)
        self._opening -= 1
        if is_ready:
            self._opened[id(flight)] = flight
            insort(self._files, place, key=itemgetter(0))
        else:
            self._armed()
        self._wake()

    async def close_stream(self, flight: Flight) -> None:
        """Close the stream of a job, if it was opened. The generator is the caller's, and may raise anything."""
        if self._opened.pop(id(flight), None) is None or flight.upload is None:
            return
        try:
            await flight.upload.aclose()
        except Exception as error:  # noqa: BLE001 - the job has its outcome already
            AUDIO.warning("%s could not be closed: %s", flight.key, as_failure(flight.key, error))

    async def close_streams(self) -> None:
        """Close the streams of jobs that have not ended."""
        for flight in list(self._opened.values()):
            await self.close_stream(flight)

    def _next_links(self) -> list[Flight]:
        """Take the links that go before the first file: all of them while a file waits for room."""
        flights: list[Flight] = []
        is_held = self._waits_for_room or self._waits_for_streams
        first_file = self._files[0][0] if self._files and not is_held else math.inf
        while self._links and self._links[0][0] < first_file and self._free > 0:
            flights.append(self._links.popleft()[1])
            self._arming += 1
        return flights

    def _next_file(self) -> tuple[int, Flight] | None:
        """Take the first file and its place, unless links go before it."""
        if not self._files or self._waits_for_streams:
            return None
        if self._links and self._free > 0 and self._links[0][0] < self._files[0][0]:
            return None
        if _is_unopened(self._files[0][1]):
            self._opening += 1
        elif self._free > 0:
            self._arming += 1
        else:
            return None
        return self._files.popleft()

    @property
    def _waits_for_streams(self) -> bool:
        """Whether the first file is a stream that cannot be opened before another has brought its first bytes."""
        return bool(self._files) and _is_unopened(self._files[0][1]) and self._opening >= self._ahead

    @property
    def _free(self) -> int:
        """How many more may be armed ahead of their turn."""
        return self._ahead - self._board.armed - self._arming

    async def _has_room(self, flight: Flight) -> bool:
        """Wait for room for an upload while links pass; false when that was given up."""
        if flight.upload is None:
            return True
        self._waits_for_room = True
        self._links_wanted.set()  # has effect only if this waits
        try:
            return await self.rooms.take(flight, flight.upload)
        finally:
            self._waits_for_room = False

    def _ended(self) -> None:
        """Count out a job that failed before it was armed."""
        self._arming -= 1
        self._armed()

    async def _prepare(self, flight: Flight) -> bool:
        """Make the order and look at local audio; bad input is the job's outcome."""
        try:
            order = flight.progress.order if flight.progress is not None else None
            if order is None:
                order = self._session.order(flight.job).named(self._recorder.request_id(flight))
            if flight.progress is None:  # before the look: what is known of the request id must outlast its failure
                flight.begin(self._session.begin(order))
            order, flight.upload = await self._look(order, flight.under_way)
        except Exception as error:  # noqa: BLE001 - a job may hold anything
            await self._fail(flight, as_failure(flight.key, error))
            return False
        flight.under_way.order = order
        return True

    async def _look(self, order: Order, progress: Progress) -> tuple[Order, Upload | None]:
        """Look at local audio. The first bytes of a stream may take as long as the whole job."""
        limit = order.edition.patience_s if isinstance(order.source, AudioStream) else math.inf
        with anyio.move_on_after(limit):
            return await self._session.look(order)
        raise timed_out(progress, limit)

    async def _launch(self, flights: list[Flight]) -> None:
        """Write down that these may be sent from now on; then they may."""
        for flight in flights:
            if flight.under_way.dialect.can_ask:
                self._recorder.sent(flight)
        try:
            await self._recorder.settle()
        except BaseException:  # cancelled, or the journal cannot be written: none of them is sent
            for flight in flights:
                self._recorder.left(flight)
            raise
        for flight in flights:
            self._board.arm(flight)
        self._arming -= len(flights)
        self._armed()


def _is_unopened(flight: Flight) -> bool:
    """Return whether a job is a stream whose first bytes were not read yet."""
    return isinstance(flight.job.source, AudioStream) and not flight.is_prepared
