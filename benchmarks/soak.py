"""Does anything grow? `python -m benchmarks.soak [--minutes 60] [--qps 40] [--write]`.

For both engines at once, each in a process of its own against a faulty simulator of its own: one client, one batch with a
journal that never runs out of links, and beside it four callers that transcribe on all editions (links, bytes, a file, a
stream), some of whom leave in the middle or set a deadline that is too short. Every few seconds the process is looked at: memory,
descriptors, threads, tasks, the journal. At the end, the simulator says how often each recording was charged.

Memory and the rest are compared between the minutes 10 to 20 (all is warm by then) and the last ten. The journal gains a row for each recording by
its nature; what must stay flat is what it costs a recording, and the log that SQLite writes ahead of it.

`over the limit` counts what the simulator refused for its quota, which is as strict as the client's own: requests that leave on time arrive
bunched where the machine is busy with other things. `outside the tree` counts errors that are none of the library's.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import statistics
import sys
import tempfile
import threading
import time
import wave
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import anyio

from benchmarks import measure
from benchmarks.report import OURS, tables
from benchmarks.simulated import charges, counted, simulating

PAGE = Path(__file__).parents[1] / "docs" / "soak.md"
ENGINES = {"default": "httpx", "[speed]": "aiohttp"}
FAULTS = (
    *("lost-answer=0.01", "reset=0.02", "drop-upload:flash=0.05", "html-502=0.01", "html-502-after=0.005"),
    *("cut-body=0.01", "slow-body=0.002,seconds=2", "stall=0.0005,seconds=30", "no-result=0.01"),
    *("not-json=0.005", "no-status=0.005", "server-error=0.01", "refuse-busy=0.0005", "rate-limited=0.0005"),
    *("too-concurrent=0.0005", "silence=0.01", "bad-format=0.01", "task-failed=0.01", "task-error=0.005"),
)
SERVICE: dict[str, Any] = {"processing_time": 5.0, "processing_sigma": 0.4, "lag": 0.2, "faults": FAULTS}
_WATCHED = ("memory MB", "descriptors", "threads", "tasks", "log ahead KB", "journal bytes a job")
_CALLERS, _WINDOW = 4, 500


def run(minutes: float = 60.0, qps: float = 40.0, **service: Any) -> list[dict[str, Any]]:
    """Soak both engines side by side; a row for each tenth of the time, then a row each of sums.

    *service* changes what the simulator is like: see `SERVICE`.
    """
    with ThreadPoolExecutor() as side_by_side:
        parts = list(
            side_by_side.map(lambda name: _against_simulator(name, minutes, qps, {**SERVICE, **service}), ENGINES)
        )
    return [row for looks, _ in parts for row in looks] + [total for _, total in parts]


def _against_simulator(
    name: str, minutes: float, qps: float, service: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    with simulating(qps=qps, **service) as url:
        seen = measure.alone(soak, url, ENGINES[name], minutes, qps)
        times = Counter(charges(url).values())
        requests = counted(url)
    ended = Counter(seen["ended"])
    total = {
        "install": OURS[name],
        "recordings": sum(times.values()),
        "charged once": times[1],
        "charged more often": sum(times.values()) - times[1],
        "requests": sum(requests["requests"].values()),
        "of the budget": round(sum(requests["requests"].values()) / (seen["seconds"] * qps), 3),
        "over the limit": requests["refused"],
        "done": ended["done"],
        "outside the tree": seen["strange"],
        **_growth(seen["looks"]),
    }
    print(f"{name}: {dict(ended.most_common())}", file=sys.stderr)
    return _tenths(seen["looks"], OURS[name]), total


async def soak(url: str, engine: Literal["httpx", "aiohttp"], minutes: float, qps: float) -> dict[str, Any]:
    """Keep one client busy for so long, looking at this process on the way."""
    from volcasr_async import Limits, RetryPolicy, VolcASR

    credentials = _credentials()
    until, ended, looks = time.monotonic() + minutes * 60, Counter[str](), list[dict[str, float]]()
    retry, limits = RetryPolicy(reply_timeout=10, attempts=8), Limits(qps=qps, concurrency=30)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        async with (
            VolcASR(credentials, base_url=url, http=engine, retry=retry, limits=limits) as asr,
            anyio.create_task_group() as group,
        ):
            group.start_soon(_look, place / "run.db", until, ended, looks)
            async with anyio.create_task_group() as busy:
                busy.start_soon(_batch, asr, place / "run.db", until, ended)
                for number in range(_CALLERS):
                    busy.start_soon(_call, asr, number, place, until, ended)
            left = asr.stats
    strange = sum(count for name, count in ended.items() if name.startswith("strange"))
    return {
        "ended": ended,
        "looks": looks,
        "strange": strange + left.in_air + left.waiting,
        "seconds": time.monotonic() - began,
    }


def _credentials() -> Any:
    from volcasr_async import AppKey

    return AppKey("soak", "soak")  # good for all four editions


async def _batch(asr: Any, journal: Path, until: float, ended: Counter[str]) -> None:
    from volcasr_async import Done

    async def links() -> AsyncIterator[str]:
        number = 0
        while time.monotonic() < until:
            yield f"https://h.example/{number}.mp3"
            number += 1
            await anyio.lowlevel.checkpoint()

    async with asr.batch(links(), journal=journal, window=_WINDOW) as batch:
        async for outcome in batch:
            ended["done" if isinstance(outcome, Done) else type(outcome.error).__name__] += 1


async def _call(asr: Any, number: int, place: Path, until: float, ended: Counter[str]) -> None:
    """Transcribe one thing after another, now and then leaving in the middle."""
    from volcasr_async import VolcASRError, WaitTimeout

    dice, count = random.Random(number), 0
    while time.monotonic() < until:
        count += 1
        source, edition = _source(f"{number}-{count}", place, dice)
        patience = dice.uniform(0.0, 3.0) if dice.random() < 0.2 else None
        deadline = dice.uniform(1.0, 4.0) if dice.random() < 0.1 else None
        try:
            with anyio.move_on_after(patience) as scope:
                await asr.transcribe(source, edition=edition, timeout=deadline)
                ended["called: done"] += 1
            ended["called: left"] += scope.cancelled_caught
        except WaitTimeout:
            ended["called: deadline"] += 1
        except VolcASRError as error:
            ended[f"called: {type(error).__name__}"] += 1
        except Exception as error:  # noqa: BLE001 - what the soak is there to find
            ended[f"strange: {error!r}"] += 1


def _source(name: str, place: Path, dice: random.Random) -> tuple[Any, Any]:
    """Choose a recording that nobody sent before, and where to send it."""
    from volcasr_async import AucV1, AudioBytes, AudioStream

    kind = dice.choice(("standard", "idle", "v1", "bytes", "file", "stream"))
    if kind == "v1":
        return f"https://h.example/called-{name}.mp3", AucV1("volc_auc_common")
    if kind in ("standard", "idle"):
        return f"https://h.example/called-{name}.mp3", kind
    audio = _wav(name.encode() + bytes(dice.randrange(1000, 400_000)))
    if kind == "bytes":
        return AudioBytes(audio, format="wav"), "flash"
    if kind == "stream":
        return AudioStream(_pieces(audio), len(audio), format="wav"), "flash"
    path = place / f"{name.partition('-')[0]}.wav"
    path.write_bytes(audio)
    return path, "flash"


def _wav(sound: bytes) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(sound + bytes(len(sound) % 2))
    return written.getvalue()


async def _pieces(audio: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(audio), 50_000):
        await anyio.lowlevel.checkpoint()
        yield audio[at : at + 50_000]


async def _look(journal: Path, until: float, ended: Counter[str], looks: list[dict[str, float]]) -> None:
    """Look at this process every 5 s while it is kept busy; the drain after that is not looked at."""
    began = time.monotonic()
    while (now := time.monotonic()) < until:
        await anyio.sleep(5)
        looks.append(_reading(now - began, journal, ended))


def _reading(seconds: float, journal: Path, ended: Counter[str]) -> dict[str, float]:
    ahead = journal.with_name(journal.name + "-wal")
    size = journal.stat().st_size if journal.exists() else 0
    jobs = sum(count for name, count in ended.items() if not name.startswith(("called", "strange")))
    return {
        "minute": seconds / 60,
        "ended": sum(ended.values()),
        "memory MB": measure.resident() / measure.MB,
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "log ahead KB": (ahead.stat().st_size if ahead.exists() else 0) / 1000,
        "journal bytes a job": size / max(jobs, 1),
    }


def _tenths(looks: list[dict[str, float]], install: str) -> list[dict[str, Any]]:
    """Make a row of each tenth of the time: the medians in it."""
    size = max(len(looks) // 10, 1)
    parts = [looks[at : at + size] for at in range(0, size * 10, size)]
    return [
        {
            "install": install,
            "minute": round(part[-1]["minute"], 1),
            "ended": int(part[-1]["ended"]),
            **{name: round(statistics.median(look[name] for look in part), 1) for name in _WATCHED},
        }
        for part in parts
        if part
    ]


def _growth(looks: list[dict[str, float]]) -> dict[str, float]:
    """Compare the last sixth with the second: the median of each, in MB, and how many more descriptors and so on."""
    sixth = max(len(looks) // 6, 1)
    warm, last = looks[sixth : 2 * sixth] or looks, looks[-sixth:]

    def more(name: str) -> float:
        return round(statistics.median(look[name] for look in last) - statistics.median(look[name] for look in warm), 2)

    return {f"{name} more": more(name) for name in ("memory MB", "descriptors", "threads", "tasks")}


def page(rows: list[dict[str, Any]], minutes: float) -> str:
    """Write what was seen."""
    import importlib

    about = importlib.import_module("benchmarks.__main__").about()
    lines = "\n".join(f"- {key}: {value}" for key, value in about.items())
    about_faults = ", ".join(f"`{fault}`" for fault in FAULTS)
    return (
        f"# Soak\n\nWritten by `python -m benchmarks.soak --minutes {minutes:g} --write`.\n\n"
        f"{(__doc__ or '').split(chr(10), 2)[2].strip()}\n\nThe faults and their shares: {about_faults}.\n\n"
        f"{lines}\n\n{tables(rows)}\n"
    )


def main() -> None:
    """Run it, and print or write what was seen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--qps", type=float, default=40.0)
    parser.add_argument("--write", action="store_true", help="write docs/soak.md")
    chosen = parser.parse_args()
    text = page(run(chosen.minutes, chosen.qps), chosen.minutes)
    print(text)
    if chosen.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
