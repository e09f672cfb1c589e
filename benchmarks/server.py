"""A fake service, as fast as asyncio goes, in a process of its own: it must not be the bottleneck.

It answers every POST as the service answers a good one (flash and query with a short transcript, submit with `{}`), after
an optional delay. Of an upload it keeps the digest of the decoded audio, read back by `GET /digest`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import multiprocessing
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Api-Status-Code: 20000000\r\nX-Api-Message: OK\r\n"
_TRANSCRIPT = json.dumps({"audio_info": {"duration": 1000}, "result": {"text": "made up", "utterances": []}}).encode()


class Service(asyncio.Protocol):
    """One connection."""

    delay = 0.0
    digest = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer, self.left, self.path = b"", 0, b""

    def data_received(self, data: bytes) -> None:
        while data:
            if not self.left:
                self.buffer += data
                head, found, data = self.buffer.partition(b"\r\n\r\n")
                if not found:
                    return
                self.buffer = b""
                self._begin(head)
            take = data[: self.left]
            data = data[self.left :]
            self._body(take)
            self.left -= len(take)
            if not self.left:
                self._answer()

    def _begin(self, head: bytes) -> None:
        self.path = head.split(b" ", 2)[1]
        low = head.lower()
        at = low.find(b"content-length:")
        self.left = int(low[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        self.hash, self.carry, self.inside = hashlib.sha256(), b"", False
        self.big = self.left > 100_000

    def _body(self, piece: bytes) -> None:
        if not self.big:
            return
        if not self.inside:  # the audio follows the first `"data":"`
            self.carry += piece
            _, found, piece = self.carry.partition(b'"data":"')
            if not found:
                return
            self.inside, self.carry = True, b""
        piece, quote, _ = (self.carry + piece).partition(b'"')
        whole = len(piece) if quote else len(piece) // 4 * 4
        self.hash.update(base64.b64decode(piece[:whole]))
        self.carry = b'"' if quote else piece[whole:]

    def _answer(self) -> None:
        if self.big:
            Service.digest = self.hash.hexdigest()
        body = b"{}" if self.path.endswith(b"submit") else _TRANSCRIPT
        if self.path == b"/digest":
            body = Service.digest.encode()
        reply = _HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.transport.write, reply)  # type: ignore[attr-defined]
        else:
            self.transport.write(reply)  # type: ignore[attr-defined]


async def _run(pipe: Connection, delay: float) -> None:
    Service.delay = delay
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=4096)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _main(pipe: Connection, delay: float) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(pipe, delay))


@contextlib.contextmanager
def serving(delay: float = 0.0) -> Iterator[str]:
    """Run the server in its own process; yields its base URL."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_main, args=(its, delay), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{mine.recv()}"
    finally:
        process.terminate()
        process.join()


if __name__ == "__main__":
    with serving() as url:
        sys.stdout.write(url + "\n")
        input()
