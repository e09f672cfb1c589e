"""The file of a journal: its tables, its lock, what is refused, and what a damaged one is answered with."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from volcasr_async.editions import KEEPS_S
from volcasr_async.errors import Charged, JournalError
from volcasr_async.journal import State
from volcasr_async.journal_migration import migrate

VERSION = 2
_ANOTHER = "name another place"
_APPLICATION_ID = 0x766F6C63  # "volc"

_JOB = """
CREATE TABLE job (
    key TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('planned', 'sent', 'accepted', 'done', 'failed', 'uncertain', 'missing')),
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
    updated_at REAL NOT NULL,
    charged TEXT NOT NULL CHECK (charged IN ('no', 'maybe', 'yes')),
    account TEXT,
    path TEXT,
    before TEXT
) WITHOUT ROWID;
"""
_SCHEMA = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
{_JOB}
CREATE TABLE transcript (key TEXT PRIMARY KEY, log_id TEXT, silent INTEGER NOT NULL, raw BLOB NOT NULL);
"""
_CHARGED_IN_1 = """CASE state WHEN 'planned' THEN 'no' WHEN 'accepted' THEN 'yes' WHEN 'done' THEN 'yes'
WHEN 'failed' THEN CASE WHEN task IS NULL THEN 'no' ELSE 'yes' END ELSE 'maybe' END"""
"""The charge state of a row of 0.1.0 that has not been migrated, as far as a reader needs it."""
DAMAGE: tuple[type[Exception], ...] = (sqlite3.Error, MemoryError, ValueError)
"""What a broken file is answered with: a length that is not true asks for more memory than there is."""


class Opened(Struct, frozen=True):
    """An open journal: its connection, the lock beside it, its id, the sequence number beside it, and its condition.

    `commits` is the highest number of commits that this journal is known to have had.
    """

    connection: sqlite3.Connection
    guard: sqlite3.Connection
    id: str
    sequence: Sequence
    commits: int
    is_behind: bool
    notes: tuple[str, ...]


def open_file(path: Path) -> Opened:
    """Open or make a journal; `JournalError` where it cannot be."""
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


def remedy_for(error: BaseException) -> str:
    """Return what to do about an error of SQLite or of the file system."""
    text = str(error).lower()
    if "full" in text or getattr(error, "errno", None) == errno.ENOSPC:
        return "free space on its disk"
    if "locked" in text or "busy" in text:
        return "another process holds it (a backup, a shell of sqlite3): end that process"
    if "readonly" in text or "read-only" in text or "permission" in text:
        return "make it and its folder writable"
    if "i/o" in text:
        return "its disk reports an error: check it, and continue from a copy of the journal"
    return _ANOTHER


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
        known = remedy_for(error)
        cure = known if known != _ANOTHER else "move it away"
        raise JournalError(f"{beside} is needed as the journal's lock: {error}; {cure}") from error
    return guard


def _connect(path: Path, guard: sqlite3.Connection) -> Opened:
    is_new = _make(path)
    connection = _database(path, patience_s=30)
    try:
        journal_id, sequence = _prepare(connection, path, is_new=is_new)
        commits, is_behind, notes = _examine(connection, path, sequence, is_new=is_new)
    except DAMAGE as error:
        connection.close()
        if remedy_for(error) != _ANOTHER:
            raise JournalError(f"{path} cannot be opened: {error}. Remedy: {remedy_for(error)}") from error
        raise JournalError(f"{path} is no journal, or a broken one: {error}; name another file") from error
    except BaseException:
        connection.close()
        raise
    return Opened(connection, guard, journal_id, sequence, commits, is_behind, notes)


def _database(path: Path, *, patience_s: float) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise JournalError(f"{path} cannot be opened: {error}; {remedy_for(error)}") from error


def _make(path: Path) -> bool:
    """Make the file for its owner only, and return whether it is new.

    A file that is there is not opened: closing it again would end our own locks on it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise JournalError(f"{path} cannot be read and written: see to its permissions") from None
        return False
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror or error}; {remedy_for(error)}") from error
    return True


def _prepare(connection: sqlite3.Connection, path: Path, *, is_new: bool) -> tuple[str, Sequence]:
    """Make the tables in a new file, migrate an older one, and refuse what is not ours."""
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
        # A file without tables is a copy that was made before the first checkpoint: with the old id the request ids stay.
        lost = None if is_new else Sequence(path, "").read()
        mark = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        name = f"INSERT INTO meta VALUES ('id', '{lost.id if lost else uuid4()}');"  # noqa: S608 - our own digits
        connection.executescript(f"BEGIN; {_SCHEMA} {mark} {name} COMMIT;")
    elif version < VERSION:
        migrate(connection, _JOB, VERSION)
    journal_id = str(UUID(meta_of(connection).get("id", "")))
    return journal_id, Sequence(path, journal_id)


def _examine(
    connection: sqlite3.Connection, path: Path, sequence: Sequence, *, is_new: bool
) -> tuple[int, bool, tuple[str, ...]]:
    """Find out whether the journal is complete; return the number of its commits, that, and what to tell about it."""
    meta, beside = meta_of(connection), sequence.read()
    is_behind, notes = _compare(path, meta, beside, place=sequence.place, is_new=is_new)
    rows = {"place": sequence.place} | ({"behind_since": str(time.time())} if is_behind else {})
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows.items())
    # Without this the file has no table until SQLite's first checkpoint, and a copy of it without the -wal file looks new.
    checkpoint(connection, whole=True)
    # Never below the number beside it: otherwise a second restore would not be noticed.
    own = beside.number if beside is not None and beside.id == meta["id"] else 0
    commits = max(own, int(meta.get("sequence", "0")))
    if beside is None or not is_new:  # what stands beside a new file tells of a deleted one, until the first commit
        sequence.write(commits)
    return commits, is_behind or _was_behind(meta), notes


def meta_of(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the rows of the table `meta`."""
    return {str(name): str(value) for name, value in connection.execute("SELECT name, value FROM meta").fetchall()}


def _compare(
    path: Path, meta: dict[str, str], beside: Beside | None, *, place: str, is_new: bool
) -> tuple[bool, tuple[str, ...]]:
    """Return whether the journal is older than what was sent, and what to tell about it.

    The number beside the journal counts its commits. It stays where it is when the journal is replaced by an older copy,
    deleted, or copied without its newest rows.
    """
    written = int(meta.get("sequence", "0"))
    if is_new:
        if beside is None or not beside.number:
            return False, ()
        deleted = f"{path}: the journal that was here has been deleted. What it knew is submitted, and charged, again"
        return False, (f"{deleted}; restore it to prevent that",)
    moved = "place" in meta and meta["place"] != place
    behind = (
        f"{path} is older than what was sent: it was restored from an earlier copy, or copied without its -wal file. "
        "Recordings that it does not know as sent are queried, then submitted under the request id that they had: if the "
        "service accepted one, and refuses repeated ids, it is not charged again. On v1 and flash they are uncertain"
    )
    if beside is not None and beside.id == meta["id"]:
        # Used in different places last, the two do not belong together: the number may be too low.
        is_apart = "place" in meta and meta["place"] != beside.place
        return (True, (behind,)) if beside.number > written or is_apart else (False, ())
    if moved or beside is not None or written:
        # Nothing tells whether more was sent after the copy was made, or from where it was made.
        return True, (behind,)
    return False, ()


def _was_behind(meta: dict[str, str]) -> bool:
    """Return whether the journal was found older than what was sent so lately that the service still has the results."""
    return time.time() - float(meta.get("behind_since", "-inf")) < KEEPS_S


class Beside(Struct, frozen=True):
    """What stands in the file beside a journal: its id, the number of its commits, and where it was used last."""

    id: str
    number: int
    place: str


class Sequence:
    """The number of commits, in a small file beside the journal; written after each commit, without waiting for the disk.

    A killed process loses nothing of it. After a power cut it may be too low, which is harmless.
    """

    def __init__(self, journal: Path, journal_id: str) -> None:
        real = Path(os.path.realpath(journal))  # a journal that has two names is one journal
        self._path, self._id = real.with_name(real.name + "-seq"), journal_id
        self.place: str = hashlib.sha256(os.fsencode(f"{platform.node()}:{real}")).hexdigest()[:16]
        self._file: int | None = None

    def read(self) -> Beside | None:
        """Return what the file says; `None` where there is none, or one that is damaged."""
        try:
            name, number, place = self._path.read_text("ascii").split()
            return Beside(str(UUID(name)), int(number), place)
        except (OSError, ValueError):
            return None

    def write(self, number: int) -> None:
        """Write the number; the journal itself is what counts, so a failure is none."""
        with suppress(OSError):
            if self._file is None:
                flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
                self._file = os.open(self._path, flags, 0o600)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, f"{self._id} {number:020d} {self.place}\n".encode())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def checkpoint(connection: sqlite3.Connection, *, whole: bool = False) -> None:
    """Move what was committed from the -wal file into the journal itself, as far as no reader is in the way."""
    with suppress(sqlite3.OperationalError):
        connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if whole else 'PASSIVE'})").fetchall()


class Total(Struct, frozen=True):
    """The rows in one state and charge state: `count`, the length of their audio, and the tasks besides the first of each row."""

    state: State
    charged: Charged
    count: int
    audio_ms: int
    repeats: int = 0


def summary(path: Path) -> list[Total]:
    """Return the totals of a journal, also while a batch writes to it."""
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
            charged = charged_column(connection)
            rows = connection.execute(
                f"SELECT state, {charged}, count(*), coalesce(sum(audio_ms), 0), sum(attempt) FROM job GROUP BY 1, 2"  # noqa: S608
            )
            found = msgspec.convert(rows.fetchall(), list[tuple[State, Charged, int, int, int]], strict=False)
            return [Total(*row) for row in found]
    except DAMAGE as error:
        raise unreadable(path, error) from error


def charged_column(connection: sqlite3.Connection) -> str:
    """Return the SQL for the charge state of a row, which a journal of 0.1.0 does not hold."""
    return "charged" if connection.execute("PRAGMA user_version").fetchone()[0] >= VERSION else _CHARGED_IN_1


def unreadable(path: Path, error: Exception) -> JournalError:
    """Say what to do about a damaged file."""
    return JournalError(f"{path} cannot be read: {error}; take a copy and begin a new journal")
