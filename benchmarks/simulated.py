"""The simulator in a process of its own, and what it counted."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import urllib.request
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any


async def _serve(pipe: Connection, settings: dict[str, Any]) -> None:
    import anyio

    from volcasr_async.testing import Fault, Simulator

    faults = [Fault.parse(text) for text in settings.pop("faults", ())]
    async with Simulator(**settings, faults=faults).serve() as url:
        pipe.send(url)
        await anyio.sleep_forever()


def _main(pipe: Connection, settings: dict[str, Any]) -> None:
    import anyio

    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_serve, pipe, settings)


@contextlib.contextmanager
def simulating(**settings: Any) -> Iterator[str]:
    """Run a simulator with these settings; yields its base URL."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_main, args=(its, settings), daemon=True)
    process.start()
    try:
        yield mine.recv()
    finally:
        process.terminate()
        process.join()


def counted(url: str) -> dict[str, Any]:
    """Read what the simulator counted."""
    with urllib.request.urlopen(url + "/_simulator") as reply:
        told: dict[str, Any] = json.loads(reply.read())
    return told


def charges(url: str) -> dict[str, int]:
    """Read how often each recording was charged."""
    with urllib.request.urlopen(url + "/_simulator/charges") as reply:
        told: dict[str, int] = json.loads(reply.read())
    return told
