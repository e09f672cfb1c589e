"""Many jobs in flight, and long lists: memory, CPU, start-up, and the way back into a journal of a million rows.

The service is a stub in the same process, a transport that answers at once: what is left is the batch. In flight means accepted
and not finished; a job's memory is the growth of the process over all of them, from 500 jobs before. CPU is with the
stub's share and httpx's requests and responses.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks import measure

MILLION = 1_000_000
_DONE = b'{"audio_info":{"duration":1000},"result":{"text":"made up"}}'


class Stub(httpx.AsyncBaseTransport):
    """Answers at once: submits are taken; queries find a result, or never one."""

    def __init__(self, *, finishes: bool) -> None:
        self._finishes = finishes
        self.submits = 0
        self.first: float | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async for _ in request.stream:  # type: ignore[union-attr]
            pass
        if request.url.raw_path.endswith(b"submit"):
            self.submits += 1
            self.first = self.first or time.perf_counter()
            return httpx.Response(200, headers={"X-Api-Status-Code": "20000000"}, content=b"{}")
        code = "20000000" if self._finishes else "20000001"
        return httpx.Response(200, headers={"X-Api-Status-Code": code}, content=_DONE if self._finishes else b"{}")


def run(sizes: Sequence[int] = (1_000, 10_000, 100_000), many: int = MILLION) -> list[dict[str, Any]]:
    """Measure each in a process of its own."""
    return [
        *(measure.alone(in_flight, jobs) for jobs in sizes),
        measure.alone(long_list, many),
        measure.alone(resumed, many),
    ]


def links(count: int) -> Iterator[str]:
    """Make a list, lazily, as lines are read from a file."""
    return (f"https://example.com/recordings/{number:07}.mp3" for number in range(count))


async def in_flight(jobs: int, seconds: float = 2.0) -> dict[str, Any]:
    """All accepted, none finished: memory of the process, and of one job; CPU of accepting, then of asking."""
    from volcasr_async import ApiKey, Limits, PollPolicy, VolcASR

    stub, gap = Stub(finishes=False), max(jobs / 10_000, 1.0)
    poll = PollPolicy(first=gap, growth=0.0, shortest=gap, longest=gap)
    async with VolcASR(ApiKey("key"), http=stub, edition="idle", limits=Limits(qps=None), poll=poll) as asr:
        await _some(asr, 500)
        before, used = measure.resident(), measure.cpu_s()
        async with asr.batch(links(jobs), window=jobs) as batch:
            while stub.submits < 500 + jobs:
                await _breathe(0.05)
            after, accepting = measure.resident(), measure.cpu_s() - used
            while batch.stats.requests < 1.02 * jobs:
                await _breathe(0.05)
            queries, used = batch.stats.requests, measure.cpu_s()
            await _breathe(seconds)
            queries, asking = batch.stats.requests - queries, measure.cpu_s() - used
    return {
        "jobs": jobs,
        "memory MB": round(after / measure.MB, 1),
        "KB a job": round((after - before) / jobs / 1000, 2),
        "CPU us to accept one": round(accepting / jobs * 1e6),
        "CPU us a query": round(asking / queries * 1e6),
    }


async def long_list(jobs: int = MILLION, seen: int = 30_000) -> dict[str, Any]:
    """A list of a million with a window of 1,000: the first submit, and memory while it goes on."""
    from volcasr_async import ApiKey, Limits, PollPolicy, VolcASR

    stub = Stub(finishes=True)
    poll = PollPolicy(first=0.05)
    async with VolcASR(ApiKey("key"), http=stub, limits=Limits(qps=None), poll=poll) as asr:
        began = time.perf_counter()
        early = count = 0
        async with asr.batch(links(jobs)) as batch:
            async for _ in batch:
                count += 1
                if count == seen // 10:
                    early = measure.resident()
                if count == seen:
                    break
        first = (stub.first or 0.0) - began
    return {
        "list": f"{jobs:,} links, window 1,000",
        "s to the first submit": round(first, 2),
        "memory MB": round(measure.resident() / measure.MB, 1),
        "measured": f"after {seen:,} outcomes; since a tenth of them {(measure.resident() - early) / 1e6:.1f} MB more",
    }


async def resumed(jobs: int = MILLION) -> dict[str, Any]:
    """The same list again, all of it done but the last."""
    from volcasr_async import ApiKey, Limits, PollPolicy, VolcASR

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.db")
        stub = Stub(finishes=True)
        async with VolcASR(ApiKey("key"), http=stub, limits=Limits(qps=None), poll=PollPolicy(first=0.05)) as asr:
            async with asr.batch(links(1), journal=path) as batch:
                async for _ in batch:
                    pass
            _multiply(path, jobs)
            stub.first, began = None, time.perf_counter()
            async with asr.batch(links(jobs + 1), journal=path) as batch:
                async for _ in batch:
                    pass
                skipped = batch.stats.skipped
            first = (stub.first or 0.0) - began
    return {
        "list": "the same, all but one done in the journal",
        "s to the first submit": round(first, 2),
        "memory MB": round(measure.peak() / measure.MB, 1),
        "measured": f"at the end, after {skipped:,} were skipped; the peak",
    }


def _multiply(path: Path, jobs: int) -> None:
    """Write a million done rows like the one that is there."""
    with sqlite3.connect(path) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(job)")]
        row = connection.execute("SELECT * FROM job").fetchone()
        marks = ",".join("?" * len(names))
        rows = ((url, *row[1:]) for url in links(jobs))
        connection.executemany(f"INSERT OR IGNORE INTO job VALUES ({marks})", rows)
    connection.close()


async def _some(asr: Any, count: int) -> None:
    """Have everything imported and warm."""
    async with asr.batch(links(count), window=count) as batch:
        while batch.stats.sending or not batch.stats.waiting:
            await _breathe(0.05)


async def _breathe(seconds: float) -> None:
    import anyio

    await anyio.sleep(seconds)
