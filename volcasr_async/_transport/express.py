"""The fast engine: aiohttp (extra `[speed]`), on asyncio.

The ready adapter (httpx-aiohttp 0.2) costs twice as much and calls a broken connection a connect time-out, which would
have a lost submit sent again; this one keeps the difference between what never left and what may have arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import aiohttp
import anyio
import httpx
from aiohttp.abc import AbstractStreamWriter

from volcasr_async._transport.body import Body
from volcasr_async._transport.engine import IDLE_S, WRITE_S, Headers, patience
from volcasr_async._transport.replies import Pieces, announced, text_of, too_long
from volcasr_async._transport.security import Security
from volcasr_async.errors import ConfigurationError
from volcasr_async.protocol.messages import Reply

_ENDING_S = 5.0

# The first that fits counts.
_NAMES: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientOSError, httpx.ReadError),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
    (OSError, httpx.ReadError),
)


class Express:
    """Sends through aiohttp; replies are read to their end, so that the connection is free at once."""

    def __init__(self, base_url: str, most: int, security: Security, *, proxy: str | None = None) -> None:
        self._base, self._proxy = base_url, proxy
        self._gate = anyio.Semaphore(most)
        self._security = security
        self._session: aiohttp.ClientSession | None = None
        self._making = anyio.Lock()
        self._patience: dict[float, aiohttp.ClientTimeout] = {}

    def __repr__(self) -> str:
        return "<Express>"

    async def post(self, path: str, headers: Headers, body: Body, *, reply_timeout: float) -> Reply:
        """Send; read the reply whole, at most `LONGEST_REPLY` bytes of it."""
        session = self._session or await self._open()
        body.silence_s = reply_timeout
        limits = self._patience.get(reply_timeout) or self._patient(reply_timeout)
        if self._gate.value:
            self._gate.acquire_nowait()
        else:
            await self._gate.acquire()  # without a deadline: in aiohttp's own queue, waiting would count as connecting
        try:
            if body.whole is None:
                return await self._upload(session, path, headers, body, limits)
            return await self._exchange(session, path, headers, _Short(body), limits, body)
        except (aiohttp.ClientError, OSError) as error:
            if body.broken is not None:
                raise body.broken from None
            broken = _translated(error)
        finally:
            self._gate.release()
        raise broken  # here, where aiohttp's own is not handled any more and cannot become its context

    async def aclose(self) -> None:
        """Close every connection; a request after this opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        path: str,
        headers: Headers,
        data: Any,
        limits: aiohttp.ClientTimeout,
        body: Body,
    ) -> Reply:
        async with session.post(
            self._base + path, data=data, headers=headers, timeout=limits, allow_redirects=False, proxy=self._proxy
        ) as reply:
            body.heard()
            return Reply(reply.status, _texts(reply), await _read(reply, body))

    async def _upload(
        self, session: aiohttp.ClientSession, path: str, headers: Headers, body: Body, limits: aiohttp.ClientTimeout
    ) -> Reply:
        """Send audio; the deadline for each piece is ours, for aiohttp knows none for writing."""
        pieces = _Pieces(body)
        try:
            async with asyncio.timeout(None) as pieces.watch:
                return await self._exchange(session, path, headers, pieces, limits, body)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ClientError):
                raise
            raise httpx.WriteTimeout("the service stopped taking the upload") from error
        finally:
            await pieces.end()

    async def _open(self) -> aiohttp.ClientSession:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError('http="aiohttp" runs on asyncio; on trio, leave http out') from None
        async with self._making:
            if self._session is None:
                context = await self._security.context() if self._base.startswith("https") else True
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=IDLE_S),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                )
        return self._session

    def _patient(self, reply_timeout: float) -> aiohttp.ClientTimeout:
        connect = patience(reply_timeout)["connect"]
        # The timeout for reading is the body's: aiohttp's own would fire before a reply is read that came while the
        # process was stopped.
        self._patience[reply_timeout] = aiohttp.ClientTimeout(connect=connect, sock_connect=connect)
        return self._patience[reply_timeout]


class _Short(aiohttp.payload.BytesPayload):
    """A body of one piece that tells when it leaves."""

    def __init__(self, body: Body) -> None:
        super().__init__(body.whole or b"")
        self._body = body

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self._body.leave()
        await super().write_with_length(writer, content_length)


class _Pieces:
    """The pieces of a body, each of which has to be taken within `WRITE_S` seconds."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.watch: asyncio.Timeout
        self._taken: AsyncGenerator[bytes, None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._taken = self._pieces()
        return self._taken

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        now = asyncio.get_running_loop().time
        self._idle.clear()
        try:
            async for piece in self._body:
                self.watch.reschedule(now() + WRITE_S)
                self._idle.set()
                yield piece
                self._idle.clear()
                self.watch.reschedule(None)
        finally:
            self._idle.set()

    async def end(self) -> None:
        """Close it, and not while aiohttp's writer, a task of its own, is in the midst of taking a piece."""
        if self._taken is not None:
            with anyio.move_on_after(_ENDING_S, shield=True):
                await self._idle.wait()
                await self._taken.aclose()


def _texts(reply: aiohttp.ClientResponse) -> Mapping[str, str]:
    """Give the headers. aiohttp keeps bytes that are no UTF-8 as half characters, which nothing can write down."""
    if all(map(str.isascii, reply.headers.values())):
        return reply.headers
    return {name.decode("ascii", "replace").lower(): text_of(value) for name, value in reply.raw_headers}


async def _read(reply: aiohttp.ClientResponse, body: Body) -> bytes:
    if reply.content.is_eof():
        return await reply.read()  # all of it has come
    announced(reply.headers)
    pieces = Pieces(body.came)
    async for part in reply.content.iter_any():
        body.heard()
        if not pieces.add(part):
            reply.close()
            raise too_long()
    return await pieces.joined()


def _translated(error: Exception) -> Exception:
    """Name it as httpx does, with what caused it but not itself: it holds the request's headers and a proxy's password."""
    name = next(name for kind, name in _NAMES if isinstance(error, kind))
    told = name(_why(error))
    told.__cause__ = error.__cause__ or error.__context__
    return told


def _why(error: Exception) -> str:
    """Tell it in a line: a reply that cannot be parsed is quoted after it."""
    told = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return told.partition("\n")[0] or type(error).__name__
