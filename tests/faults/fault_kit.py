"""A service of bytes: plays every edition's good answers, does what a fault says instead, and counts what it would bill.

It runs in a thread of its own, so that neither the client's event loop nor its library has a say in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Literal

import anyio.to_thread
import msgspec
from msgspec import Struct

Verb = Literal["submit", "query", "flash"]
Act = Callable[["Exchange"], Awaitable[None]]

V3_DONE = b'{"audio_info":{"duration":1000},"result":{"text":"good"}}'


class Fault(Struct, frozen=True, kw_only=True):
    """What goes wrong, and where. *act* has the connection: before the body is read, or after it (and it is charged)."""

    phase: str
    name: str
    act: Act
    slow: bool = False
    """It ends by the client's patience, which is short then."""
    heavy: bool = False
    """Megabytes move: it is tried in few cells."""
    surplus: bool = False
    """More comes than the reply, which an httpx client takes for the reply to its next request."""
    never: bool = False
    """The client goes on until its deadline, which is short then."""
    early: bool = False
    """It strikes before the body is read."""
    refused: bool = False
    """The service does not take the request, so nothing is billed."""
    gate: Literal["", "refused", "full", "tls"] = ""
    """It strikes before there is an HTTP connection."""


class Exchange:
    """One request on its connection: what came, and the good answer to it."""

    def __init__(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.service, self.reader, self.writer = service, reader, writer
        self.head, self.length, self.body = b"", 0, b""
        self.code, self.message, self.answer = "", "", b""

    async def read_head(self) -> None:
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", self.head.lower())
        self.length = int(found[1]) if found else 0

    async def read_body(self) -> None:
        self.body = await self.reader.readexactly(self.length)

    @property
    def verb(self) -> Verb:
        path = self.head.split(b" ", 2)[1]
        return "flash" if path.endswith(b"flash") else "query" if path.endswith(b"query") else "submit"

    @property
    def name(self) -> str:
        """What the task is called: v3 says it in a header, v1 in the body."""
        found = re.search(rb"x-api-request-id: (\S+)", self.head.lower())
        return found[1].decode() if found else str(msgspec.json.decode(self.body).get("id", ""))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reply(
        self, body: bytes | None = None, *, status: str = "200 OK", code: str | None = None, more: str = ""
    ) -> bytes:
        """Write a reply, by default the good one, with a right length."""
        body = self.answer if body is None else body
        code = self.code if code is None else code
        said = f"X-Api-Status-Code: {code}\r\nX-Api-Message: {self.message}\r\n" if code else ""
        return f"HTTP/1.1 {status}\r\n{said}{more}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def reset(self) -> None:
        """Break the connection with a RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Service:
    """One cell's service on a port of its own."""

    def __init__(self, edition: str, secure: ssl.SSLContext | None = None) -> None:
        self.edition, self.secure = edition, secure
        self.fault: Fault | None = None
        self.verb: Verb | None = None
        self.times = 0.0
        self.charges = 0
        self.seen: Counter[str] = Counter()
        self.tasks: set[str] = {"known"}
        self.open: set[asyncio.StreamWriter] = set()
        self._working: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def arm(self, fault: Fault, verb: Verb, times: float = math.inf) -> None:
        self.verb, self.times, self.fault = verb, times, fault

    def disarm(self) -> None:
        self.fault = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.secure else ''}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16
        )  # little of an upload is out of the sender's hands
        listener.bind(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(self._serve, sock=listener)
        self.port = listener.getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    def strikes(self, verb: Verb) -> Fault | None:
        """Give the fault if it is to happen now."""
        if self.fault is None or self.verb != verb or self.times < 1:
            return None
        self.times -= 1
        return self.fault

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._working.add(task)
        self.open.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._talk(Exchange(self, reader, writer))
        finally:
            self.open.discard(writer)
            self._working.discard(task)
            if self.secure is None:
                writer.close()
            else:
                writer.transport.abort()  # a polite end of TLS takes the client's answer

    async def _talk(self, exchange: Exchange) -> None:
        if self.secure is not None:
            fault = self.strikes(self.verb) if self.fault and self.fault.gate == "tls" and self.verb else None
            if fault is not None:
                await fault.act(exchange)
                return
            await exchange.writer.start_tls(self.secure)
        while not exchange.writer.is_closing():
            await self._answer(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        await exchange.read_head()
        verb = exchange.verb
        self.seen[verb] += 1
        fault = self.strikes(verb)
        if fault is not None and fault.early:
            await fault.act(exchange)
            return
        await exchange.read_body()
        self._decide(exchange, verb, refused=fault is not None and fault.refused)
        await (fault.act(exchange) if fault is not None else exchange.send(exchange.reply()))

    def _decide(self, exchange: Exchange, verb: Verb, *, refused: bool) -> None:
        """Take the request, bill it, and know the good answer."""
        v1, name = self.edition == "v1", exchange.name
        exchange.code = "" if v1 else "20000000"
        if verb == "query":
            there = name in self.tasks
            exchange.code = "" if v1 else "20000000" if there else "45000000"
            said = b'{"resp":{"code":1000,"message":"Success","id":"known","text":"good","utterances":[]}}'
            missing = b"{}"
            exchange.message = "" if v1 or there else "cannot find task"
            exchange.answer = said if v1 else V3_DONE if there else missing
            return
        if not v1 and verb == "submit" and name in self.tasks:
            exchange.code, exchange.answer = "45000001", b"{}"
            return
        if not refused:
            self.charges += 1
            self.tasks.add(name)
        exchange.answer = V3_DONE if verb == "flash" else b"{}"
        if v1:
            exchange.answer = b'{"resp":{"code":"1000","message":"Success","id":"known"}}'


class Keeper:
    """The thread in which services run."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self.loop)
        await anyio.to_thread.run_sync(done.result, 30)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(
            asyncio.sleep(0.05), self.loop
        ).result()  # what was closed gets its last callbacks
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def keeper() -> Iterator[Keeper]:
    kept = Keeper()
    try:
        yield kept
    finally:
        kept.close()


@contextmanager
def full_port(port: int) -> Iterator[None]:
    """Have the port take no connection and refuse none: its queue is full."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield
