"""The limit: HTTP/1.1 written by hand on asyncio's protocols, for nothing but this exchange. Nobody should use it.

It knows that a reply has a length and comes whole or in pieces, keeps the connection open, and stands no hostile peer.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks.rivals import wire

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CODE = re.compile(rb"(?i)\r\nx-api-status-code: *(\d+)")


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[tuple[str | None, bytes]] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, content = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or len(content) < int(length[1] if length else 0) or self._answer is None:
            return
        code = _CODE.search(head)
        self._received = b""
        self._answer.set_result((code[1].decode() if code else None, content))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    async def exchange(self, request: bytes) -> tuple[str | None, bytes]:
        """Send a request; brings status code and body."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)  # type: ignore[attr-defined]
        return await self._answer


@contextlib.asynccontextmanager
async def posting(url: str, connections: int, key: str) -> AsyncIterator[wire.Post]:
    """Open all connections; yields a function that makes one request."""
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    where = (parts.hostname or "", parts.port or 80)
    free = [(await loop.create_connection(Connection, *where))[1] for _ in range(connections)]
    opened = list(free)

    async def post(path: str, request_id: str, content: bytes) -> Any:
        headers = wire.headers(key, request_id, wire.resource(path)) | {"Host": parts.netloc}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(content)}\r\n\r\n"
        connection = free.pop()
        code, reply = await connection.exchange(head.encode() + content)
        free.append(connection)
        return wire.read(code, reply)

    yield post
    for connection in opened:
        connection.transport.close()


@contextlib.asynccontextmanager
async def exchanging(url: str, connections: int) -> AsyncIterator[wire.Several]:
    """Small requests."""
    async with posting(url, connections, "raw") as post:
        yield wire.flashing(post, connections)
