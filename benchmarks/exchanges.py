"""Small requests: CPU of the client for each, ours through lanes against a plain `httpx.AsyncClient.post`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks import measure
from benchmarks.server import serving

_BODY = b'{"audio":{"url":"https://example.com/a.mp3"},"request":{"model_name":"bigmodel"}}'


def run(rounds: int = 3, requests: int = 1500, connections: int = 50) -> list[dict[str, Any]]:
    """Measure both, in turn."""
    rows = []
    with serving() as url:
        for turn in range(rounds):
            rows += [{"round": turn, **measure.alone(who, url, requests, connections)} for who in (ours, plain)]
    names = dict.fromkeys(row["name"] for row in rows)
    middles = {name: measure.median(r["cpu_us_per_request"] for r in rows if r["name"] == name) for name in names}
    base = middles["httpx AsyncClient.post"]
    return [
        {
            "name": name,
            "connections": connections,
            "cpu_us_per_request": round(cpu),
            "times_cheaper": round(base / cpu, 1),
        }
        for name, cpu in middles.items()
    ]


async def ours(url: str, requests: int, connections: int) -> dict[str, Any]:
    """`transcribe` of a link by flash: one request each, decoding and all."""
    from volcasr_async import ApiKey, Limits, VolcASR

    async with VolcASR(
        ApiKey("key"), base_url=url, edition="flash", limits=Limits(qps=None, concurrency=connections)
    ) as asr:

        async def work(count: int) -> None:
            for _ in range(count):
                await asr.transcribe("https://example.com/a.mp3")

        return await _measured("volcasr_async transcribe", work, requests, connections)


async def plain(url: str, requests: int, connections: int) -> dict[str, Any]:
    """The same number of connections, httpx's own pool, nothing decoded."""
    import httpx

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def work(count: int) -> None:
            for _ in range(count):
                await client.post(url + "/flash", content=_BODY, headers={"X-Api-Key": "key"})

        return await _measured("httpx AsyncClient.post", work, requests, connections)


async def _measured(name: str, work: Any, requests: int, connections: int) -> dict[str, Any]:
    async def all_of(count: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(connections):
                tasks.create_task(work(count // connections))

    await all_of(2 * connections)  # connections open, imports done
    began, used = time.perf_counter(), measure.cpu_s()
    await all_of(requests)
    return {
        "name": name,
        "wall_s": time.perf_counter() - began,
        "cpu_us_per_request": (measure.cpu_s() - used) / requests * 1e6,
    }
