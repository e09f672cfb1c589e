"""The body of one attempt: opened fresh, its length known, what has left of it remembered, the answer's deadline set."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

import anyio.lowlevel
import httpx

from volcasr_async._audio import Upload
from volcasr_async._clock import now
from volcasr_async._timeouts import Deadline
from volcasr_async.errors import Sent
from volcasr_async.protocol.envelope import Base64Feed
from volcasr_async.protocol.messages import Call

SLOWEST_REPLY: Final = 8 * 1024
"""Bytes in a second, below which a reply drips. Many that share a slow line are not far above."""


class Body(httpx.AsyncByteStream):
    """Prefix, audio in base64, suffix. An async generator handed over twice would be empty the second time, silently."""

    def __init__(
        self,
        call: Call,
        upload: Upload | None,
        leaving: Callable[[], Awaitable[None]] | None = None,
        completing: Callable[[], Awaitable[None]] | None = None,
        *,
        write_s: float = math.inf,
        answer_s: float = math.inf,
    ) -> None:
        self._call, self._upload = call, upload
        self._leaving, self._completing = leaving, completing
        self._write_s, self._answer_s = write_s, answer_s
        self.scope: Deadline = Deadline()
        """The exchange runs in it. It ends *answer_s* after all has left, but for what `came` adds."""
        self.silence_s: float = math.inf
        """How long the reply, or the next piece of it, may be waited for, for an engine that does not see to that."""
        self._answered_by = math.inf
        self.length = call.content_length(upload.size if upload else 0)
        self._completed = self._done = False
        self.broken: Exception | None = None
        """What the audio's own source, *leaving* or *completing* raised. It is not a failure of the connection."""
        self._running: AsyncGenerator[bytes, None] | None = None

    @property
    def sent(self) -> Sent:
        """What the other side can have: "no" complete request, all of it ("yes"), or "maybe" its last piece.

        Without its last piece a request is shorter than its Content-Length, so the service cannot act on it.
        """
        return "yes" if self._done else "maybe" if self._completed else "no"

    @property
    def whole(self) -> bytes | None:
        """All of it where it is short enough to leave in one piece, for an engine that makes use of that."""
        return self._call.prefix if self._upload is None else None

    @property
    def is_silent(self) -> bool:
        """Whether the deadline that comes next is the one for silence."""
        return self._done and self.scope.at < self._answered_by

    async def begin(self) -> None:
        """Await *leaving*, once, before the first byte of the request leaves. Until then nothing is sent."""
        leaving, self._leaving = self._leaving, None
        if leaving is not None:
            await self._hook(leaving)

    async def _complete(self) -> None:
        """Await *completing* before the last piece of the request leaves. Until then the request is incomplete."""
        completing, self._completing = self._completing, None
        if completing is not None:
            await self._hook(completing)
        self._completed = True

    async def _hook(self, hook: Callable[[], Awaitable[None]]) -> None:
        try:
            await hook()
        except Exception as error:
            self.broken = error
            raise

    async def leave(self) -> None:
        """Note that `whole` leaves now, past the pieces."""
        await self.begin()
        await self._complete()
        self._ends()

    def heard(self) -> None:
        """Note that the head of the reply, or a piece of it, has come."""
        if self._done:
            self.scope.at = min(self._answered_by, now() + self.silence_s)

    def came(self, size: int) -> None:
        """Give a long reply the time that so many bytes of it may take."""
        self._answered_by += size / SLOWEST_REPLY
        self.scope.at += size / SLOWEST_REPLY

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._running = self._pieces()
        return self._running

    @property
    def is_open(self) -> bool:
        """Whether pieces were taken from it."""
        return self._running is not None

    async def aclose(self) -> None:
        """End what is still open of it, so that no file waits for the garbage collector."""
        if self._running is not None:
            await self._running.aclose()

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        await self.begin()
        if self._upload is None:
            await self._complete()
        self._leaves()
        yield self._call.prefix
        if self._upload is not None:
            feed = Base64Feed()
            async with aclosing(self._upload.pieces()) as pieces:
                try:
                    self.scope.at = math.inf  # the source takes its time
                    async for piece in pieces:
                        self._leaves()
                        yield feed.feed(piece)
                        self.scope.at = math.inf
                        # Where the other side takes all at once, a body that never yields stalls the loop for 40 ms.
                        await anyio.lowlevel.checkpoint()
                except Exception as error:
                    self.broken = error
                    raise
            self.scope.at = math.inf
            await self._complete()
            self._leaves()
            yield feed.flush() + self._call.suffix
        self._ends()

    def _ends(self) -> None:
        """Bound the time until the reply has been read."""
        moment = now()
        self._done = True
        self._answered_by = moment + self._answer_s
        self.scope.at = min(self._answered_by, moment + self.silence_s)

    def _leaves(self) -> None:
        """Bound the time in which a piece is taken and, should the other side not take the rest, is answered."""
        self.scope.at = now() + self._write_s + self._answer_s
