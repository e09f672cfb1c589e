"""Journals: the bytes of the file. Whatever they are, it is opened and gone on with, or refused as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
from fuzz_kit import TASK_ID, Target, scratch, told
from msgspec.json import encode

from volcasr_async import Task, Transcript
from volcasr_async.cli.status import read_report
from volcasr_async.editions import Standard
from volcasr_async.errors import Charged, EmptyAudio, JournalError
from volcasr_async.journal import STATES, Change, Entry, State
from volcasr_async.journal_file import summary
from volcasr_async.sqlite_journal import SqliteJournal

_KEYS: tuple[State, ...] = STATES
_CHARGED: dict[State, Charged] = {"planned": "no", "failed": "no", "sent": "maybe", "uncertain": "maybe"}
_TASK = Task(id=TASK_ID, edition=Standard(), request_id=TASK_ID, submitted_at=1.0, key="k")


def run(data: bytes) -> None:
    """Tell what the journal says, go on with it, and see that what was written then is there again."""
    path = scratch() / "run.db"
    for beside in scratch().glob("run.db*"):
        beside.unlink()
    path.write_bytes(data)
    sound = _is_sound(path)
    _report(path)
    anyio.run(_go_on, path, sound)


def _is_sound(path: Path) -> bool:
    """Ask SQLite whether the pages are as it would leave them; where they are not, it may lose what it is given."""
    try:
        with closing(sqlite3.connect(path)) as database:
            return bool(database.execute("PRAGMA integrity_check").fetchone() == ("ok",))
    except (sqlite3.Error, UnicodeDecodeError, MemoryError):
        return False


def _report(path: Path) -> None:
    try:
        rows = summary(path)
        report = read_report(path, 3)
    except JournalError:
        return
    assert all(row.state in STATES and row.charged in ("no", "maybe", "yes") for row in rows)
    assert all(isinstance(row.count, int) for row in rows)
    assert encode(report)


async def _go_on(path: Path, sound: bool) -> None:
    try:
        journal = await SqliteJournal.open(path)
    except JournalError as error:
        message = told(error)
        assert str(path) in message
        return
    try:
        try:
            await _read(journal)
        finally:
            journal.note(_change("new", "done"))
            await journal.aclose()
        again = await SqliteJournal.open(path)
    except JournalError:
        return
    try:
        assert again.id == journal.id
        found = (await again.look_up(["new"])).get("new")
        if found is None:
            assert not sound
            return
        assert (found.state, found.task) == ("done", Task.from_json(_TASK.to_json().replace('"k"', '"new"')))
        assert await again.transcript("new") == (b'{"x":1}', "log", False)
    except JournalError:
        pass
    finally:
        await again.aclose()


async def _read(journal: SqliteJournal) -> None:
    for key, entry in (await journal.look_up(_KEYS)).items():
        assert isinstance(entry, Entry)
        assert entry.key == key
        assert entry.state in STATES
        assert entry.attempt + 1 > entry.attempt
        kept = await journal.transcript(key)
        assert kept is None or isinstance(kept[0], bytes)


def _change(key: str, state: State) -> Change:
    done = Transcript(text="good", duration_ms=7, raw=b'{"x":1}', log_id="log", task=_TASK)
    return Change(
        key=key,
        state=state,
        edition="standard",
        attempt=0,
        request_id=TASK_ID,
        fingerprint="f",
        charged=_CHARGED.get(state, "yes"),
        task=_TASK if state in ("accepted", "done") else None,
        error=EmptyAudio("nothing in it", code=45000002) if state in ("failed", "uncertain") else None,
        transcript=done if state == "done" else None,
    )


def seeds() -> Iterator[bytes]:
    """Bring a journal with a job in each state, in small pages; an empty one; a file that is no journal."""
    path = scratch() / "seed.db"
    for keys in (_KEYS, _KEYS[:0]):
        for old in scratch().glob("seed.db*"):
            old.unlink()
        anyio.run(_fill, path, keys)
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode = DELETE")
            database.execute("PRAGMA page_size = 512")
            database.execute("VACUUM")
        database.close()
        yield path.read_bytes()
    yield b""
    yield b"https://example.com/a.mp3\n"


async def _fill(path: Path, keys: tuple[State, ...]) -> None:
    journal = await SqliteJournal.open(path)
    for key in keys:
        journal.note(_change(key, key))
    await journal.aclose()


TARGET = Target(
    run, seeds, ("CREATE TABLE", "TEXT", "BLOB", "INTEGER", "PRIMARY KEY", "WITHOUT ROWID", "CHECK", "meta")
)
