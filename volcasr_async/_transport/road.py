"""What a lane stands on: the connection itself, which hands out one reply at a time and can always be closed."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, cast

import httpcore

from volcasr_async._clock import now
from volcasr_async._timeouts import GRACE_S, LATE_S

_HEAD_END: Final = re.compile(rb"\n\r?\n")
_LAST_CHUNK: Final = re.compile(rb"0\r\n\r\n")


class Road(httpcore.AsyncNetworkBackend):
    """Opens a lane's connection and can close it: cut off in a TLS handshake, httpcore 1.0.9 leaves it open for good."""

    def __init__(self) -> None:
        self._stream: OneReply | None = None
        self.leaving: Callable[[], Awaitable[None]] | None = None
        """Awaited before the head of the next request leaves."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect as httpcore would by itself."""
        inner = await _backend().connect_tcp(host, port, timeout, local_address, socket_options)
        self._stream = OneReply(inner, self._leave)
        return self._stream

    async def _leave(self) -> None:
        leaving, self.leaving = self.leaving, None
        if leaving is not None:
            await leaving()

    def follow(self, status: int, headers: Mapping[str, str]) -> None:
        """Expect the body that a head promised."""
        if self._stream is not None:
            self._stream.top.follow(status, headers)

    @property
    def is_clean(self) -> bool:
        """Whether nothing came after the reply."""
        return self._stream is None or self._stream.top.is_clean

    async def aclose(self) -> None:
        """Close what is below the lane; what the lane has closed is closed."""
        if self._stream is not None:
            await self._stream.aclose()


def _backend() -> httpcore.AsyncNetworkBackend:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return cast("httpcore.AsyncNetworkBackend", httpcore.TrioBackend())  # pyright sees the stand-in for no trio
    return cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())


async def _at_once() -> None:
    """Let a request leave without waiting."""


class OneReply(httpcore.AsyncNetworkStream):
    """A connection that hands out one reply, and keeps back what came after it.

    httpcore (1.0.9) would take that for the reply to the next request: one recording would get another's transcript.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream, leaving: Callable[[], Awaitable[None]] = _at_once) -> None:
        self._inner, self._leaving = inner, leaving
        self._over: OneReply | None = None
        self._rest = b""
        # What comes before a request, such as a proxy's bytes, is handed out as it comes.
        self._mark: re.Pattern[bytes] | None = None
        self._before, self._ended, self._left = b"", False, 0

    @property
    def top(self) -> OneReply:
        """The connection that the replies come through: this one, or TLS over it."""
        return self if self._over is None else self._over.top

    def begin(self) -> None:
        """Expect the head of a reply."""
        self._mark = _HEAD_END
        self._before, self._ended, self._left = b"", False, 0

    def follow(self, status: int, headers: Mapping[str, str]) -> None:
        """Expect the body that a head promised."""
        self._mark = _LAST_CHUNK if "transfer-encoding" in headers else None
        self._before, self._ended = b"", self._mark is None
        self._left = 0 if status in (204, 304) else int(headers.get("content-length", 0))

    @property
    def is_clean(self) -> bool:
        """Whether the reply was all that came."""
        return self._ended and not self._rest and not _holds_more(self.get_extra_info("ssl_object"))

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        """Read to the end of the present head or body at most."""
        if not self._rest:
            self._rest = await self._read(max_bytes, timeout)
        end = self._end() or len(self._rest)
        data, self._rest = self._rest[:end], self._rest[end:]
        return data

    async def _read(self, max_bytes: int, timeout: float | None) -> bytes:  # noqa: ASYNC109
        """Read; look once more where the timeout came much too late, because the process had been stopped."""
        began = now()
        try:
            return await self._inner.read(max_bytes, timeout)
        except httpcore.ReadTimeout:
            if timeout is None or now() - began <= timeout + LATE_S:
                raise
        return await self._inner.read(max_bytes, min(timeout, GRACE_S))

    def _end(self) -> int:
        """Tell how much of what came belongs to the head, or to the body."""
        if self._mark is None:
            end = min(self._left, len(self._rest))
            self._left -= end
            return end
        seen = self._before + self._rest
        found = self._mark.search(seen)
        self._ended = found is not None
        end = len(self._rest) if found is None else found.end() - len(self._before)
        self._before = seen[-4:] if found is None else b""
        return end

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Write all of it; a request's head has a write of its own, and neither JSON nor base64 begins like one."""
        if buffer.startswith(b"POST "):
            await self._leaving()
            self.begin()
        await self._inner.write(buffer, timeout)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Put TLS over it."""
        self._over = OneReply(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._leaving)
        return self._over

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        """Tell what the connection tells."""
        return self._inner.get_extra_info(info)


def _holds_more(tls: ssl.SSLObject | None) -> bool:
    """Tell whether TLS holds bytes that the socket does not show any more."""
    if tls is None:
        return False
    try:
        tls.read(1)
    except ssl.SSLWantReadError:
        return False
    except (ssl.SSLError, ValueError):
        return True
    return True
