"""Whole batches under one request budget, against the simulator: how long, how many requests, how long a result waits.

`2N/qps` is the shortest possible time, a submit and a query for each job. The simulator's processing times are log-normal. The
usual loop is gather, a semaphore that each job holds for its life and a query each 2 seconds, behind a limiter as strict as ours.
Those in real time mostly wait, so all run side by side, each with a simulator of its own, in processes of their own.
"ready to outcome" is the median time from a result's being ready at the service to its outcome in hand. On the bad day
answers are lost, connections reset, bodies cut; each recording is charged once all the same, which is checked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio

from benchmarks import measure, usual
from benchmarks.simulated import charges, counted, simulating
from benchmarks.virtual import JumpingLoop

BAD_DAY = ("lost-answer=0.3", "reset=0.1", "refuse-busy=0.1", "html-502=0.1", "cut-body=0.1", "no-result=0.2")


def links(count: int) -> list[str]:
    """Make a list."""
    return [f"https://example.com/{number}.mp3" for number in range(count)]


def run(jobs: int = 1000) -> list[dict[str, Any]]:
    """Measure all of it."""
    with ThreadPoolExecutor() as side_by_side:
        pair = (in_real_time(ours, "ours"), in_real_time(usual.by_aiohttp, "usual loop, aiohttp"))
        started = [side_by_side.submit(one, jobs * 6 // 10) for one in pair]
        started += [
            side_by_side.submit(told_too_much, jobs),
            side_by_side.submit(spare, jobs // 5),
            side_by_side.submit(bad_day, jobs // 10),
        ]
        jumping = virtual(3 * jobs)
        rows = [one.result() for one in started]
    return [*rows[:2], *jumping, *rows[2:]]


def in_real_time(who: Any, name: str) -> Callable[[int], dict[str, Any]]:
    """Real time, real sockets."""

    def measured(jobs: int, qps: float = 40.0, median: float = 5.0, sigma: float = 0.3) -> dict[str, Any]:
        with simulating(qps=qps, processing_time=median, processing_sigma=sigma) as url:
            row = measure.alone(who, url, links(jobs), qps)
            return _row(f"{name}: {jobs} jobs, {qps:g} QPS, {median:g} s", row, qps, url)

    return measured


def virtual(jobs: int, qps: float = 20.0, median: float = 12.0, sigma: float = 0.6) -> list[dict[str, Any]]:
    """Virtual time, the service's real numbers."""
    rows = []
    for name, who in (("ours", _virtual_ours), ("usual loop", _virtual_usual)):
        row = measure.alone(who, jobs, qps, median, sigma)
        rows.append(_row(f"{name}, virtual time: {jobs} jobs, {qps:g} QPS, {median:g} s", row, qps, None))
    return rows


def told_too_much(jobs: int, qps: float = 40.0, told: float = 400.0) -> dict[str, Any]:
    """The caller's limit is ten times the server's."""
    with simulating(qps=qps, processing_time=5.0, processing_sigma=0.3) as url:
        row = measure.alone(ours, url, links(jobs), told)
        return _row(f"ours, told {told:g} QPS: {jobs} jobs, {qps:g} QPS, 5 s", row, qps, url)


def spare(jobs: int, median: float = 10.0, sigma: float = 0.3) -> dict[str, Any]:
    """Budget to spare: how long a result waits that is ready."""
    with simulating(processing_time=median, processing_sigma=sigma) as url:
        row = measure.alone(ours, url, links(jobs), 1000.0, median, sigma)
        return _row(f"ours, budget to spare: {jobs} jobs, {median:g} s", row, None, url)


def bad_day(jobs: int, qps: float = 100.0, patience: float = 5.0) -> dict[str, Any]:
    """Everything that goes wrong, at once; each recording charged once.

    A lost answer is given up after *patience* seconds, and no pause before the next try is longer.
    """
    with simulating(qps=qps, processing_time=1.0, processing_sigma=0.3, faults=BAD_DAY) as url:
        row = measure.alone(ours, url, links(jobs), qps, 0.0, 0.0, patience)
        name = f"ours, a bad day ({', '.join(BAD_DAY)}; nothing longer than {patience:g} s): {jobs} jobs, {qps:g} QPS"
        return _row(name, row, qps, url)


async def ours(
    url: str, sources: Sequence[str], qps: float, median: float = 0.0, sigma: float = 0.0, patience: float | None = None
) -> dict[str, Any]:
    """The library's batch over real sockets."""
    from volcasr_async import ApiKey, Limits, RetryPolicy, VolcASR

    limits = Limits(qps=qps, concurrency=64)
    retry = RetryPolicy(reply_timeout=patience, longest=patience) if patience else RetryPolicy()
    async with VolcASR(ApiKey("key"), base_url=url, limits=limits, retry=retry) as asr:
        return await _batch(asr, sources, median, sigma)


async def _batch(asr: Any, sources: Sequence[str], median: float = 0.0, sigma: float = 0.0) -> dict[str, Any]:
    from volcasr_async import Done
    from volcasr_async.testing.dice import log_normal

    late: list[float] = []
    failed = 0
    began, used = anyio.current_time(), time.process_time()
    async with asr.batch(sources, window=max(len(sources), 1)) as batch:
        async for outcome in batch:
            if not isinstance(outcome, Done):
                failed += 1
            elif median and (task := outcome.transcript.task):
                took = log_normal(median, sigma, 0, "time", outcome.job.name)
                late.append(time.time() - task.submitted_at - took)
        stats = batch.stats
    return {
        "total_s": anyio.current_time() - began,
        "requests": stats.requests,
        "cpu_s": time.process_time() - used,
        "jobs": len(sources),
        "failed": failed,
        "late_s": measure.median(late) if late else None,
    }


def _virtual_ours(jobs: int, qps: float, median: float, sigma: float) -> Any:
    async def measured() -> dict[str, Any]:
        from volcasr_async import ApiKey, Limits, VolcASR
        from volcasr_async.testing import Simulator

        simulator = Simulator(qps=qps, processing_time=median, processing_sigma=sigma)
        async with VolcASR(ApiKey("key"), http=simulator.transport(), limits=Limits(qps=qps)) as asr:
            row = await _batch(asr, links(jobs))
        return row | {"refused": simulator.refused, "charges": len(simulator.charges)}

    return anyio.run(measured, backend_options={"loop_factory": JumpingLoop})


def _virtual_usual(jobs: int, qps: float, median: float, sigma: float) -> Any:
    async def measured() -> dict[str, Any]:
        from volcasr_async.testing import Simulator

        simulator = Simulator(qps=qps, processing_time=median, processing_sigma=sigma)
        row = await usual.in_process(simulator.transport(), links(jobs), qps)
        return row | {"refused": simulator.refused, "charges": len(simulator.charges)}

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(measured())


def _row(name: str, row: dict[str, Any], qps: float | None, url: str | None) -> dict[str, Any]:
    jobs = row["jobs"]
    if url is not None:
        charged = charges(url)
        row |= {"refused": counted(url)["refused"], "charges": sum(charged.values())}
        assert max(charged.values()) == 1, "a recording was charged twice"
    total, requests, late = row["total_s"], row["requests"], row.get("late_s")
    return {
        "name": name,
        "total s": round(total, 1),
        "/ (2N/qps)": round(total / (2 * jobs / qps), 3) if qps else None,
        "requests a job": round(requests / jobs, 2),
        "refused": row["refused"],
        "refused %": round(100 * row["refused"] / requests, 2),
        "charges": row["charges"],
        "failed": row.get("failed", 0),
        "ready to outcome s": None if late is None else round(late, 2),
        "CPU ms a job": round(1000 * row["cpu_s"] / jobs, 2),
    }
