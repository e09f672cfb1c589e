"""Whole jobs, from submit to outcome, on real sockets: 2,000 recordings, a server 30 ms away, log-normal processing times.

Under a limit: 100 requests a second, submits and queries together, processing 12 s (sigma 0.3). Everybody waits for the
budget there, so all run at the same time, each in a process of its own under a key of its own with a quota of its own.
`x 2N/qps` is the total against the shortest possible time, a submit and a query for each job. Budget to spare: no limit,
processing 3 s, 64 connections, one after the other, the median of two rounds; slow rivals have one, and the demo, whose
threads spend most of their time asleep, gets a quarter of the jobs.

`/ aiohttp` columns are against aiohttp by hand asking every two seconds, under the limit with as many jobs at once as can
be asked that often within it. `late s` is the median time from a result's being ready at the server to its being fetched: who
submits everything first is done as early as can be, and lets results wait. `memory MB` is the peak above start. A rival
that is not done by the cap is stopped; `finished` tells how many jobs it had, and its figures are for those.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from benchmarks import measure
from benchmarks.report import OURS
from benchmarks.rivals.wire import Work
from benchmarks.server import serving, totals

LIMITED, SPARE = "under a limit", "budget to spare"
_DELAY_S, _SIGMA, _CONNECTIONS = 0.03, 0.3, 64
_CAP_S = 240.0


class Rival(NamedTuple):
    """Who it is, where its code is; where the budget is to spare, in how many rounds, with which share of the jobs."""

    name: str
    where: str
    rounds: int = 2
    share: float = 1.0


BY_HAND = "aiohttp by hand, asking every 2 s"
OURS_BOTH = (Rival(OURS["default"], "ours.batch_default"), Rival(OURS["[speed]"], "ours.batch_speed"))
IN_LIMITED = (
    *OURS_BOTH,
    Rival(BY_HAND, "gathered.on_aiohttp_in_slots"),
    Rival("aiohttp, gather + aiolimiter, all at once", "gathered.on_aiohttp"),
    Rival("httpx, gather + semaphore + aiolimiter", "gathered.on_httpx_in_slots"),
    Rival("httpx, aiometer, in rounds", "metered.on_httpx"),
    Rival("vendor's demo in threads", "vendor_demo.jobs"),
)
IN_SPARE = (
    *OURS_BOTH,
    Rival(BY_HAND, "gathered.on_aiohttp"),
    Rival("httpx, gather + semaphore", "gathered.on_httpx_in_slots", rounds=1, share=0.25),
    Rival("httpx, aiometer, in rounds", "metered.on_httpx", rounds=1, share=0.25),
    Rival("vendor's demo in threads", "vendor_demo.jobs", rounds=1, share=0.25),
)


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Measure both settings; *scale* shrinks the number of jobs and all times."""
    count = max(round(2000 * scale), 4)
    return [
        *limited(count, processing=12 * scale, poll_s=2 * scale),
        *spare(count, processing=3 * scale, poll_s=2 * scale),
    ]


def limited(
    jobs: int = 2000,
    qps: int = 100,
    processing: float = 12.0,
    poll_s: float = 2.0,
    rivals: Sequence[Rival] = IN_LIMITED,
    cap_s: float = _CAP_S,
) -> list[dict[str, Any]]:
    """All at the same time, each under a quota of its own; *processing* is the median in seconds."""
    with serving(_DELAY_S, qps=qps, processing=processing, sigma=_SIGMA) as url:
        works = [Work(url, rival.where, jobs, qps, _CONNECTIONS, poll_s, cap_s) for rival in rivals]
        with ThreadPoolExecutor(len(rivals)) as pool:
            taken = list(pool.map(_alone, works))
    return list(_rows(LIMITED, rivals, [[figures] for figures in taken], 2 * jobs / qps))


def spare(
    jobs: int = 2000,
    processing: float = 3.0,
    poll_s: float = 2.0,
    rounds: int = 2,
    rivals: Sequence[Rival] = IN_SPARE,
    cap_s: float = _CAP_S,
) -> list[dict[str, Any]]:
    """One after the other, without a limit."""
    taken: list[list[dict[str, Any]]] = [[] for _ in rivals]
    for turn in range(rounds):
        order = range(len(rivals)) if turn % 2 == 0 else reversed(range(len(rivals)))
        for place in order:
            if turn >= rivals[place].rounds:
                continue
            share = max(round(jobs * rivals[place].share), 1)
            with serving(_DELAY_S, processing=processing, sigma=_SIGMA) as url:
                work = Work(url, rivals[place].where, share, None, _CONNECTIONS, poll_s, cap_s)
                taken[place].append(_alone(work))
    return list(_rows(SPARE, rivals, taken, None))


def _alone(work: Work) -> dict[str, Any]:
    """Measure in a fresh process; adds what the server counted."""
    figures: dict[str, Any] = measure.alone(measured, *work)
    counted = totals(work.url)["keys"][work.key]
    return figures | {
        "jobs": work.jobs,
        "requests": counted["requests"],
        "refused": counted["refused"],
        "late_s": counted["late_s"],
    }


async def measured(*fields: Any) -> dict[str, Any]:
    """Have all transcribed, by the rival that the key names; runs in the rival's own process."""
    work = Work(*fields)
    module, _, function = work.key.partition(".")
    working = getattr(importlib.import_module(f"benchmarks.rivals.{module}"), function)
    finished: list[float] = []
    async with working(work) as transcribe:
        measure.reset_peak()
        start, began, used = measure.resident(), time.perf_counter(), measure.cpu_s()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(work.cap_s):
                await transcribe(work.links(), lambda _link, _text: finished.append(time.perf_counter()))
        return {
            "finished": len(finished),
            "total_s": time.perf_counter() - began,
            "cpu_s": measure.cpu_s() - used,
            "memory": measure.peak() - start,
        }


def _rows(
    setting: str, rivals: Sequence[Rival], taken: list[list[dict[str, Any]]], shortest_s: float | None
) -> Iterator[dict[str, Any]]:
    by_hand = next(figures for rival, figures in zip(rivals, taken, strict=True) if rival.name == BY_HAND)
    for rival, rounds in zip(rivals, taken, strict=True):
        total_s = _middle(rounds, "total_s")
        yield {
            "name": rival.name,
            "setting": setting,
            "jobs": rounds[0]["jobs"],
            "finished": min(figures["finished"] for figures in rounds),
            "total s": round(total_s, 1),
            **({"x 2N/qps": round(total_s / shortest_s, 2)} if shortest_s else {}),
            "requests a job": round(measure.median(f["requests"] / max(f["finished"], 1) for f in rounds), 2),
            "refused": sum(figures["refused"] for figures in rounds),
            "late s": round(_middle(rounds, "late_s"), 2),
            "CPU ms a job": round(measure.median(_cpu_ms(figures) for figures in rounds), 2),
            "memory MB": round(_middle(rounds, "memory") / measure.MB, 1),
            "CPU / aiohttp": round(_ratio(_cpu_ms, rounds, by_hand), 2),
            "total / aiohttp": round(_ratio(lambda figures: figures["total_s"], rounds, by_hand), 2),
            "memory / aiohttp": round(_ratio(lambda figures: figures["memory"], rounds, by_hand), 2),
        }


def _cpu_ms(figures: dict[str, Any]) -> float:
    """CPU for each job that was finished."""
    return 1000 * float(figures["cpu_s"]) / max(int(figures["finished"]), 1)


def _middle(rounds: list[dict[str, Any]], key: str) -> float:
    return measure.median(figures[key] or 0.0 for figures in rounds)


def _ratio(of: Any, rounds: list[dict[str, Any]], by_hand: list[dict[str, Any]]) -> float:
    """The median of the ratios to aiohttp by hand, round by round; not everybody is in all of them."""
    return measure.median(of(figures) / max(of(hand), 1e-9) for figures, hand in zip(rounds, by_hand, strict=False))
