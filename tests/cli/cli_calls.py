"""The command, called in this process or as a process of its own, and a simulator on a port for it."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple, Self

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest

from volcasr_async.cli import main
from volcasr_async.testing import Simulator

SECRET = "k3y-that-nobody-may-see"
ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class Port:
    """A simulator that listens in a thread."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator, self.url = simulator, ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=anyio.run, args=[self._serve])

    async def _serve(self) -> None:
        self._stop = anyio.Event()
        self._end = anyio.lowlevel.current_token()
        async with self.simulator.serve() as self.url:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        anyio.from_thread.run_sync(self._stop.set, token=self._end)
        self._thread.join()


class Caller:
    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *argv: object) -> Ended:
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in argv])
        told = self._capfd.readouterr()
        return Ended(int(end.value.code or 0), told.out, told.err)


def started(*argv: object, **more: str) -> subprocess.Popen[str]:
    """Start the command as a process of its own, with nothing but *more* in its VOLCASR_ environment."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VOLCASR_")}
    return subprocess.Popen(
        [sys.executable, "-m", "volcasr_async", *map(str, argv)],
        env=environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | more,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def ended(process: subprocess.Popen[str], stdin: str | None = None) -> Ended:
    """Let a started command come to its end."""
    out, err = process.communicate(stdin, timeout=20)
    return Ended(process.returncode, out, err)


def read_until(process: subprocess.Popen[str], sign: str) -> None:
    """Read what a started command writes to stderr up to a line with *sign*, which must come before its end."""
    assert process.stderr is not None
    deadline = threading.Timer(20, process.kill)
    deadline.start()
    try:
        read = []
        while sign not in (line := process.stderr.readline()):
            read.append(line)
            assert line, f"ended or silent before {sign!r}: {''.join(read)}"
    finally:
        deadline.cancel()


def readable(end: Ended, *, most: int = 3) -> None:
    """Errors are for people: a few lines, no traceback."""
    assert "Traceback" not in end.err
    assert 1 <= len([line for line in end.err.splitlines() if line]) <= most, end.err
