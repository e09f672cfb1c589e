"""Lanes: connections of httpcore, httpx's own engine, behind a free list.

httpx's pool looks at every connection for every request: at 50 connections a post costs about 6 ms of CPU (httpcore 1.0.9).
A free list looks at one. Only public names are used, those that respx stands in for among them.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, Callable
from typing import cast
from urllib.parse import urlsplit

import anyio
import httpcore
import httpx

from volcasr_async._transport.body import Body
from volcasr_async._transport.engine import IDLE_S, Headers, patience
from volcasr_async._transport.replies import LONGEST_REPLY, Pieces, announced, text_of, too_long
from volcasr_async._transport.road import Road
from volcasr_async._transport.security import Security
from volcasr_async.protocol.messages import Reply

Lane = httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool
"""A connection, or on the way through a proxy a pool of one: it speaks with the proxy first."""

_ALIKE = (
    *("ConnectError", "ReadError", "WriteError", "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"),
    *("ProxyError", "LocalProtocolError", "RemoteProtocolError", "UnsupportedProtocol"),
)
_NAMES: dict[type[BaseException], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name) for name in _ALIKE
}


class Lanes:
    """Opens connections as they are needed, at most *most*, and uses the warmest first.

    Replies are read to their end inside the lane, so that it is free at once.
    """

    def __init__(self, base_url: str, most: int, security: Security, *, proxy: str | None = None) -> None:
        parts = urlsplit(base_url)
        self._base = base_url
        self._secure = parts.scheme == "https"
        self._urls: dict[str, httpcore.URL] = {}
        self._free: list[Lane] = []
        self._all: dict[Lane, Road] = {}
        self._gate = anyio.Semaphore(most, fast_acquire=True)
        self._proxy = httpx.Proxy(proxy) if proxy else None
        self._security = security

    def __repr__(self) -> str:
        return f"<Lanes [{len(self._all)} open, {len(self._free)} free]>"

    async def post(self, path: str, headers: Headers, body: Body, *, reply_timeout: float) -> Reply:
        """Send through a free lane; read the reply whole, at most `LONGEST_REPLY` bytes of it."""
        url = self._urls.get(path) or self._parsed(path)
        limits = {"timeout": patience(reply_timeout)}
        request = httpcore.Request("POST", url, headers=headers, content=body, extensions=limits)
        async with self._gate:
            lane = await self._take(url)
            road = self._all[lane]
            road.leaving = body.begin
            try:
                reply = await _through(lane, request, road, body.came)
            except BaseException as error:
                # Cut off between two steps, a connection is neither used nor closed: this one is not used again.
                await self._drop(lane)
                if (kind := _NAMES.get(type(error))) is not None:
                    raise kind(str(error)) from error
                if type(error).__module__.partition(".")[0] == "socksio":  # httpcore lets it through as it is
                    raise httpx.ProxyError(f"what the SOCKS proxy answers cannot be read: {error}") from error
                raise
            if road.is_clean and lane in self._all:
                self._free.append(lane)
            else:
                await self._drop(lane)
        return reply

    async def aclose(self) -> None:
        """Close every connection; a request after this opens new ones."""
        try:
            while self._all:
                await self._drop(next(iter(self._all)))
        finally:
            if self._all:  # asyncio's own `Task.cancel` passes every shield: the others are closed all the same
                await self.aclose()

    def _parsed(self, path: str) -> httpcore.URL:
        url = httpx.URL(self._base + path)
        self._urls[path] = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        return self._urls[path]

    async def _take(self, url: httpcore.URL) -> Lane:
        while self._free:
            lane = self._free.pop()
            if isinstance(lane, httpcore.AsyncConnectionPool) or not (lane.is_closed() or lane.has_expired()):
                return lane
            await self._drop(lane)
        context = await self._security.context() if self._secure else None
        road = Road()
        lane = _open(url, self._proxy, context, road)
        self._all[lane] = road
        return lane

    async def _drop(self, lane: Lane) -> None:
        road = self._all.pop(lane, None)
        if lane in self._free:
            self._free.remove(lane)
        with anyio.CancelScope(shield=True):
            try:
                await lane.aclose()
            finally:
                if road is not None:
                    await road.aclose()


class _Unshown(bytes):
    """A name or password that httpcore would log as it is."""

    def __repr__(self) -> str:
        return "b'***'"


def _open(url: httpcore.URL, proxy: httpx.Proxy | None, context: ssl.SSLContext | None, road: Road) -> Lane:
    if proxy is None:
        return httpcore.AsyncHTTPConnection(
            url.origin, ssl_context=context, keepalive_expiry=IDLE_S, network_backend=road
        )
    address, who = str(proxy.url), proxy.raw_auth
    if proxy.url.scheme.startswith("socks"):
        return httpcore.AsyncSOCKSProxy(
            address,
            proxy_auth=who and (_Unshown(who[0]), _Unshown(who[1])),
            ssl_context=context,
            max_connections=1,
            keepalive_expiry=IDLE_S,
            network_backend=road,
        )
    return httpcore.AsyncHTTPProxy(
        address,
        proxy_auth=who,
        ssl_context=context,
        max_connections=1,
        keepalive_expiry=IDLE_S,
        network_backend=road,
    )


async def _through(lane: Lane, request: httpcore.Request, road: Road, came: Callable[[int], None]) -> Reply:
    reply = await lane.handle_async_request(request)
    try:
        headers = {name.decode("ascii").lower(): text_of(value) for name, value in reply.headers}
        announced(headers)
        road.follow(reply.status, headers)
        content = await _read(reply, came)
    finally:
        await reply.aclose()
    return Reply(reply.status, headers, content)


async def _read(reply: httpcore.Response, came: Callable[[int], None]) -> bytes:
    pieces, closed = Pieces(came), False
    try:
        async for part in cast("AsyncIterable[bytes]", reply.stream):
            if not (pieces.add(part) or closed):
                # To leave the loop would leave generators behind; closed, they end by themselves at the next read.
                closed = True
                await reply.aclose()
    except (httpcore.NetworkError, httpcore.ProtocolError, RuntimeError):
        if pieces.size <= LONGEST_REPLY:
            raise
    if pieces.size > LONGEST_REPLY:
        raise too_long()
    return await pieces.joined()
