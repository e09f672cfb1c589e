"""The journal: transitions a second with durability kept (`synchronous=FULL`), by as many writers as a batch has workers."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import measure


def run() -> list[dict[str, Any]]:
    """Measure on this machine's disk."""
    return [measure.alone(write, writers) for writers in (1, 20, 64)]


async def write(writers: int, seconds: float = 2.0) -> dict[str, Any]:
    """Each writer takes jobs through sent, accepted and done, and waits for each to be safely written."""
    from volcasr_async.journal import Change
    from volcasr_async.models import Transcript
    from volcasr_async.sqlite_journal import SqliteJournal

    kept = Transcript(text="made up", duration_ms=1000, raw=b'{"result":{"text":"made up"}}' * 20)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        journal = await SqliteJournal.open(Path(folder, "run.db"))
        began, count = time.perf_counter(), 0

        async def one(number: int) -> None:
            nonlocal count
            turn = 0
            while time.perf_counter() - began < seconds:
                turn += 1
                for state in ("sent", "accepted", "done"):
                    journal.note(
                        Change(
                            key=f"https://example.com/{number}/{turn}.mp3",
                            state=state,
                            edition='{"name":"standard"}',
                            attempt=0,
                            request_id="134cb175-4658-4487-a530-20408f979907",
                            fingerprint="0123456789abcdef",
                            charged="maybe" if state == "sent" else "yes",
                            transcript=kept if state == "done" else None,
                        )
                    )
                    await journal.settle()
                    count += 1

        async with asyncio.TaskGroup() as tasks:
            for number in range(writers):
                tasks.create_task(one(number))
        took = time.perf_counter() - began
        await journal.aclose()
    return {"writers": writers, "transitions/s": round(count / took), "us a transition": round(took / count * 1e6)}
