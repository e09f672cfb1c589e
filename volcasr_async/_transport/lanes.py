"""Lanes: N transports of one connection each behind a free list.

httpx's own pool looks at every connection for every request: at 50 connections a post costs about 6 ms of CPU, through
lanes about 0.7 ms (httpcore 1.0.9). Only public names of httpx are used, so respx and mounts keep working.
"""

from __future__ import annotations

import ssl
import zlib
from typing import Final

import anyio
import anyio.to_thread
import httpx

LONGEST_REPLY: Final = 64 * 1024 * 1024
"""Bytes; a transcript of five hours with every word has about 7 MB."""

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0)


class Lanes(httpx.AsyncBaseTransport):
    """Opens lanes as they are needed, at most *most*, and uses the warmest first.

    Replies are read to their end inside the lane, so that it is free at once.
    """

    def __init__(self, most: int, *, proxy: str | None = None) -> None:
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []
        self._gate = anyio.Semaphore(most, fast_acquire=True)
        self._proxy = proxy
        self._context: ssl.SSLContext | None = None
        self._making = anyio.Lock()

    def __repr__(self) -> str:
        return f"<Lanes [{len(self._all)} open, {len(self._free)} free]>"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send through a free lane; read the reply whole, at most `LONGEST_REPLY` bytes of it."""
        async with self._gate:
            lane = self._free.pop() if self._free else await self._open(request.url.scheme)
            try:
                content, reply = await self._through(lane, request)
            finally:
                self._free.append(lane)
        return httpx.Response(reply.status_code, headers=reply.headers, stream=httpx.ByteStream(content))

    async def aclose(self) -> None:
        """Close every connection; a request after this opens them again."""
        for lane in self._all:
            await lane.aclose()

    async def _through(self, lane: httpx.AsyncHTTPTransport, request: httpx.Request) -> tuple[bytes, httpx.Response]:
        try:
            reply = await lane.handle_async_request(request)
            try:
                return await read_bounded(reply), reply
            finally:
                await reply.aclose()
        except BaseException:
            # Cut off between two steps, httpcore keeps a connection that it neither uses nor closes: with room for one,
            # the lane would be blocked for good. Closed, it opens a new one.
            with anyio.CancelScope(shield=True):
                await lane.aclose()
            raise

    async def _open(self, scheme: str) -> httpx.AsyncHTTPTransport:
        lane = httpx.AsyncHTTPTransport(verify=await self._tls(scheme), limits=_ONE, proxy=self._proxy)
        self._all.append(lane)
        return lane

    async def _tls(self, scheme: str) -> ssl.SSLContext:
        """One context serves all lanes, built off the loop: it costs 20 to 70 ms, and each would hold its own.

        Plain http gets an empty one, for httpx builds a full one where it gets none.
        """
        async with self._making:
            if self._context is None:
                make = httpx.create_ssl_context if scheme == "https" else _bare_context
                self._context = await anyio.to_thread.run_sync(make)
        return self._context


def _bare_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


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
        raise httpx.RemoteProtocolError(f"the reply is longer than {LONGEST_REPLY} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


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
