"""Whole jobs by `asyncio.gather`: a coroutine for each submits and then asks every two seconds. On aiohttp, and on httpx.

Under a rate all wait for one `AsyncLimiter(1, 1 / qps)`, which its documentation recommends for even starts (a larger
bucket lets a burst through). With *slots*, a semaphore lets in as many jobs as can ask every two seconds within the rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from benchmarks.rivals import aiohttp_session, httpx_pool, wire
from benchmarks.rivals.wire import Work

_PAUSE_S = 1.0
Posting = Callable[[str, int, str], contextlib.AbstractAsyncContextManager[wire.Post]]


@contextlib.asynccontextmanager
async def _gathering(posting: Posting, work: Work, *, slots: bool) -> AsyncIterator[wire.Transcribe]:
    async with posting(work.url, work.connections, work.key) as post:
        await post(wire.FLASH, str(uuid.uuid4()), wire.body(wire.AUDIO))
        yield _Gathered(post, work, slots=slots).transcribe


class _Gathered:
    def __init__(self, post: wire.Post, work: Work, *, slots: bool) -> None:
        self._post, self._poll_s = post, work.poll_s
        self._turn: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext
        self._slots: AbstractAsyncContextManager[None] = contextlib.nullcontext()
        if work.qps is not None:
            from aiolimiter import AsyncLimiter

            limiter = AsyncLimiter(1, 1 / work.qps)
            self._turn = lambda: limiter
            if slots:
                self._slots = asyncio.Semaphore(round(work.poll_s * work.qps))

    async def transcribe(self, links: Iterable[str], finished: wire.Finished) -> None:
        await asyncio.gather(*(self._job(link, finished) for link in links))

    async def _job(self, link: str, finished: wire.Finished) -> None:
        async with self._slots:
            task = str(uuid.uuid4())
            await self._request(wire.SUBMIT, task, wire.body(link))
            while True:
                await asyncio.sleep(self._poll_s)
                with contextlib.suppress(wire.Running):
                    reply = await self._request(wire.QUERY, task, b"{}")
                    break
        finished(link, reply["result"]["text"])

    async def _request(self, path: str, task: str, content: bytes) -> Any:
        while True:
            async with self._turn():
                pass
            with contextlib.suppress(wire.OverQuota):
                return await self._post(path, task, content)
            await asyncio.sleep(_PAUSE_S)


def on_aiohttp(work: Work) -> contextlib.AbstractAsyncContextManager[wire.Transcribe]:
    """aiohttp, all jobs at once: under a rate all submits get ahead of all queries."""
    return _gathering(aiohttp_session.posting, work, slots=False)


def on_aiohttp_in_slots(work: Work) -> contextlib.AbstractAsyncContextManager[wire.Transcribe]:
    """aiohttp, as many jobs at once as can ask every two seconds."""
    return _gathering(aiohttp_session.posting, work, slots=True)


def on_httpx_in_slots(work: Work) -> contextlib.AbstractAsyncContextManager[wire.Transcribe]:
    """httpx, the same."""
    return _gathering(httpx_pool.posting, work, slots=True)
