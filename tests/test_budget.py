"""The budget of one app key: a strict rate, slots, alternation, room for uploads; and nothing held by who has gone."""

import math
from itertools import pairwise

import anyio
import pytest

from volcasr_async._budget import KeyBudget, Kind
from volcasr_async.errors import RateLimited, ServerBusy, ServerError
from volcasr_async.policies import Limits

pytestmark = pytest.mark.anyio


async def starts_of(budget: KeyBudget, kinds: list[Kind], *, hold: float = 0.0) -> list[tuple[float, Kind]]:
    """Ask for a turn for each kind at once; gives (time, kind) of each start."""
    starts: list[tuple[float, Kind]] = []
    began = anyio.current_time()

    async def one(kind: Kind) -> None:
        async with budget.turn(kind):
            starts.append((anyio.current_time() - began, kind))
            await anyio.sleep(hold)

    async with anyio.create_task_group() as tasks:
        for kind in kinds:
            tasks.start_soon(one, kind)
    return starts


def most_in_a_second(starts: list[tuple[float, Kind]]) -> int:
    times = sorted(time for time, _ in starts)
    return max(sum(1 for other in times if time <= other < time + 1 - 1e-6) for time in times)


def is_idle(budget: KeyBudget) -> bool:
    stats = budget.stats
    return (stats.in_air, stats.waiting, stats.upload_bytes) == (0, 0, 0)


@pytest.mark.parametrize("qps", [0.5, 1.0, 2.5, 20.0])
async def test_no_second_holds_more_than_the_rate(qps: float) -> None:
    """Starts are spaced, without a burst at the beginning or after a pause."""
    budget = KeyBudget(Limits(qps=qps, concurrency=100))
    starts = await starts_of(budget, ["submit"] * 25)
    assert most_in_a_second(starts) <= math.ceil(qps)
    assert math.isclose(max(time for time, _ in starts), 24 / qps, rel_tol=0.05)
    await anyio.sleep(10)
    assert most_in_a_second(await starts_of(budget, ["query"] * 5)) <= math.ceil(qps)
    assert budget.stats.started == 30
    assert is_idle(budget)


async def test_without_a_rate_only_slots_count() -> None:
    """`qps=None` starts as much at once as there are slots."""
    budget = KeyBudget(Limits(qps=None, concurrency=7))
    starts = await starts_of(budget, ["submit"] * 21, hold=10)
    assert sorted(round(time) for time, _ in starts) == [0] * 7 + [10] * 7 + [20] * 7
    assert budget.stats.rate is None
    assert is_idle(budget)


async def test_submits_and_queries_alternate() -> None:
    """While both wait, each gets every second turn, in the order of coming; the rest goes on alone."""
    budget = KeyBudget(Limits(qps=10, concurrency=1))
    submits: list[Kind] = ["submit"] * 30
    queries: list[Kind] = ["query"] * 10
    starts = await starts_of(budget, submits + queries)
    order = [kind for _, kind in starts]
    assert order[:21].count("query") == 10
    assert all(one != other for one, other in pairwise(order[:20]))
    assert set(order[21:]) == {"submit"}


async def test_the_queue_is_fair() -> None:
    """Who came first starts first."""
    budget = KeyBudget(Limits(qps=None, concurrency=1))
    order: list[int] = []

    async def one(number: int) -> None:
        async with budget.turn("submit"):
            order.append(number)
            await anyio.sleep(1)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(one, number)
            await anyio.sleep(0.01)
    assert order == list(range(10))


async def test_interactive_calls_go_before_a_batch() -> None:
    """What a batch asks for waits until no interactive call does."""
    budget = KeyBudget(Limits(qps=1, concurrency=10))
    order: list[str] = []

    async def batch() -> None:
        turn = await budget.take()
        order.append("batch")
        budget.give_back(turn)

    async def call() -> None:
        async with budget.turn("query"):
            order.append("call")

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(batch)
        await anyio.sleep(0.1)
        for _ in range(2):
            tasks.start_soon(call)
    assert order == ["batch", "call", "call", "batch", "batch"]
    assert is_idle(budget)


@pytest.mark.parametrize("place", [0, 1, 4])
@pytest.mark.parametrize(
    "limits", [Limits(qps=0.1, concurrency=9), Limits(qps=None, concurrency=1)], ids=["qps", "slots"]
)
async def test_who_is_cancelled_gives_up_the_place(place: int, limits: Limits) -> None:
    """A cancelled waiter, in front or behind, holds up nobody, and takes no turn."""
    budget = KeyBudget(limits)
    scopes: list[anyio.CancelScope] = []
    started: list[int] = []

    async def one(number: int) -> None:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            async with budget.turn("submit" if number % 2 else "query"):
                started.append(number)
                await anyio.sleep(10)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, 99)
        await anyio.sleep(1)
        for number in range(5):
            tasks.start_soon(one, number)
            await anyio.sleep(0.01)
        assert budget.stats.waiting == 5
        scopes[1 + place].cancel()
        await anyio.sleep(0.01)
        assert budget.stats.waiting == 4
    assert sorted(started) == sorted({0, 1, 2, 3, 4, 99} - {place})
    assert budget.stats.started == 5
    assert is_idle(budget)


async def test_a_slot_comes_back_from_who_fails() -> None:
    """An error or a cancellation inside a turn frees its slot."""
    budget = KeyBudget(Limits(qps=None, concurrency=1))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with budget.turn("submit"):
                raise ZeroDivisionError
        with anyio.move_on_after(1):
            async with budget.turn("submit"):
                await anyio.sleep_forever()
    with anyio.fail_after(1):
        async with budget.turn("query"):
            assert budget.stats.in_air == 1
    assert is_idle(budget)


async def test_room_for_uploads() -> None:
    """Uploads wait for room; one larger than all of it goes alone; a cancelled one leaves its room."""
    budget = KeyBudget(Limits(upload_bytes=100))
    most: list[int] = []

    async def one(size: int) -> None:
        async with budget.upload(size):
            most.append(budget.stats.upload_bytes)
            await anyio.sleep(1)

    async with anyio.create_task_group() as tasks:
        for size in (60, 40, 500, 30, 100, 1):
            tasks.start_soon(one, size)
    assert len(most) == 6
    assert all(size <= 100 or size == 500 for size in most)
    with anyio.move_on_after(1):
        async with budget.upload(100):
            await anyio.sleep_forever()
    async with budget.upload(100):
        with anyio.move_on_after(1) as waiting:
            async with budget.upload(1):
                pass
        assert waiting.cancelled_caught
    assert is_idle(budget)


async def test_a_refusal_slows_down_and_time_heals() -> None:
    """After refusals for the rate fewer requests start; a quiet while later the full rate is back."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    for _ in range(4):
        async with budget.turn("submit") as turn:
            pass
        budget.heed(RateLimited("qps", code=45000292), turn)
    assert budget.stats.rejected == 4
    assert budget.rate is not None
    assert budget.rate < 20
    assert most_in_a_second(await starts_of(budget, ["submit"] * 20)) < 20
    await anyio.sleep(600)
    assert budget.stats.rate == 20
    assert budget.stats.slots == 20


async def test_what_a_refusal_asks_for_is_kept() -> None:
    """`Retry-After` holds everything back; errors that say nothing of the rate change nothing."""
    budget = KeyBudget(Limits(qps=None, concurrency=20))
    async with budget.turn("submit") as turn:
        pass
    budget.heed(ServerError("inside", code=55000000), turn)
    assert budget.stats.rejected == 0
    budget.heed(ServerBusy("busy", code=55000031, retry_after_s=30), turn)
    starts = await starts_of(budget, ["submit", "query"])
    assert min(time for time, _ in starts) >= 30
    assert budget.stats.rejected == 1


async def test_a_pause_for_submits_lets_queries_through() -> None:
    """500 hours of audio within half an hour pause submits for minutes, and queries not at all."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    async with budget.turn("submit") as turn:
        pass
    error = RateLimited("hours", code=45000131)
    error.pauses_submits = True
    budget.heed(error, turn)
    starts = await starts_of(budget, ["submit", "query", "query", "submit", "query"])
    assert max(time for time, kind in starts if kind == "query") < 2
    assert min(time for time, kind in starts if kind == "submit") > 60
    assert is_idle(budget)


async def test_the_end_of_a_pause_wakes_who_stands_in_front_then() -> None:
    """A submit that came during the pause behind a waiting query is not forgotten when the pause ends first."""
    budget = KeyBudget(Limits(qps=0.1, concurrency=5))
    async with budget.turn("query") as turn:
        pass
    error = RateLimited("hours", code=45000131, retry_after_s=5)
    error.pauses_submits = True
    budget.heed(error, turn)
    starts: list[str] = []

    async def one(kind: Kind, at: float) -> None:
        await anyio.sleep(at)
        async with budget.turn(kind):
            starts.append(kind)

    with anyio.fail_after(100):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, "query", 3)
            tasks.start_soon(one, "submit", 4)
    assert starts == ["submit", "query"]
    assert is_idle(budget)


async def test_a_busy_service_may_ask_for_a_pause() -> None:
    """`Retry-After` of a single busy answer among many good ones is kept, though the rate stays."""
    budget = KeyBudget(Limits(qps=None, concurrency=20))
    for _ in range(20):
        async with budget.turn("submit") as turn:
            pass
    budget.heed(ServerBusy("busy", code=55000031, retry_after_s=30), turn)
    assert min(time for time, _ in await starts_of(budget, ["submit", "query"])) >= 30
    assert budget.stats.slots == 20


async def test_slow_refusals_slow_down_too() -> None:
    """A busy service that takes seconds to refuse is spared like one that refuses at once."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    for _ in range(20):
        async with budget.turn("submit") as turn:
            await anyio.sleep(3)
        budget.heed(ServerBusy("busy", code=55000031), turn)
    assert budget.stats.slots < 20
