"""`Limits(max_waiting=...)`: who is turned away, at once and unsent; who never is; and when to come again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from io_kit import PLAIN, client, is_idle

from volcasr_async import (
    AudioStream,
    BudgetFull,
    Done,
    InputError,
    Limits,
    Pending,
    PollPolicy,
    RateLimited,
    RetryPolicy,
    Transcript,
)
from volcasr_async._budget import KeyBudget
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

WAV = make_wav(60)


class Crowd:
    """Calls made at the same moment, and how each ended, with the time since then."""

    def __init__(self) -> None:
        self.done: list[float] = []
        self.refused: list[tuple[float, BudgetFull]] = []
        self.began = anyio.current_time()

    async def one(self, verb: Callable[..., Awaitable[object]], *args: Any, **more: Any) -> None:
        try:
            await verb(*args, **more)
            self.done.append(anyio.current_time() - self.began)
        except BudgetFull as error:
            self.refused.append((anyio.current_time() - self.began, error))


async def test_one_more_than_may_wait_is_refused_at_once() -> None:
    """Of twenty calls one starts, five wait and have their turn, fourteen are told at once when to come again."""
    simulator = Simulator()
    async with client(simulator, limits=Limits(qps=2, max_waiting=5)) as asr, anyio.create_task_group() as tasks:
        crowd = Crowd()
        for _ in range(20):
            tasks.start_soon(crowd.one, asr.submit, PLAIN)
        await anyio.sleep(0.1)
        assert asr.stats.waiting == 5
        assert len(crowd.refused) == 14
    assert len(crowd.done) == len(simulator.charges) == simulator.requests["submit"] == 6
    for at, error in crowd.refused:
        assert at < 0.1
        assert 2.5 <= error.retry_after_s < 4  # five turns at two a second
        assert "max_waiting=5" in str(error)
    assert is_idle(asr)


async def test_who_comes_again_when_told_finds_a_place() -> None:
    """After `retry_after_s` those that waited have had their turn."""
    async with client(Simulator(), limits=Limits(qps=2, max_waiting=5)) as asr, anyio.create_task_group() as tasks:
        crowd = Crowd()
        for _ in range(10):
            tasks.start_soon(crowd.one, asr.submit, PLAIN)
        await anyio.sleep(0.1)
        await anyio.sleep(crowd.refused[0][1].retry_after_s)
        assert asr.stats.waiting == 0
        assert (await asr.submit(PLAIN)).id


@pytest.mark.parametrize("limits", [Limits(qps=2, max_waiting=0), Limits(qps=None, concurrency=1, max_waiting=0)])
async def test_nobody_may_wait(limits: Limits) -> None:
    """With 0 a call either starts at once or is refused, whether the rate or a slot is missing."""
    async with client(Simulator(reply_delay=0.5), limits=limits) as asr:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                crowd = Crowd()
                for _ in range(4):
                    tasks.start_soon(crowd.one, asr.submit, PLAIN)
            assert (len(crowd.done), len(crowd.refused)) == (1, 3)
            await anyio.sleep(5)
        assert is_idle(asr)


async def test_by_default_all_wait() -> None:
    """Without a limit nobody is refused."""
    async with client(Simulator(), limits=Limits(qps=10)) as asr, anyio.create_task_group() as tasks:
        crowd = Crowd()
        for _ in range(100):
            tasks.start_soon(crowd.one, asr.submit, PLAIN)
    assert (len(crowd.done), crowd.refused) == (100, [])


async def test_where_slots_are_short_the_estimate_follows_the_line() -> None:
    """Long requests hold their slots: who is refused is told how long the line really takes, not what the rate allows."""
    simulator = Simulator(flash_time=20)
    limits = Limits(qps=None, concurrency=2, max_waiting=4)
    async with client(simulator, limits=limits) as asr, anyio.create_task_group() as tasks:
        crowd = Crowd()
        for _ in range(6):
            tasks.start_soon(crowd.one, asr.transcribe, WAV)
        await anyio.sleep(15)
        with pytest.raises(BudgetFull) as caught:
            await asr.transcribe(WAV)
        assert 14 < caught.value.retry_after_s < 60
    assert len(crowd.done) == 6


async def test_a_pause_of_the_submits_is_told() -> None:
    """After "too many hours of audio" the estimate knows of the pause."""
    budget = KeyBudget(Limits(max_waiting=0))
    async with budget.turn("submit", first=True) as turn:
        pass
    error = RateLimited("hours", code=45000131)
    error.pauses_submits = True
    budget.heed(error, turn)
    await anyio.sleep(60)
    with pytest.raises(BudgetFull) as caught:
        async with budget.turn("submit", first=True):
            pass
    assert caught.value.retry_after_s == pytest.approx(120, abs=1)
    async with budget.turn("query"):
        pass


async def test_queries_are_never_refused() -> None:
    """What has been accepted is asked about and waited for, however many wait to submit."""
    simulator = Simulator(processing_time=3)
    async with client(simulator, limits=Limits(qps=2, max_waiting=3)) as asr:
        task = await asr.submit(PLAIN)
        async with anyio.create_task_group() as tasks:
            crowd = Crowd()
            for _ in range(10):
                tasks.start_soon(crowd.one, asr.submit, PLAIN)
            for _ in range(10):
                tasks.start_soon(crowd.one, asr.wait, task)
            await anyio.sleep(0.1)
            assert isinstance(await asr.query(task), Pending)
            refused = len(crowd.refused)
        assert len(crowd.refused) == refused == 7
        assert isinstance(await asr.query(task), Transcript)
    assert len(crowd.done) == 13


async def test_waiting_queries_are_no_reason_to_refuse_a_submit() -> None:
    """They take turns with it; only calls that wait to submit are counted."""
    async with client(Simulator(processing_time=60), limits=Limits(qps=2, max_waiting=1)) as asr:
        task = await asr.submit(PLAIN)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(asr.query, task)
            await anyio.sleep(0.1)
            assert asr.stats.waiting >= 9
            assert (await asr.submit(PLAIN)).id


@pytest.mark.parametrize("kind", ["rate-limited", "refuse-busy", "reset", "html-502"])
async def test_what_was_sent_once_is_not_turned_away(kind: str) -> None:
    """A submit that has to be repeated waits like before, though newcomers are refused."""
    simulator = Simulator(faults=[Fault(kind, on="submit", times=2)])
    retry = RetryPolicy(first=0.01, longest=0.02)
    limits = Limits(qps=1, max_waiting=0)
    async with client(simulator, limits=limits, retry=retry) as asr, anyio.create_task_group() as tasks:
        crowd = Crowd()
        for _ in range(3):
            tasks.start_soon(crowd.one, asr.transcribe, PLAIN)
    assert (len(crowd.done), len(crowd.refused)) == (1, 2)
    assert simulator.requests["submit"] >= 2
    assert len(simulator.charges) == 1


async def test_a_repeated_submit_takes_a_place_in_the_line() -> None:
    """A service that refuses everything does not let a crowd grow behind the limit's back."""
    simulator = Simulator(faults=[Fault("rate-limited", on="submit")])
    async with client(simulator, limits=Limits(qps=1, max_waiting=5)) as asr, anyio.create_task_group() as tasks:
        crowd = Crowd()
        for _ in range(60):
            tasks.start_soon(crowd.one, asr.submit, PLAIN)
            await anyio.sleep(1)
        assert asr.stats.waiting <= 8
        assert len(crowd.refused) > 30
        tasks.cancel_scope.cancel()
    assert is_idle(asr)


async def test_a_fresh_task_after_a_billed_one_is_not_turned_away() -> None:
    """`RetryPolicy(new_tasks=1)` submits once more for a job that has cost something already."""
    simulator = Simulator(processing_time=0.1, faults=[Fault("task-failed", times=1)])
    policies = {"retry": RetryPolicy(new_tasks=1), "poll": PollPolicy(first=0.5)}
    async with client(simulator, limits=Limits(qps=0.5, max_waiting=0), **policies) as asr:
        assert (await asr.transcribe(PLAIN)).text
    assert simulator.requests["submit"] == 2


async def test_a_batch_neither_counts_nor_is_refused() -> None:
    """A list of hundreds goes on beside interactive calls, of which each finds its place."""
    asr = client(Simulator(processing_time=0.1), limits=Limits(qps=20, max_waiting=1))
    done = 0
    async with asr, asr.batch([f"{PLAIN}?{number}" for number in range(60)]) as batch:
        async for outcome in batch:
            done += isinstance(outcome, Done)
            if done % 10 == 0:
                assert (await asr.submit(PLAIN)).id
    assert done == 60


async def test_who_waits_for_room_counts_too() -> None:
    """An upload that finds no room in the air waits; its stream is untouched when it is refused, and good later."""
    simulator = Simulator(flash_time=10)
    limits = Limits(qps=None, upload_bytes=len(WAV), max_waiting=1)
    touched: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        touched.append(1)
        yield WAV

    stream = AudioStream(chunks=chunks(), size=len(WAV), format="wav")
    async with client(simulator, limits=limits) as asr:
        async with anyio.create_task_group() as tasks:
            crowd = Crowd()
            tasks.start_soon(crowd.one, asr.transcribe, WAV)
            await anyio.sleep(1)
            tasks.start_soon(crowd.one, asr.transcribe, WAV)
            await anyio.sleep(1)
            assert asr.stats.waiting == 1
            with pytest.raises(BudgetFull):
                await asr.transcribe(stream)
            assert touched == []
            assert (await asr.submit(PLAIN)).id  # a link needs no room
        assert is_idle(asr)
        assert (await asr.transcribe(stream)).text
    assert [round(at) for at in crowd.done] == [10, 20]
    assert len(simulator.uploads) == 3


async def test_who_is_cancelled_leaves_a_place() -> None:
    """A caller that has gone is counted no longer, whether it waited for a turn or for room."""
    limits = Limits(qps=None, concurrency=1, upload_bytes=len(WAV), max_waiting=2)
    async with client(Simulator(flash_time=60), limits=limits) as asr, anyio.create_task_group() as tasks:
        tasks.start_soon(asr.transcribe, WAV)
        await anyio.sleep(1)
        for _ in range(3):
            async with anyio.create_task_group() as doomed:
                doomed.start_soon(asr.transcribe, WAV)
                doomed.start_soon(asr.submit, PLAIN)
                await anyio.sleep(0.1)
                assert asr.stats.waiting == 2
                with pytest.raises(BudgetFull):
                    await asr.submit(PLAIN)
                doomed.cancel_scope.cancel()
            assert asr.stats.waiting == 0
        tasks.cancel_scope.cancel()
    assert is_idle(asr)


@pytest.mark.parametrize("value", [-1, 1.5, "1", True])
async def test_refused_values(value: Any) -> None:
    """What is no count is an `InputError` that says what is."""
    with pytest.raises(InputError, match="at least 0"):
        Limits(max_waiting=value)
