"""`volcasr batch DIR`, and the files of lists and directories that are skipped."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from cli_calls import SECRET, Caller, Port, ended, started

from volcasr_async.cli.directories import Directory
from volcasr_async.cli.listing import Defaults
from volcasr_async.cli.options import AudioFlags
from volcasr_async.cli.skipping import Skipped
from volcasr_async.options import Options
from volcasr_async.testing import Simulator, make_wav

FAST = ("--qps", 200)
WAV = make_wav(1.0)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(200))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(99)
PDF = b"%PDF-1.7\nabc"
PAGE = b"<!DOCTYPE html><title>404 Not Found</title>"
SKIPPED = {
    "photo.jpg": JPEG, "scan.png": PNG, "a.pdf": PDF, "notes.txt": "会议记录\n".encode(), "README": b"",
    "page.html": PAGE, ".DS_Store": b"\0\0\0\1Bud1" + bytes(40), "._a.wav": b"\0\5\x16\7" + bytes(60),
    ".hidden.wav": WAV, "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60), "desktop.ini": b"[.x]\r\n",
    "list.m3u": b"#EXTM3U\na.wav\n", "other.db-shm": b"\x07" * 600, "code.ts": b"export const a = 1;\n",
}  # fmt: skip
FAILED = {
    "error.mp3": PAGE, "film.avi": b"RIFF\x00\x10\0\0AVI LIST" + bytes(100), "voice.amr": b"#!SILK_V3" + bytes(60),
    "empty.wav": b"", "zeros.m4a": bytes(5000), "clip.ts": (b"G" + bytes(187)) * 20,
}  # fmt: skip
TAKEN = {"a.wav": WAV, "B.WAV": WAV, "noext": WAV, "会议.dat": WAV}


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with everything in it, and the current directory beside it."""
    monkeypatch.chdir(tmp_path)
    path = Path("media")
    (path / "sub" / "er").mkdir(parents=True)
    for name, data in (SKIPPED | FAILED | TAKEN).items():
        (path / name).write_bytes(data)
    (path / "sub" / "er" / "deep.wav").write_bytes(WAV)
    (path / "sub" / "loop").symlink_to("..", target_is_directory=True)
    return path


def keys(out: Path) -> set[str]:
    with sqlite3.connect(out / "volcasr-journal.db") as journal:
        found = {key for (key,) in journal.execute("select key from job")}
    journal.close()
    return found


def test_a_directory(volcasr: Caller, service: Simulator, media: Path) -> None:
    """Recordings are sent, what claims to be one and is none fails, the rest is skipped and counted."""
    end = volcasr("batch", media, "-o", "out", *FAST)
    assert end.status == 1
    assert "4 done, 6 failed (not charged)" in end.err
    assert "skipped: 14 that are not audio" in end.err
    assert "3 hidden files" in end.err
    assert "2 images" in end.err
    assert "1 empty file" in end.err
    assert (
        "(scan.png, photo.jpg, a.pdf, and 11 more)" in end.err or "(photo.jpg, scan.png, a.pdf, and 11 more)" in end.err
    )
    assert "not searched: 1 directory in media; --recursive searches them" in end.err
    assert keys(Path("out")) == {str(media / name) for name in TAKEN | FAILED}
    lines = [json.loads(line) for line in Path("out/failures.jsonl").read_text().splitlines()]
    assert {line["source"] for line in lines} == {str(media / name) for name in FAILED}
    assert {line["error"] for line in lines} == {"InputError"}
    assert all("is not audio" in line["message"] or "is empty" in line["message"] for line in lines)


def test_nothing_but_others_is_done_well(volcasr: Caller, service: Simulator, media: Path) -> None:
    """What is skipped is no failure."""
    for name in FAILED:
        (media / name).unlink()
    end = volcasr("batch", media, "-o", "out", *FAST)
    assert end.status == 0
    assert "4 done, 0 failed" in end.err
    assert not Path("out/failures.jsonl").exists()


def test_directories_in_it(volcasr: Caller, service: Simulator, media: Path) -> None:
    """With --recursive they are searched; a loop of links does no harm."""
    end = volcasr("batch", media, "-o", "out", "--recursive", *FAST)
    assert "5 done, 6 failed" in end.err
    assert "1 directory" in end.err
    assert str(media / "sub/er/deep.wav") in keys(Path("out"))
    assert not any("loop" in key for key in keys(Path("out")))


@pytest.mark.parametrize("out", ["media", "media/results"])
def test_results_within_the_directory(volcasr: Caller, service: Simulator, media: Path, out: str) -> None:
    """The second run takes none of the batch's own files, and sends nothing again."""
    for name in FAILED:
        (media / name).unlink()
    first = volcasr("batch", media, "-o", out, "--recursive", *FAST)
    assert first.status == 0
    charged = len(service.charges)
    second = volcasr("batch", media, "-o", out, "--recursive", *FAST)
    assert second.status == 0
    assert (
        "0 done, 0 failed (not charged), 0 failed (possibly charged), 0 uncertain, 0 missing, 5 done before"
        in second.err
    )
    assert len(service.charges) == charged
    [said] = [line for line in first.err.splitlines() if line.startswith("skipped: ")]
    assert said in second.err.splitlines()


def test_find_into_a_batch(port: Port, service: Simulator, media: Path) -> None:
    """A list with all of it, directories too, gives the same."""
    found = subprocess.run(["find", str(media)], capture_output=True, text=True, check=True).stdout
    environ = {"VOLCASR_BASE_URL": port.url, "VOLCASR_API_KEY": SECRET}
    end = ended(started("batch", "-", "-o", "out", *FAST, **environ), found)
    assert end.status == 1
    assert "5 done, 6 failed (not charged)" in end.err
    assert "skipped: 18 that are not recordings: 4 directories," in end.err


def test_a_directory_in_a_list(volcasr: Caller, service: Simulator, media: Path) -> None:
    """It is not taken for its recordings, and the message tells how it is."""
    Path("list.txt").write_text("media\n")
    end = volcasr("batch", "list.txt", "-o", "out")
    assert end.status == 0
    assert "skipped: 1 that is not a recording: 1 directory (media)" in end.err
    assert "volcasr batch DIR --recursive" in end.err


def test_a_line_that_claims_audio(volcasr: Caller, service: Simulator, media: Path) -> None:
    """A format in the line says that a recording is expected: then anything else fails."""
    lines = [{"source": "media/page.html", "format": "mp3"}, {"source": "media/photo.jpg"}, {"source": "media/a.wav"}]
    Path("list.txt").write_text("".join(json.dumps(line) + "\n" for line in lines))
    end = volcasr("batch", "list.txt", "-o", "out", *FAST)
    assert "1 done, 1 failed (not charged)" in end.err
    assert "skipped: 1 that is not audio: 1 image (photo.jpg)" in end.err


def test_a_recording_of_an_earlier_run_that_is_gone(volcasr: Caller, service: Simulator, media: Path) -> None:
    """What cannot be opened is not skipped: the journal still has its result."""
    Path("list.txt").write_text("media/noext\n")
    assert volcasr("batch", "list.txt", "-o", "out").status == 0
    (media / "noext").unlink()
    [result] = Path("out").glob("noext-*.txt")
    result.unlink()
    end = volcasr("batch", "list.txt", "-o", "out")
    assert end.status == 0
    assert "1 done" in end.err
    assert result.exists()


def test_an_empty_directory(volcasr: Caller, service: Simulator, media: Path) -> None:
    Path("nothing").mkdir()
    end = volcasr("batch", "nothing", "-o", "out")
    assert end.status == 0
    assert "empty: there is no recording in nothing" in end.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_pipes_are_not_waited_for(volcasr: Caller, service: Simulator, media: Path) -> None:
    """Neither in a directory nor in a list."""
    os.mkfifo("media/sub/pipe")
    (media / "sub" / "a.wav").write_bytes(WAV)
    Path("list.txt").write_text("media/sub/pipe\nmedia/sub/a.wav\n")
    for source in ("media/sub", "list.txt"):
        end = volcasr("batch", source, "-o", f"out-{Path(source).name}", *FAST)
        assert end.status == 0
        assert "1 done, 0 failed" in end.err
        assert "1 pipe or device" in end.err


@pytest.mark.anyio
async def test_the_order_is_that_of_the_names(media: Path) -> None:
    """Those of a directory first, then those of the directories in it."""
    (media / "sub" / "z.wav").write_bytes(WAV)
    (media / "abc").mkdir()
    (media / "abc" / "y.wav").write_bytes(WAV)
    defaults = Defaults(Options(), AudioFlags(), lambda _: None)  # type: ignore[arg-type,return-value]
    skipped = Skipped()
    listing = Directory(str(media), defaults, print, skipped, recursive=True, output=None, own=())
    found = [item.path async for item in listing.items()]  # type: ignore[union-attr]
    assert found[-3:] == [media / "abc/y.wav", media / "sub/z.wav", media / "sub/er/deep.wav"]
    assert found[:-3] == sorted(found[:-3])
    assert listing.count() == len(found)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_that_cannot_be_read(volcasr: Caller, service: Simulator, media: Path) -> None:
    """The others go on, and the exit status tells that something is missing."""
    (media / "sub" / "er").chmod(0)
    end = volcasr("batch", media / "sub", "-o", "out", "--recursive")
    assert end.status == 1
    assert "cannot be read: Permission denied" in end.err


def test_a_recording_that_begins_like_the_journal(volcasr: Caller, service: Simulator, media: Path) -> None:
    """Only the journal and the files beside it are left out."""
    for name in FAILED:
        (media / name).unlink()
    (media / "meeting-1.wav").write_bytes(WAV)
    for _ in range(2):
        end = volcasr("batch", media, "-o", "out", "--journal", media / "meeting", "--failures", media / "a", *FAST)
        assert end.status == 0
    with sqlite3.connect(media / "meeting") as journal:
        found = {key for (key,) in journal.execute("select key from job")}
    journal.close()
    assert found == {str(media / name) for name in (*TAKEN, "meeting-1.wav")}


def test_a_list_that_is_the_unfinished_failures_file(volcasr: Caller, service: Simulator, media: Path) -> None:
    """A killed run leaves it, and it is refused as a list where this run would write the same file."""
    Path("out").mkdir()
    part = Path("out/.failures.jsonl.part")
    part.write_text('{"source": "media/a.wav"}\n')
    end = volcasr("batch", part, "-o", "out")
    assert end.status == 2
    assert part.read_text() == '{"source": "media/a.wav"}\n'


def test_a_hidden_directory_is_counted(volcasr: Caller, service: Simulator, media: Path) -> None:
    """It is not searched, and the summary says so."""
    for name in FAILED:
        (media / name).unlink()
    (media / ".old").mkdir()
    (media / ".old" / "x.wav").write_bytes(WAV)
    end = volcasr("batch", media, "-o", "out", "--recursive", *FAST)
    assert end.status == 0
    assert "2 directories" in end.err  # this one, and the symbolic link
    assert not any(".old" in key for key in keys(Path("out")))


@pytest.mark.parametrize("name", ["meeting", "my-journal"])
def test_the_journal_of_another_batch_is_not_sent(volcasr: Caller, service: Simulator, media: Path, name: str) -> None:
    """Whatever it is called; a file that only has such a name, or is a recording, is sent."""
    for failed in FAILED:
        (media / failed).unlink()
    sqlite3.connect(media / name).execute("create table t (a)").connection.close()
    for end_of_name in ("-shm", "-seq", "-lock-wal"):
        (media / f"{name}{end_of_name}").write_bytes(b"\x07\x01" * 300)
    (media / "other-seq").write_bytes(b"\x07\x01" * 300)
    (media / f"{name}-wal").write_bytes(WAV)
    volcasr("batch", media, "-o", "out", *FAST)
    assert keys(Path("out")) == {str(media / each) for each in (*TAKEN, "other-seq", f"{name}-wal")}
