"""What the tests of batches share: lists of links, a whole run, a journal that dies, what a journal's file says."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from io_kit import client

from volcasr_async import Done, Failed, VolcASR
from volcasr_async.errors import VolcASRError
from volcasr_async.outcomes import Outcome
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Fault, Simulator

BAD_DAY = (
    Fault("lost-answer", share=0.3, on="submit"),
    Fault("reset", share=0.1),
    Fault("refuse-busy", share=0.1),
    Fault("html-502", share=0.1),
    Fault("cut-body", share=0.1),
    Fault("no-result", share=0.2, on="query"),
)


def links(count: int, *, first: int = 0, suffix: str = ".mp3") -> list[str]:
    return [f"https://example.com/{number}{suffix}" for number in range(first, first + count)]


async def outcomes_of(asr: VolcASR, items: Any, **more: Any) -> list[Any]:
    async with asr.batch(items, **more) as batch:
        return [outcome async for outcome in batch]


async def run(simulator: Simulator, items: Any, *, client_with: Any = None, **more: Any) -> list[Any]:
    """Run a batch from its beginning to its end with a client of its own."""
    async with client(simulator, **(client_with or {})) as asr:
        return await outcomes_of(asr, items, **more)


def names(outcomes: Sequence[Outcome], kind: type[Done | Failed] = Done) -> list[str]:
    return sorted(outcome.job.name for outcome in outcomes if isinstance(outcome, kind))


def errors(outcomes: Sequence[Outcome]) -> list[VolcASRError]:
    return [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]


def rows(path: Path, what: str = "state", order: str = "key") -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(f"SELECT {what} FROM job ORDER BY {order}").fetchall()
    finally:
        connection.close()
    return [row[0] if len(row) == 1 else row for row in found]


def change(path: Path, statement: str, *values: Any) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


class Mortal:
    """A journal whose process is killed: what was noted and not settled is gone, and nobody goes on from there."""

    def __init__(self, inner: SqliteJournal, dies_at: float, process: anyio.CancelScope) -> None:
        self._inner, self.id, self._dies_at, self._process = inner, inner.id, dies_at, process
        self._noted: list[Any] = []

    async def bind(self, host: str, account: str) -> Any:
        return await self._inner.bind(host, account)

    async def look_up(self, keys: Any) -> Any:
        return await self._inner.look_up(keys)

    async def transcript(self, key: str) -> Any:
        return await self._inner.transcript(key)

    def note(self, change: Any) -> None:
        self._noted.append(change)

    def note_own_task_ids(self) -> None:
        self._inner.note_own_task_ids()

    def delivered(self, key: str) -> None:
        self._noted.append(key)

    async def settle(self) -> None:
        if anyio.current_time() >= self._dies_at:
            self._process.cancel()
            await anyio.lowlevel.checkpoint()
            return
        noted, self._noted = self._noted, []
        for change in noted:
            if isinstance(change, str):
                self._inner.delivered(change)
            else:
                self._inner.note(change)
        await self._inner.settle()

    async def aclose(self) -> None:
        await self._inner.aclose()
