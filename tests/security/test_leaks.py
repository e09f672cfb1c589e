"""Secrets are planted everywhere, every verb of every edition succeeds and fails, and whatever can be read is read."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
from io_kit import POLLED
from leak_kit import API_KEY, DATA, LINK, PAIR, Log, found_in, pickled, planted, shown, told_by
from otel_kit import Otel

from volcasr_async import (
    AucV1,
    AudioBytes,
    AudioStream,
    AudioUrl,
    Failed,
    Flash,
    Job,
    Limits,
    PollPolicy,
    RetryPolicy,
    Standard,
    Task,
    VolcASR,
    VolcASRError,
)
from volcasr_async.credentials import Credentials
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator, make_wav

KINDS = (
    "lost-answer",
    "html-502",
    "rate-limited",
    "cut-body",
    "not-json",
    "no-status",
    "download-failed",
    "never",
    None,
)
SOON: dict[str, Any] = {
    "limits": Limits(qps=None),
    "retry": RetryPolicy(attempts=2, first=0.01, longest=0.02, grace=0.1, reply_timeout=1.0),
    "poll": PollPolicy(first=0.01, growth=0.1, shortest=0.02),
}
PATIENCE_S = 0.4


class Seen:
    """All that a program could get hold of."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.errors: list[BaseException] = []

    def check(self) -> None:
        """Look for what was planted in all of it."""
        for value in self.values:
            assert not found_in(shown(value)), type(value)
        for error in self.errors:
            assert not found_in(told_by(error)), error
            assert not found_in(pickled(error), but=DATA), error


def jobs(edition: Edition) -> list[Job]:
    """Give what can be asked of an edition."""
    if isinstance(edition, Flash):
        wav = make_wav(0.1)
        return [planted(callback=None), Job(AudioBytes(wav)), Job(AudioStream(_once(wav), size=len(wav), format="wav"))]
    if isinstance(edition, AucV1):
        return [planted()]
    return [planted(callback_data=DATA)]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def use(asr: VolcASR, edition: Edition, seen: Seen) -> None:
    """Use every verb."""
    seen.values += [asr, asr.stats]
    for job in jobs(edition):
        seen.values += [job, job.source]
        await _try(seen, asr.transcribe(job, edition=edition, timeout=PATIENCE_S))
        again = planted(callback_data=job.callback_data, callback=job.callback)
        task = await _try(seen, asr.submit(again, edition=edition, timeout=PATIENCE_S))
        if isinstance(task, Task):
            await _try(seen, asr.query(task))
            await _try(seen, asr.wait(task, timeout=PATIENCE_S))
    stranger = Task(id=str(uuid4()), edition=edition, request_id=str(uuid4()), submitted_at=time.time())
    await _try(seen, asr.query(stranger))


async def _try(seen: Seen, call: Any) -> Any:
    result = None
    try:
        with anyio.move_on_after(2 * PATIENCE_S):  # a question that is refused for the rate has no end of its own
            result = await call
    except VolcASRError as error:
        seen.errors.append(error)
        seen.values += [getattr(error, "task", None), getattr(error, "job", None)]
        return None
    seen.values.append(result)
    return result


async def batch(asr: VolcASR, journal: Path, seen: Seen) -> None:
    """Run a batch with a journal, and read the journal's files while it runs and after it."""
    items: list[Any] = [LINK, AudioUrl(LINK + "&again=1"), planted(key="mine"), "tos://b/a.mp3?sign=" + LINK, 7]
    async with asr.batch(items, journal=journal) as running:
        seen.values += [running, running.stats]
        async for outcome in running:
            seen.values.append(outcome)
            assert not found_in(pickled(outcome), but=DATA), outcome
            if isinstance(outcome, Failed):
                seen.errors.append(outcome.error)
        held = _bytes_of(journal)
    assert {"", "-lock", "-shm", "-wal"} <= held.keys()
    for name, data in [*held.items(), *_bytes_of(journal).items()]:
        assert not found_in(data), name
    with sqlite3.connect(journal) as database:
        assert database.execute("SELECT count(*) FROM job").fetchone()[0] >= 2
    database.close()


def _bytes_of(journal: Path) -> dict[str, bytes]:
    return {path.name.removeprefix(journal.name): path.read_bytes() for path in journal.parent.glob(f"{journal.name}*")}


@asynccontextmanager
async def engine_of(name: str) -> AsyncIterator[Any]:
    """Give what goes in as `http`."""
    if name != "client":
        yield name
        return
    async with httpx.AsyncClient(
        headers={"X-Mine": "S3CRET-of-mine"}, cookies={"mine": "S3CRET-cookie"}, follow_redirects=True
    ) as http:
        yield http


def _may_run(engine: str, backend: str) -> None:
    if engine != "httpx" and backend == "trio":
        pytest.skip("aiohttp runs on asyncio, and a client of the caller's is the same on both")


ENGINES = pytest.mark.parametrize("engine", ["httpx", "aiohttp", "client"])


@ENGINES
@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
async def test_nothing_tells_a_secret(engine: str, anyio_backend_name: str, tmp_path: Path, log: Log) -> None:
    """Logs, values, errors with their causes, pickles, journals, spans and metrics: after every verb of every edition."""
    _may_run(engine, anyio_backend_name)
    seen, otel = Seen(), Otel()
    editions: list[Edition] = [*POLLED, Flash()]

    async def one(http: Any, kind: str | None, who: Credentials, edition: Edition) -> None:
        faults = [] if kind is None else [Fault(kind)]
        serving = Simulator(processing_time=0.05, faults=faults).serve()
        async with serving as url, VolcASR(who, base_url=url, http=http, observe=otel.observer(), **SOON) as asr:
            await use(asr, edition, seen)
            if kind in (None, "download-failed") and isinstance(edition, Standard):
                await batch(asr, tmp_path / f"{kind}.db", seen)

    async with engine_of(engine) as http, anyio.create_task_group() as tasks:
        for number, kind in enumerate(KINDS):
            for edition in editions:
                alone = isinstance(edition, AucV1)  # v1 knows the pair only
                tasks.start_soon(one, http, kind, PAIR if alone or number % 2 else API_KEY, edition)
    seen.check()
    assert len(seen.errors) > 20
    assert {"volcasr_async"} <= log.names
    assert not found_in(log.text)
    assert not found_in(otel.everything())
