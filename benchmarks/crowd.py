"""500 `transcribe` calls at once on one client: all end, none starves, the strict rate is kept."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks import measure
from benchmarks.server import serving


def run(calls: int = 500, qps: float = 200.0) -> list[dict[str, Any]]:
    """Measure once with a rate and once without."""
    with serving(delay=0.03) as url:
        return [measure.alone(crowd, url, calls, rate) for rate in (qps, None)]


async def crowd(url: str, calls: int, qps: float | None) -> dict[str, Any]:
    """Start all at the same moment and note when each ends."""
    from volcasr_async import ApiKey, Limits, VolcASR

    async with VolcASR(ApiKey("key"), base_url=url, edition="flash", limits=Limits(qps=qps)) as asr:
        began = time.perf_counter()
        ends: list[tuple[int, float]] = []

        async def one(number: int) -> None:
            await asr.transcribe("https://example.com/a.mp3")
            ends.append((number, time.perf_counter() - began))

        async with measure.watching() as stall, asyncio.TaskGroup() as tasks:
            for number in range(calls):
                tasks.create_task(one(number))
    order = [number for number, _ in ends]
    return {
        "name": f"{calls} calls at once, " + (f"{qps:g} QPS" if qps else "no rate"),
        "ended": len(ends),
        "wall s": round(max(at for _, at in ends), 2),
        "shortest possible s": round((calls - 1) / qps + 0.03, 2) if qps else None,
        "most places lost": max(place - number for place, number in enumerate(order)),
        "stall ms": round(stall.worst_s * 1000, 1),
    }
