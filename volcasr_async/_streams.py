"""Streams: their first bytes are read ahead, so that they can be judged before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from volcasr_async.errors import InputError
from volcasr_async.protocol.envelope import PIECE_BYTES
from volcasr_async.sources import AudioStream


class StreamUpload:
    """A recording that passes through once, in chunks of any size."""

    def __init__(self, source: AudioStream) -> None:
        self.source = source
        self.size = source.size
        self.resendable = True
        self._chunks: AsyncIterator[bytes] | None = None
        self._ahead: list[bytes] = []
        self._arrived = 0

    @property
    def container(self) -> str | None:
        """What the recording is in."""
        return self.source.format

    async def read_ahead(self, count: int) -> bytes:
        """Return the first *count* bytes, fewer only of a shorter recording; `pieces` brings them again.

        Raise `InputError` for a stream that ends before *count* and its size, or exceeds its size.
        """
        while self._arrived < min(count, self.size):
            chunk = await self._next()
            if chunk is None:
                raise self._wrong_size()
            self._ahead.append(bytes(chunk))  # a caller may fill the same buffer again
        head = bytearray()
        for chunk in self._ahead:
            head += chunk[: count - len(head)]
        return bytes(head)

    async def pieces(self) -> AsyncGenerator[memoryview, None]:
        """Yield the bytes, at most `PIECE_BYTES` at a time."""
        if not self.resendable:
            raise InputError(
                f"{self.source.label} was read before, a stream can be sent once: make a new AudioStream",
                reason="usage",
            )
        self.resendable = False
        try:
            while self._ahead:
                for piece in _cut(self._ahead.pop(0)):
                    yield piece
            while (chunk := await self._next()) is not None:
                for piece in _cut(chunk):
                    yield piece
            if self._arrived != self.size:
                raise self._wrong_size()
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the caller's generator: nothing else continues it."""
        self._ahead = []
        if isinstance(self._chunks, AsyncGenerator):
            await self._chunks.aclose()

    async def _next(self) -> bytes | None:
        """Return the next chunk, `None` at the end; raise `InputError` where more arrives than was promised."""
        if self._chunks is None:
            self._chunks = aiter(self.source.chunks)
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise InputError(
                f"{self.source.label} brought {type(chunk).__name__}, and a stream brings bytes", reason="usage"
            )
        self._arrived += len(chunk)
        if self._arrived > self.size:
            raise self._wrong_size()
        return chunk

    def _wrong_size(self) -> InputError:
        more = "more than" if self._arrived > self.size else f"only {self._arrived} of"
        return InputError(
            f"{self.source.label} brought {more} the {self.size} bytes it promised; nothing was recognised",
            reason="damaged",
        )


def _cut(chunk: bytes) -> list[memoryview]:
    view = memoryview(chunk)
    return [view[start : start + PIECE_BYTES] for start in range(0, len(view), PIECE_BYTES)]
