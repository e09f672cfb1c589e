"""aiohttp by hand: one session, as many connections as may be used at once. All ratios are against this one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from benchmarks.rivals import wire


@contextlib.asynccontextmanager
async def posting(url: str, connections: int, key: str) -> AsyncIterator[wire.Post]:
    """Open a session; yields a function that makes one request."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def post(path: str, request_id: str, content: bytes) -> Any:
            headers = wire.headers(key, request_id, wire.resource(path))
            async with session.post(url + path, data=content, headers=headers) as reply:
                return wire.read(reply.headers.get("X-Api-Status-Code"), await reply.read())

        yield post


@contextlib.asynccontextmanager
async def exchanging(url: str, connections: int) -> AsyncIterator[wire.Several]:
    """Small requests."""
    async with posting(url, connections, "aiohttp") as post:
        yield wire.flashing(post, connections)
