"""Reading a reply: its body whole, bounded, and as it came, its headers as text."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final

import anyio.to_thread
import httpx

LONGEST_REPLY: Final = 64 * 1024 * 1024
"""Bytes; a transcript of five hours with every word has about 7 MB."""
_MANY: Final = 64  # pieces; httpcore reads up to 64 KiB at a time
_STEP: Final = 32 * 1024  # bytes
_LARGE: Final = 4 * 1024 * 1024  # bytes; putting more together is left to a thread
_DENSE: Final = 4096  # bytes of gzip, which can become four megabytes; more is left to a thread


class Pieces:
    """What came of a body, within the bound. Small pieces are put together: kept singly, each costs 50 bytes more."""

    def __init__(self, came: Callable[[int], None]) -> None:
        self._came = came
        self._whole = bytearray()
        self._last: list[bytes] = []
        self.size = self._told = 0

    def add(self, part: bytes) -> bool:
        """Take a piece; tell whether it still fits, and drop everything if not."""
        self.size += len(part)
        if self.size > LONGEST_REPLY:
            self._whole.clear()
            self._last.clear()
            return False
        if self.size - self._told >= _STEP:
            self._came(self.size - self._told)
            self._told = self.size
        self._last.append(part)
        if len(self._last) >= _MANY:
            self._whole += b"".join(self._last)
            self._last.clear()
        return True

    async def joined(self) -> bytes:
        """Give them in one; many megabytes are copied in a thread, for that lets the loop run meanwhile."""
        if not self._whole:
            return self._last[0] if len(self._last) == 1 else b"".join(self._last)
        self._whole += b"".join(self._last)
        return bytes(self._whole) if self.size < _LARGE else await anyio.to_thread.run_sync(bytes, self._whole)


async def read_bounded(reply: httpx.Response, came: Callable[[int], None]) -> bytes:
    """Read a body as it came, refusing one that would fill the memory; *came* is told how much did, now and then."""
    if reply.is_stream_consumed:
        return reply.content  # a transport for tests made it from bytes
    announced(reply.headers)
    pieces = Pieces(came)
    try:
        async for part in reply.aiter_raw():
            if not (pieces.add(part) or reply.is_closed):
                # To leave the loop would leave generators behind; closed, they end by themselves at the next read.
                await reply.aclose()
    except httpx.TransportError:
        if pieces.size <= LONGEST_REPLY:
            raise
    if pieces.size > LONGEST_REPLY:
        raise too_long()
    return await pieces.joined()


def announced(headers: Mapping[str, str]) -> None:
    """Refuse a body that says itself that it is too long, before any of it is read."""
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > LONGEST_REPLY):
        raise too_long()


def text_of(value: bytes) -> str:
    """Read a header: the service writes its messages in UTF-8; any other bytes become some text that can be written."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def too_long() -> httpx.RemoteProtocolError:
    """Say that a reply would fill the memory."""
    return httpx.RemoteProtocolError(f"the reply is longer than {LONGEST_REPLY} bytes")


async def decoded(content: bytes, encoding: str) -> bytes:
    """Undo a compression that was not asked for, within the same bound; what may grow large, in a thread."""
    if encoding in ("", "identity") or not content:
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"the reply is compressed in a way that was not asked for: {encoding}")
    if len(content) < _DENSE:
        return _inflated(content)
    return await anyio.to_thread.run_sync(_inflated, content)


def _inflated(content: bytes) -> bytes:
    try:
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        plain = inflate.decompress(content, LONGEST_REPLY)
    except zlib.error as error:
        raise httpx.DecodingError(f"the reply's compression is broken: {error}") from error
    if inflate.unconsumed_tail:
        raise httpx.DecodingError(f"the reply is longer than {LONGEST_REPLY} bytes")
    if not inflate.eof:
        raise httpx.DecodingError("the reply's compression is cut short")
    return plain
