"""Local audio of 1, 20 and 100 MB inside a flash request: alone and eight at once, plain and over TLS.

Rivals: the vendor's demo (all of the file read, `base64.b64encode`, `requests.post(json=)`; called on the loop, it blocks it),
httpx with `json=`, and aiohttp with a generator of base64 pieces, written well: known length, blocks of 1.5 MiB read in a
thread, pieces of 192 KiB, pybase64. The limit is a socket and a body that was encoded before. Eight uploads of 100 MB at once
would take the demo and httpx 4 GB of memory: they are left out there. `CPU / demo` is the median of the rounds' own ratios.
"own stall" leaves out the time in which the loop could have run and the machine ran something else, the receiver say.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import socket
import ssl
import tempfile
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.report import OURS
from benchmarks.tls import Receiver, receiving

SIZES = (1, 20, 100)
WAYS = ("plain", "TLS")
_FIGURES = ("wall s", "CPU s", "memory MB")
_STALLS = ("stall ms", "own stall ms")
_BEFORE, _AFTER = b'{"user":{"uid":"key"},"audio":{"data":"', b'"},"request":{"model_name":"bigmodel"}}'
_PATH = "/api/v3/auc/bigmodel/recognize/flash"
_PIECE = 192 * 1024
_DEMO = "vendor's demo"
_AIOHTTP = "aiohttp, a generator of pieces"

Files = dict[int, tuple[Path, str]]
"""By size in MB: where it lies, and its digest."""
Plan = list[tuple[str, int]]
"""What one of them sends: a file, and how many times at once."""


def run(rounds: int = 3, sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """Measure all, in turn, from files that lie in the page cache."""
    rows = []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        files = {size: _make(Path(folder, f"{size}.mp3"), size) for size in sizes}
        for way in WAYS:
            with receiving(way) as receiver:
                for turn in range(rounds):
                    rows += [{"turn": turn, "way": way, **row} for row in _round(receiver, turn, files)]
    kinds = dict.fromkeys((row["MB"], row["at once"], row["way"], row["name"]) for row in rows)
    ordered = sorted(kinds, key=lambda kind: (kind[1], -kind[0], kind[2] != "plain"))
    return [_middle(rows, kind) for kind in ordered]


def _round(receiver: Receiver, turn: int, files: Files) -> list[dict[str, Any]]:
    """Let each have its turn; the first of one round is the last of the next."""
    alone = [(size, 1) for size in files]
    and_eight = [*alone, (max(files), 8)]
    turns: list[tuple[Any, ...]] = [
        (OURS["default"], upload_by_us, and_eight, "httpx"),
        (OURS["[speed]"], upload_by_us, and_eight, "aiohttp"),
        (_AIOHTTP, upload_by_aiohttp, and_eight),
        (_DEMO, upload_by_demo, alone),
        ("httpx, json=", upload_by_httpx, alone),
        ("limit", upload_encoded, alone),
    ]
    turns = turns[turn % len(turns) :] + turns[: turn % len(turns)]
    return [row for one in turns for row in _turn(receiver, files, *one)]


def _turn(
    receiver: Receiver, files: Files, name: str, who: Any, plan: list[tuple[int, int]], *engine: str
) -> list[dict[str, Any]]:
    """Run one of them in a process of its own, and compare what arrived with what was sent."""
    without = measure.NOT_INSTALLED[engine[0]] if engine else ()
    paths = [(str(files[size][0]), at_once) for size, at_once in plan]
    figures = measure.alone(who, receiver.url, paths, *engine, environ=receiver.environ, without=without)
    came = _arrived(receiver)
    sent: Counter[str] = Counter()
    for (size, _), row in zip(plan, figures, strict=True):
        sent[files[size][1]] += row.pop("sent")
    intact = Counter(digest for digest in came if digest in sent) == sent
    return [
        {"name": name, "MB": size, "at once": at_once, **row, "intact": intact}
        for (size, at_once), row in zip(plan, figures, strict=True)
    ]


def _middle(rows: list[dict[str, Any]], kind: tuple[int, int, str, str]) -> dict[str, Any]:
    size, at_once, way, name = kind
    alike = [row for row in rows if (row["MB"], row["at once"], row["way"], row["name"]) == kind]
    demo = {
        row["turn"]: row["CPU s"]
        for row in rows
        if (row["MB"], row["at once"], row["way"], row["name"]) == (size, 1, way, _DEMO)
    }
    ratio = measure.median(row["CPU s"] / (at_once * demo[row["turn"]]) for row in alike)
    stalls = {key: round(measure.median(row[key] for row in alike), 1) for key in _STALLS if key in alike[0]}
    return {
        "name": name,
        "MB": size,
        "at once": at_once,
        "way": way,
        **{key: round(measure.median(row[key] for row in alike), 3) for key in _FIGURES},
        **(stalls or dict.fromkeys(_STALLS)),
        "CPU / demo": round(ratio, 3),
        "intact": all(row["intact"] for row in alike),
    }


def _make(path: Path, size: int) -> tuple[Path, str]:
    """Write a recording that nothing can compress; its digest too."""
    block, digest = os.urandom(measure.MB), hashlib.sha256()
    with path.open("wb") as file:
        for turn in range(size):
            piece = (b"ID3" if turn == 0 else turn.to_bytes(3)) + block[3:]
            file.write(piece)
            digest.update(piece)
    return path.absolute(), digest.hexdigest()


def _arrived(receiver: Receiver) -> list[str]:
    context = ssl.create_default_context(cafile=receiver.certificate) if receiver.certificate else None
    with urllib.request.urlopen(receiver.url + "/digests", context=context) as reply:
        digests: list[str] = json.loads(reply.read())
    return digests


# ---- who uploads ----


async def _each(send: Callable[[Path], Awaitable[Any]], plan: Plan, *, twice: bool = False) -> list[dict[str, Any]]:
    """Send one file after the other, each so many times at once. Memory is above the start of all of them.

    Where little CPU is used, one that is alone is sent *twice*, for CPU and then for stalls: to watch takes 5 to 10 % of it.
    """
    rows, start = [], measure.resident()

    async def sent(path: str, at_once: int, *, watched: bool = True) -> measure.Used:
        async with measure.using(start, watched=watched) as used:
            await asyncio.gather(*(send(Path(path)) for _ in range(at_once)))
        return used

    for path, at_once in plan:
        unwatched = [await sent(path, 1, watched=False)] if twice and at_once == 1 else []
        watched = await sent(path, at_once)
        rows.append({**(unwatched or [watched])[0].row(), **watched.stalls(), "sent": at_once + len(unwatched)})
    return rows


async def upload_by_us(url: str, plan: Plan, engine: Any) -> Any:
    """The library, as a user calls it; the room for uploads is wide enough for all of them."""
    from volcasr_async import ApiKey, Limits, VolcASR

    limits = Limits(qps=None, upload_bytes=1000 * measure.MB)
    async with VolcASR(ApiKey("key"), base_url=url, limits=limits, http=engine) as asr:
        await asr.transcribe(b"ID3 warm")

        async def send(path: Path) -> None:
            assert (await asr.transcribe(path, timeout=600)).text

        return await _each(send, plan, twice=True)


async def upload_by_demo(url: str, plan: Plan) -> Any:
    """As the vendor shows it."""
    import requests

    async def send(path: Path) -> None:
        data = base64.b64encode(path.read_bytes()).decode("utf-8")
        body = {"user": {"uid": "key"}, "audio": {"data": data}, "request": {"model_name": "bigmodel"}}
        reply = requests.post(url + _PATH, json=body, headers=_headers(), timeout=600)  # noqa: ASYNC210 - that is how it is shown
        assert reply.headers["X-Api-Status-Code"] == "20000000"
        assert reply.json()["result"]["text"]

    requests.post(url + "/warm", json={}, timeout=60)  # noqa: ASYNC210 - nothing is measured yet
    return await _each(send, plan)


async def upload_by_httpx(url: str, plan: Plan) -> Any:
    """The same with httpx."""
    import httpx

    async with httpx.AsyncClient(timeout=600) as client:

        async def send(path: Path) -> None:
            data = base64.b64encode(path.read_bytes()).decode()
            body = {"user": {"uid": "key"}, "audio": {"data": data}, "request": {"model_name": "bigmodel"}}
            _check(await (await client.post(url + _PATH, json=body, headers=_headers())).aread())

        await client.post(url + "/warm", json={})
        return await _each(send, plan)


async def upload_by_aiohttp(url: str, plan: Plan) -> Any:
    """Pieces, never the whole."""
    import aiohttp

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(600)) as session:

        async def send(path: Path) -> None:
            length = len(_BEFORE) + 4 * ((path.stat().st_size + 2) // 3) + len(_AFTER)
            headers = {**_headers(), "Content-Length": str(length)}
            async with session.post(url + _PATH, data=_pieces(path), headers=headers) as reply:
                assert reply.headers["X-Api-Status-Code"] == "20000000"
                _check(await reply.read())

        async with session.post(url + "/warm", json={}) as reply:
            await reply.read()
        return await _each(send, plan, twice=True)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    from pybase64 import b64encode

    yield _BEFORE
    with path.open("rb", buffering=0) as file:
        while block := await asyncio.to_thread(file.read, 8 * _PIECE):
            for start in range(0, len(block), _PIECE):
                yield b64encode(memoryview(block)[start : start + _PIECE])
    yield _AFTER


async def upload_encoded(url: str, plan: Plan) -> Any:
    """The limit: nothing but the socket; the body was made before."""
    host, port = url.rpartition("/")[2].split(":")
    context = ssl.create_default_context() if url.startswith("https:") else None
    rows = []
    for path, _ in plan:
        body = _BEFORE + base64.b64encode(Path(path).read_bytes()) + _AFTER
        with socket.create_connection((host, int(port))) as plain:
            line = context.wrap_socket(plain, server_hostname=host) if context else plain
            async with measure.using(watched=False) as used:
                line.sendall(f"POST {_PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
                line.sendall(body)
                _check(line.recv(65536).partition(b"\r\n\r\n")[2])
        rows.append({**used.row(), "sent": 1})
    return rows


def _headers() -> dict[str, str]:
    return {
        "X-Api-Key": "key",
        "X-Api-Resource-Id": "volc.bigasr.auc_turbo",
        "X-Api-Request-Id": str(uuid.uuid4()),
        "X-Api-Sequence": "-1",
        "Content-Type": "application/json",
    }


def _check(body: bytes) -> None:
    assert json.loads(body)["result"]["text"] == "made up"
