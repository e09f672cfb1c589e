"""What a row of the journal says, to this library and to whoever reads the file with plain `sqlite3`."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from journal_kit import ID, change

from volcasr_async.editions import Standard
from volcasr_async.errors import EmptyAudio, InputError, JournalError
from volcasr_async.journal_file import Total, summary
from volcasr_async.models import Task, Transcript
from volcasr_async.sqlite_journal import SqliteJournal

pytestmark = pytest.mark.anyio

TASK = Task(id=ID, edition=Standard(), request_id=ID, submitted_at=1.0, key="told otherwise")


def row(path: Path, key: str) -> dict[str, Any]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        return dict(connection.execute("SELECT * FROM job WHERE key = ?", (key,)).fetchone())
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


FIRST_RELEASE = f"""
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE job (key TEXT PRIMARY KEY, state TEXT NOT NULL, edition TEXT NOT NULL, attempt INTEGER NOT NULL,
        request_id TEXT NOT NULL, fingerprint TEXT NOT NULL, task TEXT, error_class TEXT, error TEXT, audio_ms INTEGER,
        delivered INTEGER NOT NULL DEFAULT 0, planned_at REAL NOT NULL, updated_at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE transcript (key TEXT PRIMARY KEY, log_id TEXT, silent INTEGER NOT NULL, raw BLOB NOT NULL);
    INSERT INTO meta VALUES ('id', '{ID}');
    INSERT INTO job VALUES ('k', 'done', '{{}}', 3, 'r', 'f', NULL, NULL, NULL, 5, 0, 1.0, 2.0);
    INSERT INTO transcript VALUES ('k', 'log', 1, x'7b7d');
    PRAGMA application_id = 1987013731;
    PRAGMA user_version = 1;
"""


async def test_a_journal_of_the_first_release(path: Path) -> None:
    """A file that the first release made is opened, read and gone on with by every later one."""
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_RELEASE)
    connection.close()
    assert summary(path) == [Total("done", "yes", 1, 5, repeats=3)]
    journal = await SqliteJournal.open(path)
    found = (await journal.look_up(["k"]))["k"]
    assert (found.key, found.state, found.attempt, found.request_id, found.fingerprint) == ("k", "done", 3, "r", "f")
    assert (journal.id, found.task, found.delivered) == (ID, None, False)
    assert await journal.transcript("k") == (b"{}", "log", True)
    journal.delivered("k")
    await journal.aclose()
    assert (row(path, "k")["delivered"], row(path, "k")["updated_at"]) == (1, 2.0)


async def test_every_column(path: Path) -> None:
    """The columns hold what was noted; the task is named by the row's key, times are seconds since 1970."""
    journal = await SqliteJournal.open(path)
    began = time.time()
    said = {"edition": '{"type":"standard"}', "attempt": 2, "request_id": "r", "fingerprint": "print"}
    journal.note(change("a", "accepted", task=TASK, **said))
    journal.note(change("d", "done", transcript=Transcript(text="good", duration_ms=7, raw=b"{}", silent=True)))
    journal.note(change("e", "failed", error=InputError("caf\udce9.wav is no audio")))
    await journal.settle()
    a, d, e = (row(path, key) for key in "ade")
    assert {name: a[name] for name in said} == said
    assert (a["state"], a["delivered"], a["error_class"], a["error"], a["audio_ms"]) == (
        "accepted",
        0,
        None,
        None,
        None,
    )
    task = Task.from_json(a["task"])
    assert (task.id, task.key) == (ID, "a")
    assert (d["task"], d["audio_ms"], e["audio_ms"], e["error_class"]) == (None, 7, None, "InputError")
    assert e["error"] == "caf\\udce9.wav is no audio"
    assert await journal.transcript("d") == (b"{}", None, True)
    assert began <= a["planned_at"] == a["updated_at"] <= time.time()
    await journal.aclose()


async def test_a_later_note_takes_the_place_of_an_earlier_one(path: Path) -> None:
    """All that was said before is gone but when the key was first planned; a transcript is replaced too."""
    journal = await SqliteJournal.open(path)
    first = Transcript(text="first", duration_ms=7, raw=b"1", log_id="one", silent=True)
    journal.note(change("k", "done", task=TASK, transcript=first, error=EmptyAudio("x")))
    journal.delivered("k")
    await journal.settle()
    before = row(path, "k")
    await anyio.to_thread.run_sync(time.sleep, 0.002)  # the clock of the file is the wall's
    journal.note(
        change(
            "k",
            "sent",
            edition="other",
            attempt=1,
            request_id="next",
            fingerprint="g",
            transcript=Transcript(text="second", raw=b"2"),
        )
    )
    await journal.settle()
    after = row(path, "k")
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after.pop("planned_at") == before.pop("planned_at")
    assert after == {
        "charged": "maybe",
        "before": None,
        "account": None,
        "path": None,
        "key": "k",
        "state": "sent",
        "edition": "other",
        "attempt": 1,
        "request_id": "next",
        "fingerprint": "g",
        "task": None,
        "error_class": None,
        "error": None,
        "audio_ms": 7,
        "delivered": 0,
    }
    assert await journal.transcript("k") == (b"2", None, False)
    assert await journal.transcript("none") is None
    await journal.aclose()


async def test_states_are_the_documented_ones(path: Path) -> None:
    """A state that nobody knows is refused by the file itself, and the batch is told."""
    journal = await SqliteJournal.open(path)
    journal.note(change("k", "finished", charged="no"))
    with pytest.raises(JournalError, match="cannot be written"):
        await journal.settle()
    await journal.aclose()


async def test_a_summary_adds_up_what_was_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Per state the jobs and their audio, for any name of a file, and never a file that was not there."""
    path = tmp_path / "50% of what?#.db"
    journal = await SqliteJournal.open(path)
    for key, length in (("a", 7), ("b", 8), ("c", None)):
        journal.note(change(key, "done", transcript=Transcript(text="", duration_ms=length, raw=b"{}")))
    journal.note(change("d", "planned"))
    await journal.settle()
    monkeypatch.chdir(tmp_path)
    assert sorted(summary(Path(path.name)), key=lambda total: total.state) == [
        Total("done", "yes", 3, 15),
        Total("planned", "no", 1, 0),
    ]
    await journal.aclose()
    with pytest.raises(JournalError, match="no journal"):
        summary(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


async def test_thousands_of_keys_are_looked_up_at_once(path: Path) -> None:
    """However many keys are asked about, each that is known is found."""
    journal = await SqliteJournal.open(path)
    keys = [str(number) for number in range(1501)]
    for key in keys:
        journal.note(change(key, "planned"))
    await journal.settle()
    found = await journal.look_up(keys)
    assert [found[key].key for key in keys] == keys
    assert await journal.look_up([]) == {}
    await journal.aclose()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE transcript SET raw = 5",
        "UPDATE transcript SET log_id = x'00'",
        "UPDATE job SET attempt = 'many'",
        "UPDATE job SET request_id = x'00'",
        "UPDATE job SET task = '{'",
    ],
)
async def test_rows_of_the_wrong_type(path: Path, damage: str) -> None:
    """SQLite takes anything in any column; what cannot be ours is told with the file's name and a cure."""
    journal = await SqliteJournal.open(path)
    journal.note(change("k", "done", transcript=Transcript(text="", raw=b"{}", log_id="log")))
    await journal.settle()
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match=r"cannot be read: .*new journal") as caught:
        await (journal.transcript("k") if "transcript" in damage else journal.look_up(["k"]))
    assert str(path) in str(caught.value)
    await journal.aclose()


async def test_a_transcript_that_was_put_in_by_hand(path: Path) -> None:
    """Text is as good as bytes, for that is what the shell of SQLite writes."""
    journal = await SqliteJournal.open(path)
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO transcript VALUES ('k', NULL, 1, '{\"x\": 1}')")
    connection.commit()
    connection.close()
    assert await journal.transcript("k") == (b'{"x": 1}', None, True)
    await journal.aclose()
