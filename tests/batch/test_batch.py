"""A batch as its caller sees it: one outcome for each item, in a bounded stream."""

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import anyio
import pytest
from batch_kit import errors, links, names, outcomes_of, run
from io_kit import client, is_idle
from msgspec.structs import force_setattr

from volcasr_async import (
    ApiKey,
    AudioStream,
    Done,
    Failed,
    Flash,
    InputError,
    Job,
    Limits,
    Standard,
    WaitTimeout,
)
from volcasr_async.errors import AuthenticationFailed, QuotaExceeded, VolcASRError
from volcasr_async.outcomes import Outcome
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio


async def test_each_item_ends_once() -> None:
    """A list of links gives as many transcripts, and everything held is given back."""
    simulator = Simulator()
    async with client(simulator) as asr:
        outcomes = await outcomes_of(asr, links(30))
        assert is_idle(asr)
    assert names(outcomes) == sorted(links(30))
    assert all(outcome.transcript.text for outcome in outcomes)
    assert not simulator.violations


@pytest.mark.parametrize("items", [[], (), iter(())])
async def test_nothing_to_do(items: Any) -> None:
    """An empty list ends at once."""
    assert await run(Simulator(), items) == []


@pytest.mark.parametrize(("window", "concurrency"), [(1, 1), (1, 20), (3, 2), (1000, 64), (5, 200)])
async def test_windows_and_workers(window: int, concurrency: int) -> None:
    """Any window and any number of workers bring every outcome, more workers than jobs among them."""
    limits = Limits(qps=None, concurrency=concurrency)
    outcomes = await run(Simulator(), links(7), client_with={"limits": limits}, window=window)
    assert names(outcomes) == links(7)


async def test_a_window_bounds_what_is_under_way() -> None:
    """No more tasks are at the service than the window allows."""
    most = 0
    simulator = Simulator(processing_time=30)
    async with client(simulator) as asr, asr.batch(links(12), window=4) as batch:
        async for _ in batch:
            stats = batch.stats
            most = max(most, stats.waiting + stats.in_air + stats.sending)
    assert most <= 4


@pytest.mark.parametrize("window", [0, -1])
async def test_windows_that_hold_nothing(window: int) -> None:
    """A window below one is refused when the batch is made."""
    async with client(Simulator()) as asr:
        with pytest.raises(InputError, match="window"):
            asr.batch(links(1), window=window)


@pytest.mark.parametrize("items", ["https://example.com/a.mp3", b"audio", 5, None])
async def test_what_is_no_list(items: Any) -> None:
    """A single link or anything that cannot be iterated is refused with the cure."""
    async with client(Simulator()) as asr:
        with pytest.raises(InputError, match="transcribe"):
            asr.batch(items)


async def test_items_that_are_no_audio() -> None:
    """What is no source, whatever it is, fails alone and shows what it was."""
    wrong = [
        42,
        None,
        {"url": "https://e.com/a"},
        "no link",
        "http://[bad",
        "https://e.com/\ud800",
    ]
    outcomes = await run(Simulator(), [*wrong, *links(2)])
    assert names(outcomes) == links(2)
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(failed) == len(wrong)
    assert all(isinstance(outcome.error, InputError) for outcome in failed)
    assert [outcome.job.source for outcome in failed[:3]] == wrong[:3]
    assert [outcome.job.name for outcome in failed[:4]] == ["42", "None", str(wrong[2]), "no link"]


@pytest.mark.parametrize("recorded", [False, True])
async def test_options_of_a_wrong_type(tmp_path: Path, recorded: bool) -> None:
    """A job with nonsense inside fails alone, and its error says which one it is."""
    journal = tmp_path / "run.db" if recorded else None
    wrong = Job(links(1)[0])
    force_setattr(wrong, "options", 5)  # a Job itself takes no such value
    outcomes = await run(Simulator(), [wrong, links(2)[1]], journal=journal)
    (error,) = errors(outcomes)
    assert isinstance(error, InputError)
    assert str(error).startswith(f"{links(1)[0]} cannot be sent: ")
    assert error.__cause__ is not None
    assert str(error.__cause__) in str(error)
    assert len(names(outcomes)) == 1


async def test_a_thousand_refusals() -> None:
    """A thousand jobs that all fail before they are sent are a thousand outcomes and no request."""
    simulator = Simulator()
    items = (Job(link, edition="flash", callback="https://example.com/") for link in links(1000))
    outcomes = await run(simulator, items, window=50)
    assert len(errors(outcomes)) == 1000
    assert not simulator.requests


async def test_failures_of_the_service_are_outcomes() -> None:
    """Each bad ending is one `Failed`, silence is a transcript."""
    items = [f"https://example.com/{what}/a.mp3" for what in ("silence", "bad-format", "download-failed", "empty")]
    outcomes = await run(Simulator(), items)
    assert {type(error).__name__ for error in errors(outcomes)} == {
        "BadAudioFormat",
        "AudioDownloadFailed",
        "EmptyAudio",
    }
    assert [outcome.transcript.silent for outcome in outcomes if isinstance(outcome, Done)] == [True]


async def test_the_service_never_ends_a_task() -> None:
    """A job whose deadline passes fails with its task; the others end."""
    items = ["https://example.com/never/a.mp3", *links(3)]
    outcomes = await run(Simulator(), items)
    assert names(outcomes) == links(3)
    (error,) = errors(outcomes)
    assert isinstance(error, WaitTimeout)
    assert error.task is not None


async def test_nothing_can_be_submitted_for_hours(anyio_backend_name: str) -> None:
    """A submit that is refused until the deadline fails without a task to wait for."""
    if anyio_backend_name == "trio":
        pytest.skip("the same arithmetic; trio's clock takes 20 ms for each of a thousand jumps")
    simulator = Simulator(faults=[Fault("refuse-busy", on="submit", url="/0.mp3", retry_after=600)])
    outcomes = await run(simulator, links(2))
    (error,) = errors(outcomes)
    assert isinstance(error, WaitTimeout)
    assert error.task is None
    assert error.charged == "no"
    assert "nothing is charged" in str(error)


@pytest.mark.parametrize("kind", ["sync", "generator", "async"])
async def test_inputs_of_all_kinds(kind: str) -> None:
    """Lists, generators and async generators are read alike, jobs and sources mixed."""
    items: list[str | Job] = [links(1)[0], Job(links(2)[1], key="second")]

    async def later() -> AsyncIterator[str | Job]:
        for item in items:
            await anyio.sleep(1)
            yield item

    given = {"sync": items, "generator": (item for item in items), "async": later()}[kind]
    assert names(await run(Simulator(), given)) == sorted([links(1)[0], "second"])


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("window", [1, 10])
async def test_the_list_is_read_lazily(window: int, later: bool) -> None:
    """Never more is read than was taken and the window holds."""
    read = taken = most = 0

    def items() -> Iterator[str]:
        nonlocal read
        for link in links(60):
            read += 1
            yield link

    async def items_later() -> AsyncIterator[str]:
        for item in items():
            yield item

    async with client(Simulator()) as asr, asr.batch(items_later() if later else items(), window=window) as batch:
        async for _ in batch:
            taken += 1
            most = max(most, read - taken)
    assert taken == 60
    assert most <= window


async def test_a_slow_caller_holds_everything_back() -> None:
    """While nobody takes outcomes, the list is read to the window and no further."""
    read = 0

    def items() -> Iterator[str]:
        nonlocal read
        for link in links(100_000):
            read += 1
            yield link

    async with client(Simulator()) as asr, asr.batch(items(), window=100) as batch:
        async for _ in batch:
            break
        await anyio.sleep(3600)
        assert read <= 101


@pytest.mark.parametrize("later", [False, True])
async def test_an_input_that_raises(later: bool) -> None:
    """Its exception reaches the caller through the iteration, as it is."""

    def items() -> Iterator[str]:
        yield from links(3)
        raise LookupError("the list broke")

    async def items_later() -> AsyncIterator[str]:
        for item in items():
            yield item
            await anyio.sleep(10)

    async with client(Simulator()) as asr:
        with pytest.raises(LookupError, match="the list broke"):
            async with asr.batch(items_later() if later else items()) as batch:
                async for _ in batch:
                    pass
        assert is_idle(asr)


async def test_the_numbers_add_up() -> None:
    """At every moment what was read is skipped, ended, waiting or in the air."""
    simulator = Simulator(faults=[Fault("reset", share=0.3), Fault("bad-format", share=0.2)])
    async with client(simulator) as asr, asr.batch(links(80), window=30) as batch:
        assert batch.stats.read == 0

        async def look() -> None:
            while not batch.stats.exhausted:
                s = batch.stats
                assert s.read == s.skipped + s.done + s.failed + s.sending + s.waiting + s.in_air
                await anyio.sleep(0.5)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            outcomes = [outcome async for outcome in batch]
        stats = batch.stats
    assert (stats.read, stats.done, stats.failed) == (80, len(names(outcomes)), len(errors(outcomes)))
    assert (stats.sending, stats.waiting, stats.in_air) == (0, 0, 0)
    assert stats.requests == sum(simulator.requests.values())
    lengths = [outcome.transcript.duration_ms or 0 for outcome in outcomes if isinstance(outcome, Done)]
    assert stats.audio_s == pytest.approx(sum(lengths) / 1000)
    before = batch.stats.elapsed_s
    await anyio.sleep(5)
    assert batch.stats.elapsed_s == before
    assert f"{stats.done} done" in repr(batch)


async def test_stop_with_a_journal(tmp_path: Path) -> None:
    """After `stop` nothing new begins, requests under way come back, and the iteration ends; the journal keeps the rest."""
    simulator = Simulator(processing_time=60, reply_delay=0.5)
    record = tmp_path / "run.db"
    async with client(simulator, limits=Limits(qps=10)) as asr, asr.batch(links(500), journal=record) as batch:
        await anyio.sleep(3)
        batch.stop()
        sent = sum(simulator.requests.values())
        outcomes = [outcome async for outcome in batch]
        assert sum(simulator.requests.values()) == sent
        assert outcomes == []
        assert batch.stats.in_air == 0
        assert is_idle(asr)


async def test_stop_without_a_journal() -> None:
    """After `stop` nothing is submitted, and the iteration ends with the results of all tasks that were accepted."""
    simulator = Simulator(processing_time=60, reply_delay=0.5)
    async with client(simulator, limits=Limits(qps=10)) as asr, asr.batch(links(500)) as batch:
        await anyio.sleep(3)
        batch.stop()
        outcomes = [outcome async for outcome in batch]
        assert len(names(outcomes)) == len(simulator.charges) > 10
        assert batch.open_tasks == ()
        assert batch.stats.in_air == 0
        assert is_idle(asr)


async def test_stop_does_not_sit_out_a_pause() -> None:
    """A long `Retry-After` holds up neither `stop` nor the end."""
    simulator = Simulator(faults=[Fault("rate-limited", times=1, retry_after=5000, on="submit")])
    async with client(simulator, limits=Limits(qps=5)) as asr, asr.batch(links(50)) as batch:
        await anyio.sleep(2)
        batch.stop()
        with anyio.fail_after(100):
            assert [outcome async for outcome in batch] == []
        assert is_idle(asr)


async def test_stop_with_files_that_wait_for_room(tmp_path: Path) -> None:
    """Neither `stop` nor an account's refusal waits for room that nobody frees any more."""
    files = []
    for number in range(10):
        files.append(tmp_path / f"{number}.wav")
        files[-1].write_bytes(make_wav(1.0))
    limits = Limits(qps=0.2, concurrency=4, upload_bytes=1)
    async with client(Simulator(), limits=limits) as asr, asr.batch(files) as batch:
        await anyio.sleep(1)
        batch.stop()
        with anyio.fail_after(100):
            assert len([outcome async for outcome in batch]) <= 1
    simulator = Simulator(faults=[Fault("quota-lifetime", on="flash", after=0)])
    async with client(simulator, limits=limits) as asr:
        with anyio.fail_after(100), pytest.raises(QuotaExceeded):
            await outcomes_of(asr, files)
        assert is_idle(asr)
    assert sum(simulator.requests.values()) == 1


async def test_many_files_and_little_room(tmp_path: Path) -> None:
    """Local files go through flash, links through standard, in one batch; room for one file at a time is enough."""
    files = []
    for number in range(40):
        files.append(tmp_path / f"{number}.wav")
        files[-1].write_bytes(make_wav(0.5 + number / 100))
    simulator = Simulator(flash_time=1.0)
    most = 0
    limits = Limits(qps=None, upload_bytes=40_000)
    async with client(simulator, limits=limits) as asr:
        async with asr.batch([item for pair in zip(files, links(40), strict=True) for item in pair]) as batch:
            outcomes = []
            async for outcome in batch:
                outcomes.append(outcome)
                most = max(most, asr.stats.upload_bytes)
        assert is_idle(asr)
    assert len(names(outcomes)) == 80
    assert most <= 44_000
    assert set(simulator.charges_by_source.values()) == {1}


async def test_room_is_given_back_when_the_upload_has_landed(tmp_path: Path) -> None:
    """Audio inside a standard submit takes room until the service has it, not until the result is here."""
    files = []
    for number in range(6):
        files.append(tmp_path / f"{number}.wav")
        files[-1].write_bytes(make_wav(1.0))
    simulator = Simulator(processing_time=300)
    began = anyio.current_time()
    edition = Standard(inline_audio=True)
    outcomes = await run(simulator, files, client_with={"edition": edition, "limits": Limits(qps=None, upload_bytes=1)})
    assert len(names(outcomes)) == 6
    assert anyio.current_time() - began < 900


async def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, empty and unfit files fail alone, and so does a stream that breaks."""

    class Broken:
        def __aiter__(self) -> Self:
            return self

        async def __anext__(self) -> bytes:
            raise ZeroDivisionError("no more")

    good = tmp_path / "good.wav"
    good.write_bytes(make_wav(1.0))
    (tmp_path / "empty.wav").write_bytes(b"")
    stream = AudioStream(Broken(), 1000, name="live", format="wav")
    outcomes = await run(Simulator(), [tmp_path / "none.wav", tmp_path / "empty.wav", stream, tmp_path, good])
    assert names(outcomes) == [str(good)]
    assert len(errors(outcomes)) == 4
    (broken,) = (error for error in errors(outcomes) if isinstance(error.__cause__, ZeroDivisionError))
    assert str(broken) == "live (1000 bytes) cannot be sent: ZeroDivisionError: no more"


@pytest.mark.parametrize("bad", ["key", "quota"])
async def test_the_account_stops_the_batch(bad: str) -> None:
    """Refused credentials or a spent quota end the iteration with their error, at once."""
    kind: type[VolcASRError]
    if bad == "key":
        simulator, kind = Simulator(api_keys=["another-api-key-00000000"]), AuthenticationFailed
    else:
        simulator, kind = Simulator(faults=[Fault("quota-lifetime", on="submit")]), QuotaExceeded
    limits = Limits(qps=20, concurrency=3)
    async with client(simulator, credentials=ApiKey("0123456789abcdef"), limits=limits) as asr:
        with pytest.raises(kind):
            await outcomes_of(asr, links(500))
        assert is_idle(asr)
    assert sum(simulator.requests.values()) <= 3


async def test_batches_and_calls_at_once() -> None:
    """Several batches and interactive calls share one client, its rate, and all end."""
    simulator = Simulator(qps=20)
    results: list[Outcome] = []
    async with client(simulator, limits=Limits(qps=20)) as asr:

        async def one(first: int) -> None:
            results.extend(await outcomes_of(asr, links(20, first=first)))

        async with anyio.create_task_group() as tasks:
            for first in (0, 100, 200):
                tasks.start_soon(one, first)
            await anyio.sleep(1)
            with anyio.fail_after(10):
                await asr.transcribe("https://example.com/call.mp3")
        assert is_idle(asr)
    assert len(names(results)) == 60
    assert simulator.refused == 0
    assert simulator.peak_qps <= 20


async def test_duplicates_without_a_journal() -> None:
    """Without a journal each line of the list is a job of its own."""
    assert len(names(await run(Simulator(), links(3) * 2))) == 6


async def test_the_batch_must_be_open() -> None:
    """Outcomes, numbers and `stop` of a batch that was not opened say so; its repr does not fail."""
    async with client(Simulator()) as asr:
        batch = asr.batch(links(1))
        assert "not begun" in repr(batch)
        with pytest.raises(InputError, match="async with"):
            batch.stop()
        with pytest.raises(InputError, match="async with"):
            await anext(batch)
        async with batch:
            assert "0 failed" in repr(batch)
        with pytest.raises(StopAsyncIteration):
            await anext(batch)


async def test_nothing_outlives_its_outcome() -> None:
    """Jobs, and all that was known of them, are gone when their outcomes are."""
    alive: weakref.WeakSet[AudioStream] = weakref.WeakSet()

    class Told(AudioStream, frozen=True, weakref=True):
        pass

    async def chunks() -> AsyncIterator[bytes]:
        yield make_wav(0.1)

    def items() -> Iterator[AudioStream]:
        for number in range(40):
            source = Told(chunks(), len(make_wav(0.1)), name=f"s{number}", format="wav")
            alive.add(source)
            yield source
            del source

    most = 0
    simulator = Simulator(faults=[Fault("server-error", share=0.3)])
    async with client(simulator, edition=Flash(), limits=Limits(qps=None, concurrency=4)) as asr:  # noqa: SIM117
        async with asr.batch(items(), window=5) as batch:
            async for outcome in batch:
                del outcome
                gc.collect()
                most = max(most, len(alive))
            gc.collect()
            assert len(alive) <= 1
    assert most <= 8


async def test_paths_that_are_no_text(tmp_path: Path) -> None:
    """A file name that no text can hold is transcribed like any other."""
    odd = tmp_path / "caf\udce9.wav"
    try:
        odd.write_bytes(make_wav(0.5))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such name")
    outcomes = await run(Simulator(), [Path(odd)], journal=tmp_path / "run.db")
    assert isinstance(outcomes[0], Done)
