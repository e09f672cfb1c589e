"""The client on real sockets of this machine: what a network does, and what of a request had left when it did."""

import gc
import gzip
import hashlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream, TaskStatus
from io_kit import (
    DONE,
    KEY,
    PLAIN,
    is_idle,
    needs_proc,
    open_files,
    raw_server,
    read_head,
    read_request,
    reply,
)

from volcasr_async import (
    AudioFile,
    AudioStream,
    AudioTooLarge,
    AuthenticationFailed,
    InvalidRequest,
    Limits,
    ReplyError,
    RetryPolicy,
    ServiceError,
    Standard,
    Task,
    Transcript,
    TransportError,
    VolcASR,
)
from volcasr_async.errors import VolcASRError
from volcasr_async.sources import SourceLike
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]

NAME = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"
TASK = Task(id=NAME, edition=Standard(), request_id=NAME, submitted_at=0)
QUICK = RetryPolicy(attempts=3, first=0.01, longest=0.02, reply_timeout=0.2)
LARGE = make_wav(160)  # 5 MB


ENGINE: dict[str, Any] = {"http": "httpx"}


@pytest.fixture(autouse=True, params=["httpx", "aiohttp"])
def _engine(request: pytest.FixtureRequest, anyio_backend_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds for both engines."""
    if request.param == "aiohttp" and anyio_backend_name == "trio":
        pytest.skip("aiohttp runs on asyncio")
    monkeypatch.setitem(ENGINE, "http", request.param)


def client(base_url: str, **more: Any) -> VolcASR:
    more.setdefault("retry", QUICK)
    return VolcASR(KEY, base_url=base_url, limits=Limits(qps=None), **(ENGINE | more))


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("source", ["bytes", "file", "stream"])
async def test_a_large_upload_arrives_intact(source: str, tmp_path: Path) -> None:
    """Five megabytes arrive to the byte, under the promised length, from wherever they come."""
    (tmp_path / "a.wav").write_bytes(LARGE)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(LARGE), 77_777):
            yield LARGE[start : start + 77_777]

    sources: dict[str, SourceLike] = {
        "bytes": LARGE,
        "file": AudioFile(path=tmp_path / "a.wav"),
        "stream": AudioStream(chunks=chunks(), size=len(LARGE), format="wav"),
    }
    simulator = Simulator()
    async with simulator.serve() as base_url, client(base_url, retry=RetryPolicy()) as asr:
        transcript = await asr.transcribe(sources[source])
        assert is_idle(asr)
    assert transcript.duration_ms == 160_000
    [upload] = simulator.uploads
    assert (upload.size, upload.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
    assert upload.content_length == upload.received
    assert simulator.violations == []


async def test_one_connection_serves_many_requests() -> None:
    """One request after another goes over the same connection."""
    accepted: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        accepted.append(b"")
        while True:
            await read_request(stream)
            await stream.send(reply(b"{}", code=20000001))

    async with raw_server(serve) as base_url, client(base_url) as asr:
        for _ in range(5):
            await asr.query(TASK)
    assert len(accepted) == 1


async def test_nobody_listens() -> None:
    """A refused connection has sent nothing, and is tried as often as the policy says."""
    async with client(f"http://127.0.0.1:{closed_port()}") as asr:
        for verb in (asr.transcribe, asr.submit):
            with pytest.raises(TransportError, match="Connect") as caught:
                await verb(PLAIN)
            assert caught.value.sent == "no"
            assert caught.value.retryable
        with pytest.raises(TransportError):
            await asr.transcribe(make_wav(1))
        assert asr.stats.started == 9
        assert is_idle(asr)


async def test_a_stream_is_tried_again_while_nothing_has_left() -> None:
    """A stream survives refused connections, for not a byte of it was read."""
    port, wav = closed_port(), make_wav(1)
    simulator = Simulator()

    async def chunks() -> AsyncIterator[bytes]:
        yield wav

    retry = RetryPolicy(attempts=50, first=0.02, longest=0.05)
    async with anyio.create_task_group() as tasks, client(f"http://127.0.0.1:{port}", retry=retry) as asr:

        async def come_up(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
            while asr.stats.started < 3:
                await anyio.lowlevel.checkpoint()
            async with simulator.serve(port=port):
                await anyio.sleep_forever()

        tasks.start_soon(come_up)
        assert (await asr.transcribe(AudioStream(chunks=chunks(), size=len(wav), format="wav"))).duration_ms == 1000
        tasks.cancel_scope.cancel()
    assert len(simulator.charges) == 1


async def test_the_connection_breaks_in_the_middle_of_an_upload() -> None:
    """Half an upload is no request: it is sent again from its beginning, and a stream is not."""
    bodies: list[int] = []

    async def serve(stream: SocketStream) -> None:
        _, rest, _ = await read_head(stream)
        bodies.append(len(rest))
        if len(bodies) % 3:
            await stream.receive()
            return  # closes, with most of it unread
        await _drain_and_answer(stream, rest)

    async def _drain_and_answer(stream: SocketStream, rest: bytes) -> None:
        size = len(rest)
        while size < 4 * -(-len(LARGE) // 3):
            size += len(await stream.receive())
        await stream.send(reply(DONE).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    async def chunks() -> AsyncIterator[bytes]:
        yield LARGE

    async with raw_server(serve) as base_url, client(base_url) as asr:
        assert (await asr.transcribe(LARGE)).text == "good"
        assert len(bodies) == 3
        with pytest.raises(TransportError) as caught:
            await asr.transcribe(AudioStream(chunks=chunks(), size=len(LARGE), format="wav"))
        assert (caught.value.sent, caught.value.charged) == ("no", "no")
        assert len(bodies) == 4
        assert is_idle(asr)


@pytest.mark.parametrize(
    ("status", "code", "error", "charged"),
    [("401 Unauthorized", 45000010, AuthenticationFailed, "no"), ("413 Too Large", None, InvalidRequest, "maybe"),
     ("200 OK", 45000132, AudioTooLarge, "no")],
)  # fmt: skip
async def test_an_answer_that_comes_before_the_upload_has_ended(
    status: str, code: int | None, error: type[VolcASRError], charged: str
) -> None:
    """A service that answers early and drains the rest is heard; only a listed code proves that nothing was charged."""

    async def serve(stream: SocketStream) -> None:
        _, rest, length = await read_head(stream)
        await stream.send(reply(b"{}", status=status, code=code))
        size = len(rest)
        while size < length:
            size += len(await stream.receive())

    async with raw_server(serve) as base_url, client(base_url) as asr:
        with pytest.raises(error) as caught:
            await asr.transcribe(LARGE)
        # aiohttp stops the upload when the answer comes, and an incomplete request is not served.
        assert caught.value.charged == ("no" if ENGINE["http"] == "aiohttp" else charged)
        assert is_idle(asr)


async def test_an_early_answer_on_a_connection_that_is_closed_at_once() -> None:
    """A service that answers early and hangs up is heard where the system lets us, and is never a success or a hang."""

    async def serve(stream: SocketStream) -> None:
        await read_head(stream)
        await stream.send(reply(b"{}", status="401 Unauthorized", code=45000010, more="Connection: close\r\n"))

    async with raw_server(serve) as base_url, client(base_url) as asr:
        with pytest.raises((AuthenticationFailed, TransportError)) as caught:
            await asr.transcribe(LARGE)
        if isinstance(caught.value, TransportError):
            assert caught.value.sent == "no"
        assert is_idle(asr)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        reply(DONE)[:-10],
        b"HTTP/1.1 200 OK\r\nX-Api-Status-Code: 20000000\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
    ],
    ids=["nothing", "half a head", "half a body", "longer length", "half a chunk", "not http", "bad length"],
)
async def test_a_reply_that_is_cut_off(broken: bytes) -> None:
    """A broken reply to a request that had left whole is sent="yes"; the next request works."""
    answers = [broken, reply(b"{}", code=20000001)]

    async def serve(stream: SocketStream) -> None:
        await read_request(stream)
        await stream.send(answers.pop(0))

    async with raw_server(serve) as base_url, client(base_url) as asr:
        with pytest.raises(TransportError) as caught:
            await asr.query(TASK)
        assert caught.value.sent == "yes"
        assert is_idle(asr)
        await asr.query(TASK)


async def test_a_length_that_is_too_short_makes_no_transcript() -> None:
    """A reply of which a part is missing is nonsense, not half a transcript."""

    async def serve(stream: SocketStream) -> None:
        await read_request(stream)
        whole = reply(DONE).replace(b"Content-Length: %d" % len(DONE), b"Content-Length: %d" % (len(DONE) - 5))
        await stream.send(whole)

    async with raw_server(serve) as base_url, client(base_url) as asr:
        with pytest.raises((ReplyError, TransportError)) as caught:  # aiohttp notices what is left over
            await asr.query(TASK)
        assert "good" not in str(caught.value) or isinstance(caught.value, ReplyError)


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"], ids=["silent", "begun"])
async def test_a_reply_that_stalls(beginning: bytes) -> None:
    """Silence for longer than the policy allows is a time-out, with everything sent."""

    async def serve(stream: SocketStream) -> None:
        await read_request(stream)
        if beginning:
            await stream.send(beginning)
        await anyio.sleep_forever()

    async with raw_server(serve) as base_url, client(base_url) as asr:
        with pytest.raises(TransportError, match="ReadTimeout") as caught:
            await asr.query(TASK)
        assert caught.value.sent == "yes"
        assert is_idle(asr)


async def test_a_reply_that_would_fill_the_memory() -> None:
    """A reply without end is left after 64 MiB, and its connection is closed."""
    left = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        await read_request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        megabyte = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        try:
            while True:
                await stream.send(megabyte)
        except anyio.BrokenResourceError:
            left.set()

    async with raw_server(serve) as base_url, client(base_url) as asr:
        with pytest.raises(TransportError, match="longer than"):
            await asr.query(TASK)
        with anyio.fail_after(5):
            await left.wait()
    gc.collect()


async def test_a_compressed_reply_over_the_wire() -> None:
    """A gzip reply that was not asked for is read."""

    async def serve(stream: SocketStream) -> None:
        await read_request(stream)
        await stream.send(reply(gzip.compress(DONE), more="Content-Encoding: gzip\r\n"))

    async with raw_server(serve) as base_url, client(base_url) as asr:
        transcript = await asr.query(TASK)
        assert isinstance(transcript, Transcript)
        assert transcript.text == "good"


@pytest.mark.parametrize("polite", [True, False])
async def test_a_kept_connection_that_the_service_closes(polite: bool) -> None:
    """A connection closed between two requests is replaced without an error."""
    accepted: list[bytes] = []
    closed = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        nonlocal closed
        accepted.append(b"")
        await read_request(stream)
        await stream.send(reply(b"{}", code=20000001, more="Connection: close\r\n" if polite else ""))
        await stream.aclose()
        closed.set()

    async with raw_server(serve) as base_url, client(base_url) as asr:
        for _ in range(4):
            closed = anyio.Event()
            await asr.query(TASK)
            await closed.wait()
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
    assert len(accepted) == 4


async def test_a_service_that_breaks_now_and_then() -> None:
    """Over sockets as in memory: nothing is paid twice, and every recording ends."""
    faults = [Fault(kind, share=0.1) for kind in ("lost-answer", "reset", "cut-body", "html-502")]
    simulator = Simulator(seed=3, processing_time=0.01, faults=faults)
    texts: list[str] = []
    from volcasr_async import PollPolicy

    poll = PollPolicy(first=0.02, shortest=0.02)
    async with (
        simulator.serve() as base_url,
        client(base_url, retry=RetryPolicy(first=0.01, grace=1.0), poll=poll) as asr,
    ):

        async def one(number: int) -> None:
            texts.append((await asr.transcribe(f"https://example.com/{number}.mp3")).text)

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(one, number)
        assert is_idle(asr)
    assert all(texts)
    assert len(texts) == len(simulator.charges) == 40
    assert simulator.violations == []


@needs_proc
@pytest.mark.parametrize("steps", [*range(1, 30), *range(30, 90, 6)])
async def test_cancelled_at_any_step(steps: int, tmp_path: Path) -> None:
    """Wherever an upload is cut off, the one lane works on, the file is closed, and nothing is held."""
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav(10))
    simulator = Simulator()
    async with simulator.serve() as base_url:
        asr = VolcASR(KEY, base_url=base_url, limits=Limits(qps=None, concurrency=1))
        async with asr:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(asr.transcribe, path)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            assert is_idle(asr)
            assert open_files(tmp_path) == []
            with anyio.fail_after(5):
                assert (await asr.transcribe(path)).duration_ms == 10_000
            assert open_files(tmp_path) == []
    assert simulator.violations == []


async def test_errors_of_the_service_over_the_wire() -> None:
    """A refusal is the same over a socket."""
    simulator = Simulator(api_keys=["another"])
    async with simulator.serve() as base_url, client(base_url) as asr:
        with pytest.raises(ServiceError) as caught:
            await asr.transcribe(LARGE)
    assert caught.value.http_status == 401
