"""What a commit promises: whoever was told that his note is written finds it in the file, whatever others do meanwhile."""

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from io_kit import needs_proc, open_files
from journal_kit import change

from volcasr_async.errors import JournalError
from volcasr_async.sqlite_journal import SqliteJournal

pytestmark = pytest.mark.anyio


def keys(path: Path, where: str = "1") -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute(f"SELECT key FROM job WHERE {where} ORDER BY key")]
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def test_each_who_settles_finds_his_note(path: Path) -> None:
    """With many tasks that note and settle, now and then, each has his own in the file when he is told."""
    journal = await SqliteJournal.open(path)
    found = []

    async def one(number: int) -> None:
        for turn in range(3):
            for _ in range(number % 4):
                await anyio.lowlevel.checkpoint()
            key = f"{number}-{turn}"
            journal.note(change(key, "planned"))
            await journal.settle()
            found.append(keys(path, f"key = '{key}'") == [key])

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(one, number)
    assert found == [True] * 36
    assert "0 to be written" in repr(journal)
    await journal.aclose()


async def test_what_is_not_written_yet(path: Path) -> None:
    """A note is nowhere to be found before it is settled, and its number is shown."""
    journal = await SqliteJournal.open(path)
    journal.note(change("a", "planned"))
    journal.delivered("b")
    assert keys(path) == []
    assert await journal.look_up(["a"]) == {}
    assert repr(journal) == f"<SqliteJournal {path} [2 to be written]>"
    await journal.settle()
    assert repr(journal) == f"<SqliteJournal {path} [0 to be written]>"
    await journal.aclose()


async def test_notes_of_all_kinds_in_one_commit(path: Path) -> None:
    """Deliveries and changes are written in the order in which they came."""
    journal = await SqliteJournal.open(path)
    journal.note(change("a", "planned"))
    journal.delivered("a")
    journal.note(change("b", "planned"))
    journal.delivered("c")
    journal.note(change("c", "planned"))
    journal.delivered("b")
    await journal.settle()
    assert keys(path) == ["a", "b", "c"]
    assert keys(path, "delivered") == ["a", "b"]
    await journal.aclose()


async def test_a_commit_is_whole_or_not_at_all(path: Path) -> None:
    """Of a group that cannot be written nothing is, and nothing of it is looked up; the error names file, cause and cure."""
    journal = await SqliteJournal.open(path)
    blocker = sqlite3.connect(path)
    blocker.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON job WHEN new.key = 'bad' BEGIN SELECT RAISE(ABORT, 'worn out'); END"
    )
    blocker.commit()
    blocker.close()
    for key in ("good", "bad", "next"):
        journal.note(change(key, "planned"))
    with pytest.raises(JournalError) as caught:
        await journal.settle()
    assert str(caught.value).startswith(f"{path} cannot be written: worn out")
    assert "run the batch again" in str(caught.value)
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert await journal.look_up(["good", "bad", "next"]) == {}
    journal.note(change("later", "planned"))
    with pytest.raises(JournalError, match="worn out"):
        await journal.settle()
    await journal.aclose()
    assert keys(path) == []


async def test_what_cannot_be_read_says_where(path: Path) -> None:
    """The error of a damaged table names the file and what is wrong with it."""
    journal = await SqliteJournal.open(path)
    damage = sqlite3.connect(path)
    damage.executescript("DROP TABLE job; DROP TABLE transcript")
    damage.close()
    for ask, table in ((journal.look_up(["a"]), "job"), (journal.transcript("a"), "transcript")):
        with pytest.raises(JournalError) as caught:
            await ask
        assert str(caught.value).startswith(f"{path} cannot be read: ")
        assert f"no such table: {table}" in str(caught.value)
    await journal.aclose()


@needs_proc
@pytest.mark.parametrize("how", ["calmly", "cancelled"])
async def test_closing_writes_the_rest_and_lets_go(path: Path, how: str) -> None:
    """Also under a cancellation: the last notes are written, no file stays open, and another may have the journal."""
    journal = await SqliteJournal.open(path)
    journal.note(change("last", "planned"))
    with anyio.CancelScope() as scope:
        if how == "cancelled":
            scope.cancel()
        await journal.aclose()
    assert keys(path) == ["last"]
    assert open_files(path.parent) == []
    again = await SqliteJournal.open(path)
    assert again.id == journal.id
    await again.aclose()


COMMITS = """
    import sqlite3, sys, anyio
    from pathlib import Path
    from volcasr_async.journal import Change
    from volcasr_async.sqlite_journal import SqliteJournal

    opened, said = [], []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "sqlite3.connect/handle" else None)

    async def one(journal, key):
        journal.note(Change(key=key, state="planned", edition="{}", attempt=0, request_id=key, fingerprint="f",
                        charged="no"))
        await journal.settle()

    async def main(path):
        journal = await SqliteJournal.open(path)
        (connection,) = (one for one in opened if one.execute("PRAGMA database_list").fetchone()[2] == str(path))
        print(*connection.execute("PRAGMA synchronous").fetchone(), *connection.execute("PRAGMA journal_mode").fetchone())
        connection.set_trace_callback(said.append)
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(one, journal, str(number))
        await journal.settle()
        print(said.count("COMMIT"))
        await journal.aclose()

    anyio.run(main, Path(sys.argv[1]).resolve())
"""


def test_commits_last_and_are_few(path: Path) -> None:
    """A commit returns when the disk has it (FULL, which is 2), and so many who wait for one share it."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COMMITS), str(path)], capture_output=True, text=True, check=True
    )
    full, mode, commits = done.stdout.split()
    assert (full, mode) == ("2", "wal")
    assert int(commits) <= 2  # the first note's, and one for all that came meanwhile
    assert len(keys(path)) == 200
