"""Files: who may read them, what a link at their place does, what stays behind."""

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_calls import Caller, Port, ended, started
from io_kit import client

from volcasr_async import ApiKey, InputError, Job, JournalError, Options, Transcript
from volcasr_async.cli.connection import read_credentials
from volcasr_async.cli.console import CommandError
from volcasr_async.cli.failures import Failures
from volcasr_async.cli.formats import Writing
from volcasr_async.cli.inputs import Inputs
from volcasr_async.cli.output import made_directory, new_file, rewrite_file, write_file
from volcasr_async.cli.round import ToDirectory
from volcasr_async.outcomes import Failed
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.subtitles import Layout
from volcasr_async.testing import Simulator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
Write = Callable[[Path, str], None]
WRITERS = pytest.mark.parametrize("write", [write_file, rewrite_file])


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Whatever the process lets others do."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: mode(path) for path in folder.iterdir()}


@pytest.mark.anyio
async def test_the_journal_is_its_owners(umask: int, tmp_path: Path) -> None:
    """Transcripts lie in it: it and all that SQLite puts beside it have mode 0600."""
    path = tmp_path / "run.db"
    async with client(Simulator()) as asr, asr.batch(["https://example.com/a.mp3"], journal=path) as batch:
        assert [outcome async for outcome in batch]
        modes = modes_in(tmp_path)
    assert {"run.db", "run.db-lock", "run.db-shm", "run.db-wal"} <= modes.keys()
    assert set(modes.values()) == {0o600}


@pytest.mark.anyio
async def test_a_journal_by_another_name(tmp_path: Path) -> None:
    """A link to a journal in use is that journal in use; one that leads nowhere makes no file elsewhere."""
    (tmp_path / "link.db").symlink_to(tmp_path / "run.db")
    (tmp_path / "lost.db").symlink_to(tmp_path / "nowhere.db")
    journal = await SqliteJournal.open(tmp_path / "run.db")
    try:
        with pytest.raises(JournalError, match="in use"):
            await SqliteJournal.open(tmp_path / "link.db")
    finally:
        await journal.aclose()
    with pytest.raises(JournalError):
        await SqliteJournal.open(tmp_path / "lost.db")
    assert not (tmp_path / "nowhere.db").exists()


@WRITERS
def test_results(umask: int, tmp_path: Path, write: Write) -> None:
    """A result is for whom the umask lets read it, and never for everybody to change."""
    path = made_directory(tmp_path / "new" / "deep") / "a.txt"
    write(path, "text")
    assert mode(path) == 0o664 & ~umask
    assert {mode(folder) for folder in (path.parent, path.parent.parent)} == {0o775 & ~umask}


@WRITERS
@pytest.mark.parametrize("private", [0o600, 0o400, 0o640])
def test_what_was_private_stays_private(umask: int, tmp_path: Path, write: Write, private: int) -> None:
    """A file that takes the place of another lets nobody read who could not before."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(private)
    write(path, "new")
    assert path.read_text() == "new"
    assert mode(path) & ~(private | 0o200) == 0


@WRITERS
def test_links_are_replaced(tmp_path: Path, write: Write) -> None:
    """A link at the place of a result, or of its temporary name, leads nothing into another file."""
    other, path = tmp_path / "other", tmp_path / "a.txt"
    other.write_text("mine")
    path.symlink_to(other)
    (tmp_path / ".a.txt.part").symlink_to(other)
    write(path, "text")
    assert (path.is_symlink(), path.read_text(), other.read_text()) == (False, "text", "mine")


def test_a_new_file_is_new(tmp_path: Path) -> None:
    """Somebody who lays a link just before a temporary file is made has its making fail, and nothing more."""
    other, part = tmp_path / "other", tmp_path / ".a.txt.part"
    for target in (other, tmp_path / "nowhere"):
        other.write_text("mine")
        part.symlink_to(target)
        with pytest.raises(FileExistsError):
            new_file(part, 0o600)
        part.unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert other.read_text() == "mine"


@WRITERS
def test_temporary_files_are_beside(tmp_path: Path, write: Write) -> None:
    """Nothing is left behind, neither of what went well nor of what could not be written."""
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(CommandError, match="cannot be written"):
        write(tmp_path / "a.txt", "text")
    write(tmp_path / "b.txt", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
async def test_two_batches_in_one_directory(tmp_path: Path) -> None:
    """What one is writing is not the other's to remove; a later run of the same journal writes over it."""
    link, out = tmp_path / "link.db", made_directory(tmp_path / "out")
    link.symlink_to(tmp_path / "one.db")
    (tmp_path / "one.db").touch()
    job, transcript = Job("https://h.example/a.mp3", key="a"), Transcript(text="text")
    sinks = [
        ToDirectory(out, Writing("txt", Layout()), tmp_path / name, Inputs())
        for name in ("one.db", "two.db", "link.db")
    ]
    files: dict[str, list[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: files.setdefault("written", []).extend(p.name for p in out.iterdir()))
        for sink in sinks:
            await sink.put(job, transcript)
    first, second, third = (name for name in files["written"] if name.endswith(".part"))
    assert first == third != second
    (out / first).write_text("left by a killed run")
    await sinks[1].put(job, transcript)
    assert (out / first).exists()
    await sinks[2].put(job, transcript)
    assert [path.read_text() for path in out.iterdir()] == ["text\n"]


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    """`--output /dev/stdout` and a named pipe are written to: a file in their place would be the end of them."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for path in (pipe, tmp_path / "link"):
            write_file(path, "text")
            assert os.read(reader, 100) == b"text"
            assert stat.S_ISFIFO(path.stat().st_mode)
    finally:
        os.close(reader)


@pytest.mark.skipif(sys.platform != "linux", reason="a look at Linux's /proc")
def test_stdout_by_its_name_where_it_is_a_file(tmp_path: Path) -> None:
    """With `>>` what stood in the file stays, and the name goes on leading there."""
    path = tmp_path / "all.txt"
    path.write_text("before\n")
    with path.open("a") as file:
        write_file(Path(f"/proc/self/fd/{file.fileno()}"), "text")
        assert Path(f"/proc/self/fd/{file.fileno()}").is_symlink()
    assert path.read_text() == "before\ntext"


def test_the_failures_file(umask: int, tmp_path: Path) -> None:
    """It may hold what a callback brings along: mode 0600, and no link is followed for it."""
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / ".failures.jsonl.part").symlink_to(other)
    failures = Failures(tmp_path / "failures.jsonl", Options())
    failures.add(Failed(Job("https://example.com/a.mp3", callback_data="data"), InputError("no")))
    assert mode(tmp_path / ".failures.jsonl.part") == 0o600
    failures.close()
    assert mode(failures.path) == 0o600
    assert '"data"' in failures.path.read_text()
    assert other.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("wrong", [0o640, 0o604, 0o660, 0o666, 0o644, 0o620])
def test_a_credentials_file_that_others_can_read(volcasr: Caller, tmp_path: Path, wrong: int) -> None:
    """It is refused with the command that mends it, through a link too, and its key is not shown."""
    kept, link = tmp_path / "kept.toml", tmp_path / "link.toml"
    kept.write_text('api_key = "S3CRET"')
    kept.chmod(wrong)
    link.symlink_to(kept)
    for path in (kept, link):
        end = volcasr("transcribe", "--credentials", path, "https://example.com/a.mp3")
        assert (end.status, "chmod 600" in end.err) == (2, True)
        assert "S3CRET" not in end.out + end.err


def test_a_credentials_file_from_a_pipe(tmp_path: Path) -> None:
    """`--credentials <(pass show volcasr)` works: what a password manager prints need not lie in a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    writer = threading.Thread(target=pipe.write_text, args=['api_key = "key"'])
    writer.start()
    assert read_credentials(pipe) == ApiKey("key")
    writer.join()


def test_a_batch_reads_its_credentials_once(tmp_path: Path) -> None:
    """A pipe gives them once, and a batch needs them twice: to refuse what does not fit, and to ask."""
    with Port(Simulator(api_keys=["key"], app_keys={})) as port:
        (tmp_path / "list.txt").write_text("https://example.com/a.mp3\n")
        argv = ["batch", tmp_path / "list.txt", "-e", "flash", "-o", tmp_path / "out", "--base-url", port.url]
        process = started(*argv, "--credentials", "/dev/stdin")
        end = ended(process, 'api_key = "key"')
    assert (end.status, len(list((tmp_path / "out").glob("a-*.txt")))) == (0, 1), end.err
