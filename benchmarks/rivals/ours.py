"""The library, as a user calls it: by its default engine, by the one of `[speed]`, and over transports of others."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

from benchmarks.rivals import wire
from benchmarks.rivals.wire import Work


@contextlib.asynccontextmanager
async def _exchanging(url: str, connections: int, http: Any) -> AsyncIterator[wire.Several]:
    from volcasr_async import ApiKey, Limits, VolcASR

    limits = Limits(qps=None, concurrency=connections)
    async with VolcASR(ApiKey("ours"), base_url=url, edition="flash", limits=limits, http=http) as asr:
        yield wire.spread(lambda: asr.transcribe(wire.AUDIO), connections)


def default(url: str, connections: int) -> contextlib.AbstractAsyncContextManager[wire.Several]:
    """Small requests through httpx's connections, as after a plain install."""
    return _exchanging(url, connections, "httpx")


def speed(url: str, connections: int) -> contextlib.AbstractAsyncContextManager[wire.Several]:
    """Small requests through the engine of `[speed]`."""
    return _exchanging(url, connections, "aiohttp")


@contextlib.asynccontextmanager
async def httpx_aiohttp(url: str, connections: int) -> AsyncIterator[wire.Several]:
    """Small requests through the ready adapter, as a candidate for `[speed]`."""
    import httpx
    from httpx_aiohttp import AiohttpTransport

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with AiohttpTransport(limits=limits) as transport, _exchanging(url, connections, transport) as several:
        yield several


@contextlib.asynccontextmanager
async def pyreqwest(url: str, connections: int) -> AsyncIterator[wire.Several]:
    """Small requests through reqwest (Rust), as a candidate for `[speed]`."""
    from pyreqwest.client import ClientBuilder
    from pyreqwest.compatibility.httpx import HttpxTransport

    builder = ClientBuilder().max_connections(connections).pool_max_idle_per_host(connections)
    client = builder.pool_timeout(timedelta(seconds=60)).build()
    async with HttpxTransport(client) as transport, _exchanging(url, connections, transport) as several:
        yield several


@contextlib.asynccontextmanager
async def _batching(work: Work, http: Any) -> AsyncIterator[wire.Transcribe]:
    from volcasr_async import ApiKey, Done, Limits, PollPolicy, VolcASR

    limits = Limits(qps=work.qps, concurrency=work.connections)
    poll = PollPolicy(first=work.poll_s, shortest=work.poll_s / 2)  # the defaults, where poll_s is 2
    async with VolcASR(ApiKey(work.key), base_url=work.url, limits=limits, poll=poll, http=http) as asr:
        await asr.transcribe(wire.AUDIO, edition="flash")

        async def transcribe(links: Iterable[str], finished: wire.Finished) -> None:
            async with asr.batch(links, window=work.jobs) as batch:
                async for outcome in batch:
                    assert isinstance(outcome, Done), outcome
                    finished(outcome.job.name, outcome.transcript.text)

        yield transcribe


def batch_default(work: Work) -> contextlib.AbstractAsyncContextManager[wire.Transcribe]:
    """Whole jobs through httpx's connections."""
    return _batching(work, "httpx")


def batch_speed(work: Work) -> contextlib.AbstractAsyncContextManager[wire.Transcribe]:
    """Whole jobs through the engine of `[speed]`."""
    return _batching(work, "aiohttp")
