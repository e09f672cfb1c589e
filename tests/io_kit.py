"""What the tests of the client share: credentials, a client at a simulator, raw servers, open files."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from anyio.abc import SocketStream

from volcasr_async import ApiKey, AppKey, AucV1, Flash, Idle, Limits, Standard, VolcASR
from volcasr_async.editions import Edition
from volcasr_async.testing import Simulator

KEY = ApiKey("0123456789abcdef-secret-key")
PAIR = AppKey("1234567890", "access-token-secret")
BASE = "http://127.0.0.1:9"
URL = "https://example.com/audio.mp3?signature=signed-link-secret"
PLAIN = "https://example.com/audio.mp3"
EDITIONS: list[Edition] = [Standard(), Idle(), Flash(), AucV1("volc_auc_common")]
POLLED: list[Edition] = [Standard(), Idle(), AucV1("volc_auc_common")]
by_name = pytest.mark.parametrize("edition", EDITIONS, ids=lambda edition: edition.name)
polled = pytest.mark.parametrize("edition", POLLED, ids=lambda edition: edition.name)

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list open files")


def client(simulator: Simulator, **more: Any) -> VolcASR:
    """Give a client that talks to the simulator in this process."""
    more.setdefault("credentials", PAIR)
    more.setdefault("base_url", BASE)
    more.setdefault("limits", Limits(qps=None))
    return VolcASR(more.pop("credentials"), http=simulator.transport(), **more)


def sample(name: str) -> tuple[int, dict[str, str], bytes]:
    """Read a recorded reply: status, headers, body."""
    found = msgspec.json.decode((Path(__file__).parent / "samples" / f"{name}.json").read_bytes())
    body = found["body"]
    return found["http_status"], found["headers"], body.encode() if isinstance(body, str) else msgspec.json.encode(body)


def is_idle(asr: VolcASR) -> bool:
    """Tell whether nothing is held: no slot, no place in the queue, no byte of audio."""
    stats = asr.stats
    return (stats.in_air, stats.waiting, stats.upload_bytes) == (0, 0, 0)


def open_files(folder: Path) -> list[str]:
    """List the files below a folder that this process holds open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return found


Handler = Callable[[SocketStream], Awaitable[None]]


@asynccontextmanager
async def raw_server(handler: Handler) -> AsyncIterator[str]:
    """Serve connections with a handler that writes bytes by hand; gives the base URL."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                await handler(stream)
            except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


async def read_head(stream: SocketStream) -> tuple[bytes, bytes, int]:
    """Read a request's head: the head, what came of the body with it, and the promised length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head, rest, length


async def read_request(stream: SocketStream) -> tuple[bytes, bytes]:
    """Read a whole request: head and body."""
    head, rest, length = await read_head(stream)
    parts, size = [rest], len(rest)
    while size < length:
        parts.append(await stream.receive())
        size += len(parts[-1])
    return head, b"".join(parts)


def reply(body: bytes, *, status: str = "200 OK", code: int | None = 20000000, more: str = "") -> bytes:
    """Write a reply with a right length."""
    said = f"X-Api-Status-Code: {code}\r\n" if code is not None else ""
    return f"HTTP/1.1 {status}\r\n{said}{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


DONE = b'{"audio_info":{"duration":1000},"result":{"text":"good"}}'
