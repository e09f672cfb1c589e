"""The simulator as an httpx transport, in the same process; the only module here that imports httpx."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import anyio
import httpx

from volcasr_async.testing.asgi import App, Message, Receive, Send
from volcasr_async.testing.exchange import ConnectionDropped


class SimulatorTransport(httpx.ASGITransport):
    """`httpx.ASGITransport` with what a socket would add: dropped connections and the client's read timeout."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve one request; raises the `httpx.TransportError` that a real connection would."""
        times: Mapping[str, float | None] = request.extensions.get("timeout", {})
        patience = times.get("read")
        inner = httpx.ASGITransport(app=_Impatient(self.app, patience))
        assert isinstance(request.stream, httpx.AsyncByteStream)  # noqa: S101 - as httpx's own transport says
        stream = _Owned(request.stream)
        copy = httpx.Request(
            request.method, request.url, headers=request.headers, stream=stream, extensions=request.extensions
        )
        try:
            return await inner.handle_async_request(copy)
        except ConnectionDropped as error:
            raise _as_seen_by_a_client(error) from error
        finally:
            with anyio.CancelScope(shield=True):
                await stream.aclose()


class _Owned(httpx.AsyncByteStream):
    """A request body that is closed even when it was not read to its end; trio complains about one left open."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._chunks = stream.__aiter__()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        if isinstance(self._chunks, AsyncGenerator):
            await self._chunks.aclose()


class _Impatient:
    """Gives up on an app that says nothing for `patience` seconds after the request was sent."""

    def __init__(self, app: Any, patience: float | None) -> None:  # httpx types its app by a private alias
        self._app: App = app
        self._patience = float("inf") if patience is None else patience

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as waiting:

            def wait_on() -> None:
                waiting.deadline = anyio.current_time() + self._patience

            async def receive_then_wait() -> Message:
                message = await receive()
                if not message.get("more_body", False):
                    wait_on()
                return message

            async def send_then_wait(message: Message) -> None:
                await send(message)
                wait_on()

            await self._app(scope, receive_then_wait, send_then_wait)
        if waiting.cancelled_caught:
            raise httpx.ReadTimeout("the simulator did not answer in time")


def _as_seen_by_a_client(error: ConnectionDropped) -> httpx.TransportError:
    match error.manner:
        case "drop":
            return httpx.RemoteProtocolError("Server disconnected without sending a response.")
        case "cut":
            return httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        case "drop-upload":
            return httpx.WriteError(str(error))
        case _:
            return httpx.ReadError(str(error))
