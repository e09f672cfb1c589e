"""The example web service under uvicorn: how an idle endpoint answers while it is busy, and what uploads take of its memory.

`/health` is asked every 10 ms over a kept connection, from a process of its own: first with nothing else to do, then with 200
requests under way (100 uploads of 1 MB, each followed by the next, and 100 that wait for a task). The service behind it takes
half a second for a recording; the example keeps to 20 requests a second, so most of the 200 stand in its queue. Memory is the
peak of the server's process above what it held just before, by the kernel's record, with 50 uploads of 20 MB at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.measure import MB
from benchmarks.server import serving
from benchmarks.tls import receiving

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
_ACCEPTED = b"HTTP/1.1 200 "
_PIECE = bytes(64 * 1024)


def run(seconds: float = 10.0, half: int = 100, uploads: int = 50, size_mb: int = 20) -> list[dict[str, Any]]:
    """Measure answers, then memory."""
    with serving(delay=0.5, processing=3600.0) as url, web_service(url) as server:
        idle = answers(server, seconds)
        with loading(server, uploads=half, size=MB, task=submitted(server), waits=half) as done:
            busy = answers(server, seconds)
    rows = [
        {"name": "/health, nothing else to do", **idle, "uploads a second": None},
        {"name": f"/health, {2 * half} requests under way", **busy, "uploads a second": round(done[0] / seconds, 1)},
    ]
    with receiving("plain") as receiver, web_service(receiver.url) as server:
        server.ask("/health")
        return [*rows, memory(server, uploads, size_mb)]


class Server:
    """The web service in its process, and a kept connection to it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port
        self._proc = Path(f"/proc/{process.pid}")
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(self, path: str, body: Any = None) -> Any:
        """Make one request and read the JSON of its answer."""
        text = None if body is None else json.dumps(body)
        self._connection.request("POST" if text else "GET", path, text, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = json.loads(answer.read())
        if answer.status >= 300:
            raise RuntimeError(content)
        return content

    def cpu_s(self) -> float:
        """User and system seconds so far."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def reset_peak(self) -> int:
        """Begin the kernel's record anew; tells the bytes that are held now."""
        (self._proc / "clear_refs").write_text("5")
        return self.peak()

    def peak(self) -> int:
        """The largest size since then, in bytes."""
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def web_service(url: str) -> Iterator[Server]:
    """Run the example at that service."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "web_service:app", "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        more = {"VOLCASR_BASE_URL": url, "VOLCASR_API_KEY": "key", "TASKS_FILE": f"{folder}/tasks.db"}
        environ = {**os.environ, **more, "MAX_WAITING": "1000"}
        quiet = ["--no-access-log", "--log-level", "error", "--timeout-graceful-shutdown", "1"]
        said = Path(folder, "said")  # a line for every client that leaves, and at the end we all do
        with said.open("wb") as log, subprocess.Popen([*command, *quiet], env=environ, stderr=log) as process:
            try:
                yield _started(Server(process, port), said)
            finally:
                process.terminate()


def _started(server: Server, said: Path) -> Server:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port)):
            return server
        time.sleep(0.05)
    raise RuntimeError(said.read_text())


def submitted(server: Server) -> str:
    """Give the id of a task that takes its time."""
    return str(server.ask("/tasks", {"url": "https://example.com/a.mp3"})["id"])


def answers(server: Server, seconds: float) -> dict[str, Any]:
    """Ask `/health` again and again; how long each answer took, and the CPU that the server used meanwhile."""
    took, spent, end = [], server.cpu_s(), time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        server.ask("/health")
        took.append(time.perf_counter() - began)
        time.sleep(0.01)
    took.sort()
    return {
        "p50 ms": round(took[len(took) // 2] * 1000, 1),
        "p99 ms": round(took[len(took) * 99 // 100] * 1000, 1),
        "worst ms": round(took[-1] * 1000, 1),
        "CPU of one core": round((server.cpu_s() - spent) / seconds, 2),
    }


def memory(server: Server, uploads: int, size_mb: int) -> dict[str, Any]:
    """Upload at once, and read the server's peak."""
    start, spent, began = server.reset_peak(), server.cpu_s(), time.perf_counter()
    with loading(server, uploads=uploads, size=size_mb * MB, once=True) as done:
        pass
    return {
        "name": f"{uploads} uploads of {size_mb} MB at once",
        "answered": done[0],
        "memory MB": round((server.peak() - start) / MB, 1),
        "wall s": round(time.perf_counter() - began, 1),
        "CPU s": round(server.cpu_s() - spent, 1),
    }


# ---- the clients, in a process of their own ----


@contextlib.contextmanager
def loading(server: Server, **load: Any) -> Iterator[list[int]]:
    """Keep requests under way; afterwards the list holds how many uploads were answered."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_clients, args=(its, server.port, load), daemon=True)
    done: list[int] = []
    process.start()
    mine.recv()
    try:
        yield done
        mine.send("enough")
        done.append(mine.recv())
    finally:
        process.terminate()
        process.join()


def _clients(pipe: Connection, port: int, load: dict[str, Any]) -> None:
    asyncio.run(_load(pipe, port, **load))


async def _load(
    pipe: Connection, port: int, *, uploads: int, size: int, task: str = "", waits: int = 0, once: bool = False
) -> None:
    done = [0]
    async with asyncio.TaskGroup() as tasks:
        sending = [tasks.create_task(_upload(port, size, done, once=once)) for _ in range(uploads)]
        waiting = [tasks.create_task(_wait(port, task)) for _ in range(waits)]
        await asyncio.sleep(0 if once else 1.0)
        pipe.send("under way")
        done[0] = 0
        await asyncio.to_thread(pipe.recv)
        if once:
            await asyncio.gather(*sending)
        counted = done[0]
        for one in [*sending, *waiting]:
            one.cancel()
    pipe.send(counted)


async def _upload(port: int, size: int, done: list[int], *, once: bool) -> None:
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /transcripts HTTP/1.1\r\nHost: x\r\nContent-Type: audio/mpeg\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % size)
        for left in range(size, 0, -len(_PIECE)):
            writer.write(_PIECE[:left])
            await writer.drain()
        answer = await reader.read()
        writer.close()
        if not answer.startswith(_ACCEPTED):
            raise RuntimeError(answer)
        done[0] += 1
        if once:
            return


async def _wait(port: int, task: str) -> None:
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /tasks/{task}?wait=60 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        await reader.read()
        writer.close()
