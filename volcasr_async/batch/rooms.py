"""The room in the air for local audio."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio

from volcasr_async._audio import Upload
from volcasr_async._budget import Budget
from volcasr_async.batch.flight import Flight


class Rooms:
    """The room in the air that local audio takes, from before its submit until the service has it."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held: dict[int, AsyncExitStack] = {}
        self._waiting: anyio.CancelScope | None = None
        self._given_up = False

    def has(self, flight: Flight) -> bool:
        """Whether this one has its room."""
        return id(flight) in self._held

    async def take(self, flight: Flight, upload: Upload) -> bool:
        """Wait for room, one at a time; false when that was given up."""
        room = AsyncExitStack()
        with anyio.CancelScope() as self._waiting:
            if not self._given_up:
                await room.enter_async_context(self._budget.upload(upload.size))
                self._held[id(flight)] = room
        self._waiting = None
        return self.has(flight)

    async def leave(self, flight: Flight) -> None:
        """Free its room, if it has one."""
        room = self._held.pop(id(flight), None)
        if room is not None:
            await room.aclose()

    def give_up(self) -> None:
        """Wait for room no longer."""
        self._given_up = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def close(self) -> None:
        """Free all that is held."""
        while self._held:
            await self._held.popitem()[1].aclose()
