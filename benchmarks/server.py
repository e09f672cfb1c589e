"""A fake service, as fast as asyncio goes, in a process of its own: it must not be the bottleneck.

It answers flash, and every path that it does not know, at once with a short transcript. Submit and query play the standard
edition: a task takes a log-normal time that depends on its link and the seed alone, so that every rival meets the same jobs.
Each `X-Api-Key` has its own strict quota for both, and its own counts, read by `GET /totals`. An optional delay stands for
the way there and back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import math
import multiprocessing
import statistics
import sys
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import measure

_HEAD = (
    b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Api-Status-Code: %s\r\nX-Api-Message: %s\r\n"
    b"Content-Length: %d\r\n\r\n"
)
_TRANSCRIPT = json.dumps({"audio_info": {"duration": 1000}, "result": {"text": "made up", "utterances": []}}).encode()
_OK, _RUNNING = (b"200 OK", b"20000000", b"OK"), (b"200 OK", b"20000001", b"processing")
_REFUSED = (b"429 Too Many Requests", b"45000292", b"quota exceeded for types: qps")
_UNKNOWN = (b"400 Bad Request", b"45000000", b"cannot find task")
_NORMAL = statistics.NormalDist()

Answer = tuple[tuple[bytes, bytes, bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the service behaves. Times in seconds; `qps`: requests in any one second for each key, `None` for no limit."""

    delay: float = 0.0
    qps: int | None = None
    processing: float = 0.0
    sigma: float = 0.3
    seed: int = 0


@dataclass
class Account:
    """What one key has done: counts, the starts of the last second, how long results lay ready."""

    counts: Counter[str] = field(default_factory=Counter)
    starts: deque[float] = field(default_factory=deque)
    late: list[float] = field(default_factory=list)

    def admits(self, now: float, qps: int | None) -> bool:
        """Count a request in, unless it were one too many within a second; the refused take no place."""
        self.counts["requests"] += 1
        if qps is None:
            return True
        while self.starts and self.starts[0] <= now - 1.0:
            self.starts.popleft()
        if len(self.starts) >= qps:
            self.counts["refused"] += 1
            return False
        self.starts.append(now)
        return True

    def totals(self) -> dict[str, Any]:
        """Tell all of it; `late_s` is the median time from a result's being ready to its being fetched."""
        counts = {name: self.counts[name] for name in ("requests", "refused", "submitted", "done")}
        return counts | {"late_s": statistics.median(self.late) if self.late else None}


class Tasks:
    """The tasks of the standard edition."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._ready: dict[bytes, float] = {}
        self._accounts: dict[bytes, Account] = {}

    def account(self, key: bytes) -> Account:
        """Find or open the account of a key."""
        return self._accounts.get(key) or self._accounts.setdefault(key, Account())

    def submit(self, key: bytes, task: bytes, body: bytes) -> Answer:
        """Take a task, unless the quota forbids; the same again is taken silently."""
        now, account = time.monotonic(), self.account(key)
        if not account.admits(now, self._rules.qps):
            return _REFUSED, b"{}"
        if task not in self._ready:
            account.counts["submitted"] += 1
            self._ready[task] = now + self.seconds(json.loads(body)["audio"]["url"])
        return _OK, b"{}"

    def query(self, key: bytes, task: bytes) -> Answer:
        """Tell how a task stands."""
        now, account = time.monotonic(), self.account(key)
        if not account.admits(now, self._rules.qps):
            return _REFUSED, b"{}"
        ready = self._ready.get(task)
        if ready is None:
            return _UNKNOWN, b"{}"
        if now < ready:
            return _RUNNING, b"{}"
        account.counts["done"] += 1
        account.late.append(now - ready)
        return _OK, _TRANSCRIPT

    def totals(self) -> bytes:
        """Tell what each key has done, and the CPU seconds that this process has used."""
        keys = {key.decode(): account.totals() for key, account in self._accounts.items()}
        return json.dumps({"cpu_s": measure.cpu_s(), "keys": keys}).encode()

    def seconds(self, url: str) -> float:
        """Draw the seconds that a recording takes: always the same for the same link and seed."""
        digest = hashlib.blake2b(f"{self._rules.seed} {url}".encode(), digest_size=8).digest()
        draw = (int.from_bytes(digest) + 1) / (2**64 + 2)
        return self._rules.processing * math.exp(self._rules.sigma * _NORMAL.inv_cdf(draw))


class Service(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, rules: Rules, tasks: Tasks) -> None:
        self._delay, self._tasks = rules.delay, tasks
        self._received, self._head, self._left = bytearray(), b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._head:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            self._head, self._received = bytes(head), rest
            self._left = int(self._header(b"content-length") or 0)
        if len(self._received) >= self._left:
            self._answer(bytes(self._received))
            self._received, self._head = bytearray(), b""

    def _header(self, name: bytes) -> bytes:
        """Read a header; its value comes in small letters."""
        _, _, after = self._head.lower().partition(b"\r\n" + name + b":")
        return after.partition(b"\r\n")[0].strip()

    def _answer(self, body: bytes) -> None:
        status, content = self._choose(self._head.split(b" ", 2)[1], body)
        reply = _HEAD % (*status, len(content)) + content
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, reply)  # type: ignore[attr-defined]
        else:
            self._transport.write(reply)  # type: ignore[attr-defined]

    def _choose(self, path: bytes, body: bytes) -> Answer:
        if path.endswith(b"/submit"):
            return self._tasks.submit(self._header(b"x-api-key"), self._header(b"x-api-request-id"), body)
        if path.endswith(b"/query"):
            return self._tasks.query(self._header(b"x-api-key"), self._header(b"x-api-request-id"))
        return _OK, self._tasks.totals() if path == b"/totals" else _TRANSCRIPT


async def _run(pipe: Connection, rules: Rules) -> None:
    tasks = Tasks(rules)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Service(rules, tasks), "127.0.0.1", 0, backlog=4096)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _main(pipe: Connection, rules: Rules) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(pipe, rules))


@contextlib.contextmanager
def serving(delay: float = 0.0, **rules: Any) -> Iterator[str]:
    """Run the server in its own process, by `Rules`; yields its base URL."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_main, args=(its, Rules(delay=delay, **rules)), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{mine.recv()}"
    finally:
        process.terminate()
        process.join()


def totals(url: str) -> dict[str, Any]:
    """Read what the server counted: `cpu_s` of its process, and in `keys` for each key what `Account.totals` tells."""
    with urllib.request.urlopen(url + "/totals") as reply:
        counted: dict[str, Any] = json.loads(reply.read())
    return counted


if __name__ == "__main__":
    with serving() as url:
        sys.stdout.write(url + "\n")
        input()
