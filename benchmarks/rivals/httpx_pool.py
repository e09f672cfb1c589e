"""`AsyncClient.post` over a pool of its own, of httpx and of its successor httpx2, which has the same interface."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator
from typing import Any

from benchmarks.rivals import wire


@contextlib.asynccontextmanager
async def posting(url: str, connections: int, key: str, library: str = "httpx") -> AsyncIterator[wire.Post]:
    """Open a client; yields a function that makes one request."""
    httpx = importlib.import_module(library)
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    # The semaphore keeps those that wait out of the pool, which looks at all of them for every request.
    free = asyncio.Semaphore(connections)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:

        async def post(path: str, request_id: str, content: bytes) -> Any:
            headers = wire.headers(key, request_id, wire.resource(path))
            async with free:
                reply = await client.post(path, content=content, headers=headers)
            return wire.read(reply.headers.get("X-Api-Status-Code"), reply.content)

        yield post


@contextlib.asynccontextmanager
async def exchanging(url: str, connections: int, library: str = "httpx") -> AsyncIterator[wire.Several]:
    """Small requests."""
    async with posting(url, connections, library, library) as post:
        yield wire.flashing(post, connections)


def exchanging_httpx2(url: str, connections: int) -> contextlib.AbstractAsyncContextManager[wire.Several]:
    """Small requests, by httpx2."""
    return exchanging(url, connections, "httpx2")
