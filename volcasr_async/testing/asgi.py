"""The ASGI face. A dropped connection is a raised `ConnectionDropped`: ASGI has no other word for it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

from volcasr_async.testing.auth import Head
from volcasr_async.testing.exchange import ConnectionDropped, Exchange, Plan
from volcasr_async.testing.service import Service

Message = MutableMapping[str, Any]  # what ASGI says it is
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DRIPS = 10  # pieces of a body that drips


class App:
    """An ASGI callable that serves one simulator."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request (or the lifespan), as ASGI asks."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the simulator does not speak {scope['type']}")
        exchange = Exchange(self.service, _head(scope))
        try:
            if await _read(exchange, receive):
                await _send(exchange.finish(), send)
        finally:
            exchange.close()


def pieces(plan: Plan) -> list[bytes]:
    """The body as it is to be sent, one piece a time."""
    body = plan.answer.body
    if plan.manner == "cut":
        return [body[: len(body) // 2]]
    if plan.manner == "drip":
        step = max(1, -(-len(body) // DRIPS))
        return [body[at : at + step] for at in range(0, len(body), step)]
    return [body]


async def wait(seconds: float) -> None:
    """Sleep, for ever if need be."""
    if seconds == float("inf"):
        await anyio.sleep_forever()
    elif seconds > 0:
        await anyio.sleep(seconds)


def _head(scope: Message) -> Head:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    query = scope.get("query_string", b"").decode("latin-1")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    return Head(scope["method"], f"{path}?{query}" if query else path, headers, scope.get("http_version", "1.1"))


async def _read(exchange: Exchange, receive: Receive) -> bool:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return False  # the client has gone
        exchange.feed(message.get("body", b""))
        if not message.get("more_body", False):
            return True


async def _send(plan: Plan, send: Send) -> None:
    await wait(plan.delay)
    if plan.manner in {"drop", "reset"}:
        raise ConnectionDropped(plan.manner)
    answer = plan.answer
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    for piece in pieces(plan):
        if plan.manner == "drip":
            await anyio.sleep(plan.drip / DRIPS)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if plan.manner == "cut":
        raise ConnectionDropped("cut")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
