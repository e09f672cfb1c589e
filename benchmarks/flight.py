"""Many at once, and long lists: memory, start-up, and the way back into a journal of a million rows."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
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


def run() -> list[dict[str, Any]]:
    """Measure each in a process of its own."""
    return [measure.alone(in_flight), measure.alone(long_list), measure.alone(resumed)]


def links(count: int) -> Iterator[str]:
    """Make a list, lazily, as lines are read from a file."""
    return (f"https://example.com/recordings/{number:07}.mp3" for number in range(count))


async def in_flight(jobs: int = 100_000) -> dict[str, Any]:
    """All accepted, none finished: memory of the process, and of one job."""
    from volcasr_async import ApiKey, Limits, VolcASR

    stub = Stub(finishes=False)
    async with VolcASR(ApiKey("key"), http=stub, edition="idle", limits=Limits(qps=None)) as asr:
        await _some(asr, 500)
        before, began = measure.resident(), time.perf_counter()
        async with asr.batch(links(jobs), window=jobs) as batch:
            while batch.stats.waiting + batch.stats.in_air < jobs or batch.stats.sending:
                await _breathe(0.2)
            after = measure.resident()
            took = time.perf_counter() - began
    return {
        "name": f"{jobs:,} jobs in flight",
        "memory_mb": round(after / measure.MB, 1),
        "kb_per_job": round((after - before) / jobs / 1000, 2),
        "seconds": round(took, 1),
        "what": "until all were accepted",
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
        "name": f"{jobs:,} links, window 1,000",
        "memory_mb": round(measure.resident() / measure.MB, 1),
        "kb_per_job": round((measure.resident() - early) / (seen * 0.9) / 1000, 3),
        "seconds": round(first, 2),
        "what": f"to the first submit; memory after {seen:,}",
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
        "name": f"a journal with {jobs:,} done rows",
        "memory_mb": round(measure.peak() / measure.MB, 1),
        "kb_per_job": "",
        "seconds": round(first, 2),
        "what": f"to the first submit, after {skipped:,} were skipped",
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
