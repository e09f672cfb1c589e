"""Every await of a call and of a client's life over real sockets, with each engine, with TLS and without."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from anyio.streams.tls import TLSListener
from io_kit import DONE, KEY, PLAIN, is_idle, needs_proc, read_request, reply
from step_kit import Held, Moment, each_moment

from volcasr_async import AudioFile, Limits, PollPolicy, RetryPolicy, VolcASR
from volcasr_async.client import Engine
from volcasr_async.testing import Simulator, make_wav

ANYIO = tuple(map(int, version("anyio").split(".")[:2]))
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("real_time"),
    needs_proc,
    pytest.mark.skipif(ANYIO < (4, 16), reason="anyio before 4.16 drops a connection made as its caller is cancelled"),
]

WAV = make_wav(0.1)
LARGE = make_wav(25)
AT_ONCE = PollPolicy(first=0, shortest=0.001)
ENGINES = {"asyncio": ("httpx", "aiohttp"), "trio": ("httpx",)}


def asked(base_url: str, engine: Engine, *, concurrency: int = 1) -> VolcASR:
    return VolcASR(
        KEY,
        base_url=base_url,
        http=engine,
        limits=Limits(qps=None, concurrency=concurrency),
        retry=RetryPolicy(attempts=1, reply_timeout=5),
        poll=AT_ONCE,
    )


@pytest.fixture(params=["httpx", "aiohttp"])
def engine(request: pytest.FixtureRequest, anyio_backend_name: str) -> Engine:
    if request.param not in ENGINES[anyio_backend_name]:
        pytest.skip("aiohttp runs on asyncio")
    chosen: Engine = request.param
    return chosen


CALLS = {
    "url": lambda asr, folder: asr.transcribe(PLAIN),
    "file": lambda asr, folder: asr.transcribe(AudioFile(path=folder / "large.wav")),
}


@pytest.mark.parametrize("name", CALLS)
async def test_every_await_of_a_call_over_sockets(name: str, engine: Engine, tmp_path: Path) -> None:
    """The one connection that was cut off is closed on both sides, and the client works on with another."""
    (tmp_path / "large.wav").write_bytes(LARGE)
    simulator = Simulator(processing_time=0)
    async with simulator.serve() as base_url:

        async def once(moment: Moment) -> None:
            simulator.reset()
            before = Held()
            async with asked(base_url, engine) as asr:
                await moment.strike(lambda: CALLS[name](asr, tmp_path))
                assert is_idle(asr)
                assert len(simulator.charges) <= 1
                with anyio.fail_after(5):
                    assert (await asr.transcribe(PLAIN)).text
                await before.plus(sockets=2)  # both ends of one connection
            assert [one for one in simulator.violations if not one.what.startswith("Content-Length")] == []

        counts = await each_moment(once)
    assert min(counts.values()) >= 5


async def test_every_await_of_a_clients_life(engine: Engine) -> None:
    """Opened, used by two at once, closed: wherever it is cut off, no connection stays."""
    simulator = Simulator(processing_time=0)
    async with simulator.serve() as base_url:

        async def once(moment: Moment) -> None:
            async def life() -> None:
                async with asked(base_url, engine, concurrency=2) as asr, anyio.create_task_group() as tasks:
                    tasks.start_soon(asr.transcribe, PLAIN)
                    tasks.start_soon(asr.transcribe, WAV)

            await moment.strike(life)

        counts = await each_moment(once)
    assert min(counts.values()) >= 10


@asynccontextmanager
async def secure_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A server behind TLS that has every result at once."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def handle(stream: Any) -> None:
        async with stream:
            try:
                while True:
                    await read_request(stream)
                    await stream.send(reply(DONE))
            except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                return

    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    listener = TLSListener(plain, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"https://127.0.0.1:{plain.extra(anyio.abc.SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()


async def test_every_await_of_a_call_behind_tls(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the midst of a handshake."""
    async with secure_server(tmp_path, monkeypatch) as base_url:

        async def once(moment: Moment) -> None:
            before = Held()
            async with asked(base_url, engine) as asr:
                await moment.strike(lambda: asr.transcribe(WAV))
                assert is_idle(asr)
                with anyio.fail_after(5):
                    assert (await asr.transcribe(WAV)).text == "good"
                await before.plus(sockets=2)

        counts = await each_moment(once)
    assert min(counts.values()) >= 5
