"""Local audio: to the byte, at any size and cut, opened fresh for each attempt, refused before anything is sent."""

import hashlib
import logging
import math
import os
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from io_kit import BASE, PAIR, PLAIN, client, is_idle, needs_proc, open_files

from volcasr_async import (
    AudioBytes,
    AudioFile,
    AudioStream,
    InputError,
    Limits,
    RetryPolicy,
    ServiceError,
    SubmitUncertain,
    TransportError,
    VolcASR,
)
from volcasr_async.protocol.envelope import PIECE_BYTES
from volcasr_async.sources import SourceLike
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

PIECE, BLOCK = PIECE_BYTES, 8 * PIECE_BYTES
EDGES = [1, 2, 3, 4, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5]
WAV = make_wav(10)


def noise(size: int) -> bytes:
    return (b"RIFF" + os.urandom(251) * (size // 251 + 1))[:size]


async def arrives(source: SourceLike, data: bytes) -> None:
    """Send a recording as PCM, and compare what came."""
    simulator = Simulator()
    async with client(simulator) as asr:
        await asr.transcribe(source)
        assert is_idle(asr)
    [upload] = simulator.uploads
    assert (upload.size, upload.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert upload.content_length == upload.received
    assert simulator.violations == []


@pytest.mark.parametrize("size", EDGES)
async def test_every_size_arrives_to_the_byte(size: int, tmp_path: Path) -> None:
    """Files and bytes of sizes around the edges of pieces and blocks arrive whole."""
    data = noise(size)
    (tmp_path / "a.pcm").write_bytes(data)
    await arrives(AudioFile(path=tmp_path / "a.pcm", format="pcm"), data)
    await arrives(AudioBytes(data=data, format="pcm"), data)


@given(cuts=st.lists(st.integers(0, 3 * PIECE), min_size=1, max_size=12))
@example(cuts=[1])
@example(cuts=[0, 1, 0, 2, 0])
@example(cuts=[PIECE + 1, 1, PIECE - 1])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_stream_in_chunks_of_any_size_arrives_to_the_byte(cuts: list[int]) -> None:
    """However a stream is cut, its bytes arrive."""
    cuts = cuts if sum(cuts) else [*cuts, 1]
    data = noise(sum(cuts))

    async def chunks() -> AsyncIterator[bytes]:
        start = 0
        for number, cut in enumerate(cuts):
            kind: Any = (bytes, bytearray, memoryview)[number % 3]
            yield kind(data[start : start + cut])
            start += cut

    await arrives(AudioStream(chunks=chunks(), size=len(data), format="pcm"), data)


@pytest.mark.parametrize("kind", ["file", "bytes"])
async def test_each_attempt_sends_the_whole(kind: str, tmp_path: Path) -> None:
    """After a 503 the second attempt opens the recording anew, under the same length."""
    (tmp_path / "a.wav").write_bytes(WAV)
    sources: dict[str, SourceLike] = {"file": tmp_path / "a.wav", "bytes": WAV}
    source = sources[kind]
    simulator = Simulator(faults=[Fault("refuse-busy", on="flash", times=2)])
    async with client(simulator) as asr:
        assert (await asr.transcribe(source)).duration_ms == 10_000
    assert simulator.requests["flash"] == 3
    assert simulator.uploads[-1].sha256 == hashlib.sha256(WAV).hexdigest()
    assert simulator.violations == []


@pytest.mark.parametrize("change", ["shrinks", "grows", "goes", "another"])
async def test_a_file_that_changes_between_two_attempts(change: str, tmp_path: Path) -> None:
    """What changed or went is our error, not a transcript of a part or of another recording; nothing is charged."""
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    simulator = Simulator(faults=[Fault("refuse-busy", on="flash", times=1)])
    async with client(simulator, retry=RetryPolicy(first=10)) as asr, anyio.create_task_group() as tasks:

        async def changes() -> None:
            await anyio.sleep(3)
            if change == "goes":
                path.unlink()
            else:
                path.write_bytes({"shrinks": WAV[:-9], "grows": WAV + b"more", "another": WAV[::-1]}[change])

        tasks.start_soon(changes)
        with pytest.raises(InputError, match=r"a\.wav (changed.*submit it again|cannot be read any more)"):
            await asr.transcribe(path)
        assert simulator.charges == []
    assert is_idle(asr)


class Meddling(httpx.AsyncBaseTransport):
    """A way to the simulator on which something happens after so many parts of a body have left."""

    def __init__(self, simulator: Simulator, after: int, happens: Callable[[], object]) -> None:
        self.inner, self.after, self.happens = simulator.transport(), after, happens
        self.left = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        parts = []
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for part in request.stream:
            parts.append(part)
            self.left += len(part)
            if len(parts) == self.after:
                self.happens()
        whole = httpx.Request(request.method, request.url, headers=request.headers, content=b"".join(parts))
        return await self.inner.handle_async_request(whole)


def replaced(path: Path) -> None:
    """As editors and download tools do, with a file of the same size and time."""
    other, was = path.with_name("new"), path.stat()
    other.write_bytes(path.read_bytes()[::-1])
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.replace(path)


def rewritten(path: Path) -> None:
    """In place, with as many bytes; a clock of coarse ticks shall tell the two apart."""
    was = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(was + 1, was + 1))


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


CHANGES: dict[str, Callable[[Path], None]] = {
    "replaced": replaced,
    "rewritten": rewritten,
    "grown": grown,
    "cut": lambda path: os.truncate(path, 9),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("pieces", "after"), [(1, 1), (3, 3), (7, 2), (7, 7)])
async def test_a_file_that_changes_during_its_upload(change: str, pieces: int, after: int, tmp_path: Path) -> None:
    """Until its last piece leaves it is noticed: the error names the file and the remedy, and nothing is charged."""
    path, data = tmp_path / "a.pcm", noise(pieces * PIECE)
    path.write_bytes(data)
    simulator = Simulator()
    way = Meddling(simulator, after, lambda: CHANGES[change](path))
    async with VolcASR(PAIR, http=httpx.AsyncClient(transport=way), base_url=BASE, limits=Limits(qps=None)) as asr:
        with pytest.raises(InputError, match=r"a\.pcm changed.*submit it again when nothing writes to it"):
            await asr.transcribe(AudioFile(path=path, format="pcm"))
        assert is_idle(asr)
    assert way.left < len(data) * 4 / 3, "the last piece did not leave"
    assert simulator.charges == []
    assert not Path("/proc/self/fd").exists() or open_files(tmp_path) == []


async def test_a_file_that_is_deleted_during_its_upload(tmp_path: Path) -> None:
    """Who has it open still reads all of it."""
    path, data = tmp_path / "a.pcm", noise(7 * PIECE)
    path.write_bytes(data)
    simulator = Simulator()
    way = Meddling(simulator, 2, path.unlink)
    async with VolcASR(PAIR, http=httpx.AsyncClient(transport=way), base_url=BASE, limits=Limits(qps=None)) as asr:
        assert (await asr.transcribe(AudioFile(path=path, format="pcm"))).text
    assert simulator.uploads[-1].sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("promised", "why"), [(len(WAV) + 1, "only"), (len(WAV) - 1, "more than"), (1, "more than")])
async def test_a_stream_of_another_size_than_promised(promised: int, why: str) -> None:
    """A stream that is too short or too long is our error, and its generator is closed."""
    simulator, closed = Simulator(), []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield WAV[:1000]
            yield WAV[1000:]
            yield b""
        finally:
            closed.append(True)

    async with client(simulator) as asr:
        with pytest.raises(InputError, match=why):
            await asr.transcribe(AudioStream(chunks=chunks(), size=promised, format="wav"))
        assert is_idle(asr)
    assert closed
    assert simulator.charges == []


async def test_a_stream_is_sent_once() -> None:
    """After bytes have left, a stream is not sent again: neither by a retry nor by a second call."""

    async def chunks() -> AsyncIterator[bytes]:
        yield WAV

    for kind in ("drop-upload", "refuse-busy", "reset"):
        stream = AudioStream(chunks=chunks(), size=len(WAV), format="wav")
        simulator = Simulator(faults=[Fault(kind, on="flash", times=1)])
        async with client(simulator) as asr:
            with pytest.raises(Exception) as caught:
                await asr.transcribe(stream)
            assert kind == "refuse-busy" or isinstance(caught.value, SubmitUncertain | TransportError)
            assert simulator.requests["flash"] == 1
            with pytest.raises(InputError):
                await asr.transcribe(stream)
            assert is_idle(asr)
        assert simulator.charges == []


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def sparse(path: Path, size: int, head: bytes = b"") -> Path:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def long_wav(seconds: int) -> bytes:
    size = seconds * 8000
    head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    return head + b"data" + struct.pack("<I", size)


REFUSED: dict[str, tuple[Callable[[Path], SourceLike], str]] = {
    "missing": (lambda folder: folder / "no.wav", "cannot be read"),
    "empty": (lambda folder: sparse(folder / "a.wav", 0), "empty"),
    "folder": (lambda folder: folder, "directory"),
    "unreadable": (lambda folder: folder / ("n" * 300 + ".wav"), "cannot be read"),
    "pipe": (lambda folder: pipe(folder / "pipe.wav"), "regular"),
    "large": (lambda folder: sparse(folder / "a.mp3", 101_000_000, b"ID3"), "100 MB.*standard"),
    "long": (lambda folder: sparse(folder / "a.wav", 7260 * 8000 + 44, long_wav(7260)), "2 h.*cut"),
    "m4a": (lambda folder: sparse(folder / "a.m4a", 100, b"\0\0\0\x20ftypM4A "), "m4a.*standard"),
    "flac": (lambda folder: sparse(folder / "a", 100, b"fLaC"), "flac; convert"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_flash_does_not_take_is_refused_before_anything_is_sent(case: str, tmp_path: Path) -> None:
    """Each refusal names the cure, and no request goes out."""
    make, cure = REFUSED[case]
    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match=cure):
            await asr.transcribe(make(tmp_path))
        assert asr.stats.started == 0
        assert is_idle(asr)
    assert not simulator.requests


@pytest.mark.usefixtures("real_time")
async def test_just_within_the_limits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two hours and 58 MB are taken, with a word of advice."""
    path = sparse(tmp_path / "a.wav", 7200 * 8000 + 44, long_wav(7200))
    simulator = Simulator()
    async with client(simulator) as asr:
        assert (await asr.transcribe(path)).duration_ms == 7_200_000
    assert "advises" in caplog.text


async def test_a_wav_with_a_length_it_does_not_have(tmp_path: Path) -> None:
    """A header that promises 4 GB, as pipes leave it, is judged by what is there."""
    head = long_wav(10)[:-4] + b"\xff\xff\xff\xff"
    path = sparse(tmp_path / "a.wav", 80_044, head)
    simulator = Simulator()
    async with client(simulator) as asr:
        assert (await asr.transcribe(path)).duration_ms == 10_000


@given(
    rest=st.binary(max_size=80), kind=st.sampled_from([b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt ", b"OggS", b"ID3"])
)
@settings(max_examples=60)
async def test_broken_audio_is_refused_unless_its_format_is_declared(kind: bytes, rest: bytes) -> None:
    """Bytes that only begin like audio are refused or sent, never a crash of ours; the caller can insist."""
    simulator = Simulator(faults=[Fault("silence", times=2)])
    async with client(simulator) as asr:
        with suppress(InputError):
            await asr.transcribe(kind + rest)
        assert (await asr.transcribe(AudioBytes(kind + rest, format="wav"))).silent


async def test_unknown_bytes_are_sent_without_a_label_and_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Where neither name nor bytes tell, the service finds out."""
    simulator = Simulator(faults=[Fault("refuse-busy", on="flash", times=1)])
    async with client(simulator) as asr:
        with pytest.raises(Exception, match="45000151"):
            await asr.transcribe(bytes(range(256)))
    assert simulator.requests["flash"] == 2
    assert simulator.violations == []
    [record] = [record for record in caplog.records if record.name == "volcasr_async.audio"]
    assert record.levelno == logging.WARNING
    assert "no known audio: it is sent without a format" in record.getMessage()


async def test_the_bytes_know_better_than_the_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A WAV that is called MP3 is sent as WAV, and the log says so."""
    path = tmp_path / "a.mp3"
    path.write_bytes(WAV)
    simulator = Simulator()
    async with client(simulator) as asr:
        assert (await asr.transcribe(path)).duration_ms == 10_000
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "a.mp3: it is named like mp3 but holds wav" in record.getMessage()
    assert simulator.violations == []


async def test_the_callers_word_is_last(tmp_path: Path) -> None:
    """A container that the caller names is sent as named."""
    simulator = Simulator()
    async with client(simulator) as asr:
        transcript = await asr.transcribe(AudioBytes(data=bytes(32_000), format="pcm", rate=16000))
    assert transcript.duration_ms == 1000


@needs_proc
@pytest.mark.parametrize("ending", ["success", "failure", "broken", "cancelled"])
async def test_no_file_stays_open(ending: str, tmp_path: Path) -> None:
    """Whatever way an upload ends, its file is closed."""
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav(60))
    faults = {"failure": [Fault("bad-format")], "broken": [Fault("drop-upload", on="flash")]}
    simulator = Simulator(faults=faults.get(ending, []), flash_time=100)
    async with client(simulator, retry=RetryPolicy(attempts=2)) as asr:
        with anyio.move_on_after(50 if ending == "cancelled" else math.inf):
            if ending in ("failure", "broken"):
                with pytest.raises((ServiceError, TransportError)):
                    await asr.transcribe(path)
            else:
                await asr.transcribe(path)
        assert open_files(tmp_path) == []
        assert is_idle(asr)


@pytest.mark.parametrize("count", [5])
async def test_uploads_share_the_room_in_the_air(count: int) -> None:
    """No more audio is in the air at once than the limit, one that is larger goes alone, and all arrive."""
    simulator = Simulator(flash_time=10)
    most, seen = 2 * len(WAV), []
    async with client(simulator, limits=Limits(qps=None, upload_bytes=most)) as asr:

        async def one(data: bytes) -> None:
            await asr.transcribe(data)
            seen.append(asr.stats.upload_bytes)

        async with anyio.create_task_group() as tasks:
            for number in range(count):
                tasks.start_soon(one, WAV if number else make_wav(60))
            for _ in range(20):
                await anyio.sleep(1)
                seen.append(asr.stats.upload_bytes)
        assert is_idle(asr)
    assert len(simulator.charges) == count
    assert all(size <= most or size == len(make_wav(60)) for size in seen)
    assert simulator.violations == []


async def test_local_audio_where_a_link_is_wanted(tmp_path: Path) -> None:
    """The polled editions take links; the refusal says what to do."""
    simulator = Simulator()
    async with client(simulator) as asr:
        for edition in ("standard", "idle"):
            with pytest.raises(InputError, match="use flash for local audio, or pass a link"):
                await asr.submit(Path(tmp_path / "a.wav"), edition=edition)
        await asr.submit(PLAIN)
    assert simulator.requests["submit"] == 1


async def test_a_list_is_no_recording(tmp_path: Path) -> None:
    """A text file given by mistake is refused before it is uploaded."""
    path = tmp_path / "urls.txt"
    path.write_text("https://example.com/会议.mp3\n" * 5, "utf-8")
    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(
            InputError, match=r"urls\.txt is not audio but text: https://example.com/会议.mp3 .*a batch"
        ):
            await asr.transcribe(path)
    assert not simulator.requests
