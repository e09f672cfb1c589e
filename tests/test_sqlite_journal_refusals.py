"""What is refused as a journal: each refusal names the file and the cure, changes nothing, and lets go of everything."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from io_kit import needs_proc, open_files

from volcasr_async.errors import JournalError
from volcasr_async.journal_file import VERSION, summary
from volcasr_async.sqlite_journal import SqliteJournal

pytestmark = pytest.mark.anyio


def text(path: Path) -> None:
    path.write_text("no journal, and long enough for SQLite to see that it is none" * 30)


def database(statements: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.executescript(statements)
        connection.close()

    return make


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def text_as_lock(path: Path) -> None:
    text(path.with_name(path.name + "-lock"))


def folder_as_lock(path: Path) -> None:
    path.with_name(path.name + "-lock").mkdir()


LOOKS_LIKE_ONE = "CREATE TABLE job (key, state, audio_ms); INSERT INTO job VALUES ('k', 'done', 5);"
REFUSED = [
    (text, "is no journal, or a broken one: file is not a database; name another file"),
    (database("CREATE TABLE mine (a)"), "is a database of something else; name another file for the journal"),
    (database("PRAGMA application_id = 5"), "is a database of something else; name another file for the journal"),
    (database(f"PRAGMA application_id = 5; {LOOKS_LIKE_ONE}"), "is a database of something else"),
    (
        database(f"PRAGMA application_id = {0x766F6C63}; PRAGMA user_version = {VERSION + 1}"),
        f"was written by a newer volcasr (schema {VERSION + 1}, this one knows {VERSION}): update",
    ),
    (text_as_lock, "-lock is needed as the journal's lock: file is not a database; move it away"),
    (folder_as_lock, "-lock cannot be opened: unable to open database file; name another place"),
]


@needs_proc
@pytest.mark.parametrize(("make", "said"), REFUSED)
async def test_what_is_no_journal(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    """The file stays as it is, and neither it nor the lock beside it stays open while the error lives."""
    path = tmp_path / "run.db"
    make(path)
    before = contents(tmp_path)
    with pytest.raises(JournalError) as caught:
        await SqliteJournal.open(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert open_files(tmp_path) == []


async def test_a_journal_in_use_is_refused_with_the_cure(tmp_path: Path) -> None:
    """Who comes second is told which journal is in use and what to do; the first one goes on."""
    path = tmp_path / "run.db"
    journal = await SqliteJournal.open(path)
    with pytest.raises(JournalError) as caught:
        await SqliteJournal.open(path)
    assert str(caught.value) == f"{path} is in use: wait for that batch's end, or use a journal of your own"
    journal.delivered("a")
    await journal.settle()
    await journal.aclose()


@needs_proc
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no journal {}"),
        (text, "{} cannot be read: file is not a database"),
        (database(LOOKS_LIKE_ONE), "{} is no journal of volcasr"),
        (database(f"PRAGMA application_id = {0x766F6C63}"), "{} cannot be read: no such table: job"),
    ],
)
def test_what_cannot_be_summed_up(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    """A summary of anything else is refused, and leaves nothing open."""
    path = tmp_path / "run.db"
    make(path)
    with pytest.raises(JournalError) as caught:
        summary(path)
    assert str(caught.value).startswith(said.format(path))
    assert open_files(tmp_path) == []


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read and write everything, so what needs a stranger runs as one."""
    if os.getuid() != 0:
        yield
        return
    try:
        os.setresuid(65534, 65534, 0)
    except OSError:
        pytest.skip("no other user can be had here")
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


async def refused_to_nobody(path: Path, *, folder: int = 0o777) -> str:
    await (await SqliteJournal.open(path.with_name("first.db"))).aclose()  # so that nothing is imported later
    path.parent.chmod(folder)
    with as_nobody(), pytest.raises(JournalError) as caught:
        await SqliteJournal.open(path)
    path.parent.chmod(0o755)
    return str(caught.value)


needs_users = pytest.mark.skipif(not hasattr(os, "setresuid"), reason="this system does not change users so")


@needs_users
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o222])
async def test_files_that_may_not_be_read_and_written(open_folder: Path, mode: int) -> None:
    """Both are needed; a file that lacks one is refused, and told from a broken one."""
    path, lock = open_folder / "run.db", open_folder / "run.db-lock"
    for file, rights in ((lock, 0o666), (path, mode)):
        file.touch()
        file.chmod(rights)
    assert await refused_to_nobody(path) == f"{path} cannot be read and written: see to its permissions"
    assert path.read_bytes() == b""


@needs_users
async def test_folders_that_may_not_be_written(open_folder: Path) -> None:
    """Where no file can be made, the reason and the cure are told."""
    path = open_folder / "run.db"
    said = await refused_to_nobody(path, folder=0o555)
    assert said == f"{path}-lock cannot be written: Permission denied; make it and its folder writable"
    assert sorted(contents(open_folder)) == ["first.db", "first.db-lock", "first.db-seq"]


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "\ud800"])
async def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    """They are refused as a place, with the cure, to be opened as to be summed up."""
    with pytest.raises(JournalError):
        await SqliteJournal.open(tmp_path / name)
    with pytest.raises(JournalError):
        summary(tmp_path / name)
