"""Permits that are confirmed when a request leaves, and what another process has just sent."""

import math

import anyio
import pytest
from budget_kit import rate_limited, seconds_until

from volcasr_async._budget import KeyBudget
from volcasr_async.policies import Limits

pytestmark = pytest.mark.anyio


def most_in_a_second(times: list[float]) -> int:
    return max(sum(1 for other in times if time <= other < time + 1 - 1e-6) for time in times)


async def test_connections_that_open_together_do_not_break_the_rate() -> None:
    """Twenty requests wait six seconds for their connections: they leave at the rate, not in one second."""
    budget = KeyBudget(Limits(qps=5, concurrency=20))
    opened, left = anyio.Event(), []

    async def request() -> None:
        async with budget.turn("submit") as turn:
            await opened.wait()
            await budget.confirm(turn)
            left.append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(request)
        await anyio.sleep(6)
        opened.set()
    assert len(left) == 20
    assert most_in_a_second(left) <= 5
    assert max(left) - min(left) < 4.5
    assert budget.stats.started == 20
    assert budget.stats.in_air == 0


async def test_a_request_that_leaves_at_once_waits_for_nothing() -> None:
    """On an open connection the permit holds."""
    budget = KeyBudget(Limits(qps=1, concurrency=5))
    async with budget.turn("submit") as turn:
        began = anyio.current_time()
        await budget.confirm(turn)
        assert anyio.current_time() == pytest.approx(began, abs=0.001)
    assert await seconds_until(budget) == pytest.approx(1.04, abs=0.02)


async def test_who_has_a_connection_goes_first() -> None:
    """A request that only waits to leave goes before calls and batches that have nothing yet."""
    budget = KeyBudget(Limits(qps=1, concurrency=2))
    order: list[str] = []

    async def call() -> None:
        async with budget.turn("submit"):
            order.append("call")

    async def batch() -> None:
        turn = await budget.take()
        order.append("batch")
        budget.give_back(turn)

    async with budget.turn("query") as turn:
        await anyio.sleep(3)
        async with budget.turn("query"):
            pass
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(batch)
            tasks.start_soon(call)
            await anyio.sleep(0.01)
            await budget.confirm(turn)
            order.append("confirmed")
    assert order == ["confirmed", "call", "batch"]


async def test_who_is_cancelled_while_it_confirms_holds_up_nobody() -> None:
    """Its start is given back, for nothing left."""
    budget = KeyBudget(Limits(qps=1, concurrency=5))
    async with budget.turn("query") as turn:
        await anyio.sleep(3)
        async with budget.turn("query"):
            pass
        with anyio.move_on_after(0.1) as scope:
            await budget.confirm(turn)
        assert scope.cancelled_caught
    assert await seconds_until(budget) == pytest.approx(0.94, abs=0.03)
    assert budget.stats.in_air == 0


async def test_a_refusal_counts_from_the_confirmed_start() -> None:
    """A request that left after the rate had been cut is not one of those that met the old rate."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    async with budget.turn("query") as late:
        await anyio.sleep(1)
        async with budget.turn("query") as turn:
            pass
        budget.heed(rate_limited(), turn)
        once = budget.rate
        await budget.confirm(late)
    budget.heed(rate_limited(), late)
    assert once is not None
    assert budget.rate is not None
    assert budget.rate < once


@pytest.mark.parametrize(("age_s", "seconds"), [(0.0, 1.04), (0.4, 0.64), (0.99, 0.05), (1.1, 0.0), (-5.0, 1.04)])
async def test_what_another_process_has_just_sent_is_waited_for(age_s: float, seconds: float) -> None:
    """Nothing starts for the rest of the second that it may have filled."""
    budget = KeyBudget(Limits(qps=20))
    budget.assume_recent(age_s)
    assert await seconds_until(budget, "query") == pytest.approx(seconds, abs=0.02)


async def test_without_a_rate_nothing_is_assumed() -> None:
    """There is nothing that could be full."""
    budget = KeyBudget(Limits(qps=None))
    budget.assume_recent(0.0)
    assert await seconds_until(budget) < 0.01
    assert budget.submits_at == -math.inf
