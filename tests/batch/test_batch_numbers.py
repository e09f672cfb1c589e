"""What `stats` says while a batch runs, and what becomes of an input and a journal that are the caller's."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from batch_kit import change, errors, links, names, outcomes_of, rows, run
from io_kit import client

from volcasr_async import Done, Limits
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


async def test_where_each_job_stands() -> None:
    """Jobs are to be sent, in the air or waiting for their result; the clock counts from the beginning of the block."""
    simulator = Simulator(reply_delay=5.0, processing_time=60.0)
    async with client(simulator, limits=Limits(qps=None, concurrency=3)) as asr:
        await anyio.sleep(100)
        async with asr.batch(links(50), window=40) as batch:
            await anyio.sleep(1)
            one = batch.stats
            assert repr(batch) == "<Batch [0 done, 0 failed | 3 in the air, 0 waiting, 37 to send]>"
            await anyio.sleep(5)
            six = batch.stats
    assert (one.read, one.sending, one.in_air, one.waiting, one.requests) == (40, 37, 3, 0, 3)
    assert (six.read, six.sending, six.in_air, six.waiting, six.requests) == (40, 34, 3, 3, 6)
    assert (one.exhausted, one.rate, one.rejected, one.audio_s) == (False, None, 0, 0.0)
    assert one.elapsed_s == pytest.approx(1.0, abs=0.1)
    assert six.elapsed_s == pytest.approx(6.0, abs=0.1)


async def test_audio_of_unknown_length_adds_nothing(tmp_path: Path) -> None:
    """A transcript that does not say how long its audio was counts as one, and as no second of audio."""
    path, simulator = tmp_path / "run.db", Simulator()
    await run(simulator, links(3), journal=path)
    change(path, "UPDATE job SET delivered = 0")
    change(path, "UPDATE transcript SET raw = ?", b'{"result":{"text":"short"}}')
    async with client(simulator) as asr, asr.batch(links(3), journal=path) as batch:
        outcomes = [outcome async for outcome in batch]
        stats = batch.stats
    assert [outcome.transcript.duration_ms for outcome in outcomes if isinstance(outcome, Done)] == [None] * 3
    assert (stats.done, stats.audio_s) == (3, 0.0)


async def test_what_was_refused_for_its_pace() -> None:
    """Refusals of the service are counted, the rate is what is kept to since, and the jobs are none the worse."""
    simulator = Simulator(faults=[Fault("rate-limited", on="submit", times=1, url="/0.mp3")])
    async with client(simulator, limits=Limits(qps=20)) as asr, asr.batch(links(3)) as batch:
        outcomes = [outcome async for outcome in batch]
        stats = batch.stats
        assert stats.rate == pytest.approx(asr.stats.rate, rel=0.05)
    assert len(names(outcomes)) == 3
    assert not errors(outcomes)
    assert (stats.rejected, stats.exhausted) == (1, True)
    assert stats.requests == sum(simulator.requests.values())
    assert stats.rate is not None
    assert 0 < stats.rate < 20


@pytest.mark.parametrize("how", ["break", "stop", "to the end"])
async def test_an_async_input_is_closed(how: str) -> None:
    """A generator that was left early is closed before the block ends, so that its files and connections are."""
    closed = []

    async def items() -> AsyncIterator[str]:
        try:
            for link in links(30):
                yield link
        finally:
            closed.append(True)

    async with client(Simulator()) as asr:
        async with asr.batch(items(), window=5) as batch:
            async for _ in batch:
                if how == "break":
                    break
                if how == "stop":
                    batch.stop()
        assert closed == [True]


async def test_an_input_is_left_alone_after_stop() -> None:
    """Once the iteration has ended, nothing more is read, though more had been asked for."""
    read = 0

    async def items() -> AsyncIterator[str]:
        nonlocal read
        for link in links(100):
            read += 1
            yield link
            await anyio.sleep(10)

    async with client(Simulator()) as asr, asr.batch(items()) as batch:
        await anyio.sleep(25)
        batch.stop()
        async for _ in batch:
            pass
        before = read
        await anyio.sleep(200)
        assert read == before <= 4


async def test_a_journal_of_the_callers_stays_open(tmp_path: Path) -> None:
    """Several batches may use it one after the other; each has written all of its own at its end."""
    path, simulator = tmp_path / "run.db", Simulator()
    journal = await SqliteJournal.open(path)
    async with client(simulator) as asr:
        for count in (2, 4):
            await outcomes_of(asr, links(count), journal=journal)
            assert rows(path, "state, delivered") == [("done", 1)] * count
    assert set(await journal.look_up(links(4))) == set(links(4))
    await journal.aclose()
    assert len(simulator.charges) == 4


async def test_a_long_list_does_not_hold_up_the_loop() -> None:
    """While many lines are read at once, others have their turn again and again."""
    turns, seen = 0, set[int]()

    def items() -> Iterator[str]:
        for link in links(6000):
            seen.add(turns)
            yield link

    async with client(Simulator(), limits=Limits(qps=1)) as asr, asr.batch(items(), window=100_000) as batch:
        while not batch.stats.exhausted:
            turns += 1
            await anyio.lowlevel.checkpoint()
    assert len(seen) >= 5
