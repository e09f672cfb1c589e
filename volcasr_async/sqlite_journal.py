"""The record of a batch: an SQLite file that says of each recording how far it has come.

Commits are grouped: whoever needs one waits for the one under way and then takes all that was noted meanwhile along.

`synchronous=FULL` in WAL mode: a commit returns when the disk has it, so neither a killed process nor lost power takes
back what was answered. Groups make that affordable.

The file stays readable with plain `sqlite3`:

    job         key, state, edition, attempt, request_id, fingerprint, task, error_class, error, audio_ms, delivered,
                planned_at, updated_at, charged, account, path, before (times in seconds since 1970, charged: no, maybe or yes)
    transcript  key, log_id, silent, raw (the reply's body as it came)
    meta        name, value: id (which the request ids are made from), host, account, sequence (the number of commits), ...;
                `PRAGMA user_version` is the schema's

`journal` says what each `state` means.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import anyio
import anyio.to_thread
import msgspec
from msgspec import Struct

from volcasr_async.errors import JournalError, ReplyError
from volcasr_async.journal import Change, Condition, Entry
from volcasr_async.journal_file import DAMAGE, Opened, checkpoint, meta_of, open_file, remedy_for, unreadable
from volcasr_async.journal_rows import JobRow, entry_of, kept_of, result_of, row_of
from volcasr_async.models import Transcript

_UPSERT = """
INSERT INTO job (key, state, edition, attempt, request_id, fingerprint, task, error_class, error, audio_ms, delivered,
                 planned_at, updated_at, charged, account, path, before)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    state = excluded.state, edition = excluded.edition, attempt = excluded.attempt, request_id = excluded.request_id,
    fingerprint = excluded.fingerprint, task = excluded.task, error_class = excluded.error_class,
    error = excluded.error, audio_ms = coalesce(excluded.audio_ms, audio_ms), delivered = 0, updated_at = excluded.updated_at,
    charged = excluded.charged, account = excluded.account, path = excluded.path, before = excluded.before
"""
_KEEP = "INSERT OR REPLACE INTO transcript (key, log_id, silent, raw) VALUES (?, ?, ?, ?)"
_DELIVERED = "UPDATE job SET delivered = 1 WHERE key = ?"
_DONE = "SELECT key FROM job WHERE state = 'done' AND delivered"
_UNDELIVERED = "UPDATE job SET delivered = 0 WHERE key = ?"
# The task of what has been delivered is not looked at again: to leave it out halves the way through a long list.
_LOOK_UP = (
    "SELECT key, state, attempt, request_id, fingerprint, CASE WHEN delivered AND NOT ? THEN NULL ELSE task END, delivered, "
    "charged, updated_at, account, path, before "
    "FROM job WHERE key IN ({})"
)
_RESULTS = """
SELECT job.key, transcript.raw, transcript.log_id, transcript.silent, job.task
FROM transcript JOIN job USING (key) WHERE job.state = 'done' AND job.key > ? ORDER BY job.key LIMIT 8
"""
_SET = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_TRANSCRIPT = "SELECT raw, log_id, silent FROM transcript WHERE key = ?"
_KEYS_AT_ONCE = 500
_UNREADABLE: tuple[type[Exception], ...] = (*DAMAGE, ReplyError)
_CHECKPOINT_S = 1.0
_T = TypeVar("_T")


class Fact(Struct, frozen=True):
    """A row of the table `meta`."""

    name: str
    value: str


class SqliteJournal:
    """The journal in one SQLite file, for one process at a time."""

    def __init__(self, path: Path, opened: Opened) -> None:
        self.path = path
        self.id: str = opened.id
        self._opened, self._connection, self._guard = opened, opened.connection, opened.guard
        self._place = path.absolute()  # the process may change its directory meanwhile
        self._inode = self._place.stat().st_ino
        self._commits = opened.commits
        self._checkpoint_at = time.monotonic() + _CHECKPOINT_S
        self._noted: list[Change | Fact | str] = []
        self._count, self._settled, self._lock = 0, 0, anyio.Lock(fast_acquire=True)
        self._broken: JournalError | None = None

    def __repr__(self) -> str:
        return f"<SqliteJournal {self.path} [{self._count - self._settled} to be written]>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @classmethod
    async def open(cls, path: str | PathLike[str], *, create: bool = True) -> SqliteJournal:
        """Open a journal, and create the file if there is none, unless *create* is false.

        Close it with `aclose`, or use it as an async context manager.

        Raises `JournalError` for a file that is not a journal, is broken or in use, or does not exist.
        """
        path = Path(path)
        if not create and not path.exists():
            raise JournalError(f"there is no journal {path}: give the path of the batch's journal")
        opened: list[SqliteJournal] = []
        try:
            await _whole(lambda: anyio.to_thread.run_sync(lambda: opened.append(cls(path, open_file(path)))))
        except BaseException:
            for journal in opened:
                await journal.aclose()
            raise
        return opened[0]

    async def bind(self, host: str, account: str) -> Condition:
        """Take the journal for one service and one digest of credentials, and return its condition.

        Raises `JournalError` for a journal that belongs to another host.
        """
        async with self._lock:
            return await _whole(lambda: anyio.to_thread.run_sync(self._bind, host, account))

    async def look_up(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what is known of these keys, as far as it was written.

        The task of a recording that is done and delivered is left out.
        """
        async with self._lock:
            return await _whole(lambda: anyio.to_thread.run_sync(self._look_up, keys, False))

    async def look_up_with_tasks(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Return the same with all tasks."""
        async with self._lock:
            return await _whole(lambda: anyio.to_thread.run_sync(self._look_up, keys, True))

    async def transcript(self, key: str) -> tuple[bytes, str | None, bool] | None:
        """Return what was kept of a done job; `None` for none."""
        async with self._lock:
            return await _whole(lambda: anyio.to_thread.run_sync(self._transcript, key))

    async def results(self) -> AsyncIterator[tuple[str, Transcript]]:
        """Return the key and the transcript of every recording that is done, in the order of the keys.

        Nothing is sent. The rows are read as they are asked for, a few at a time, so the memory does not grow with the
        journal. Recordings that failed or are not finished are left out.

        Raises `JournalError` for a row that cannot be read.
        """
        after = ""
        while rows := await self._page_of_results(after):
            for key, transcript in rows:
                yield key, transcript
            after = rows[-1][0]

    async def _page_of_results(self, after: str) -> list[tuple[str, Transcript]]:
        await self.settle()
        async with self._lock:
            return await _whole(lambda: anyio.to_thread.run_sync(self._results_after, after))

    async def bring_again(self, lacks: Callable[[str], bool]) -> int:
        """Count as not delivered what is done and the caller *lacks*, by its key; the next run brings it. Tells how many."""
        async with self._lock:
            return await _whole(lambda: anyio.to_thread.run_sync(self._undeliver, lacks))

    def note(self, change: Change) -> None:
        """Note a change, in memory until it is settled."""
        self._noted.append(change)
        self._count += 1

    def note_own_task_ids(self) -> None:
        """Note that the service gives tasks ids of its own."""
        self._noted.append(Fact("own_task_ids", "1"))
        self._count += 1

    def delivered(self, key: str) -> None:
        """Write down that the caller has taken care of an outcome."""
        self._noted.append(key)
        self._count += 1

    async def settle(self) -> None:
        """Commit, together with whatever others noted meanwhile."""
        until = self._count
        while self._settled < until:
            async with self._lock:
                if self._settled >= until:
                    return
                await self._write()

    async def aclose(self) -> None:
        """Write the rest and let go of the file."""
        await _whole(self._leave)

    async def _leave(self) -> None:
        try:
            if self._broken is None:
                await self.settle()
        finally:
            await anyio.to_thread.run_sync(self._close)

    async def _write(self) -> None:
        if self._broken is not None:
            raise self._broken
        changes, self._noted = self._noted, []
        await _whole(lambda: anyio.to_thread.run_sync(self._keep, changes))

    # ---- in a thread ----

    def _keep(self, changes: list[Change | Fact | str]) -> None:
        try:
            self._check_place()
            self._commit(changes)
        except Exception as error:
            if isinstance(error, JournalError):
                self._broken = error
                raise
            more = (
                f"Its rows are true. Remedy: {remedy_for(error)}, then run the batch again, which continues from there"
            )
            self._broken = JournalError(f"{self.path} cannot be written: {error}. {more}")
            raise self._broken from error
        self._settled += len(changes)
        self._opened.sequence.write(self._commits)
        if time.monotonic() >= self._checkpoint_at:
            checkpoint(self._connection)
            self._checkpoint_at = time.monotonic() + _CHECKPOINT_S

    def _check_place(self) -> None:
        """Refuse to write into a file that nobody can open any more."""
        try:
            found = self._place.stat().st_ino
        except OSError:
            found = None
        if found != self._inode:
            raise JournalError(
                f"{self.path} was deleted or replaced while a batch used it, and what was written since is lost with it. "
                "Keep the file in its place, and run the batch again"
            )

    def _bind(self, host: str, account: str) -> Condition:
        try:
            meta = meta_of(self._connection)
            if meta.get("host", host) != host:
                raise JournalError(
                    f"{self.path} belongs to the service at {meta['host']}, not to {host}: results of the two must not mix. "
                    "Name another journal"
                )
            other = meta.get("account", account) != account
            rows = {"host": host, "account": account} | ({"several_accounts": "1"} if other else {})
            self._connection.executemany(_SET, rows.items())
            [(newest,)] = self._connection.execute("SELECT max(updated_at) FROM job").fetchall()
        except DAMAGE as error:
            raise unreadable(self.path, error) from error
        notes = list(self._opened.notes)
        if other:
            notes.append(
                f"{self.path} was last used with other credentials: tasks that those submitted are queried, and never "
                "submitted again with these"
            )
        return Condition(
            is_behind=self._opened.is_behind,
            was_behind="behind_since" in meta,
            other_account=other or "several_accounts" in meta,
            own_task_ids=meta.get("own_task_ids") == "1",
            newest_at=newest if isinstance(newest, float) else None,
            notes=tuple(notes),
        )

    def _commit(self, changes: Iterable[Change | Fact | str]) -> None:
        now, connection = time.time(), self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._commits += 1
            connection.execute(_SET, ("sequence", str(self._commits)))
            for change in changes:
                if isinstance(change, Fact):
                    connection.execute(_SET, (change.name, change.value))
                    continue
                if isinstance(change, str):
                    connection.execute(_DELIVERED, (change,))
                    continue
                connection.execute(_UPSERT, row_of(change, now))
                if (done := change.transcript) is not None:
                    connection.execute(_KEEP, (change.key, done.log_id, done.silent, done.raw))
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def _look_up(self, keys: Sequence[str], all_tasks: bool) -> dict[str, Entry]:
        found = {}
        try:
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                part = keys[start : start + _KEYS_AT_ONCE]
                statement = _LOOK_UP.format(",".join("?" * len(part)))
                rows = self._connection.execute(statement, [all_tasks, *part]).fetchall()
                # Held against their types, which SQLite does not: a file may be damaged, or mended by hand.
                for row in msgspec.convert(rows, list[JobRow]):
                    found[row[0]] = entry_of(row)
        except DAMAGE as error:
            raise unreadable(self.path, error) from error
        return found

    def _transcript(self, key: str) -> tuple[bytes, str | None, bool] | None:
        try:
            row = self._connection.execute(_TRANSCRIPT, (key,)).fetchone()
            return None if row is None else kept_of(row)
        except DAMAGE as error:
            raise unreadable(self.path, error) from error

    def _results_after(self, key: str) -> list[tuple[str, Transcript]]:
        try:
            return [result_of(row) for row in self._connection.execute(_RESULTS, (key,)).fetchall()]
        except _UNREADABLE as error:
            raise unreadable(self.path, error) from error

    def _undeliver(self, lacks: Callable[[str], bool]) -> int:
        try:
            missing = [row for row in self._connection.execute(_DONE).fetchall() if lacks(str(row[0]))]
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_UNDELIVERED, missing)
            self._connection.execute("COMMIT")
        except DAMAGE as error:
            self._connection.rollback()
            raise unreadable(self.path, error) from error
        return len(missing)

    def _close(self) -> None:
        checkpoint(self._connection, whole=True)
        self._connection.close()
        self._opened.sequence.close()
        self._guard.close()


async def _whole(work: Callable[[], Awaitable[_T]]) -> _T:
    """Do it to its end, whoever cancels: in a task of its own, for asyncio's own `Task.cancel` passes every shield.

    It leaves a thread to itself, which would go on with a connection that others use or close meanwhile.
    """
    results: list[_T] = []
    errors: list[Exception] = []

    async def run() -> None:
        with anyio.CancelScope(shield=True):
            try:
                results.append(await work())
            except Exception as error:  # noqa: BLE001 - raised again below, outside the group
                errors.append(error)

    with anyio.CancelScope(shield=True):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
    if errors:
        raise errors[0]
    return results[0]
