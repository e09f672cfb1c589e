"""The door: opens a fresh body for each attempt, sends it, reads the reply, translates what broke on the way."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx
from msgspec.structs import replace

from volcasr_async._audio import Upload
from volcasr_async._loops import LoopEnd, PerLoop
from volcasr_async._transport.body import SLOWEST_REPLY, Body
from volcasr_async._transport.engine import ANSWER, WRITE_S, Engine
from volcasr_async._transport.guest import Guest
from volcasr_async._transport.lanes import Lanes
from volcasr_async._transport.replies import decoded
from volcasr_async._transport.security import Security
from volcasr_async._version import __version__
from volcasr_async.environment import is_loopback
from volcasr_async.errors import ConfigurationError, InputError, TransportError
from volcasr_async.protocol.messages import Call, Reply

MOST_CONNECTIONS = 64
"""Each TLS connection holds a quarter of a megabyte, and many handshakes at once stall the loop."""


class _Connections:
    """The engine of one event loop. It is closed when the loop ends."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self.engine = make()
        self.end: LoopEnd | None = None

    async def guard(self) -> None:
        """Register for the end of the loop."""
        if self.end is None:
            self.end = LoopEnd(self.engine.aclose)
            await self.end.begin()

    async def aclose(self) -> None:
        """Close the engine now."""
        await self.engine.aclose()
        if self.end is not None:
            await self.end.aclose()


_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class Door:
    """Sends calls to one base URL. Closes what it opened, and leaves open what it was given."""

    def __init__(self, base_url: str, *, connections: int, http: Any | None = None) -> None:
        parts = urlsplit(base_url)
        self.host: str = parts.netloc
        self.base_path: str = parts.path
        self._closed = False
        library: ModuleType = httpx
        self._guest: Guest | None = None
        if http is None or isinstance(http, str):
            make = engine_of(http or "httpx", base_url, min(connections, MOST_CONNECTIONS))
            self._connections: PerLoop[_Connections] = PerLoop(lambda: _Connections(make))
        else:
            self._guest = Guest(base_url, http)
            library = self._guest.library
        self.leads_to_network: bool = self._guest is None or self._guest.is_pooled
        """Whether requests certainly reach the host; a transport of the caller's may lead anywhere."""
        # httpcore (1.0.9) lets a record of TLS that cannot be read through as it is.
        ours, theirs = (httpx.TransportError, httpx.DecodingError), (library.TransportError, library.DecodingError)
        self._failures = (*ours, *theirs, ssl.SSLError)
        self._common = [
            ("Host", self.host if self.host.isascii() else self.host.encode("idna").decode()),
            ("User-Agent", f"volcasr-async/{__version__}"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        ]

    async def send(
        self,
        call: Call,
        upload: Upload | None,
        *,
        reply_timeout: float,
        leaving: Callable[[], Awaitable[None]] | None = None,
        completing: Callable[[], Awaitable[None]] | None = None,
    ) -> Reply:
        """Make one attempt; `TransportError` says what of it had left when it broke.

        *leaving* is awaited when there is a connection, before the first byte of the request leaves. What it raises
        comes out as it is, and nothing is sent then.
        """
        if self._closed:
            raise InputError(
                "this client is closed: keep it open for as long as it is used, or make a new VolcASR", reason="usage"
            )
        engine = self._guest or await self._engine()
        body = Body(call, upload, leaving, completing, write_s=WRITE_S, answer_s=ANSWER * reply_timeout)
        headers = [*self._common, *call.headers, ("Content-Length", str(body.length))]
        try:
            with body.scope:
                return await _plain(await engine.post(call.path, headers, body, reply_timeout=reply_timeout))
            raise TransportError(self._too_slow(body, reply_timeout), sent=body.sent)
        except self._failures as error:
            if error is body.broken:
                raise  # the audio came from an HTTP response, say, and that broke
            raise self._translated(error, body) from error
        finally:
            if body.is_open:
                await body.aclose()

    async def aclose(self) -> None:
        """Close our own connections, and send nothing any more. Those of other event loops are closed there."""
        self._closed = True
        if self._guest is not None:
            return
        here = self._connections.peek()
        self._close_elsewhere(here)
        if here is not None:
            await here.aclose()

    def _close_elsewhere(self, here: _Connections | None) -> None:
        """Forget all connections, and have those of other loops closed. Those of ended loops are closed already."""
        for loop, connections in self._connections.clear():
            if connections is not here and connections.end is not None:
                connections.end.close_in(loop)

    async def _engine(self) -> Engine:
        """Return the engine of the running event loop."""
        connections = self._connections.get()
        if connections.end is None:
            await connections.guard()
        return connections.engine

    def _too_slow(self, body: Body, reply_timeout: float) -> str:
        if body.is_silent:
            return f"ReadTimeout on the way to {self.host}: nothing came for {reply_timeout:g} s"
        return (
            f"the reply of {self.host} came too slowly: {ANSWER * reply_timeout:g} s, and a second more for each "
            f"{SLOWEST_REPLY // 1024} KiB that came, have passed"
        )

    def _translated(self, error: Exception, body: Body) -> TransportError:
        """Turn the HTTP library's error into ours."""
        # A caller's transport may have tried before by itself, and httpx-aiohttp calls any broken connection a timeout of
        # connecting: for those, only the body knows what has left.
        nothing = self._guest is None and isinstance(error, _NOTHING_SENT)
        why = str(error) or "no further reason"
        return TransportError(
            f"{type(error).__name__} on the way to {self.host}: {why}", sent="no" if nothing else body.sent
        )


def engine_of(name: str, base_url: str, connections: int) -> Callable[[], Engine]:
    """Return what makes the engine of that name: "httpx", or "aiohttp" of the extra `[speed]`."""
    proxy, security = _proxy(base_url), Security()
    if name == "httpx":
        proxy = _usable(proxy, "http", "https", "socks5", "socks5h")
        return partial(Lanes, base_url, connections, security, proxy=proxy)
    if name != "aiohttp":
        raise InputError(
            f'there is no engine {name!r}; http takes "httpx", "aiohttp", a client or a transport of httpx',
            reason="usage",
        )
    try:
        from volcasr_async._transport.express import Express
    except ImportError as error:
        raise ConfigurationError(
            'http="aiohttp" needs aiohttp 3.12 or later: pip install "volcasr-async[speed]"'
        ) from error
    return partial(Express, base_url, connections, security, proxy=_usable(proxy, "http", "https"))


def _usable(proxy: str | None, *schemes: str) -> str | None:
    """Refuse a proxy of the environment that cannot be used, without showing who logs in there."""
    if proxy is None:
        return None
    scheme, _, rest = proxy.partition("://")
    try:
        httpx.URL(proxy)
    except httpx.InvalidURL:
        raise ConfigurationError(
            "the environment names a proxy that is no URL: see https_proxy and all_proxy"
        ) from None
    if scheme not in schemes:
        raise ConfigurationError(f"the environment names a {scheme}:// proxy; this engine takes {', '.join(schemes)}")
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(f"the environment names a {scheme}:// proxy, which needs: pip install socksio")
    return f"socks5://{rest}" if scheme == "socks5h" else proxy  # socks5 leaves the names to the proxy here too


async def _plain(reply: Reply) -> Reply:
    encoding = reply.headers.get("content-encoding")
    return replace(reply, body=await decoded(reply.body, encoding.lower())) if encoding else reply


def _proxy(base_url: str) -> str | None:
    """Ask the environment for a proxy once, as every HTTP client does; never for this machine itself."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
