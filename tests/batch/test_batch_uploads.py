"""File objects and streams in batches."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from batch_kit import errors, links, names, rows, run
from io_kit import client, is_idle
from starlette.datastructures import UploadFile

from volcasr_async import AudioFileObject, AudioStream, Done, InputError, Job, Limits, WaitTimeout
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

WAV = make_wav(1.0)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def test_file_objects_in_a_batch() -> None:
    """Each is sent; the same object may stand in the list twice; an unusable one fails alone."""
    shared = io.BytesIO(WAV)
    items: list[Any] = [
        shared,
        AudioFileObject(shared, "a"),
        UploadFile(io.BytesIO(WAV), filename="b"),
        io.StringIO("c"),
    ]
    simulator = Simulator(faults=[Fault("refuse-busy", on="flash", times=3)])
    outcomes = await run(simulator, items)
    assert sorted(names(outcomes)) == ["a", "b", "file object"]
    [error] = errors(outcomes)
    assert "text mode" in str(error)
    assert len(simulator.charges) == 3


async def test_file_objects_with_a_journal(journal: Path) -> None:
    """A key of the caller's is needed: all recordings of a browser are called blob, and two names may be the same."""
    items = [
        io.BytesIO(WAV),
        UploadFile(io.BytesIO(WAV), filename="blob"),
        AudioFileObject(io.BytesIO(WAV), name="a"),
        Job(AudioFileObject(io.BytesIO(WAV), name="a"), key="b"),
        Job(io.BytesIO(WAV), key="c"),
    ]
    simulator = Simulator()
    outcomes = await run(simulator, items, journal=journal)
    assert sorted(names(outcomes)) == ["b", "c"]
    assert ["give this one a key" in str(error) for error in errors(outcomes)] == [True, True, True]
    again = await run(simulator, items[3:], journal=journal)
    assert again == []
    assert len(simulator.charges) == 2
    assert rows(journal) == ["done", "done"]


@pytest.mark.parametrize("kind", [io.BytesIO, lambda data: (file := io.BytesIO(data), file.seek(5))[0]])
async def test_a_file_object_is_not_a_list(kind: Any) -> None:
    """One recording is not read line by line, as a list is."""
    async with client(Simulator()) as asr:
        with pytest.raises(InputError, match=r"use \[file\] or transcribe\(file\)"):
            asr.batch(kind(WAV))


async def test_a_text_file_is_a_list(tmp_path: Path) -> None:
    """Each line of it is a URL, as before."""
    (tmp_path / "list.txt").write_text("https://example.com/a.mp3\nhttps://example.com/b.mp3", "utf-8")
    with (tmp_path / "list.txt").open(encoding="utf-8") as lines:
        outcomes = await run(Simulator(), (line.strip() for line in lines))
    assert len(names(outcomes)) == 2


class Chunks:
    """A stream whose first bytes come when they are let, and which knows whether it was closed."""

    def __init__(self, data: bytes = WAV, *, size: int = 1000) -> None:
        self.data, self.size = data, size
        self.begin, self.opened, self.closed = anyio.Event(), False, False

    async def chunks(self) -> AsyncIterator[bytes]:
        self.opened = True
        try:
            await self.begin.wait()
            for start in range(0, len(self.data), self.size):
                yield self.data[start : start + self.size]
        finally:
            self.closed = True

    def source(self, name: str, **more: Any) -> AudioStream:
        return AudioStream(self.chunks(), size=len(self.data), name=name, **more)


async def test_a_slow_stream_holds_up_no_other_job() -> None:
    """While the first bytes of three streams are awaited, URLs, bytes and other streams go on."""
    slow, fast = [Chunks() for _ in range(3)], Chunks()
    fast.begin.set()
    items: list[Any] = [
        *(stream.source(f"slow {i}") for i, stream in enumerate(slow)),
        *links(2),
        WAV,
        fast.source("fast"),
    ]
    simulator = Simulator(flash_time=1, processing_time=1)
    done: list[str] = []
    async with client(simulator, limits=Limits(qps=None, concurrency=2)) as asr, asr.batch(items) as batch:
        async for outcome in batch:
            assert isinstance(outcome, Done)
            done.append(outcome.job.name)
            if len(done) == 4:
                assert all(name[:4] != "slow" for name in done)
                assert (asr.stats.in_air, asr.stats.upload_bytes) == (0, 0)
                for stream in slow:
                    stream.begin.set()
    assert len(done) == 7
    assert all(stream.closed for stream in slow)


@pytest.mark.parametrize("stalled", [2, 9])
async def test_stalled_streams_leave_links_their_turn(stalled: int) -> None:
    """Also where there are more of them than jobs are prepared ahead."""
    slow = [Chunks() for _ in range(stalled)]
    items: list[Any] = [*(stream.source(f"slow {i}") for i, stream in enumerate(slow)), *links(3)]
    done: list[str] = []
    limits = Limits(qps=None, concurrency=1)
    async with client(Simulator(processing_time=1), limits=limits) as asr, asr.batch(items) as batch:
        with anyio.fail_after(60):
            async for outcome in batch:
                done.append(outcome.job.name)
                if len(done) == 3:
                    break
    assert sorted(done) == links(3)


async def test_streams_keep_the_order_of_the_list() -> None:
    """Streams whose first bytes come at once are sent as they stand in the list."""
    streams = [Chunks() for _ in range(6)]
    for stream in streams:
        stream.begin.set()
    simulator = Simulator()
    items = [stream.source(f"{i}") for i, stream in enumerate(streams)]
    outcomes = await run(simulator, items, client_with={"limits": Limits(qps=None, concurrency=1)})
    assert [outcome.job.source.name for outcome in outcomes] == list("012345")


@pytest.mark.parametrize("leaving", ["stopped", "left"])
async def test_a_batch_that_ends_early_closes_its_streams(leaving: str) -> None:
    """Those that were awaited, those that waited for their turn, and those that were sent."""
    streams = [Chunks() for _ in range(8)]
    for stream in streams[:1] + streams[2:]:
        stream.begin.set()
    simulator = Simulator(flash_time=10)
    items = [stream.source(f"{i}") for i, stream in enumerate(streams)]
    limits = Limits(qps=None, concurrency=2)
    async with client(simulator, limits=limits) as asr, asr.batch(items) as batch:
        async for _ in batch:
            if leaving == "left":
                break
            batch.stop()
    assert is_idle(asr)
    assert [stream.closed for stream in streams] == [stream.opened for stream in streams]
    assert streams[1].closed, "its first bytes were awaited"
    assert sum(stream.closed for stream in streams) - 1 > len(simulator.charges), "some waited for their turn"


async def test_a_stream_that_never_begins() -> None:
    """Its deadline is the edition's; nothing was sent."""
    stream = Chunks()
    outcomes = await run(Simulator(), [stream.source("never")])
    [error] = errors(outcomes)
    assert isinstance(error, WaitTimeout)
    assert "nothing was sent" in str(error)
    assert stream.closed


async def test_a_stream_that_is_not_audio() -> None:
    """It fails alone, before anything is sent, and its generator is closed."""
    page = Chunks(b"<!DOCTYPE html><html><title>404</title></html>" * 100)
    page.begin.set()
    simulator = Simulator()
    outcomes = await run(simulator, [page.source("a.mp3"), WAV])
    [error] = errors(outcomes)
    assert "HTML" in str(error)
    assert page.closed
    assert simulator.requests["flash"] == 1
