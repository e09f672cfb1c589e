"""Reading a reply's body: whole, bounded, and as it came."""

from __future__ import annotations

import zlib
from typing import Final

import anyio.to_thread
import httpx

LONGEST_REPLY: Final = 64 * 1024 * 1024
"""Bytes; a transcript of five hours with every word has about 7 MB."""
_MANY: Final = 64  # pieces; httpcore reads up to 64 KiB at a time


async def read_bounded(reply: httpx.Response) -> bytes:
    """Read a body as it came, refusing one that would fill the memory."""
    if reply.is_stream_consumed:
        return reply.content  # a transport for tests made it from bytes
    parts, size = [], 0
    try:
        async for part in reply.aiter_raw():
            size += len(part)
            if size <= LONGEST_REPLY:
                parts.append(part)
            elif not reply.is_closed:
                # To leave the loop would leave generators behind; closed, they end by themselves at the next read.
                parts.clear()
                await reply.aclose()
    except httpx.TransportError:
        if size <= LONGEST_REPLY:
            raise
    if size > LONGEST_REPLY:
        raise too_long()
    return await joined(parts)


async def joined(parts: list[bytes]) -> bytes:
    """Put the pieces of a reply together; many megabytes in a thread, for that lets the loop run meanwhile."""
    if len(parts) == 1:
        return parts[0]
    if len(parts) < _MANY:
        return b"".join(parts)
    return await anyio.to_thread.run_sync(b"".join, parts)


def too_long() -> httpx.RemoteProtocolError:
    """Say that a reply would fill the memory."""
    return httpx.RemoteProtocolError(f"the reply is longer than {LONGEST_REPLY} bytes")


def decoded(content: bytes, encoding: str) -> bytes:
    """Undo a compression that was not asked for, within the same bound."""
    if encoding in ("", "identity"):
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"the reply is compressed in a way that was not asked for: {encoding}")
    try:
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        plain = inflate.decompress(content, LONGEST_REPLY)
    except zlib.error as error:
        raise httpx.DecodingError(f"the reply's compression is broken: {error}") from error
    if inflate.unconsumed_tail:
        raise httpx.DecodingError(f"the reply is longer than {LONGEST_REPLY} bytes")
    return plain
