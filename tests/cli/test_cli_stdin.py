"""Recordings that come through stdin and other pipes."""

import errno
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

import pytest
from cli_calls import ROOT, SECRET, Caller, Ended, Port, readable

from volcasr_async.testing import Simulator, make_wav

WAV = make_wav(2.0)


@pytest.fixture
def piped(port: Port, service: Simulator, tmp_path: Path) -> Any:
    """Run the command as a process of its own, with bytes on its stdin."""

    def run(*argv: object, data: bytes = b"", **more: Any) -> Ended:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("VOLCASR_")}
        environ |= {"PYTHONPATH": str(ROOT), "VOLCASR_BASE_URL": port.url, "VOLCASR_API_KEY": SECRET}
        environ |= {"TMPDIR": str(tmp_path / "tmp")}
        (tmp_path / "tmp").mkdir(exist_ok=True)
        stdin = more or {"input": data}
        command = [sys.executable, "-m", "volcasr_async", *map(str, argv)]
        end = subprocess.run(command, **stdin, capture_output=True, env=environ, cwd=tmp_path, check=False, timeout=90)
        assert list((tmp_path / "tmp").iterdir()) == [], "a copy stayed behind"
        return Ended(end.returncode, end.stdout.decode(), end.stderr.decode())

    return run


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_a_recording_on_stdin(piped: Any, service: Simulator, name: str) -> None:
    """It is sent as it came, and nothing of it stays on the disk."""
    end = piped("transcribe", name, "-f", "json", data=WAV)
    assert end.status == 0, end.err
    assert '"duration_ms":2000' in end.out.replace(" ", "")


def test_a_file_as_stdin(piped: Any, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(WAV)
    with (tmp_path / "talk.wav").open("rb") as stdin:
        end = piped("transcribe", "-", "-o", "texts/", stdin=stdin)
    assert end.status == 0, end.err
    assert [path.name for path in (tmp_path / "texts").iterdir()] == ["stdin.txt"]
    with (tmp_path / "talk.wav").open("rb") as stdin:
        end = piped("transcribe", "-", "-o", "talk.wav", stdin=stdin)
    readable(end)
    assert end.status == 2
    assert "talk.wav is the same file as stdin" in end.err


@pytest.mark.parametrize("command", ["transcribe", "probe"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_a_named_pipe(volcasr: Caller, service: Simulator, tmp_path: Path, command: str) -> None:
    """As the shell makes them for <(...)."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[WAV])
    writer.start()
    end = volcasr(command, pipe)
    writer.join()
    assert end.status == 0, end.err
    assert "2.0 s" in end.out if command == "probe" else "模拟器" in end.out


def test_probe_reads_stdin(piped: Any) -> None:
    end = piped("probe", "-", "-f", "json", data=WAV)
    assert end.status == 0, end.err
    assert '"name":"stdin"' in end.out
    assert '"duration_s":2.0' in end.out


@pytest.mark.parametrize(
    ("argv", "data", "said"),
    [
        (["-", "-"], WAV, "stdin is named twice"),
        (["-", "/dev/stdin"], WAV, "stdin is named twice"),
        (["-"], b"", "nothing came from stdin"),
        (["-", "-e", "standard"], WAV, "stdin: the standard edition takes a link, not local audio"),
        (["-"], b"<!DOCTYPE html><title>404</title>", "stdin is not audio but an HTML page"),
        (["-"], b"a.wav\nb.wav\n", "a list of recordings goes to volcasr batch"),
        (["-"], bytes(100_000_001), "more than 100 MB came from stdin, but the flash edition takes 100 MB"),
    ],
    ids=["twice", "twice-by-name", "nothing", "standard", "page", "list", "too-much"],
)
def test_what_is_refused(piped: Any, service: Simulator, argv: list[str], data: bytes, said: str) -> None:
    """Before anything is sent, in the words of the shell."""
    sent = service.requests.total()
    end = piped("transcribe", *argv, data=data)
    readable(end)
    assert (end.status, end.out) == (2, "")
    assert said in end.err
    assert service.requests.total() == sent


@pytest.mark.parametrize("command", ["transcribe", "probe"])
@pytest.mark.skipif(os.name != "posix", reason="terminals are POSIX's")
def test_a_terminal_is_not_waited_for(piped: Any, command: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    try:
        end = piped(command, "-", stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    readable(end)
    assert end.status == 2
    assert "stdin is a terminal" in end.err


def test_no_room_for_the_copy(
    volcasr: Caller, service: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is told with the directory, and nothing is sent."""

    class Full:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[b"RIFF"])
    writer.start()
    sent = service.requests.total()
    end = volcasr("transcribe", pipe)
    writer.join()
    readable(end)
    assert end.status == 2
    assert f"cannot be copied to {tempfile.gettempdir()}: No space left" in end.err
    assert service.requests.total() == sent
