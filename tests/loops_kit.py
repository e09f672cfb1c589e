"""What the tests with several event loops share: a service on a socket, scripts, and a process that is stopped."""

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from volcasr_async import Standard, Task

ROOT = Path(__file__).parents[1]


class Seen(NamedTuple):
    """A request: whose it is, the port of its connection, and when it came."""

    name: str
    port: int
    at: float


class Service:
    """Tells every query that its task is running."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.open = 0
        seen, service = self.seen, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                seen.append(Seen(self.headers["X-Api-Request-Id"], self.client_address[1], time.monotonic()))
                self.send_response(200)
                self.send_header("X-Api-Status-Code", "20000001")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Write nothing."""

            def handle(self) -> None:
                service.open += 1
                try:
                    super().handle()
                finally:
                    service.open -= 1

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["Service"]:
        """Serve until the block is left."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    @property
    def most_in_a_second(self) -> int:
        """Count the requests of the busiest second, or so: on a busy machine one may be seen a little late."""
        times = [one.at for one in self.seen]
        return max(sum(1 for other in times if at <= other < at + 0.9) for at in times)


def task(name: str) -> Task:
    """Make a task that was just submitted."""
    return Task(id=name, edition=Standard(), request_id=name, submitted_at=time.time())


HEAD = """
import asyncio, os, sys, threading, time
from volcasr_async import *
from volcasr_async.testing import make_wav

base, engine = sys.argv[1:3]
asr = VolcASR(ApiKey("a-key-for-loops"), base_url=base, http=engine, limits=Limits(qps=None))

def task(name):
    return Task(id=name, edition=Standard(), request_id=name, submitted_at=time.time())

def run(main):
    if library == "asyncio":
        return asyncio.run(main())
    import trio
    return trio.run(main)

"""


def start_script(script: str, base_url: str, engine: str = "httpx", library: str = "asyncio") -> subprocess.Popen[str]:
    """Start a script in a process of its own, in which every warning is an error."""
    code = f"library = {library!r}\n" + HEAD + textwrap.dedent(script)
    # From Python 3.12 on, a fork with threads is worth a warning of its own.
    flags = ["-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    return subprocess.Popen(
        [sys.executable, *flags, "-c", code, base_url, engine],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run_script(script: str, base_url: str, engine: str = "httpx", library: str = "asyncio") -> str:
    """Run a script; return what it printed. It must neither fail nor complain."""
    process = start_script(script, base_url, engine, library)
    try:
        out, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, complaints) == (0, "")
    return out
