"""Servers that keep what they were sent: plain, behind TLS, and a proxy that cannot look into what it passes on."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import trustme
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener
from io_kit import reply

PENDING = reply(b"{}", code=20000001)
"""What the service says of a task that goes on."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Kept:
    """What came: the connections, and their bytes."""

    def __init__(self) -> None:
        self.connections = 0
        self.data = b""


async def head_of(stream: ByteStream, kept: Kept) -> bytes:
    """Read a request's head."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive()
    kept.data += head
    return head


def answering(answer: bytes, kept: Kept) -> Callable[[ByteStream], Awaitable[None]]:
    """Answer whatever comes on a connection."""

    async def handle(stream: ByteStream) -> None:
        kept.connections += 1
        while True:
            kept.data += await stream.receive()
            if kept.data.endswith(b"{}"):  # the body of a question
                await stream.send(answer)

    return handle


def tunnel(port: int, kept: Kept) -> Callable[[ByteStream], Awaitable[None]]:
    """Do what a proxy does for CONNECT, and lead to *port* of this machine whatever was asked for."""

    async def handle(stream: ByteStream) -> None:
        kept.connections += 1
        await head_of(stream, kept)
        async with await anyio.connect_tcp("127.0.0.1", port) as far, anyio.create_task_group() as tasks:
            await stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            tasks.start_soon(_pass_on, stream, far, kept)
            tasks.start_soon(_pass_on, far, stream, Kept())

    return handle


async def _pass_on(one: ByteStream, other: ByteStream, kept: Kept) -> None:
    try:
        async for data in one:
            kept.data += data
            await other.send(data)
        await other.send_eof()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return


@asynccontextmanager
async def listening(
    handle: Callable[[Any], Awaitable[None]], context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve connections; gives the port."""

    async def one(stream: Any) -> None:
        try:
            async with stream:
                await handle(stream)
        except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, ssl.SSLError):
            return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    served: Any = listener if context is None else TLSListener(listener, context, standard_compatible=False)
    async with served, anyio.create_task_group() as tasks:
        tasks.start_soon(served.serve, one)
        yield port
        tasks.cancel_scope.cancel()


def certified(folder: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """Make a server's context for *name*, and the file with the authority that vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    return context, trusted
