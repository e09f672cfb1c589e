"""The vendor's demo: `requests`, blocking, in as many threads as there are connections.

The demo calls `requests.post`, which opens a connection for each request. `session` is the same improved: one
`requests.Session` for each thread. For whole jobs the demo submits, then waits two seconds before each query; here every
job has a thread of a pool meanwhile. What the demo lacks and a batch cannot do without is added: the threads share a pace.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.rivals import wire
from benchmarks.rivals.wire import Work

THREADS = 200
"""As many as can ask every two seconds under 100 requests a second."""
_PAUSE_S = 1.0


def post(base_url: str, key: str, path: str, request_id: str, question: Any, sender: Any = None) -> Any:
    """Make one request as the demo does; *sender* is a session, or `requests` itself."""
    import requests

    headers = wire.headers(key, request_id, wire.resource(path))
    reply = (sender or requests).post(base_url + path, json=question, headers=headers)
    return wire.read(reply.headers.get("X-Api-Status-Code"), reply.content)


@contextlib.asynccontextmanager
async def _threads(connections: int, flash: Callable[[], None]) -> AsyncIterator[wire.Several]:
    loop = asyncio.get_running_loop()

    def run(count: int) -> None:
        for _ in range(count):
            flash()

    with ThreadPoolExecutor(connections) as pool:

        async def several(count: int) -> None:
            share = count // connections
            await asyncio.gather(*(loop.run_in_executor(pool, run, share) for _ in range(connections)))

        yield several


def as_it_is(url: str, connections: int) -> contextlib.AbstractAsyncContextManager[wire.Several]:
    """Small requests by `requests.post`."""

    def flash() -> None:
        post(url, "demo", wire.FLASH, str(uuid.uuid4()), wire.question(wire.AUDIO))

    return _threads(connections, flash)


@contextlib.asynccontextmanager
async def session(url: str, connections: int) -> AsyncIterator[wire.Several]:
    """Small requests by a `requests.Session` for each thread."""
    import requests

    mine, sessions = threading.local(), []

    def flash() -> None:
        if not hasattr(mine, "session"):
            mine.session = requests.Session()
            sessions.append(mine.session)
        post(url, "session", wire.FLASH, str(uuid.uuid4()), wire.question(wire.AUDIO), mine.session)

    async with _threads(connections, flash) as several:
        yield several
    for one in sessions:
        one.close()


@contextlib.asynccontextmanager
async def jobs(work: Work) -> AsyncIterator[wire.Transcribe]:
    """Whole jobs by `requests.post` in threads."""
    post(work.url, work.key, wire.FLASH, str(uuid.uuid4()), wire.question(wire.AUDIO))
    loop, threaded = asyncio.get_running_loop(), _Threaded(work)
    with ThreadPoolExecutor(THREADS) as pool:

        async def transcribe(links: Iterable[str], finished: wire.Finished) -> None:
            await asyncio.gather(*(loop.run_in_executor(pool, threaded.job, link, finished) for link in links))

        try:
            yield transcribe
        finally:
            threaded.over.set()


class _Threaded:
    def __init__(self, work: Work) -> None:
        self._work, self._lock, self._next = work, threading.Lock(), 0.0
        self.over = threading.Event()

    def job(self, link: str, finished: wire.Finished) -> None:
        task = str(uuid.uuid4())
        self._request(wire.SUBMIT, task, wire.question(link))
        while not self.over.wait(self._work.poll_s):
            with contextlib.suppress(wire.Running):
                reply = self._request(wire.QUERY, task, {})
                return finished(link, reply["result"]["text"])

    def _request(self, path: str, task: str, question: Any) -> Any:
        while True:
            self._turn()
            with contextlib.suppress(wire.OverQuota):
                return post(self._work.url, self._work.key, path, task, question)
            time.sleep(_PAUSE_S)

    def _turn(self) -> None:
        """Wait for this thread's turn: starts come evenly."""
        if self._work.qps is None:
            return
        with self._lock:
            now = time.monotonic()
            at = self._next = max(self._next + 1 / self._work.qps, now)
        time.sleep(at - now)
