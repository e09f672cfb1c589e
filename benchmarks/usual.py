"""The usual loop, as a good engineer writes it in an afternoon.

Gather, a semaphore, every job polls each 2 seconds, all behind one limiter.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from volcasr_async.protocol.timing import GUARD_S

_POLL_S = 2.0


class Limiter:
    """Even spacing, as strict as ours: the loop's rule is compared, not its limiter."""

    def __init__(self, qps: float) -> None:
        self._gap, self._next = (1.0 + GUARD_S) / qps, 0.0

    async def turn(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(self._next + self._gap, now)
        if self._next > now:
            await asyncio.sleep(self._next - now)


async def run(post: Any, urls: list[str], qps: float) -> dict[str, Any]:
    """Transcribe all; *post* makes one request and brings the status code."""
    # As many jobs at once as can poll each 2 seconds within the rate; each holds its slot for its whole life.
    limiter, slots, requests = Limiter(qps), asyncio.Semaphore(round(_POLL_S * qps)), 0
    began = asyncio.get_running_loop().time()

    async def request(path: str, task: str, body: bytes) -> str:
        nonlocal requests
        await limiter.turn()
        requests += 1
        code: str = await post(path, task, body)
        return code

    async def one(url: str) -> None:
        async with slots:
            await finished(url)

    async def finished(url: str) -> None:
        task = str(uuid.uuid4())
        body = b'{"audio":{"url":"%s"},"request":{"model_name":"bigmodel"}}' % url.encode()
        assert await request("/api/v3/auc/bigmodel/submit", task, body) == "20000000"
        while True:
            await asyncio.sleep(_POLL_S)
            if await request("/api/v3/auc/bigmodel/query", task, b"{}") == "20000000":
                return

    used = time.process_time()
    await asyncio.gather(*map(one, urls))
    return {
        "total_s": asyncio.get_running_loop().time() - began,
        "requests": requests,
        "cpu_s": time.process_time() - used,
        "jobs": len(urls),
    }


def headers(task: str) -> dict[str, str]:
    """What every request carries."""
    return {
        "X-Api-Key": "key",
        "X-Api-Resource-Id": "volc.bigasr.auc",
        "X-Api-Request-Id": task,
        "X-Api-Sequence": "-1",
        "Content-Type": "application/json",
    }


async def by_aiohttp(base_url: str, urls: list[str], qps: float) -> dict[str, Any]:
    """The loop on aiohttp, on real sockets."""
    import aiohttp

    async with aiohttp.ClientSession(base_url) as session:

        async def post(path: str, task: str, body: bytes) -> str:
            async with session.post(path, data=body, headers=headers(task)) as reply:
                await reply.read()
                return reply.headers["X-Api-Status-Code"]

        return await run(post, urls, qps)


async def in_process(transport: Any, urls: list[str], qps: float) -> dict[str, Any]:
    """The same loop against the simulator in this process, in virtual time."""
    import httpx

    async with httpx.AsyncClient(transport=transport, base_url="https://service.example") as client:

        async def post(path: str, task: str, body: bytes) -> str:
            reply = await client.post(path, content=body, headers=headers(task))
            return reply.headers["X-Api-Status-Code"]

        return await run(post, urls, qps)
