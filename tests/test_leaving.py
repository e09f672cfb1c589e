"""What is awaited just before a request leaves: with a connection, before its first byte, and with every right to refuse."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trustme
from anyio.abc import SocketStream
from anyio.streams.tls import TLSStream
from io_kit import KEY, raw_server, read_request, reply

from volcasr_async import InputError, Limits, Standard, Task, TransportError, VolcASR
from volcasr_async._audio import Upload, open_audio
from volcasr_async._transport import Door
from volcasr_async.editions import Flash
from volcasr_async.protocol.messages import Call
from volcasr_async.sources import AudioBytes
from volcasr_async.testing import make_wav

pytestmark = pytest.mark.anyio

SMALL = Call("query", "/x", (("Content-Type", "application/json"),), b"{}")


class Server:
    """Notes connections, and all that comes over them."""

    def __init__(self) -> None:
        self.connections = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.came = 0

    async def serve(self, stream: SocketStream) -> None:
        self.connections += 1
        while True:
            head, body = await read_request(Counted(stream, self))  # type: ignore[arg-type] # it only receives
            self.heads.append(head)
            self.bodies.append(body)
            await stream.send(reply(b"{}", code=20000001))


class Counted:
    def __init__(self, stream: SocketStream, server: Server) -> None:
        self._stream, self._server = stream, server

    async def receive(self) -> bytes:
        data = await self._stream.receive()
        self._server.came += len(data)
        return data


@pytest.fixture(params=["httpx", "aiohttp", "client"])
async def http(request: pytest.FixtureRequest, anyio_backend_name: str, real_time: None) -> AsyncIterator[Any]:
    if request.param == "aiohttp" and anyio_backend_name == "trio":
        pytest.skip("aiohttp runs on asyncio")
    if request.param != "client":
        yield request.param
        return
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture(params=["small", "upload"])
async def upload(request: pytest.FixtureRequest) -> Upload | None:
    if request.param == "small":
        return None
    return await open_audio(AudioBytes(data=make_wav(5), format="wav"), Flash())


Send = Callable[[Callable[[], Awaitable[None]]], Awaitable[Any]]


def sending(door: Door, upload: Upload | None) -> Send:
    call = SMALL if upload is None else Call("flash", "/x", SMALL.headers, b'{"audio":"', b'"}', has_audio=True)

    async def send(leaving: Callable[[], Awaitable[None]]) -> Any:
        return await door.send(call, upload, reply_timeout=5, leaving=leaving)

    return send


async def test_nothing_leaves_before(http: Any, upload: Upload | None) -> None:
    """There is a connection by then; our own engines have sent nothing, a caller's client its head at most."""
    server = Server()
    async with raw_server(server.serve) as base_url:
        door = Door(base_url, connections=4, http=http)
        send = sending(door, upload)
        seen: list[tuple[int, int, int]] = []

        async def leaving() -> None:
            await anyio.sleep(0.2)
            seen.append((server.connections, server.came, len(server.heads)))

        for _ in range(3):
            before = server.came
            assert (await send(leaving)).status == 200
            connections, came, whole = seen[-1]
            assert connections == 1
            assert came - before < 500
            assert isinstance(http, httpx.AsyncClient) or came == before
            assert whole == len(seen) - 1
        await door.aclose()
    assert len(server.heads) == len(seen) == 3
    assert server.connections == 1


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("mine"), OSError(28, "disk full"), InputError("no"), httpx.ReadError("theirs")]
)
async def test_an_error_comes_out_as_it_is(http: Any, upload: Upload | None, error: Exception) -> None:
    """Whatever its type, nothing is sent, and the next request is made as if nothing had been."""
    server = Server()

    async def refuse() -> None:
        raise error

    async def agree() -> None:
        pass

    async with raw_server(server.serve) as base_url:
        door = Door(base_url, connections=1, http=http)
        send = sending(door, upload)
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                await send(refuse)
            assert caught.value is error
            assert (await send(agree)).status == 200
        await door.aclose()
    assert len(server.bodies) == 2


async def test_a_cancellation_sends_nothing(http: Any, upload: Upload | None) -> None:
    """While it is awaited, the request can be given up; the one place for a connection is free again."""
    server = Server()

    async def never() -> None:
        await anyio.sleep_forever()

    async def agree() -> None:
        pass

    async with raw_server(server.serve) as base_url:
        door = Door(base_url, connections=1, http=http)
        send = sending(door, upload)
        for _ in range(2):
            with anyio.move_on_after(0.1) as scope:
                await send(never)
            assert scope.cancelled_caught
            assert (await send(agree)).status == 200
        await door.aclose()
    assert len(server.bodies) == 2


async def test_waiting_to_leave_is_no_time_of_the_reply(http: Any, upload: Upload | None) -> None:
    """It may take longer than the reply, all of it, may."""
    server = Server()

    async def slowly() -> None:
        await anyio.sleep(0.8)

    async with raw_server(server.serve) as base_url:
        door = Door(base_url, connections=1, http=http)
        call = SMALL if upload is None else Call("flash", "/x", SMALL.headers, b'{"audio":"', b'"}', has_audio=True)
        assert (await door.send(call, upload, reply_timeout=0.3, leaving=slowly)).status == 200
        await door.aclose()


async def test_without_a_connection_nothing_leaves(http: Any) -> None:
    """It is not even asked."""
    asked: list[None] = []

    async def leaving() -> None:
        asked.append(None)

    door = Door("http://127.0.0.1:1", connections=1, http=http)
    with pytest.raises(TransportError) as caught:
        await door.send(SMALL, None, reply_timeout=5, leaving=leaving)
    await door.aclose()
    assert (caught.value.sent, asked) == ("no", [])


class Stalled(httpx.AsyncBaseTransport):
    """Has its connections all at once, six seconds after the first request."""

    def __init__(self) -> None:
        self.opens: float | None = None
        self.times: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.opens = self.opens or anyio.current_time() + 6
        await anyio.sleep_until(self.opens)
        await request.aread()
        self.times.append(anyio.current_time())
        return httpx.Response(200, headers={"X-Api-Status-Code": "20000001"}, content=b"{}")


async def test_connections_that_open_together_keep_the_rate() -> None:
    """After a stall of six seconds, twenty requests leave at five a second."""
    stalled = Stalled()
    task = Task(id="a", edition=Standard(), request_id="a", submitted_at=0)
    async with (
        VolcASR(KEY, http=stalled, limits=Limits(qps=5, concurrency=20)) as asr,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(20):
            tasks.start_soon(asr.query, task)
    times = stalled.times
    assert len(times) == 20
    assert max(sum(1 for other in times if at <= other < at + 1) for at in times) <= 5
    assert times[-1] - times[0] < 4.5


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
async def test_handshakes_that_end_together_keep_the_rate(
    engine: Any, anyio_backend_name: str, real_time: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The service's side of TLS stalls for two and a half seconds: then, too, no second has more than the rate."""
    if engine == "aiohttp" and anyio_backend_name == "trio":
        pytest.skip("aiohttp runs on asyncio")
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    times: list[float] = []
    going_on = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        await going_on.wait()
        tls = await TLSStream.wrap(stream, server_side=True, ssl_context=context, standard_compatible=False)
        while True:
            await read_request(tls)  # type: ignore[arg-type] # it only receives
            times.append(anyio.current_time())
            await tls.send(reply(b"{}", code=20000001))

    task = Task(id="a", edition=Standard(), request_id="a", submitted_at=0)
    async with raw_server(serve) as base_url:
        https = base_url.replace("http:", "https:")
        async with VolcASR(KEY, base_url=https, http=engine, limits=Limits(qps=6, concurrency=12)) as asr:
            async with anyio.create_task_group() as tasks:
                for _ in range(12):
                    tasks.start_soon(asr.query, task)
                await anyio.sleep(2.5)
                assert times == []
                going_on.set()
            assert asr.stats.started == 12
    assert len(times) == 12
    assert max(sum(1 for other in times if at <= other < at + 0.9) for at in times) <= 6
    assert times[-1] - times[0] < 2.5
