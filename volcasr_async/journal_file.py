"""The file of a journal: its tables, its lock, what is refused, and what a damaged one is answered with."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import msgspec

from volcasr_async.errors import JournalError
from volcasr_async.journal import State

VERSION = 1
_APPLICATION_ID = 0x766F6C63  # "volc"

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE job (
    key TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('planned', 'sent', 'accepted', 'done', 'failed', 'uncertain')),
    edition TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task TEXT,
    error_class TEXT,
    error TEXT,
    audio_ms INTEGER,
    delivered INTEGER NOT NULL DEFAULT 0,
    planned_at REAL NOT NULL,
    updated_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE transcript (key TEXT PRIMARY KEY, log_id TEXT, silent INTEGER NOT NULL, raw BLOB NOT NULL);
"""
_SUMMARY = "SELECT state, count(*), coalesce(sum(audio_ms), 0) FROM job GROUP BY state"
DAMAGE: tuple[type[Exception], ...] = (sqlite3.Error, MemoryError, ValueError)
"""What a broken file is answered with: a length that is not true asks for more memory than there is."""


def open_file(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection, str]:
    """Open or make a journal: the connection, the lock beside it, the journal's id. `JournalError` where it cannot be."""
    with _possible(path):
        if not path.parent.is_dir():
            raise JournalError(f"{path.parent} is no folder: make it, or name another place for the journal")
        if path.is_dir():
            raise JournalError(f"{path} is a folder; name a file for the journal")
        guard = _guard(Path(os.path.realpath(path)))  # a journal that has two names is one journal
    try:
        return _connect(path, guard)
    except BaseException:
        guard.close()
        raise


@contextmanager
def _possible(path: Path) -> Iterator[None]:
    """Refuse a name that no file can have, or one in a folder that may not be entered."""
    try:
        yield
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise JournalError(f"{str(path)!r} can be no journal: {why}; name another place") from error


def _guard(path: Path) -> sqlite3.Connection:
    """Hold a lock beside the journal that ends with the process, while anybody may go on reading the journal itself."""
    _make(beside := path.with_name(path.name + "-lock"))
    guard = _database(beside, patience_s=0)
    try:
        guard.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        guard.close()
        if "locked" in str(error):
            raise JournalError(f"{path} is in use: wait for that batch's end, or use a journal of your own") from error
        cure = "see to its folder's permissions" if "readonly" in str(error) else "move it away"
        raise JournalError(f"{beside} is needed as the journal's lock: {error}; {cure}") from error
    return guard


def _connect(path: Path, guard: sqlite3.Connection) -> tuple[sqlite3.Connection, sqlite3.Connection, str]:
    _make(path)
    connection = _database(path, patience_s=10)
    try:
        return connection, guard, _prepare(connection, path)
    except DAMAGE as error:
        connection.close()
        raise JournalError(f"{path} is no journal, or a broken one: {error}; name another file") from error
    except BaseException:
        connection.close()
        raise


def _database(path: Path, *, patience_s: float) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise JournalError(f"{path} cannot be opened: {error}; name another place") from error


def _make(path: Path) -> None:
    """Make the file for its owner only. One that is there is not opened: closing it again would end our own locks on it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise JournalError(f"{path} cannot be read and written: see to its permissions") from None
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror or error}; name another place") from error


def _prepare(connection: sqlite3.Connection, path: Path) -> str:
    """Make the tables in a new file; refuse a file that is not ours or newer than this library."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application not in (0, _APPLICATION_ID) or (application == 0 and tables):
        raise JournalError(f"{path} is a database of something else; name another file for the journal")
    if version > VERSION:
        raise JournalError(
            f"{path} was written by a newer volcasr (schema {version}, this one knows {VERSION}): update"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if not tables:
        mark = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        name = f"INSERT INTO meta VALUES ('id', '{uuid4()}');"  # noqa: S608 - our own digits
        connection.executescript(f"BEGIN; {_SCHEMA} {mark} {name} COMMIT;")
    [(name,)] = connection.execute("SELECT value FROM meta WHERE name = 'id'").fetchall()
    return str(UUID(str(name)))


def summary(path: Path) -> list[tuple[State, int, int]]:
    """Read states with their counts and audio milliseconds, also while a batch writes."""
    with _possible(path):
        if not path.is_file():
            more = "; it is a folder: name the file in it" if path.is_dir() else ""
            raise JournalError(f"there is no journal {path}{more}")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
                raise JournalError(
                    f"{path} is no journal of volcasr, or its batch was killed at its very start: run it again"
                )
            return msgspec.convert(connection.execute(_SUMMARY).fetchall(), list[tuple[State, int, int]], strict=False)
    except DAMAGE as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> JournalError:
    """Say what to do about a damaged file."""
    return JournalError(f"{path} cannot be read: {error}; take a copy and begin a new journal")
