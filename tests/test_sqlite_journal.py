"""The journal's file: what it refuses, what it survives, and that what it says is true."""

import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import anyio
import pytest
from journal_kit import ID, change

from volcasr_async.editions import Standard
from volcasr_async.errors import EmptyAudio, JournalError
from volcasr_async.journal import STATES, Journal, request_id_of
from volcasr_async.journal_file import VERSION, summary
from volcasr_async.models import Task, Transcript
from volcasr_async.sqlite_journal import SqliteJournal

pytestmark = pytest.mark.anyio

TASK = Task(id=ID, edition=Standard(), request_id=ID, submitted_at=1.0, key="k")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def query(path: Path, statement: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


async def test_what_is_settled_is_there_again(path: Path) -> None:
    """A key comes back as it was written last, with its task and its transcript."""
    journal: Journal = await SqliteJournal.open(path)
    for state in ("planned", "sent", "accepted"):
        journal.note(change(state=state, task=TASK if state == "accepted" else None))
    journal.note(change("e", "failed", error=EmptyAudio("nothing", code=45000002)))
    await journal.settle()
    done = Transcript(text="good", duration_ms=7, raw=b'{"x":1}', log_id="log", task=TASK)
    journal.note(change("d", "done", task=TASK, transcript=done))
    journal.delivered("d")
    await journal.aclose()
    journal = await SqliteJournal.open(path)
    found = await journal.look_up(["k", "d", "e", "none"])
    assert {key: (entry.state, entry.delivered) for key, entry in found.items()} == {
        "k": ("accepted", False),
        "d": ("done", True),
        "e": ("failed", False),
    }
    assert found["k"].task == TASK
    assert await journal.transcript("d") == (b'{"x":1}', "log", False)
    assert await journal.transcript("k") is None
    assert len(await journal.look_up([str(n) for n in range(1200)] + ["d"])) == 1
    journal.note(change("d", "sent", attempt=1))
    await journal.settle()
    assert not (await journal.look_up(["d"]))["d"].delivered
    await journal.aclose()


async def test_an_id_is_derived(path: Path) -> None:
    """The same journal, key and attempt give the same id, anything else another."""
    journal = await SqliteJournal.open(path)
    first = journal.id
    await journal.aclose()
    journal = await SqliteJournal.open(path)
    assert journal.id == first
    await journal.aclose()
    ids = {request_id_of(first, key, attempt) for key in ("a", "b", "1:a") for attempt in (0, 1, 11)}
    assert len(ids) == 9
    assert request_id_of(first, "a", 0) == request_id_of(first, "a", 0)


async def test_the_documented_tables_are_the_real_ones(path: Path) -> None:
    """Columns, states, version and permissions are as the module says, and plain sqlite3 reads them meanwhile."""
    journal = await SqliteJournal.open(path)
    columns = [row[1] for row in query(path, "PRAGMA table_info(job)")]
    said = " ".join(str(sys.modules[SqliteJournal.__module__].__doc__).split())
    assert ", ".join(columns) in said
    assert [row[1] for row in query(path, "PRAGMA table_info(transcript)")] == ["key", "log_id", "silent", "raw"]
    assert dict(query(path, "SELECT name, value FROM meta"))["id"] == journal.id
    assert query(path, "PRAGMA user_version") == [(VERSION,)]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    for state in STATES:
        journal.note(change(state, state))
    await journal.settle()
    assert sorted(row[0] for row in query(path, "SELECT state FROM job")) == sorted(STATES)
    for file in path.parent.glob("run.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {total.state: total.count for total in summary(path)} == dict.fromkeys(STATES, 1)
    assert "0 to be written" in repr(journal)
    await journal.aclose()


async def _opened(path: Path) -> str:
    with pytest.raises(JournalError) as caught:
        await SqliteJournal.open(path)
    return str(caught.value)


async def test_files_that_are_no_journal(path: Path, tmp_path: Path) -> None:
    """A folder, a missing folder, other data, other databases and newer journals are refused with a cure, unchanged."""
    assert "name a file" in await _opened(tmp_path)
    assert "make it" in await _opened(tmp_path / "none" / "run.db")
    text = b"something else, and long enough for a header of SQLite" * 30
    path.write_bytes(text)
    assert "name another file" in await _opened(path)
    assert path.read_bytes() == text
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()
    assert "something else" in await _opened(other)
    (tmp_path / "x.db-lock").write_bytes(text)
    assert "x.db-lock" in await _opened(tmp_path / "x.db")
    with pytest.raises(JournalError):
        summary(other)
    with pytest.raises(JournalError):
        summary(path)
    with pytest.raises(JournalError):
        summary(tmp_path / "none.db")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (f"PRAGMA user_version = {VERSION + 1}", "newer"),
        ("DELETE FROM meta", "broken"),
        ("UPDATE meta SET value = 'no id'", "broken"),
        ("DROP TABLE meta", "broken"),
    ],
)
async def test_damaged_journals(path: Path, damage: str, said: str) -> None:
    """A newer schema and a journal without its id are refused, and the lock is let go of."""
    journal = await SqliteJournal.open(path)
    await journal.aclose()
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    for _ in range(2):
        assert said in await _opened(path)


async def test_damaged_rows(path: Path) -> None:
    """Rows and tables that cannot be read are `JournalError`, not what lies below."""
    journal = await SqliteJournal.open(path)
    journal.note(change())
    await journal.settle()
    query(path, "SELECT 1")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE job SET task = '{'")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="cannot be read"):
        await journal.look_up(["k"])
    connection = sqlite3.connect(path)
    connection.executescript("DROP TABLE job; DROP TABLE transcript")
    connection.close()
    for ask in (journal.look_up(["k"]), journal.transcript("k")):
        with pytest.raises(JournalError, match="cannot be read"):
            await ask
    await journal.aclose()


async def test_permissions(path: Path) -> None:
    """A file that may not be written is refused with the reason."""
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    path.touch(0o400)
    assert "permissions" in await _opened(path)
    path.parent.chmod(0o500)
    assert "cannot be written" in await _opened(path.with_name("other.db"))


async def test_one_at_a_time(path: Path) -> None:
    """A journal in use is refused, again and again, and free after its end; the refusal takes no lock away."""
    journal = await SqliteJournal.open(path)
    program = "import sys, anyio\nfrom pathlib import Path\nfrom volcasr_async.sqlite_journal import SqliteJournal\nanyio.run(SqliteJournal.open, Path(sys.argv[1]))"
    for _ in range(2):
        assert "in use" in await _opened(path)
        other = subprocess.run(  # noqa: ASYNC221 - nothing else runs
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
        )
        assert "in use" in other.stderr
    await journal.aclose()
    await (await SqliteJournal.open(path)).aclose()


async def test_a_cancelled_settle_loses_nothing(path: Path) -> None:
    """Whenever a settle is cancelled, the next one writes what was noted."""
    journal = await SqliteJournal.open(path)
    for number in range(30):
        journal.note(change(str(number)))
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def cancel(turns: int = number % 6) -> None:
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()

                tasks.start_soon(cancel)
                await journal.settle()
    with anyio.fail_after(10):
        await journal.settle()
    assert len(query(path, "SELECT key FROM job")) == 30
    await journal.aclose()


async def test_what_cannot_be_written_is_no_lie(path: Path) -> None:
    """After a failed write the journal takes nothing more, says why, and holds what was settled before."""
    journal = await SqliteJournal.open(path)
    journal.note(change("before"))
    await journal.settle()
    blocker = sqlite3.connect(path)
    blocker.executescript("CREATE TRIGGER full BEFORE INSERT ON job BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    blocker.close()
    journal.note(change("after"))
    for _ in range(2):
        with pytest.raises(JournalError, match="disk is full"):
            await journal.settle()
    await journal.aclose()
    assert query(path, "SELECT key FROM job") == [("before",)]


DISK_FULL = """
    import resource, signal, sys, anyio
    from pathlib import Path
    from volcasr_async import ApiKey, Limits, VolcASR
    from volcasr_async.errors import JournalError
    from volcasr_async.testing import Simulator

    async def main(path):
        simulator = Simulator(processing_time=0.05)
        limits = Limits(qps=None, concurrency=8)
        asr = VolcASR(ApiKey("0123456789abcdef"), http=simulator.transport(), base_url="http://127.0.0.1:9", limits=limits)
        links = [f"https://example.com/{n}.mp3" for n in range(200)]
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
        done = []
        try:
            async with asr, asr.batch(links, journal=path) as batch:
                async for outcome in batch:
                    done.append(outcome.job.name)
        except JournalError as error:
            print("JournalError", len(done), len(simulator.charges), "cannot be written" in str(error), error.__cause__ is not None)

    anyio.run(main, Path(sys.argv[1]))
"""


def test_a_full_disk(path: Path) -> None:
    """When the disk is full the batch ends with a `JournalError`, and every outcome that came stands in the file."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DISK_FULL), str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("JournalError"), done.stderr
    _, came, charged, said, cause = done.stdout.split()
    assert (said, cause) == ("True", "True")
    states = [row[0] for row in query(path, "SELECT state FROM job")]
    assert states.count("done") >= int(came)
    assert len(states) >= int(charged)
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
