"""What a lane stands on: a connection that hands out one reply at a time, and before the first all that comes."""

from collections.abc import Iterable, Sequence
from typing import Any

import httpcore
import pytest

from volcasr_async._transport.road import OneReply

pytestmark = pytest.mark.anyio
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


class Packets(httpcore.AsyncNetworkStream):
    """Brings these packets, one for each read."""

    def __init__(self, packets: Iterable[bytes]) -> None:
        self._packets = list(packets)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        """Bring the next."""
        return self._packets.pop(0)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Take it."""

    def get_extra_info(self, info: str) -> Any:
        """Know nothing."""
        return None


async def read(road: OneReply, times: int) -> Sequence[bytes]:
    return [await road.read(65536) for _ in range(times)]


async def test_a_proxys_bytes_are_not_parted() -> None:
    """What a SOCKS proxy says may hold what ends a head elsewhere: an address of 10.10.1.2 does."""
    said = b"\x05\x00\x00\x01\x0a\x0a\x01\x02\x01\xbb"
    assert await read(OneReply(Packets([said])), 1) == [said]


async def test_what_follows_a_reply_is_kept_back() -> None:
    """The head, the body, and then nothing of what came with them."""
    road = OneReply(Packets([REPLY + b"{}" + REPLY + b"[]"]))
    await road.write(b"POST /x HTTP/1.1\r\n\r\n")
    [head] = await read(road, 1)
    assert head == REPLY
    road.follow(200, {"content-length": "2"})
    assert await read(road, 1) == [b"{}"]
    assert not road.is_clean


async def test_a_reply_alone_is_clean() -> None:
    """Then the connection serves the next request."""
    road = OneReply(Packets([REPLY + b"{}", REPLY, b"[]"]))
    for body in (b"{}", b"[]"):
        await road.write(b"POST /x HTTP/1.1\r\n\r\n")
        assert await read(road, 1) == [REPLY]
        road.follow(200, {"content-length": "2"})
        assert await read(road, 1) == [body]
        assert road.is_clean


@pytest.mark.parametrize("at", range(1, 30))
async def test_chunks_in_any_packets(at: int) -> None:
    """However a chunked body is cut into packets, its end is seen, also when its text looks like one."""
    head, body = b"HTTP/1.1 200 OK\r\n\r\n", b'8\r\n"0\r\n\r\n0"\r\n0\r\n\r\n'
    road = OneReply(Packets([head + body[:at], body[at:]] if at < len(body) else [head + body]))
    await road.write(b"POST /x HTTP/1.1\r\n\r\n")
    assert await read(road, 1) == [head]
    road.follow(200, {"transfer-encoding": "chunked"})
    seen = b""
    while seen != body:
        seen += await road.read(65536)
    assert road.is_clean
