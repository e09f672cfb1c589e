"""Cancelled anywhere, by anyio or by asyncio itself: nothing is held afterwards, and the client works on."""

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream
from io_kit import DONE, KEY, PLAIN, client, is_idle, needs_proc, open_files, raw_server, read_request, reply

from volcasr_async import (
    AucV1,
    AudioFile,
    AudioStream,
    Job,
    Limits,
    PollPolicy,
    RetryPolicy,
    Standard,
    Task,
    VolcASR,
)
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

WAV = make_wav(60)


async def cut_off(asr: VolcASR, work: Awaitable[object], *, after: float) -> None:
    """Run some work, and cancel it after so many seconds."""
    with anyio.move_on_after(after) as scope:
        await work
    assert scope.cancelled_caught
    assert is_idle(asr)


@pytest.mark.parametrize(
    ("simulator", "after"),
    [
        ({"reply_delay": 10}, 5),  # during the answer to the submit
        ({"processing_time": 100}, 1),  # during the pause
        ({"processing_time": 100, "faults": [Fault("stall", on="query")]}, 10),  # during a query
        ({"faults": [Fault("slow-body", on="submit", seconds=20)]}, 5),  # during the body of the answer
        ({"faults": [Fault("rate-limited", on="submit", retry_after=60)]}, 5),  # while the budget pauses
    ],
    ids=["submit", "pause", "query", "body", "refused"],
)
@pytest.mark.parametrize("edition", [Standard(), AucV1("common")], ids=lambda edition: edition.name)
async def test_cancelled_in_each_phase(
    edition: Standard | AucV1, simulator: dict[str, Any], after: float, caplog: pytest.LogCaptureFixture
) -> None:
    """A cancelled call leaves nothing behind, says which task goes on, and the next call works."""
    played = Simulator(**simulator)
    async with client(played, poll=PollPolicy(first=3)) as asr:
        await cut_off(asr, asr.transcribe(Job(PLAIN), edition=edition), after=after)
        warned = [
            record
            for record in caplog.records
            if record.levelno == logging.WARNING and record.name == "volcasr_async.charges"
        ]
        assert len(warned) == len(played.charges)
        if (
            edition.name == "v1"
            and played.charges
            and not played.requests["query"]
            and "processing_time" not in simulator
        ):
            [record] = warned
            assert "may be charged, and its result is lost" in record.getMessage()
        elif played.charges:
            [record] = warned
            task = record.getMessage().partition("task ")[2].partition(" may go on")[0]
            assert Task.from_json(task).id == played.charges[0].task_id
        played.reset()
        other = client(Simulator())
        assert (await other.transcribe(PLAIN, edition=edition)).text
        await other.aclose()
    assert played.violations == []


async def test_cancelled_while_waiting_for_a_turn() -> None:
    """Who waits for a turn and is cancelled gives up the place, and those behind move up."""
    simulator = Simulator(reply_delay=5)
    ends: list[float] = []
    async with client(simulator, limits=Limits(qps=None, concurrency=1)) as asr, anyio.create_task_group() as tasks:

        async def one() -> None:
            await asr.submit(PLAIN)
            ends.append(anyio.current_time() - began)

        began = anyio.current_time()
        tasks.start_soon(one)
        await anyio.sleep(0.1)
        async with anyio.create_task_group() as doomed:
            for _ in range(3):
                doomed.start_soon(asr.submit, PLAIN)
            await anyio.sleep(0.1)
            tasks.start_soon(one)
            await anyio.sleep(0.1)
            assert asr.stats.waiting == 4
            doomed.cancel_scope.cancel()
        assert asr.stats.waiting == 1
    assert [round(end) for end in ends] == [5, 10]
    assert len(simulator.charges) == 2
    assert is_idle(asr)


async def test_cancelled_while_waiting_for_room() -> None:
    """Who waits for room in the air and is cancelled takes none."""
    simulator = Simulator(flash_time=50)
    async with client(simulator, limits=Limits(qps=None, upload_bytes=len(WAV))) as asr:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asr.transcribe, WAV)
            await anyio.sleep(1)
            with anyio.move_on_after(5) as scope:
                await asr.transcribe(WAV)
            assert scope.cancelled_caught
            assert asr.stats.upload_bytes == len(WAV)
        assert is_idle(asr)
        assert (await asr.transcribe(WAV)).text
    assert len(simulator.charges) == 2


@needs_proc
async def test_cancelled_during_an_upload_from_a_stream(tmp_path: Path) -> None:
    """A cancelled upload closes the caller's generator, then and there."""
    events: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield WAV[:100_000]
            await anyio.sleep_forever()
        finally:
            events.append("closed")

    simulator = Simulator()
    async with client(simulator) as asr:
        stream = AudioStream(chunks=chunks(), size=len(WAV), format="wav")
        await cut_off(asr, asr.transcribe(stream), after=5)
        assert events == ["closed"]
        assert (await asr.transcribe(WAV)).text
    gc.collect()
    assert len(simulator.charges) == 1


@needs_proc
@pytest.mark.usefixtures("real_time")
async def test_cancelled_during_an_upload_that_nobody_reads(tmp_path: Path) -> None:
    """An upload that is stuck in the socket is cut off, its file closed, and the lane works on."""
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav(600))
    stuck, calls = anyio.Event(), []

    async def serve(stream: SocketStream) -> None:
        calls.append(stream)
        if len(calls) == 1:
            await stream.receive()
            stuck.set()
            await anyio.sleep_forever()
        await read_request(stream)
        await stream.send(reply(DONE))

    async with raw_server(serve) as base_url:  # noqa: SIM117
        async with VolcASR(KEY, base_url=base_url, limits=Limits(qps=None, concurrency=1)) as asr:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(asr.transcribe, path)
                await stuck.wait()
                while not open_files(tmp_path):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            assert is_idle(asr)
            assert open_files(tmp_path) == []
            assert (await asr.transcribe(path)).text == "good"


@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncios_own_cancellation_at_any_step(anyio_backend: str) -> None:
    """`Task.cancel` strikes between steps where anyio's does not: the one lane must work on all the same."""
    simulator = Simulator()
    retry = RetryPolicy(attempts=1, reply_timeout=5)
    async with simulator.serve() as base_url:
        for steps in range(1, 80):
            async with VolcASR(KEY, base_url=base_url, limits=Limits(qps=None, concurrency=1), retry=retry) as asr:
                cut = asyncio.create_task(asr.submit(PLAIN))
                for _ in range(steps):
                    await asyncio.sleep(0)
                cut.cancel()
                await asyncio.wait([cut])
                assert is_idle(asr)
                with anyio.fail_after(5):
                    await asr.submit(PLAIN)


@needs_proc
@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncios_own_cancellation_while_a_thread_reads(anyio_backend: str, tmp_path: Path) -> None:
    """`Task.cancel` does not wait for the thread that opens or reads the file: it is closed all the same."""
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav(30))
    simulator = Simulator()
    for steps in range(1, 60):
        async with client(simulator) as asr:
            cut = asyncio.create_task(asr.transcribe(AudioFile(path=path)))
            for _ in range(steps):
                await asyncio.sleep(0)
            cut.cancel()
            await asyncio.wait([cut])
            assert is_idle(asr)
        await anyio.to_thread.run_sync(threading.Event().wait, 0.001)
    with anyio.fail_after(5):
        while open_files(tmp_path):
            await anyio.lowlevel.checkpoint()
    gc.collect()


async def test_a_deadline_around_a_call_is_the_callers_own() -> None:
    """`fail_after` around a call raises what it always raises."""
    simulator = Simulator(processing_time=100)
    async with client(simulator) as asr:
        with pytest.raises(TimeoutError) as caught, anyio.fail_after(10):
            await asr.transcribe(PLAIN)
        assert type(caught.value) is TimeoutError
        assert is_idle(asr)


async def test_one_failure_in_a_group_cancels_the_others() -> None:
    """In a caller's task group the first error cancels the other calls, which leave nothing behind."""
    simulator = Simulator(processing_time=5, faults=[Fault("bad-format", url="wrong")])
    async with client(simulator) as asr:
        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as tasks:
                for number in range(5):
                    tasks.start_soon(asr.transcribe, f"https://example.com/{number}.mp3")
                tasks.start_soon(asr.transcribe, "https://example.com/wrong.mp3")
        assert len(caught.value.exceptions) == 1
        assert is_idle(asr)
        assert (await asr.transcribe(PLAIN)).text
