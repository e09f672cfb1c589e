"""The body of one attempt: opened fresh, its length known, what has left of it remembered."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import anyio.lowlevel
import httpx

from volcasr_async._audio import Upload
from volcasr_async.errors import Sent
from volcasr_async.protocol.envelope import Base64Feed
from volcasr_async.protocol.messages import Call


class Body(httpx.AsyncByteStream):
    """Prefix, audio in base64, suffix. An async generator handed over twice would be empty the second time, silently."""

    def __init__(self, call: Call, upload: Upload | None, leaving: Callable[[], None] = lambda: None) -> None:
        self._call, self._upload, self._leaving = call, upload, leaving
        self.length = call.content_length(upload.size if upload else 0)
        self._begun = self._done = False
        self.broken: Exception | None = None
        """What the audio's own source raised, which is no failure of the way."""
        self._running: AsyncGenerator[bytes, None] | None = None

    @property
    def sent(self) -> Sent:
        """What the other side can have: nothing, a part, or all."""
        return "yes" if self._done else "maybe" if self._begun else "no"

    @property
    def whole(self) -> bytes | None:
        """All of it where it is short enough to leave in one piece, for an engine that makes use of that."""
        return self._call.prefix if self._upload is None else None

    def leave(self) -> None:
        """Note that `whole` leaves now, past the pieces."""
        self._begun = self._done = True
        self._leaving()

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
        self._begun = True
        self._leaving()
        yield self._call.prefix
        if self._upload is not None:
            feed = Base64Feed()
            async with aclosing(self._upload.pieces()) as pieces:
                try:
                    async for piece in pieces:
                        yield feed.feed(piece)
                        # Where the other side takes all at once, a body that never yields stalls the loop for 40 ms.
                        await anyio.lowlevel.checkpoint()
                except Exception as error:
                    self.broken = error
                    raise
            yield feed.flush() + self._call.suffix
        self._done = True
