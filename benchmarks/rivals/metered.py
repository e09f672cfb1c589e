"""Whole jobs by aiometer on httpx: it meters calls of a function, so all are submitted first, then asked in rounds."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any

from benchmarks.rivals import httpx_pool, wire
from benchmarks.rivals.wire import Work

_PAUSE_S = 1.0


@contextlib.asynccontextmanager
async def on_httpx(work: Work) -> AsyncIterator[wire.Transcribe]:
    """Open a client; yields a function that transcribes all."""
    async with httpx_pool.posting(work.url, work.connections, work.key) as post:
        await post(wire.FLASH, str(uuid.uuid4()), wire.body(wire.AUDIO))
        yield _Metered(post, work).transcribe


class _Metered:
    def __init__(self, post: wire.Post, work: Work) -> None:
        self._post, self._poll_s = post, work.poll_s
        self._meters: dict[str, Any] = {"max_at_once": work.connections, "max_per_second": work.qps}

    async def transcribe(self, links: Iterable[str], finished: wire.Finished) -> None:
        import aiometer

        waiting = {str(uuid.uuid4()): link for link in links}
        await aiometer.run_on_each(self._submit, list(waiting.items()), **self._meters)
        while waiting:
            pause = asyncio.create_task(asyncio.sleep(self._poll_s))
            async with aiometer.amap(self._query, list(waiting), **self._meters) as answers:
                async for task, reply in answers:
                    if reply is not None:
                        finished(waiting.pop(task), reply["result"]["text"])
            await pause

    async def _submit(self, job: tuple[str, str]) -> None:
        task, link = job
        await self._request(wire.SUBMIT, task, wire.body(link))

    async def _query(self, task: str) -> tuple[str, Any]:
        try:
            return task, await self._request(wire.QUERY, task, b"{}")
        except wire.Running:
            return task, None

    async def _request(self, path: str, task: str, content: bytes) -> Any:
        while True:
            with contextlib.suppress(wire.OverQuota):
                return await self._post(path, task, content)
            await asyncio.sleep(_PAUSE_S)
