"""A journal of 0.1.0, which recorded no charge state: each state and each class of error that it could hold."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from charges_kit import FLASH, STANDARD, V1, change, charged_of, errors, links, names, rows, run

from volcasr_async.editions import Edition
from volcasr_async.errors import JournalError
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Simulator

pytestmark = pytest.mark.anyio

AS_IN_0_1_0 = """
    ALTER TABLE job RENAME TO present;
    CREATE TABLE job (
        key TEXT PRIMARY KEY, state TEXT NOT NULL, edition TEXT NOT NULL, attempt INTEGER NOT NULL,
        request_id TEXT NOT NULL, fingerprint TEXT NOT NULL, task TEXT, error_class TEXT, error TEXT, audio_ms INTEGER,
        delivered INTEGER NOT NULL DEFAULT 0, planned_at REAL NOT NULL, updated_at REAL NOT NULL) WITHOUT ROWID;
    INSERT INTO job SELECT key, state, edition, attempt, request_id, fingerprint, task, error_class, error, audio_ms,
        delivered, planned_at, updated_at FROM present;
    DROP TABLE present;
    DELETE FROM meta WHERE name <> 'id';
    PRAGMA user_version = 1;
"""
# state, class, text, whether it has a task; state and charge of standard after the migration, and of v1 and flash without a task
ROWS: list[tuple[str, str | None, str, bool, str, str | None]] = [
    ("planned", None, "", False, "planned no", "planned no"),
    ("sent", None, "", False, "sent maybe", "sent maybe"),
    ("accepted", None, "", True, "accepted yes", None),
    ("done", None, "", True, "done yes", "done yes"),
    ("uncertain", "SubmitUncertain", "it is not known whether", False, "uncertain maybe", "uncertain maybe"),
    # ended with a task: only a listed final code ended it
    ("failed", "BadAudioFormat", "45000151: wrong format", True, "failed yes", None),
    ("failed", "EmptyAudio", "45000002: empty", True, "failed yes", None),
    ("failed", "AudioDownloadFailed", "45000006: no", True, "failed yes", None),
    ("failed", "AudioTooLong", "1010: too long", True, "failed yes", None),
    ("failed", "AudioTooLarge", "45000132: too large", True, "failed yes", None),
    ("failed", "ServerError", "55001010: timed out", True, "failed yes", None),
    ("failed", "ServerError", "55000000: internal", True, "accepted yes", None),
    ("failed", "InvalidRequest", "HTTP 404 (edition standard)", True, "accepted yes", None),
    ("failed", "InvalidRequest", "45000000: other", True, "accepted yes", None),
    ("failed", "InvalidRequest", "45000001: repeated", True, "accepted yes", None),
    ("failed", "ReplyError", "the reply has no status code that fits", True, "accepted yes", None),
    ("failed", "TransportError", "reset", True, "accepted yes", None),
    ("failed", "WaitTimeout", "after 3 h", True, "accepted yes", None),
    ("failed", "RateLimited", "45000292: moon", True, "accepted yes", None),
    ("failed", "TaskNotFound", "45000000: cannot find task", True, "missing yes", None),
    # ended without one
    ("failed", "BadAudioFormat", "45000151: wrong format", False, "failed no", "failed no"),
    ("failed", "InputError", "no audio", False, "failed no", "failed no"),
    ("failed", "RateLimited", "45000292: moon", False, "failed no", "failed no"),
    ("failed", "InvalidRequest", "45000001: repeated", False, "sent maybe", "failed no"),
    ("failed", "InvalidRequest", "HTTP 404 (edition standard)", False, "sent maybe", "uncertain maybe"),
    ("failed", "InvalidRequest", "45000077: unlisted", False, "sent maybe", "uncertain maybe"),
    ("failed", "ServerError", "55000000: internal", False, "sent maybe", "uncertain maybe"),
    ("failed", "TransportError", "reset", False, "sent maybe", "uncertain maybe"),
    ("failed", "ReplyError", "odd", False, "sent maybe", "uncertain maybe"),
    ("failed", "WaitTimeout", "after 3 h", False, "sent maybe", "uncertain maybe"),
    ("failed", "TaskNotFound", "45000000: cannot find task", False, "sent maybe", "uncertain maybe"),
]
NAMES = dict(zip(sorted(links(len(ROWS))), ROWS, strict=True))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def written_by_0_1_0(simulator: Simulator, journal: Path, edition: Edition, recordings: list[str]) -> None:
    """Write what 0.1.0 would have written of recordings that the service has charged once."""
    assert len(names(await run(simulator, recordings, client_with={"edition": edition}, journal=journal))) == len(
        recordings
    )
    for link in recordings:
        state, kind, text, has_task, *_ = NAMES[link]
        task = "task" if has_task else "NULL"
        change(
            journal,
            f"UPDATE job SET state = ?, error_class = ?, error = ?, delivered = 0, task = {task} WHERE key = ?",
            state, kind, text or None, link,
        )  # fmt: skip
        if state != "done":
            change(journal, "DELETE FROM transcript WHERE key = ?", link)
    database = sqlite3.connect(journal)
    database.executescript(AS_IN_0_1_0)
    database.close()
    journal.with_name("run.db-seq").unlink()


def fitting(edition: Edition) -> list[str]:
    """The recordings whose rows 0.1.0 could have written for this edition."""
    return [link for link, row in NAMES.items() if edition is STANDARD or row[5] is not None]


@pytest.mark.parametrize("edition", [STANDARD, V1, FLASH], ids=lambda edition: edition.name)
async def test_each_row_gets_a_state_that_charges_nothing_again(journal: Path, edition: Edition) -> None:
    """The table above; the file is migrated in place, and opening it twice changes nothing more."""
    recordings = fitting(edition)
    await written_by_0_1_0(Simulator(), journal, edition, recordings)
    for _ in range(2):
        await (await SqliteJournal.open(journal)).aclose()
        found = dict(zip(recordings, rows(journal, "state || ' ' || charged"), strict=True))
        assert found == {link: NAMES[link][4 if edition is STANDARD else 5] for link in recordings}
        assert all(
            task is not None
            for state, task in rows(journal, "state, task")
            if state in ("sent", "accepted") and edition is STANDARD
        )


@pytest.mark.parametrize("edition", [STANDARD, V1, FLASH], ids=lambda edition: edition.name)
@pytest.mark.parametrize("reuse_charges", [False, True])
async def test_the_next_run_charges_only_what_ended_or_was_refused(
    journal: Path, edition: Edition, reuse_charges: bool
) -> None:
    """Everything that the service may have is queried first, and fetched; v1 and flash report what they cannot query."""
    recordings = fitting(edition)
    simulator = Simulator(reuse_charges=reuse_charges)
    await written_by_0_1_0(simulator, journal, edition, recordings)
    outcomes = await run(simulator, recordings, client_with={"edition": edition}, journal=journal)
    again = [
        link
        for link in recordings
        if NAMES[link][4 if edition is STANDARD else 5] in ("failed yes", "failed no", "planned no")
    ]
    twice = {source for source, count in simulator.charges_by_source.items() if count > 1}
    assert max(simulator.charges_by_source.values()) == 2
    assert twice <= set(again)
    doubtful = [link for link in recordings if (NAMES[link][5] or "").endswith("maybe") and edition is not STANDARD]
    assert sorted(one.job.name for one in outcomes) == recordings
    assert len(errors(outcomes)) == len(doubtful)
    assert charged_of(outcomes) <= {"maybe"}
    assert names(outcomes) == [link for link in recordings if link not in doubtful]
    assert await run(simulator, names(outcomes), client_with={"edition": edition}, journal=journal) == []


async def test_a_migration_that_is_cut_off_leaves_the_file_as_it_was(journal: Path) -> None:
    """It is one transaction; the next opening makes it whole."""
    await written_by_0_1_0(Simulator(), journal, STANDARD, fitting(STANDARD))
    change(journal, "UPDATE job SET attempt = 'x' WHERE key = ?", fitting(STANDARD)[-1])
    before = rows(journal, "*")
    change(journal, "CREATE TRIGGER cut BEFORE DELETE ON meta BEGIN SELECT 1; END")
    change(journal, "CREATE TABLE job_1 (x)")
    with pytest.raises(JournalError):
        await SqliteJournal.open(journal)
    assert rows(journal, "*") == before
    change(journal, "DROP TABLE job_1")
    change(journal, "UPDATE job SET attempt = 0")
    await (await SqliteJournal.open(journal)).aclose()
    assert "charged" in columns(journal)


def columns(journal: Path) -> list[Any]:
    database = sqlite3.connect(journal)
    found = [row[1] for row in database.execute("PRAGMA table_info(job)")]
    database.close()
    return found
