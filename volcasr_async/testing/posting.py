"""The way of a callback to its receiver; beside the in-process face the only module here that imports httpx."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from volcasr_async.testing.asgi import Message, Receive, Send

Receiver = Callable[[Message, Receive, Send], Awaitable[None]]  # an ASGI application
Post = Callable[[str, bytes], Awaitable[int | None]]


@asynccontextmanager
async def posting(via: Receiver | httpx.AsyncBaseTransport | None) -> AsyncIterator[Post]:
    """Give what posts JSON to a URL and tells the status of the answer, or None without one."""
    if via is None:
        transport: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport()
    elif isinstance(via, httpx.AsyncBaseTransport):
        transport = via
    else:  # an error of the application is a 500, as its server would make it
        transport = httpx.ASGITransport(app=via, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=None) as http:  # noqa: S113 - the courier has one

        async def post(url: str, body: bytes) -> int | None:
            try:
                request = httpx.Request("POST", url, headers={"Content-Type": "application/json"}, content=body)
                request.stream = _Once(body)
                reply = await http.send(request)
            except (httpx.TransportError, httpx.InvalidURL):
                return None
            return reply.status_code

        yield post


class _Once(httpx.AsyncByteStream):
    """A body in one piece and no generator: trio complains of one that an application does not read to its end."""

    def __init__(self, body: bytes) -> None:
        self._pieces = [body]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()
