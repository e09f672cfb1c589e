"""Every await of a journal, cancelled: what was noted is kept, the file is let go of, and a journal that stays open works on."""

from pathlib import Path

import anyio
import pytest
from step_kit import Moment, each_moment

from volcasr_async.journal import Change
from volcasr_async.sqlite_journal import SqliteJournal

pytestmark = pytest.mark.anyio

ID = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"


def note(journal: SqliteJournal, key: str) -> None:
    journal.note(
        Change(key=key, state="sent", edition="{}", attempt=0, request_id=ID, fingerprint="f", charged="maybe")
    )


async def use(journal: SqliteJournal, noted: list[str]) -> None:
    """Write something alone, and something while somebody else looks."""
    note(journal, "a")
    noted.append("a")
    await journal.settle()
    note(journal, "b")
    noted.append("b")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.look_up, ["a"])
        tasks.start_soon(journal.settle)
        await journal.settle()
    assert await journal.transcript("a") is None


async def test_every_await_of_a_journals_life(folder: Path) -> None:
    """Opened, used, closed: it can be opened again at once, and nothing that was noted is missing."""

    async def once(moment: Moment) -> None:
        path = folder / f"{moment.kind}{moment.number}.db"
        noted: list[str] = []

        async def life() -> None:
            journal = await SqliteJournal.open(path)
            try:
                await use(journal, noted)
                note(journal, "c")
                noted.append("c")
            finally:
                await journal.aclose()

        await moment.strike(life)
        journal = await SqliteJournal.open(path)
        assert sorted(await journal.look_up(["a", "b", "c"])) == noted
        await journal.aclose()

    counts = await each_moment(once)
    assert min(counts.values()) >= 10


async def test_every_await_of_a_journal_that_stays_open(folder: Path) -> None:
    """Whoever else uses it goes on, and finds what was noted before."""

    async def once(moment: Moment) -> None:
        noted: list[str] = []
        journal = await SqliteJournal.open(folder / f"{moment.kind}{moment.number}.db")
        await moment.strike(lambda: use(journal, noted))
        note(journal, "c")
        await journal.settle()
        assert sorted(await journal.look_up(["a", "b", "c"])) == [*noted, "c"]
        assert "[0 to be written]" in repr(journal)
        await journal.aclose()

    counts = await each_moment(once)
    assert min(counts.values()) >= 10
