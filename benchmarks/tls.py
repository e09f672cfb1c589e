"""Where uploads arrive: a receiver in a process of its own, plain or behind a self-signed certificate.

It decodes the audio as it comes and keeps the digest of each upload; `GET /digests` tells those since it was last asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import ssl
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Api-Status-Code: 20000000\r\nX-Api-Message: OK\r\n"
_TRANSCRIPT = json.dumps({"audio_info": {"duration": 1000}, "result": {"text": "made up", "utterances": []}}).encode()


class Receiver(NamedTuple):
    """Its base URL, the port of it, and the certificate to trust, if it has one."""

    url: str
    port: int
    certificate: str | None

    @property
    def environ(self) -> dict[str, str]:
        """What makes clients trust it: OpenSSL, and with it httpx and aiohttp, and requests, read these."""
        if self.certificate is None:
            return {}
        return {"SSL_CERT_FILE": self.certificate, "REQUESTS_CA_BUNDLE": self.certificate}


@contextlib.contextmanager
def receiving(way: str) -> Iterator[Receiver]:
    """Run a receiver, *way* "plain" or "TLS"."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = _issue(Path(folder)) if way == "TLS" else (None, None)
        process = context.Process(target=_main, args=(its, certificate, key), daemon=True)
        process.start()
        try:
            port = mine.recv()
            yield Receiver(f"{'https' if certificate else 'http'}://127.0.0.1:{port}", port, certificate)
        finally:
            process.terminate()
            process.join()


def _issue(folder: Path) -> tuple[str, str]:
    """Make a certificate for this machine that vouches for itself."""
    import trustme

    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    trusted, key = folder / "trusted.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(trusted))
    own.private_key_and_cert_chain_pem.write_to_path(str(key))
    return str(trusted), str(key)


class Arrival(asyncio.Protocol):
    """One connection."""

    digests: ClassVar[list[str]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.buffer, self.left, self.path = b"", 0, b""

    def data_received(self, data: bytes) -> None:
        while data:
            if not self.left:
                head, found, data = (self.buffer + data).partition(b"\r\n\r\n")
                if not found:
                    self.buffer = head
                    return
                self._begin(head)
            piece, data = (data, b"") if len(data) <= self.left else (data[: self.left], data[self.left :])
            self._body(piece)
            self.left -= len(piece)
            if not self.left:
                self._answer()

    def _begin(self, head: bytes) -> None:
        self.buffer, self.path = b"", head.split(b" ", 2)[1]
        _, found, length = head.lower().partition(b"content-length:")
        self.left = int(length.split(b"\r\n", 1)[0]) if found else 0
        self.hash, self.carry, self.place = hashlib.sha256(), b"", "before"

    def _body(self, piece: bytes) -> None:
        """Take the audio, which follows the first `"data":` and ends at the next quotation mark."""
        if self.place == "before":
            self.carry += piece
            _, found, piece = self.carry.replace(b'"data": "', b'"data":"').partition(b'"data":"')
            if not found:
                return
            self.place, self.carry = "inside", b""
        if self.place == "inside":
            piece, quote, _ = (self.carry + piece).partition(b'"')
            whole = len(piece) // 4 * 4
            self.hash.update(_b64decode(memoryview(piece)[:whole]))
            self.carry = piece[whole:]
            if quote:
                self.place = "after"

    def _answer(self) -> None:
        body = _TRANSCRIPT
        if self.path == b"/digests":
            body = json.dumps(Arrival.digests).encode()
            Arrival.digests.clear()
        elif self.place != "before":
            Arrival.digests.append(self.hash.hexdigest())
        self.transport.write(_HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def _decoder() -> Any:
    try:
        from pybase64 import b64decode
    except ImportError:
        from base64 import b64decode as plain

        return plain
    return b64decode


_b64decode = _decoder()


async def _run(pipe: Connection, certificate: str | None, key: str | None) -> None:
    context = None
    if certificate and key:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(key)
    server = await asyncio.get_running_loop().create_server(Arrival, "127.0.0.1", 0, ssl=context)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _main(pipe: Connection, certificate: str | None, key: str | None) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(pipe, certificate, key))
