"""The faults, in the order of the page: what goes wrong, and when."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import Callable

from fault_kit import Exchange, Fault

_HTML = b"<html><body><h1>Bad Gateway</h1></body></html>"
_LONG = 100 * 1024
_MEGABYTE = bytes(1024 * 1024)
_DRIP_S = 0.05
_DEAF_S = 1.2
_SETTLED_S = 0.1
"""By then a small request has left the client whole."""

Script = Callable[[Exchange], bytes]


async def _stall(exchange: Exchange) -> None:
    """Say nothing more until the client hangs up."""
    while await exchange.reader.read(65536):
        pass
    exchange.writer.close()


def _saying(script: Script, then: str = "go on") -> Callable[[Exchange], object]:
    async def act(exchange: Exchange) -> None:
        await exchange.send(script(exchange))
        if then == "stall":
            await _stall(exchange)
        elif then == "close":
            exchange.writer.close()
        elif then == "reset":
            await asyncio.sleep(_SETTLED_S)  # what was said arrives before
            exchange.reset()

    return act


def _endless(begin: Script, piece: bytes, pause_s: float = 0.0) -> Callable[[Exchange], object]:
    async def act(exchange: Exchange) -> None:
        await exchange.send(begin(exchange))
        while True:
            await exchange.send(piece)
            await asyncio.sleep(pause_s)

    return act


def _part_read(then: str) -> Callable[[Exchange], object]:
    async def act(exchange: Exchange) -> None:
        await exchange.reader.readexactly(exchange.length // 8)  # what the system buffers does not reach to the end
        await asyncio.sleep(_SETTLED_S)
        if then == "reset":
            exchange.reset()
        elif then == "close":
            exchange.writer.close()
        else:
            await asyncio.sleep(_DEAF_S)
            await _stall(exchange)

    return act


async def _early_refusal(exchange: Exchange) -> None:
    await exchange.send(exchange.reply(b"", status="413 Content Too Large"))
    await exchange.reader.readexactly(exchange.length)


def _say(phase: str, name: str, script: Script, then: str = "go on", **more: bool) -> Fault:
    return Fault(phase=phase, name=name, act=_saying(script, then), slow=then == "stall", **more)  # type: ignore[arg-type]


def _on(phase: str, name: str, act: object, **more: object) -> Fault:
    return Fault(phase=phase, name=name, act=act, **more)  # type: ignore[arg-type]


def _head(exchange: Exchange, more: str = "") -> bytes:
    said = f"X-Api-Status-Code: {exchange.code}\r\n" if exchange.code else ""
    return f"HTTP/1.1 200 OK\r\n{said}{more}\r\n".encode()


def _chunked(exchange: Exchange, body: bytes) -> bytes:
    return _head(exchange, "Transfer-Encoding: chunked\r\n") + body


def _half_head(exchange: Exchange) -> bytes:
    return exchange.reply()[:28]


def _half_body(exchange: Exchange) -> bytes:
    return exchange.reply()[: -max(len(exchange.answer) // 2, 1)]


def _told(exchange: Exchange, told: object) -> bytes:
    head, _, body = exchange.reply().partition(b"\r\n\r\n")
    return (
        head.replace(f"Content-Length: {len(body)}".encode(), f"Content-Length: {told}".encode()) + b"\r\n\r\n" + body
    )


def _packed(exchange: Exchange, body: bytes) -> bytes:
    return exchange.reply(body, more="Content-Encoding: gzip\r\n")


def _body(body: bytes) -> Script:
    return lambda exchange: exchange.reply(body)


def _status(status: str, body: bytes, more: str = "") -> Script:
    """An answer of a gateway: no code of the service's."""
    return lambda exchange: exchange.reply(body, status=status, code="", more=more).replace(
        b"X-Api-Status-Code: \r\n", b""
    )


async def _never(_: Exchange) -> None:
    """The gate does it."""


async def _tls_garbage(exchange: Exchange) -> None:
    await exchange.reader.read(100)
    await exchange.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    exchange.writer.close()


async def _tls_cut(exchange: Exchange) -> None:
    await exchange.reader.read(100)
    exchange.writer.close()


async def _tls_reset(exchange: Exchange) -> None:
    await exchange.reader.read(100)
    exchange.reset()


async def _tls_stall(exchange: Exchange) -> None:
    await _stall(exchange)


async def _tls_stranger(exchange: Exchange) -> None:
    """Show a certificate of nobody that the client knows."""
    await exchange.writer.start_tls(STRANGER[0])


STRANGER: list[ssl.SSLContext] = []


async def _spoiled_record(exchange: Exchange) -> None:
    """Write in the clear what should have been a record of TLS."""
    raw = exchange.writer.get_extra_info("socket")
    with socket.socket(fileno=socket.dup(raw.fileno())) as past:
        past.setblocking(True)
        past.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    await _stall(exchange)


CONNECT = [
    _on("connect", "refused", _never, gate="refused"),
    _on("connect", "stall", _never, gate="full", slow=True),
]
TLS = [
    _on("TLS", "a certificate of a stranger's", _tls_stranger, gate="tls"),
    _on("TLS", "plain HTTP", _tls_garbage, gate="tls"),
    _on("TLS", "cut in the handshake", _tls_cut, gate="tls"),
    _on("TLS", "reset in the handshake", _tls_reset, gate="tls"),
    _on("TLS", "stall in the handshake", _tls_stall, gate="tls", slow=True),
    _on("TLS", "a spoiled record for a reply", _spoiled_record),
]
SEND = [
    _on("sending the body", "reset half-way", _part_read("reset"), early=True),
    _on("sending the body", "closed half-way", _part_read("close"), early=True),
    _on("sending the body", "stall half-way", _part_read("stall"), early=True, slow=True),
    _on("sending the body", "413 at once, the rest is read", _early_refusal, early=True),
]
WAIT = [
    _on("waiting for a head", "stall", _stall, slow=True),
    _say("waiting for a head", "reset", lambda _: b"", "reset"),
    _say("waiting for a head", "reset, and nothing was taken", lambda _: b"", "reset", refused=True),
    _say("waiting for a head", "closed", lambda _: b"", "close"),
]
HEAD = [
    _say("head", "half of it, then a stall", _half_head, "stall"),
    _say("head", "half of it, then a reset", _half_head, "reset"),
    _say("head", "half of it, then the end", _half_head, "close"),
    _on("head", "a drip without end", _endless(lambda _: b"HTTP/1.1 200 OK\r\nX-A: ", b"a", _DRIP_S), slow=True),
    _say("head", "100 Continue before it", lambda x: b"HTTP/1.1 100 Continue\r\n\r\n" + x.reply()),
    _say("head", "103 Early Hints before it", lambda x: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + x.reply()),
    _say("head", "fifty 102 before it", lambda x: b"HTTP/1.1 102 Processing\r\n\r\n" * 50 + x.reply()),
    _on("head", "102 without end", _endless(lambda _: b"", b"HTTP/1.1 102 Processing\r\n\r\n", _DRIP_S), slow=True),
    _say("head", "a header of 200 kB", lambda x: x.reply(more=f"X-A: {'a' * 2 * _LONG}\r\n"), "close"),
    _on("head", "a header without end", _endless(lambda _: b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * _LONG)),
    _on("head", "headers without end", _endless(lambda _: b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n" * 10000)),
    _say("head", "NUL in a header", lambda x: x.reply(more="X-Tt-Logid: a\0b\r\n"), "close"),
    _say("head", "not HTTP", lambda _: b"SSH-2.0-OpenSSH_9.6\r\n", "close"),
    _say("head", "101 Switching Protocols",
         lambda x: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + x.reply(), "close"),
]  # fmt: skip
STATUS = [
    _say("status", "302", _status("302 Found", b"", "Location: http://127.0.0.1:9/\r\n"), refused=True),
    _say("status", "400, JSON", _status("400 Bad Request", b'{"code":45000001,"message":"bad"}'), refused=True),
    _say("status", "401, nothing", _status("401 Unauthorized", b""), refused=True),
    _say("status", "403, HTML", _status("403 Forbidden", _HTML), refused=True),
    _say("status", "404, HTML", _status("404 Not Found", _HTML), refused=True),
    _say("status", "429, nothing", _status("429 Too Many Requests", b""), refused=True, never=True),
    _say("status", "500, JSON", _status("500 Internal Server Error", b'{"code":55000000,"message":"broken"}')),
    _say("status", "502, HTML", _status("502 Bad Gateway", _HTML)),
    _say("status", "503, nothing", _status("503 Service Unavailable", b"")),
]
BODY = [
    _say("body", "half of it, then a stall", _half_body, "stall"),
    _say("body", "half of it, then a reset", _half_body, "reset"),
    _say("body", "half of it, then the end", _half_body, "close"),
    _on("body", "a drip without end", _endless(lambda x: _told(x, 9999), b" ", _DRIP_S), slow=True),
    _say("body", "a length too long by 9", lambda x: _told(x, len(x.answer) + 9), "close"),
    _say("body", "a length too short by 1", lambda x: _told(x, len(x.answer) - 1), surplus=True),
    _say("body", "a length of a terabyte", lambda x: _told(x, 10**12), "stall"),
    _say("body", "a length that is no number", lambda x: _told(x, "many"), "close"),
    _say("body", "two lengths", lambda x: _told(x, f"{len(x.answer)}\r\nContent-Length: 3"), "close"),
    _say("body", "no length, closed at its end", lambda x: _head(x) + x.answer, "close"),
    _say("body", "chunked", lambda x: _chunked(x, b"%x\r\n%s\r\n0\r\n\r\n" % (len(x.answer), x.answer))),
    _say("body", "chunked, a bad chunk", lambda x: _chunked(x, b"zz\r\n" + x.answer), "close"),
    _say("body", "chunked, then the end", lambda x: _chunked(x, b"ff\r\n" + x.answer), "close"),
    _on("body", "without end, chunked", _endless(lambda x: _chunked(x, b""), b"100000\r\n" + _MEGABYTE + b"\r\n"), heavy=True),
    _on("body", "without end, no length", _endless(_head, _MEGABYTE), heavy=True),
    _say("body", "gzip", lambda x: _packed(x, gzip.compress(x.answer))),
    _say("body", "gzip, cut short", lambda x: _packed(x, gzip.compress(x.answer)[:-4])),
    _say("body", "gzip that is none", lambda x: _packed(x, x.answer)),
    _say("body", "gzip, a bomb of 200 MB", lambda x: _packed(x, BOMB[0]), heavy=True),
    _say("body", "brotli", lambda x: x.reply(more="Content-Encoding: br\r\n")),
]  # fmt: skip
BOMB: list[bytes] = []
SHAPE = [
    _say("shape", "nothing", _body(b"")),
    _say("shape", "HTML", _body(_HTML)),
    _say("shape", "a JSON list", _body(b"[1, 2]")),
    _say("shape", "other types", _body(b'{"result": 7, "resp": [], "audio_info": "x"}')),
    _say("shape", "nested 100,000 deep", _body(b"[" * 100_000)),
    _say("shape", "a field nested 100,000 deep", lambda x: x.reply(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"," + x.answer[1:])),
    _say("shape", "every key twice", lambda x: x.reply(x.answer[:-1] + b"," + x.answer[1:] if x.answer != b"{}" else b"{}")),
    _say("shape", "NUL bytes", _body(bytes(500))),
    _say("shape", "NUL bytes after it", lambda x: x.reply(x.answer + bytes(9))),
    _say("shape", "GBK", lambda x: x.reply(x.answer.replace(b"good", "好".encode("gbk")))),
    _say("shape", "UTF-16", lambda x: x.reply(x.answer.decode().encode("utf-16"))),
    _say("shape", "a refusal in GBK", lambda x: x.reply(
        '{"resp":{"code":1001,"message":"错误"}}'.encode("gbk"), code=x.code and "45000001"), refused=True),
    _say("shape", "bytes that are no text in the log id", lambda x: x.reply(more="X-Tt-Logid: @@\r\n").replace(b"@@", b"\xff\xfe")),
]  # fmt: skip
AFTER = [
    _say("after the body", "reset", lambda x: x.reply(), "reset"),
    _say("after the body", "closed", lambda x: x.reply(), "close"),
    _say("after the body", "bytes that belong to nothing", lambda x: x.reply() + b"\r\n<p>bye</p>", surplus=True),
    _say("after the body", "a second reply", lambda x: x.reply() + x.reply(b'{"result":{"text":"another\'s"}}'), surplus=True),
]  # fmt: skip

FAULTS: list[Fault] = [*CONNECT, *TLS, *SEND, *WAIT, *HEAD, *STATUS, *BODY, *SHAPE, *AFTER]
