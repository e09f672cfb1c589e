"""A batch that writes to stdout: each line is whole, or its result is brought again and paid once."""

import array
import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_kit import KEY, Place, Service, service, start, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.crash,
    pytest.mark.skipif(sys.platform != "linux", reason="sizes of pipes and /dev/full are Linux's"),
]

COUNT = 12
SMALL = 4096
"""Bytes that the pipe holds. A line has more, so that the command is always in the middle of one."""
UNBUFFERED = pytest.mark.parametrize("unbuffered", ["1", ""], ids=["unbuffered", "buffered"])


@pytest.fixture(scope="module")
def played() -> Iterator[Service]:
    with service("--processing-time", 0.1) as one:
        yield one


def place_of(folder: Path, played: Service, name: str) -> Place:
    """Make a list whose results go to stdout."""
    place = Place(folder, played, [f"https://h.example/{name}/{number}.mp3" for number in range(COUNT)])
    place.argv = ["batch", place.list, "--journal", place.journal, "--format", "json", "--qps", 300]
    return place


def begin(place: Place, played: Service, unbuffered: str) -> subprocess.Popen[str]:
    return start(*place.argv, VOLCASR_BASE_URL=played.url, VOLCASR_API_KEY=KEY, PYTHONUNBUFFERED=unbuffered)


def keys_of(text: str) -> list[str]:
    """Read the keys of the lines, each of which must be whole."""
    return [json.loads(line)["key"] for line in text.splitlines()]


def charges(played: Service, place: Place) -> dict[str, int]:
    return {url: count for url, count in played.charges().items() if url in place.urls}


class Gauge:
    """What waits in a pipe; a pipe of one page may be full with less than a page."""

    def __init__(self, reader: io.TextIOWrapper) -> None:
        self._reader, self._last, self._same = reader, 0, 0

    def stands(self) -> bool:
        """Tell whether as much as before waits, for the fifth time."""
        found = array.array("i", [0])
        fcntl.ioctl(self._reader, termios.FIONREAD, found)
        self._same = self._same + 1 if found[0] == self._last else 0
        self._last = found[0]
        return found[0] > 0 and self._same >= 5


@UNBUFFERED
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_pipe_is_full(
    played: Service, tmp_path: Path, number: signal.Signals, unbuffered: str
) -> None:
    """The line that was being written is finished, and the next run brings what is missing without a second charge."""
    place = place_of(tmp_path, played, f"piped-{number}-{unbuffered}")
    process = begin(place, played, unbuffered)
    out, err = process.stdout, process.stderr
    assert isinstance(out, io.TextIOWrapper)
    assert err is not None
    fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, SMALL)
    until(Gauge(out).stands, within=20)
    read = os.read(out.fileno(), SMALL)
    gauge = Gauge(out)
    until(lambda: gauge.stands() and len(charges(played, place)) == COUNT, within=20)
    process.send_signal(number)
    assert any(line.startswith("stopping") for line in err), "a full pipe stops nothing else"
    while piece := os.read(out.fileno(), 1000):
        read += piece
    process.communicate(timeout=60)
    assert process.returncode == 130
    first = keys_of(read.decode())
    again = begin(place, played, unbuffered)
    rest, told = again.communicate(timeout=60)
    assert again.returncode == 0, told
    assert sorted(first + keys_of(rest)) == sorted(place.urls)
    assert charges(played, place) == dict.fromkeys(place.urls, 1)


@UNBUFFERED
def test_a_full_disk(played: Service, tmp_path: Path, unbuffered: str) -> None:
    """The status is 1, the message names the cause, nothing counts as delivered, and all of it comes again."""
    place = place_of(tmp_path, played, f"full-{unbuffered}")
    environ = {"VOLCASR_BASE_URL": played.url, "VOLCASR_API_KEY": KEY, "PYTHONUNBUFFERED": unbuffered}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOLCASR_")}
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "volcasr_async", *map(str, place.argv)],
            env=clean | environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert process.returncode == 1, process.stderr
    assert "stdout cannot be written: No space left on device" in process.stderr
    assert "Traceback" not in process.stderr
    assert not [state for state, delivered in place.states() if delivered]
    again = begin(place, played, unbuffered)
    rest, told = again.communicate(timeout=60)
    assert again.returncode == 0, told
    assert sorted(keys_of(rest)) == sorted(place.urls)
    assert charges(played, place) == dict.fromkeys(place.urls, 1)


@UNBUFFERED
def test_a_disk_that_fills_up_in_the_middle_of_a_line(played: Service, tmp_path: Path, unbuffered: str) -> None:
    """With `>>` the second run ends the torn line before it writes its own; every other line is whole."""
    place = place_of(tmp_path, played, f"torn-{unbuffered}")
    target = tmp_path / "all.jsonl"
    limited = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2);"
        "runpy.run_module('volcasr_async', run_name='__main__', alter_sys=True)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOLCASR_")}
    environ = clean | {"VOLCASR_BASE_URL": played.url, "VOLCASR_API_KEY": KEY, "PYTHONUNBUFFERED": unbuffered}

    def run(room: int) -> subprocess.CompletedProcess[str]:
        with target.open("ab") as out:
            line = [sys.executable, "-c", limited, str(room), *map(str, place.argv)]
            return subprocess.run(
                line, env=environ, stdout=out, stderr=subprocess.PIPE, text=True, check=False, timeout=60
            )

    with target.open("wb") as out:  # the journal's own files stay below the limit, this one is near it
        out.truncate(filler := 900_000)
    end = run(filler + 30_000)
    assert end.returncode == 1, end.stderr
    assert "stdout cannot be written: File too large" in end.stderr
    assert target.stat().st_size == filler + 30_000
    end = run(10 * filler)
    assert end.returncode == 0, end.stderr
    lines = target.read_bytes()[filler:].decode("utf-8", "replace").strip("\0\n").splitlines()
    torn, whole = [], []
    for text in lines:
        try:
            whole.append(json.loads(text)["key"])
        except ValueError:
            torn.append(text)
    assert len(torn) == 1
    assert sorted(whole) == sorted(place.urls)
    assert charges(played, place) == dict.fromkeys(place.urls, 1)
