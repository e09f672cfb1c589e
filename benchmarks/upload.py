"""100 MB through `transcribe(Path)`: memory above start, CPU, the loop's worst stall, and whether it arrived intact."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.server import serving

SIZE = 100 * measure.MB


def run(rounds: int = 3) -> list[dict[str, Any]]:
    """Measure ours and the naive way, in turn."""
    with tempfile.TemporaryDirectory() as folder, serving() as url:
        path = Path(folder, "audio.mp3")
        digest = _make(path)
        rows = [
            {"round": turn, **measure.alone(who, url, str(path), digest)}
            for turn in range(rounds)
            for who in (ours, eight_of_ours, naive)
        ]
    return [_middle([row for row in rows if row["name"] == name]) for name in dict.fromkeys(r["name"] for r in rows)]


def _middle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    figures = {
        key: round(measure.median(r[key] for r in rows), 3) for key in ("wall_s", "cpu_s", "memory_mb", "stall_ms")
    }
    return {"name": rows[0]["name"], "rounds": len(rows), **figures, "intact": all(r["intact"] for r in rows)}


def _make(path: Path) -> str:
    block, digest = os.urandom(measure.MB), hashlib.sha256()
    with path.open("wb") as file:
        for turn in range(SIZE // measure.MB):
            piece = (b"ID3" + block[3:]) if turn == 0 else block
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


async def ours(url: str, path: str, digest: str, at_once: int = 1) -> dict[str, Any]:
    """The library, as a user calls it."""
    from volcasr_async import ApiKey, Limits, VolcASR

    limits = Limits(qps=None, upload_bytes=10 * SIZE)
    async with VolcASR(ApiKey("key"), base_url=url, limits=limits) as asr:
        await asr.transcribe(b"ID3 warm")
        measure.reset_peak()
        start, began, used = measure.resident(), time.perf_counter(), measure.cpu_s()
        async with measure.watching() as stall, asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(asr.transcribe(Path(path), timeout=600))
        wall, cpu, memory = time.perf_counter() - began, measure.cpu_s() - used, measure.peak() - start
    return {
        "name": "ours" if at_once == 1 else f"ours, {at_once} at once",
        "wall_s": wall,
        "cpu_s": cpu,
        "memory_mb": memory / measure.MB,
        "stall_ms": stall.worst_s * 1000,
        "intact": await _arrived(url) == digest,
    }


async def eight_of_ours(url: str, path: str, digest: str) -> dict[str, Any]:
    """Eight uploads at once."""
    return await ours(url, path, digest, 8)


async def naive(url: str, path: str, digest: str) -> dict[str, Any]:
    """The whole file in memory and `json=`, as the vendor's demo does it, with httpx."""
    import httpx

    async with httpx.AsyncClient(timeout=600, trust_env=False) as client:
        await client.post(url + "/warm", json={})
        measure.reset_peak()
        start, began, used = measure.resident(), time.perf_counter(), measure.cpu_s()
        async with measure.watching() as stall:
            data = base64.b64encode(Path(path).read_bytes()).decode()
            await client.post(url + "/flash", json={"audio": {"data": data}})
        wall, cpu, memory = time.perf_counter() - began, measure.cpu_s() - used, measure.peak() - start
    return {
        "name": "httpx json=, whole file",
        "wall_s": wall,
        "cpu_s": cpu,
        "memory_mb": memory / measure.MB,
        "stall_ms": stall.worst_s * 1000,
        "intact": await _arrived(url) == digest,
    }


async def _arrived(url: str) -> str:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url + "/digest")).text
