"""The budget's queue by its numbers: who goes first, what fits together, and what a health endpoint and a newcomer read."""

import anyio
import pytest
from budget_kit import rate_limited, seconds_until, turns

from volcasr_async._budget import KeyBudget, Kind
from volcasr_async.errors import BudgetFull
from volcasr_async.policies import Limits

pytestmark = pytest.mark.anyio


# ---- who goes first ----


async def test_a_turn_now_or_not_at_all() -> None:
    """A batch's worker is given a turn at once where nothing speaks against it, and never one that somebody waits for."""
    budget = KeyBudget(Limits(qps=2, concurrency=2))
    at = anyio.current_time()
    turn = budget.take_now(at)
    assert turn is not None
    assert turn.started == at
    assert budget.take_now(at) is None, "the rate"
    later = at + 2
    await anyio.sleep(2)
    assert budget.take_now(later) is not None
    assert budget.take_now(later + 2) is None, "both slots are taken"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(seconds_until, budget, "query")
        await anyio.sleep(2)
        assert budget.stats.waiting == 1
        budget.give_back(turn)
        assert budget.take_now(anyio.current_time()) is None, "somebody waits"
    assert budget.stats.in_air == 1
    assert budget.take_now(anyio.current_time() + 2) is not None
    assert budget.stats.started == 4


async def test_a_batch_goes_on_while_submits_pause() -> None:
    """What a batch asks for may be queries: it is not held by a pause of the submits, nor does it overtake for ever."""
    budget = KeyBudget(Limits(qps=20))
    budget.heed(rate_limited(pauses_submits=True), await turns(budget, 1))
    order = []

    async def call() -> None:
        async with budget.turn("submit"):
            order.append("call")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.sleep(1)
        with anyio.fail_after(2):
            for _ in range(5):
                budget.give_back(await budget.take())
                order.append("batch")
    assert order == ["batch"] * 5 + ["call"]


async def test_the_kind_that_waited_goes_first() -> None:
    """After a submit a query, after a query a submit, wherever the two came from; what a batch takes does not count."""
    budget = KeyBudget(Limits(qps=None, concurrency=1))
    cases: list[tuple[Kind, list[Kind]]] = [("submit", ["query", "submit"]), ("query", ["submit", "query"])]
    for held, expected in cases:
        order: list[Kind] = []

        async def call(kind: Kind, order: list[Kind]) -> None:
            async with budget.turn(kind):
                order.append(kind)

        async with anyio.create_task_group() as tasks, budget.turn(held):
            for kind in reversed(expected):
                tasks.start_soon(call, kind, order)
                await anyio.sleep(0.1)
        assert order == expected
        budget.give_back(await budget.take())


async def test_fewer_slots_hold_who_waits_until_enough_are_free() -> None:
    """After the slots were halved a freed one is not given away until fewer than half are taken."""
    budget = KeyBudget(Limits(qps=None, concurrency=4))
    held = [await budget.take() for _ in range(4)]
    budget.heed(rate_limited(crowded=True), held[0])
    assert budget.stats.slots == 2
    assert budget.stats.in_air == 4
    for number, turn in enumerate(held[:3]):
        assert budget.take_now(anyio.current_time()) is None
        budget.give_back(turn)
        assert budget.stats.in_air == 3 - number
    assert budget.take_now(anyio.current_time()) is not None


# ---- uploads ----


async def test_room_is_filled_to_the_last_byte() -> None:
    """Exactly the limit goes together, one byte more waits, and a large one waits for an empty air."""
    budget = KeyBudget(Limits(upload_bytes=100))
    landed = []

    async def one(size: int, seconds: float) -> None:
        async with budget.upload(size):
            landed.append((size, round(anyio.current_time() - began)))
            await anyio.sleep(seconds)

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for size, seconds in ((60, 10), (40, 20), (1, 5), (500, 5), (2, 1)):
            tasks.start_soon(one, size, seconds)
            await anyio.sleep(0.01)
        assert budget.stats.upload_bytes == 100
    assert landed == [(60, 0), (40, 0), (1, 10), (500, 20), (2, 25)]
    assert budget.stats.upload_bytes == 0


async def test_a_turn_with_audio_counts_it_while_it_lasts() -> None:
    """Bytes and slot come back together, whether it ended well or not."""
    budget = KeyBudget(Limits(upload_bytes=100))
    for error in (None, ValueError):
        with pytest.raises(error) if error else anyio.CancelScope():
            async with budget.turn("submit", size=70):
                stats = budget.stats
                assert (stats.upload_bytes, stats.in_air, stats.waiting) == (70, 1, 0)
                if error:
                    raise error
        assert (budget.stats.upload_bytes, budget.stats.in_air) == (0, 0)


# ---- what is shown and told ----


def test_a_health_endpoint_outside_the_loop() -> None:
    """Without a loop there is no clock: it reads what was kept to last."""
    stats = KeyBudget(Limits(qps=7, concurrency=3)).stats
    assert (stats.in_air, stats.waiting, stats.upload_bytes, stats.rejected, stats.started) == (0, 0, 0, 0, 0)
    assert (stats.rate, stats.slots) == (7, 3)
    assert KeyBudget(Limits(qps=None)).stats.rate is None


def test_a_health_endpoint_after_the_loop() -> None:
    """What a refusal left is shown as it was when a turn was taken last."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))

    async def run() -> None:
        turn = await turns(budget, 1)
        budget.heed(rate_limited(), turn)
        budget.heed(rate_limited(crowded=True), turn)

    anyio.run(run)
    assert (budget.stats.slots, budget.stats.started) == (10, 1)
    assert budget.stats.rate == pytest.approx(10.0, rel=0.01)


async def test_all_who_wait_are_counted() -> None:
    """Submits, queries and a batch's workers, those without room for their audio too; each once."""
    budget = KeyBudget(Limits(qps=None, concurrency=1, upload_bytes=10))
    async with anyio.create_task_group() as tasks, budget.turn("submit", size=10):
        tasks.start_soon(seconds_until, budget, "query")
        tasks.start_soon(seconds_until, budget, "submit")
        tasks.start_soon(budget.take)
        await anyio.sleep(0.1)
        assert budget.stats.waiting == 3

        async def large() -> None:
            async with budget.turn("submit", size=10):
                pass

        tasks.start_soon(large)
        await anyio.sleep(0.1)
        assert (budget.stats.waiting, budget.stats.in_air, budget.stats.started) == (4, 1, 1)
    assert (budget.stats.waiting, budget.stats.started) == (0, 5)


@pytest.mark.parametrize(("queries", "seconds"), [(0, 1.5), (3, 3.0)])
async def test_when_to_come_again(queries: int, seconds: float) -> None:
    """Three wait at two a second; where queries wait as well, every second turn is theirs."""
    budget = KeyBudget(Limits(qps=2, concurrency=50, max_waiting=3))
    async with anyio.create_task_group() as tasks:
        await turns(budget, 1)
        for number in range(3 + queries):
            tasks.start_soon(seconds_until, budget, "submit" if number < 3 else "query")
        await anyio.sleep(0.1)
        with pytest.raises(BudgetFull, match=r"3 calls wait .*max_waiting=3.*nothing was sent") as caught:
            async with budget.turn("submit", first=True):
                pass
        assert caught.value.retry_after_s == pytest.approx(seconds + 0.15, abs=0.1)
        tasks.cancel_scope.cancel()


async def test_come_again_in_a_second_at_least() -> None:
    """An estimate of nothing would have a caller knock without a pause."""
    budget = KeyBudget(Limits(qps=20, concurrency=1, max_waiting=0))
    async with budget.turn("submit"):
        with pytest.raises(BudgetFull) as caught:
            async with budget.turn("submit", first=True):
                pass
    assert caught.value.retry_after_s == pytest.approx(1.0, abs=0.1)


async def test_audio_that_fits_goes_where_nobody_may_wait() -> None:
    """With room, a turn and nobody in front, it starts; behind a large file that waits for room it would have to wait."""
    budget = KeyBudget(Limits(qps=None, upload_bytes=100, max_waiting=0))

    async def one(size: int, seconds: float) -> None:
        async with budget.turn("submit", size=size):
            await anyio.sleep(seconds)

    async with budget.turn("submit", size=60, first=True):
        async with budget.turn("submit", size=40, first=True):
            assert budget.stats.upload_bytes == 100
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, 80, 1)
            await anyio.sleep(0.1)
            assert budget.stats.waiting == 1
            with pytest.raises(BudgetFull):
                async with budget.turn("submit", size=10, first=True):
                    pass
            async with budget.turn("submit", first=True):
                pass  # a link needs no room
            tasks.cancel_scope.cancel()


async def test_a_turn_that_says_nothing_more() -> None:
    """No audio is counted for it, and it waits where a job's first request would be turned away."""
    budget = KeyBudget(Limits(qps=None, concurrency=1, max_waiting=0))
    async with anyio.create_task_group() as tasks, budget.turn("submit"):
        assert budget.stats.upload_bytes == 0
        tasks.start_soon(seconds_until, budget)
        await anyio.sleep(0.1)
        assert budget.stats.waiting == 1
    assert budget.stats.started == 2
