"""Row 16 of the attack on 0.1.0, and the journal that is deleted while it is used or cannot be opened."""

import resource
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from charges_kit import FLASH, STANDARD, V1, links, outcomes_of, polled, rows, tasks_in, warnings_of
from io_kit import client

from volcasr_async import Done
from volcasr_async.errors import JournalError
from volcasr_async.testing import Simulator

pytestmark = pytest.mark.anyio

LIST = links(9)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is waited for only a moment: SQLite's patience is on the real clock."""
    connect: Any = sqlite3.connect

    def quick(path: Any, **more: Any) -> Any:
        return connect(path, **(more | {"timeout": 0.05}))

    monkeypatch.setattr(sqlite3, "connect", quick)


@polled
@pytest.mark.usefixtures("_impatient")
async def test_a_journal_that_another_process_has_locked(
    journal: Path, edition: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 16: the error carries the charged tasks, the log has them as JSON, and both name the cause."""
    simulator = Simulator(processing_time=20, reply_delay=1.0)
    async with client(simulator, edition=edition) as asr:
        with ExitStack() as open_files, pytest.raises(JournalError) as caught:
            async with asr.batch(LIST, journal=journal) as batch:
                await anyio.sleep(0.5)  # the submits have left, and are not answered
                other = open_files.enter_context(closing(sqlite3.connect(journal, isolation_level=None)))
                other.execute("BEGIN IMMEDIATE")
                async for _ in batch:
                    pass
        assert len(simulator.charges) == 9
        assert {task.id for task in caught.value.tasks} == {charge.task_id for charge in simulator.charges}
        assert {task.request_id for task in caught.value.tasks} == tasks_in(warnings_of(caplog))
        assert "another process holds it" in str(caught.value)
        assert "make room" not in str(caught.value)
        for task in caught.value.tasks:
            assert (await asr.wait(task)).text
    assert len(simulator.charges) == 9


# ---- deleted while it is used ----


@polled
async def test_a_journal_that_is_deleted_while_submits_are_answered(
    journal: Path, edition: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch ends at the next write, and its error carries the accepted tasks."""
    simulator = Simulator(processing_time=20, reply_delay=1.0)
    async with client(simulator, edition=edition) as asr:
        with pytest.raises(JournalError, match="deleted or replaced") as caught:
            async with asr.batch(LIST, journal=journal) as batch:
                await anyio.sleep(0.5)
                journal.unlink()
                async for _ in batch:
                    pass
    assert {task.id for task in caught.value.tasks} == {charge.task_id for charge in simulator.charges}
    assert tasks_in(warnings_of(caplog)) == {task.request_id for task in caught.value.tasks}


@polled
async def test_a_journal_that_is_deleted_while_tasks_run(
    journal: Path, edition: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The tasks whose rows were lost with the file are handed over as well."""
    simulator = Simulator(processing_time=20)
    outcomes: list[Any] = []
    async with client(simulator, edition=edition) as asr:
        with pytest.raises(JournalError, match="deleted or replaced") as caught:
            async with asr.batch(LIST, journal=journal) as batch:
                await anyio.sleep(1.0)
                journal.unlink()
                async for outcome in batch:
                    outcomes.append(outcome)
    assert len(simulator.charges) == 9
    brought = {one.transcript.task.id for one in outcomes if isinstance(one, Done) and one.transcript.task}
    handed = {task.id for task in caught.value.tasks}
    assert handed | brought == {charge.task_id for charge in simulator.charges}
    assert len(tasks_in(warnings_of(caplog))) == len(handed)


@pytest.mark.parametrize("edition", [STANDARD, FLASH, V1], ids=lambda edition: edition.name)
async def test_a_journal_that_is_replaced_by_another_file(journal: Path, edition: Any) -> None:
    """Nothing more is submitted once that was noticed."""
    simulator = Simulator(processing_time=5, flash_time=0.5)
    async with client(simulator, edition=edition) as asr:
        with pytest.raises(JournalError, match="deleted or replaced"):
            async with asr.batch(links(500), journal=journal, window=5) as batch:
                async for _ in batch:
                    if journal.exists() and not journal.with_name("moved.db").exists():
                        journal.rename(journal.with_name("moved.db"))
                        journal.write_bytes(b"")
    assert len(simulator.charges) < 60
    assert "done" in rows(journal.with_name("moved.db"))


# ---- a disk that is full when the journal is opened ----

OPEN_ON_A_FULL_DISK = """
    import resource, signal, sys, anyio
    from pathlib import Path
    from volcasr_async.errors import JournalError
    from volcasr_async.sqlite_journal import SqliteJournal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    try:
        anyio.run(SqliteJournal.open, Path(sys.argv[1]))
    except JournalError as error:
        print(error)
"""


@pytest.mark.parametrize("room", [0, 4096, 20_000])
def test_a_full_disk_at_the_opening_names_its_remedy(journal: Path, room: int) -> None:
    """It is the disk that has to be seen to: another name on it would not help."""
    assert resource.RLIMIT_FSIZE
    command = [sys.executable, "-c", textwrap.dedent(OPEN_ON_A_FULL_DISK), str(journal), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "disk" in done.stdout, done.stdout + done.stderr
    assert "name another" not in done.stdout


async def test_an_outcome_is_never_delivered_by_a_journal_that_is_gone(journal: Path) -> None:
    """The next run of what is left in its place begins anew, and says so."""
    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(JournalError):
            async with asr.batch(links(200), journal=journal, window=10) as batch:
                async for _ in batch:
                    journal.unlink(missing_ok=True)
        assert await outcomes_of(asr, []) == []
