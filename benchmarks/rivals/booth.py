"""A rival in a process of its own that stays open, so that rivals can take turns cell by cell at no cost of starting."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import measure
from benchmarks.server import totals


class Booth:
    """Where one rival sits."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def measure(self, url: str, connections: int, requests: int) -> dict[str, float]:
        """Have it make so many small requests once all connections are open.

        Brings `cpu_us` for each, `requests_per_s`, and `server_share`, the share of the time that the server was busy.
        """
        self._pipe.send((url, connections, requests))
        answer: dict[str, Any] = self._pipe.recv()
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer


@contextlib.contextmanager
def booth(rival: str) -> Iterator[Booth]:
    """Seat a rival, named as `module.function` of this package."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_serve, args=(its, rival), daemon=True)
    process.start()
    its.close()
    try:
        yield Booth(mine)
    finally:
        mine.close()
        process.join()


def _serve(pipe: Connection, rival: str) -> None:
    module, _, function = rival.partition(".")
    exchanging = getattr(importlib.import_module(f"benchmarks.rivals.{module}"), function)
    with contextlib.suppress(EOFError):
        while True:
            cell = pipe.recv()
            answer: dict[str, Any]
            try:
                answer = asyncio.run(_cell(exchanging, *cell))
            except Exception as error:  # noqa: BLE001 - told to the process that asked
                answer = {"failed": f"{rival}: {error!r}"}
            pipe.send(answer)


async def _cell(exchanging: Any, url: str, connections: int, requests: int) -> dict[str, float]:
    count = max(requests // connections, 1) * connections
    async with exchanging(url, connections) as several:
        await several(connections)  # connections open, imports done
        server_s = totals(url)["cpu_s"]
        began, used = time.perf_counter(), measure.cpu_s()
        await several(count)
        cpu, wall = measure.cpu_s() - used, time.perf_counter() - began
        server_s = totals(url)["cpu_s"] - server_s
    return {"cpu_us": cpu / count * 1e6, "requests_per_s": count / wall, "server_share": server_s / wall}
