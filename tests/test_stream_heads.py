"""Streams are judged by their first bytes, before a call waits for its turn and before anything is sent."""

import hashlib
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_kit import BASE, KEY, client, is_idle

from volcasr_async import AudioStream, BudgetFull, InputError, Job, Limits, Standard, VolcASR, WaitTimeout
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

WAV = make_wav(2, rate=8000, channels=2)
OPUS = (
    b"OggS\0\2" + bytes(8) + b"\1\0\0\0" + bytes(8) + b"\1\x13"
    + b"OpusHead\1\2" + struct.pack("<HIhB", 312, 48000, 0, 0)
    + bytes(range(256)) * 20
)  # fmt: skip
WEBM = b"\x1a\x45\xdf\xa3" + bytes(range(1, 256)) * 20
M4A = b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(range(1, 256)) * 20


class Source:
    """A generator of chunks that knows what was asked of it."""

    def __init__(self, data: bytes, *, size: int = 1000, wait: float = 0) -> None:
        self.data, self.size, self.wait = data, size, wait
        self.asked = 0
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            await anyio.sleep(self.wait)
            for start in range(0, len(self.data), self.size):
                self.asked += 1
                yield self.data[start : start + self.size]
        finally:
            self.closed = True

    def stream(self, **more: Any) -> AudioStream:
        return AudioStream(self.chunks(), size=len(self.data), **more)


class Copying(httpx.AsyncBaseTransport):
    """Keeps what each request declares about its audio."""

    def __init__(self, simulator: Simulator) -> None:
        self._inner = simulator.transport()
        self.audio: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        section = json.loads(body)["audio"]
        self.audio.append({name: value for name, value in section.items() if name != "data"})
        again = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        return await self._inner.handle_async_request(again)


def through(way: httpx.AsyncBaseTransport) -> VolcASR:
    return VolcASR(KEY, http=way, base_url=BASE, limits=Limits(qps=None))


async def declared(stream: AudioStream, data: bytes, *faults: Fault) -> dict[str, Any]:
    """Send a stream; return what was declared, and compare what arrived."""
    simulator = Simulator(faults=faults)
    way = Copying(simulator)
    async with through(way) as asr:
        await asr.transcribe(stream)
        assert is_idle(asr)
    assert [upload.sha256 for upload in simulator.uploads] == [hashlib.sha256(data).hexdigest()]
    assert simulator.violations == []
    [audio] = way.audio
    return audio


STEREO = {"format": "wav", "rate": 8000, "bits": 16, "channel": 2}


@pytest.mark.parametrize("size", [1, 3, 63, 4096, 1 << 20])
async def test_a_wav_is_declared_like_a_file(size: int) -> None:
    """However its first bytes are cut, container, rate, bits and channels are declared, and all of it arrives."""
    source = Source(WAV, size=size)
    assert await declared(source.stream(), WAV) == STEREO
    assert source.closed


async def test_what_the_caller_declares_is_kept() -> None:
    """The header fills in only what was left out."""
    assert await declared(Source(WAV).stream(rate=16000, language="en-US"), WAV) == STEREO | {
        "rate": 16000,
        "language": "en-US",
    }


@pytest.mark.parametrize("name", ["stream", "blob.webm", "talk.mp3", "a.m4a", "upload"])
async def test_the_bytes_know_better_than_the_name(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A WAV is a WAV under any name; a name that says otherwise is worth a line in the log."""
    assert await declared(Source(WAV).stream(name=name), WAV) == STEREO
    assert ("named like" in caplog.text) == ("." in name)


async def test_other_chunks_before_the_samples() -> None:
    """Studios and phones write kilobytes of notes before them: the header is awaited to its end."""
    notes = b"LIST" + struct.pack("<I", 20_000) + b"INFO" + b"note" * 4_999
    data = WAV[:36] + notes + WAV[36:]
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    assert await declared(Source(data, size=500).stream(), data) == STEREO


async def test_more_notes_than_are_awaited() -> None:
    """A WAV with a picture before its samples is sent all the same, without what its header would say."""
    notes = b"LIST" + struct.pack("<I", 200_000) + b"INFO" + b"note" * 49_999
    data = WAV[:36] + notes + WAV[36:]
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    found = await declared(
        Source(data, size=500).stream(), data, Fault("silence")
    )  # the simulator does not look that far
    assert found == {"format": "wav"}


async def test_opus_says_so() -> None:
    """The codec and the channels of Ogg Opus are declared."""
    assert await declared(Source(OPUS).stream(), OPUS) == {"format": "ogg", "codec": "opus", "channel": 2}


async def test_samples_without_a_header() -> None:
    """Raw samples may begin like anything: what the caller says goes."""
    data = b"<html>" * 1000
    found = await declared(Source(data).stream(format="pcm", rate=8000, bits=16, channel=1), data)
    assert found == {"format": "pcm", "rate": 8000, "bits": 16, "channel": 1}


async def test_a_buffer_that_is_filled_again() -> None:
    """A generator may yield the same buffer each time, as one that reads into it does."""

    async def chunks() -> AsyncIterator[Any]:
        buffer = bytearray(100)
        for start in range(0, len(WAV), 100):
            part = WAV[start : start + 100]
            buffer[: len(part)] = part
            yield memoryview(buffer)[: len(part)]

    assert await declared(AudioStream(chunks(), size=len(WAV)), WAV) == STEREO


@given(cuts=st.lists(st.integers(0, 5000), min_size=1, max_size=8))
@settings(max_examples=30)
async def test_any_cut_of_a_wav(cuts: list[int]) -> None:
    """Empty chunks and cuts anywhere change neither what is declared nor what arrives."""

    async def chunks() -> AsyncIterator[bytes]:
        start = 0
        for cut in cuts:
            yield WAV[start : start + cut]
            start += cut
        yield WAV[start:]

    assert await declared(AudioStream(chunks(), size=len(WAV)), WAV) == STEREO


# ---- refused ----

PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>" * 100

REFUSED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "WebM without a name": (WEBM, {}, "takes mp3, ogg, pcm, raw, wav, not webm; convert"),
    "WebM named like WAV": (WEBM, {"name": "a.wav"}, "not webm; convert"),
    "M4A without a name": (M4A, {}, "m4a.*standard"),
    "M4A of a phone": (M4A, {"name": "recording.m4a"}, "m4a.*standard"),
    "an error page": (PAGE, {"name": "a.mp3"}, "HTML page.*502 Bad Gateway"),
    "an error page, declared": (PAGE, {"format": "mp3"}, "HTML page"),
    "a picture": (b"\xff\xd8\xff\xe0" + bytes(range(1, 256)) * 20, {}, "JPEG"),
    "a document": (b"%PDF-1.7\n" + bytes(range(1, 256)) * 20, {}, "PDF"),
    "a short text": (b"no audio", {}, "text"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("size", [1, 1 << 20])
async def test_what_is_refused_before_anything_is_sent(case: str, size: int) -> None:
    """The first bytes decide; no request goes out, and the generator is closed."""
    data, more, why = REFUSED[case]
    source, simulator = Source(data, size=size), Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match=why) as caught:
            await asr.transcribe(source.stream(**more))
        assert caught.value.charged == "no"
        assert asr.stats.started == 0
        assert is_idle(asr)
    assert source.closed
    assert not simulator.requests


async def test_a_wav_that_is_too_long() -> None:
    """Its header says so, whatever has arrived."""
    size = 7260 * 8000
    head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    head += b"data" + struct.pack("<I", size)

    async def chunks() -> AsyncIterator[bytes]:
        yield head + bytes(5000)
        pytest.fail("asked for more than the header")

    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match=r"lasts 2\.02 h"):
            await asr.transcribe(AudioStream(chunks(), size=size + len(head)))
    assert not simulator.requests


@pytest.mark.parametrize("data", [WAV[:3000], WAV[:10], b""], ids=["cut", "a few bytes", "nothing"])
async def test_a_stream_that_ends_too_early(data: bytes) -> None:
    """What is missing within the first bytes is noticed before anything is sent."""
    source, simulator = Source(data), Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match=f"brought only {len(data)} of the 64044 bytes"):
            await asr.transcribe(AudioStream(source.chunks(), size=len(WAV)))
        assert is_idle(asr)
    assert not simulator.requests


@pytest.mark.parametrize("chunk", ["RIFF", None, 5], ids=repr)
async def test_chunks_that_are_no_bytes(chunk: Any) -> None:
    """The message names the type."""

    async def chunks() -> AsyncIterator[Any]:
        yield chunk

    async with client(Simulator()) as asr:
        with pytest.raises(InputError, match=f"brought {type(chunk).__name__}, and a stream brings bytes"):
            await asr.transcribe(AudioStream(chunks(), size=5))


async def test_a_stream_that_is_too_large_is_not_read() -> None:
    """Its size is known beforehand."""
    source = Source(WAV)
    async with client(Simulator()) as asr:
        with pytest.raises(InputError, match="100 MB"):
            await asr.transcribe(AudioStream(source.chunks(), size=100_000_001))
    assert source.asked == 0


async def test_an_error_of_the_stream() -> None:
    """It reaches the caller as it is, such as the disconnect of a web client."""

    async def chunks() -> AsyncIterator[bytes]:
        yield WAV[:10]
        raise ConnectionResetError("gone")

    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(ConnectionResetError, match="gone"):
            await asr.transcribe(AudioStream(chunks(), size=len(WAV)))
        assert is_idle(asr)
    assert not simulator.requests


# ---- while the first bytes are awaited ----


async def test_a_slow_upload_holds_no_permit() -> None:
    """While three uploads wait for their first bytes, another call has the only slot, and nothing counts as waiting."""
    simulator = Simulator()
    slow = [Source(WAV, wait=60) for _ in range(3)]
    async with client(simulator, limits=Limits(qps=None, concurrency=1)) as asr, anyio.create_task_group() as tasks:
        for source in slow:
            tasks.start_soon(asr.transcribe, source.stream())
        await anyio.sleep(1)
        stats = asr.stats
        assert (stats.in_air, stats.waiting, stats.upload_bytes) == (0, 0, 0)
        began = anyio.current_time()
        await asr.transcribe(WAV)
        assert anyio.current_time() - began < 10
    assert len(simulator.charges) == 4


async def test_first_bytes_that_never_come() -> None:
    """The deadline covers them: nothing was sent, and the generator is closed."""
    source, simulator = Source(WAV, wait=1000), Simulator()
    async with client(simulator) as asr:
        with pytest.raises(WaitTimeout, match="nothing was sent") as caught:
            await asr.transcribe(source.stream(), timeout=20)
        assert caught.value.charged == "no"
        assert is_idle(asr)
    assert source.closed
    assert not simulator.requests


async def test_cancelled_while_the_first_bytes_are_awaited() -> None:
    """Nothing stays behind."""
    source, simulator = Source(WAV, wait=1000), Simulator()
    async with client(simulator) as asr:
        with anyio.move_on_after(20) as scope:
            await asr.transcribe(source.stream())
        assert scope.cancelled_caught
        assert is_idle(asr)
    assert source.closed
    assert not simulator.requests


async def test_cancelled_while_it_waits_for_its_turn() -> None:
    """A stream whose first bytes were read is closed, although it was not sent."""
    source, simulator = Source(WAV), Simulator(flash_time=100)
    async with client(simulator, limits=Limits(qps=None, concurrency=1)) as asr, anyio.create_task_group() as tasks:
        tasks.start_soon(asr.transcribe, WAV)
        await anyio.sleep(5)
        with anyio.move_on_after(5):
            await asr.transcribe(source.stream())
        assert source.asked > 0
        assert source.closed
    assert len(simulator.charges) == 1


async def test_a_full_budget_reads_nothing() -> None:
    """Refused at once: the same stream can be sent later."""
    source, simulator = Source(WAV), Simulator(flash_time=10)
    limits = Limits(qps=None, concurrency=1, max_waiting=0)
    stream = source.stream()
    async with client(simulator, limits=limits) as asr, anyio.create_task_group() as tasks:
        tasks.start_soon(asr.transcribe, WAV)
        await anyio.sleep(1)
        with pytest.raises(BudgetFull):
            await asr.transcribe(stream)
        assert source.asked == 0
        await anyio.sleep(60)
        await asr.transcribe(stream)
    assert len(simulator.charges) == 2


async def test_a_budget_that_fills_up_meanwhile() -> None:
    """Refused after the first bytes: the stream is closed, and a second try says that it can be sent once."""
    source, simulator = Source(WAV, wait=5), Simulator(flash_time=100)
    limits = Limits(qps=None, concurrency=1, max_waiting=0)
    stream = source.stream()
    async with client(simulator, limits=limits) as asr, anyio.create_task_group() as tasks:

        async def another() -> None:
            await anyio.sleep(1)
            await asr.transcribe(WAV)

        tasks.start_soon(another)
        with pytest.raises(BudgetFull):
            await asr.transcribe(stream)
        assert source.closed
        with pytest.raises(InputError, match="brought only 0 of"):
            await anyio.sleep(200)
            await asr.transcribe(stream)
    assert len(simulator.charges) == 1


class Refusing(Copying):
    """Refuses the first connection."""

    refused = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.refused:
            self.refused = True
            raise httpx.ConnectError("refused")
        return await super().handle_async_request(request)


async def test_a_connection_that_fails_before_the_upload() -> None:
    """The first bytes are kept: the second attempt sends the whole stream."""
    source, simulator = Source(WAV), Simulator()
    async with through(Refusing(simulator)) as asr:
        await asr.transcribe(source.stream())
    assert [upload.sha256 for upload in simulator.uploads] == [hashlib.sha256(WAV).hexdigest()]


@pytest.mark.anyio
async def test_a_second_call_with_the_job_of_a_stream_follows_its_task() -> None:
    """The stream was read by the first call, which was cut off; the second waits for the same task, and sends nothing."""
    wav = make_wav(2)

    async def chunks() -> AsyncIterator[bytes]:
        yield wav

    simulator = Simulator(processing_time=30)
    job = Job(AudioStream(chunks(), size=len(wav)), edition=Standard(inline_audio=True))
    async with client(simulator) as asr:
        with anyio.move_on_after(10):
            await asr.transcribe(job)
        assert len(simulator.charges) == 1
        assert (await asr.transcribe(job)).text
    assert len(simulator.charges) == 1
