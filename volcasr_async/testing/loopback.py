"""The face on a TCP port: HTTP/1.1 by h11 over anyio, because an ordinary server cannot cut, stall or drop on the wire."""

import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET

import anyio
import h11
from anyio.abc import SocketAttribute, SocketStream

from volcasr_async.testing.asgi import DRIPS, pieces, wait
from volcasr_async.testing.auth import Head
from volcasr_async.testing.exchange import ConnectionDropped, Exchange, Plan
from volcasr_async.testing.replies import Answer, phrase, plain
from volcasr_async.testing.service import Service

_BLOCK = 256 * 1024  # what asyncio reads at once; smaller pieces would be copied again
_ABORT = struct.pack("ii", 1, 0)  # linger on, for no time: close() sends a reset
_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


@asynccontextmanager
async def serve(serving: Callable[[], Service], host: str, port: int) -> AsyncIterator[str]:
    """Serve until the context ends; the connections end with it. *serving* tells for each request which service takes it.

    An error of the caller's block comes out as itself, not in the group that the tasks would make of it.
    """
    failure: Exception | None = None
    async with await anyio.create_tcp_listener(local_host=host, local_port=port) as listener:
        bound: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django here

        async def handle(stream: SocketStream) -> None:
            await _Line(serving, stream).run()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, handle)
            try:
                yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
            except Exception as error:  # noqa: BLE001 - raised again below, outside the group
                failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


class _Line:
    """One connection and the requests that come over it."""

    def __init__(self, serving: Callable[[], Service], stream: SocketStream) -> None:
        self._serving, self._stream = serving, stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
        self._ended = False

    async def run(self) -> None:
        """Serve until either side closes."""
        try:
            while await self._cycle():
                self._http.start_next_cycle()
        except _GONE:
            pass
        except ConnectionDropped as dropped:
            if dropped.manner != "drop":
                raw = self._stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no Django here
                raw.setsockopt(SOL_SOCKET, SO_LINGER, _ABORT)
        except h11.RemoteProtocolError as error:
            await self._complain(error)
        finally:
            await anyio.aclose_forcefully(self._stream)

    async def _cycle(self) -> bool:
        """One request and its answer; tells whether another may follow."""
        request = await self._next()
        if not isinstance(request, h11.Request):
            return False
        exchange = Exchange(self._serving(), _head(request))
        try:
            await self._read(exchange)
            await self._answer(exchange.finish(), bare=request.method == b"HEAD")
        finally:
            exchange.close()
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _read(self, exchange: Exchange) -> None:
        if self._http.they_are_waiting_for_100_continue:
            await self._stream.send(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        while isinstance(event := await self._next(), h11.Data):  # a body that breaks off is an error of h11
            exchange.feed(bytes(event.data))

    async def _next(self) -> h11.Event:
        while True:
            event = self._http.next_event()
            if not isinstance(event, type):  # the others are the marks NEED_DATA and PAUSED
                return event
            try:
                data = await self._stream.receive(_BLOCK)
            except anyio.EndOfStream:
                data, self._ended = b"", True
            self._http.receive_data(data)

    async def _answer(self, plan: Plan, *, bare: bool) -> None:
        if plan.delay > 0:
            await self._wait(plan.delay)
        if plan.manner in {"drop", "reset"}:
            raise ConnectionDropped(plan.manner)
        head = self._http.send(_response(plan)) or b""
        if plan.manner == "whole":
            body = b"" if bare or not plan.answer.body else self._http.send(h11.Data(data=plan.answer.body)) or b""
            await self._stream.send(head + body + (self._http.send(h11.EndOfMessage()) or b""))
            return
        await self._stream.send(head)
        for piece in pieces(plan):
            if plan.manner == "drip":
                await self._wait(plan.drip / DRIPS)
            await self._stream.send(self._http.send(h11.Data(data=piece)) or b"")
        if plan.manner == "cut":
            raise ConnectionDropped("drop")
        await self._stream.send(self._http.send(h11.EndOfMessage()) or b"")

    async def _wait(self, seconds: float) -> None:
        """Sleep, but not longer than the client stays: a stalled request must not outlive its connection."""
        gone = False

        async def watch() -> None:
            nonlocal gone
            try:
                while True:
                    self._http.receive_data(await self._stream.receive(_BLOCK))
            except _GONE:
                gone = True
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await wait(seconds)
            tasks.cancel_scope.cancel()
        if gone:
            raise anyio.EndOfStream

    async def _complain(self, error: h11.RemoteProtocolError) -> None:
        if self._ended or self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return  # the client gave up in the middle of its request: its right
        service = self._serving()
        with service.lock:
            service.violate("", "", f"malformed HTTP: {error}")
        answer = plain(error.error_status_hint, {"code": error.error_status_hint, "message": f"simulator: {error}"})
        head = self._http.send(_response(Plan(answer.also(("Connection", "close"))))) or b""
        body = (self._http.send(h11.Data(data=answer.body)) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        with suppress(*_GONE):
            await self._stream.send(head + body)


def _head(request: h11.Request) -> Head:
    headers: dict[str, str] = {}
    for name, value in request.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    target = request.target.decode("latin-1")
    if target.startswith("http"):  # the absolute form, as to a proxy
        target = "/" + target.split("//", 1)[-1].partition("/")[2]
    return Head(request.method.decode("ascii"), target, headers, request.http_version.decode("ascii"))


def _response(plan: Plan) -> h11.Response:
    answer: Answer = plan.answer
    length = len(answer.body) or (2 if plan.manner == "cut" else 0)
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"Content-Length", str(length).encode()))
    return h11.Response(status_code=answer.status, headers=headers, reason=phrase(answer.status))
