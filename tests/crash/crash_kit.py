"""A service and a batch, each in a process of its own, and what can be read of them from outside."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KEY = "k3y-that-nobody-may-see"


def start(*argv: object, **environ: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOLCASR_")}
    return subprocess.Popen(
        [sys.executable, "-m", "volcasr_async", *map(str, argv)],
        env=clean | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def until(condition: Callable[[], object], *, within: float = 90.0) -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


class Service:
    """A simulator in another process."""

    def __init__(self, url: str) -> None:
        self.url = url

    def state(self) -> Any:
        return self._get("/_simulator")

    def charges(self) -> dict[str, int]:
        return self._get("/_simulator/charges")  # type: ignore[no-any-return]

    def requests(self) -> int:
        return sum(self.state()["requests"].values())

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return json.load(reply)


@contextmanager
def service(*flags: object) -> Iterator[Service]:
    """Play the service until the block is left."""
    process = start("simulate", "--port", 0, *flags)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split("VOLCASR_BASE_URL=")[1].split()[0]
        yield Service(url)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


class Place:
    """A list, its journal and its results."""

    def __init__(self, folder: Path, played: Service, urls: list[str], *flags: object) -> None:
        self.list, self.out, self.journal = folder / "list.txt", folder / "out", folder / "run.db"
        self.urls, self._service = urls, played
        self.list.write_text("".join(url + "\n" for url in urls))
        self.argv = ["batch", self.list, "--journal", self.journal, "--output-dir", self.out, *flags]

    def start(self, *more: object) -> subprocess.Popen[str]:
        return self.run([*self.argv, *more])

    def run(self, argv: list[Any]) -> subprocess.Popen[str]:
        return start(*argv, VOLCASR_BASE_URL=self._service.url, VOLCASR_API_KEY=KEY)

    def files(self) -> list[Path]:
        """List what results there are; those that are being written have other names."""
        return [p for p in self.out.glob("*") if not p.name.startswith(".")] if self.out.is_dir() else []

    def parts(self) -> list[Path]:
        return list(self.out.glob(".*"))

    def states(self) -> dict[tuple[str, bool], int]:
        """Count the journal's rows by state and whether the outcome was taken care of."""
        with closing(sqlite3.connect(f"{self.journal.as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT state, delivered, count(*) FROM job GROUP BY 1, 2").fetchall()
        return {(state, bool(delivered)): count for state, delivered, count in rows}
