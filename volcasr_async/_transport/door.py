"""The door: opens a fresh body for each attempt, sends it, reads the reply, translates what broke on the way."""

from __future__ import annotations

import logging
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx

from volcasr_async._audio import Upload
from volcasr_async._transport.body import Body
from volcasr_async._transport.lanes import Lanes, decoded, read_bounded
from volcasr_async._version import __version__
from volcasr_async.environment import is_loopback
from volcasr_async.errors import InputError, TransportError
from volcasr_async.protocol.messages import Call, Reply

_log = logging.getLogger("volcasr_async")

MOST_LANES = 64
"""Each TLS connection holds a quarter of a megabyte, and many handshakes at once stall the loop."""

Header = tuple[bytes, bytes]

_CONNECT_S = 15.0
_WRITE_S = 60.0
_NOTHING_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")


class Door:
    """Sends calls to one base URL. Closes what it opened, and leaves open what it was given."""

    def __init__(self, base_url: str, *, connections: int, http: Any | None = None) -> None:
        self._base = base_url
        parts = urlsplit(base_url)
        self.host, self.base_path = parts.netloc, parts.path
        self._closed = False
        self._lanes = Lanes(min(connections, MOST_LANES), proxy=_proxy(base_url)) if http is None else None
        self._http: Any = self._lanes if http is None else http
        self._is_transport = hasattr(self._http, "handle_async_request")
        self._library = _library_of(self._http)
        self._nothing_sent = tuple(getattr(self._library, name) for name in _NOTHING_SENT)
        self._failures: tuple[type[Exception], ...] = (httpx.TransportError, httpx.DecodingError)
        if self._library is not httpx:
            self._failures += (self._library.TransportError, self._library.DecodingError)
        self._common = [
            (b"Host", self.host.encode("idna" if not self.host.isascii() else "ascii")),
            (b"User-Agent", f"volcasr-async/{__version__}".encode()),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"identity"),
        ]

    async def send(
        self, call: Call, upload: Upload | None, *, reply_timeout: float, leaving: Callable[[], None] = lambda: None
    ) -> Reply:
        """Make one attempt; `TransportError` says what of it had left when it broke.

        *leaving* is called when there is a connection and the request begins to leave.
        """
        if self._closed:
            raise InputError("this client is closed: keep it open for as long as it is used, or make a new VolcASR")
        body = Body(call, upload, leaving)
        headers = [*self._common, *((k.encode(), v.encode()) for k, v in call.headers)]
        headers.append((b"Content-Length", b"%d" % body.length))
        timeout = {"connect": _CONNECT_S, "pool": _CONNECT_S, "write": _WRITE_S, "read": reply_timeout}
        async with aclosing(body):
            with self._translated(body):
                reply = await self._attempt(call.path, headers, body, timeout)
        _log.debug("%s answered HTTP %s with %d bytes", call.path, reply.status, len(reply.body))
        return reply

    async def _attempt(self, path: str, headers: list[Header], body: Body, patience: dict[str, float]) -> Reply:
        reply = await self._request(self._base + path, headers, body, {"timeout": patience})
        try:
            content = await read_bounded(reply)
        finally:
            await reply.aclose()
        encoding = reply.headers.get("content-encoding", "")
        if encoding:
            content = decoded(content, encoding.lower())
        return Reply(reply.status_code, reply.headers, content)

    async def _request(self, url: str, headers: list[Header], body: Body, extensions: dict[str, Any]) -> httpx.Response:
        """Call a transport directly: the client above it costs 200 us and more, for nothing that we use.

        A client's own `build_request` would add its cookies, headers and parameters, which are meant for others.
        """
        # httpx2 takes streams of its own kind only.
        content = {"stream": body} if self._library is httpx else {"content": body}
        request = self._library.Request("POST", url, headers=headers, extensions=extensions, **content)
        reply: httpx.Response
        if self._is_transport:
            reply = await self._http.handle_async_request(request)
        else:
            reply = await self._http.send(request, stream=True, auth=None, follow_redirects=False)
        return reply

    async def aclose(self) -> None:
        """Close our own connections, and send nothing any more."""
        self._closed = True
        if self._lanes is not None:
            await self._lanes.aclose()

    @contextmanager
    def _translated(self, body: Body) -> Iterator[None]:
        """Turn the HTTP library's errors into ours, once."""
        try:
            yield
        except self._failures as error:
            if error is body.broken:
                raise  # the audio came from an HTTP response, say, and that broke
            nothing = isinstance(error, self._nothing_sent)
            sent = "no" if nothing else body.sent
            why = str(error) or "no further reason"
            raise TransportError(f"{type(error).__name__} on the way to {self.host}: {why}", sent=sent) from error


def _library_of(http: Any) -> ModuleType:
    """Find the library whose errors a client raises: httpx, or its twin httpx2, which has the same names."""
    roots = {base.__module__.partition(".")[0] for base in type(http).__mro__}
    if "httpx2" in roots:
        return sys.modules["httpx2"]  # its class is here, so it has been imported
    return httpx


def _proxy(base_url: str) -> str | None:
    """Ask the environment for a proxy once, as every HTTP client does; never for this machine itself."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
