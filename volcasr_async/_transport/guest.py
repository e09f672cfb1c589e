"""A client or transport of the caller's: httpx, its twin httpx2, or anything with their interface."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import httpx

from volcasr_async._loops import running_loop
from volcasr_async._transport.body import Body
from volcasr_async._transport.engine import Headers, patience
from volcasr_async._transport.replies import read_bounded
from volcasr_async.errors import ConfigurationError
from volcasr_async.protocol.messages import Reply


class Guest:
    """Sends through what it was given, and leaves it open."""

    def __init__(self, base_url: str, http: Any) -> None:
        self._base, self._http = base_url, http
        self._is_transport = hasattr(http, "handle_async_request")
        self.library = _library_of(http)
        self.is_pooled: bool = isinstance(http, (self.library.AsyncClient, self.library.AsyncHTTPTransport))
        """Whether it keeps connections, which belong to one event loop and lead to the network."""
        self._owner: dict[str, tuple[object, int]] = {}
        self._urls: dict[str, Any] = {}

    async def post(self, path: str, headers: Headers, body: Body, *, reply_timeout: float) -> Reply:
        """Call a transport directly: the client above it costs 200 us and more, for nothing that we use.

        A client's own `build_request` would add its cookies, headers and parameters, which are meant for others.
        """
        if self.is_pooled:
            self._claim()
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = self.library.URL(self._base + path)  # parsing one costs 20 us
        # httpx2 takes streams of its own kind only.
        content = {"stream": body} if self.library is httpx else {"content": body}
        limits = {"timeout": patience(reply_timeout)}
        request = self.library.Request("POST", url, headers=headers, extensions=limits, **content)
        reply: httpx.Response
        if self._is_transport:
            reply = await self._http.handle_async_request(request)
        else:
            reply = await self._http.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            return Reply(reply.status_code, reply.headers, await read_bounded(reply, body.came))
        finally:
            await reply.aclose()

    async def aclose(self) -> None:
        """Leave it open."""

    def _claim(self) -> None:
        """Refuse another event loop than the first one: the connections of a pool work in the loop that opened them."""
        loop, process = running_loop(), os.getpid()
        owner = self._owner.setdefault("first", (loop, process))  # atomic, because two threads may ask at once
        if owner[0] is not loop or owner[1] != process:
            kind = type(self._http).__name__
            raise ConfigurationError(
                f"http={kind}(...) was used by this client in another event loop, and its connections belong to that loop. "
                "Leave http out, then VolcASR makes connections for each event loop. Or make one VolcASR with one "
                f"{kind} for each event loop"
            )


def _library_of(http: Any) -> ModuleType:
    """Find the library whose errors a client raises: httpx, or its twin httpx2, which has the same names."""
    roots = {base.__module__.partition(".")[0] for base in type(http).__mro__}
    if "httpx2" in roots:
        return sys.modules["httpx2"]  # its class is here, so it has been imported
    return httpx
