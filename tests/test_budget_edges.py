"""The budget by its numbers: what each refusal costs, and for how long."""

from typing import Any

import anyio
import pytest
from budget_kit import rate_limited, seconds_until, turns

from volcasr_async._budget import KeyBudget
from volcasr_async.errors import ServerBusy, ServerError, TransportError, VolcASRError
from volcasr_async.policies import Limits

pytestmark = pytest.mark.anyio


def kept_to(budget: KeyBudget) -> tuple[Any, int, int]:
    return budget.stats.rate, budget.stats.slots, budget.stats.rejected


# ---- what a refusal costs ----


@pytest.mark.parametrize(
    ("error", "rate", "slots"),
    [
        (rate_limited(), 10.0, 20),
        (rate_limited(crowded=True), 20.0, 10),
        (ServerBusy("busy", code=55000031), 10.0, 10),
        (rate_limited(pauses_submits=True), 20.0, 20),
    ],
    ids=["qps", "concurrency", "busy", "hours"],
)
async def test_each_refusal_cuts_what_it_complains_of(error: VolcASRError, rate: float, slots: int) -> None:
    """Too many a second halve the rate, too many at once the slots, a busy service both, hours of audio neither."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    budget.heed(error, await turns(budget, 1))
    assert kept_to(budget) == (pytest.approx(rate, rel=0.01), slots, 1)
    assert budget.rate == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("error", [ServerError("inside", code=55000000), TransportError("reset")])
async def test_other_failures_cost_nothing(error: VolcASRError) -> None:
    """What says nothing of the rate is no refusal, whatever pause it asks for."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    vars(error)["retry_after_s"] = 50.0
    budget.heed(error, await turns(budget, 1))
    assert kept_to(budget) == (20.0, 20, 0)
    assert await seconds_until(budget) < 1


async def test_what_started_before_a_cut_says_nothing_new() -> None:
    """Ten requests in the air that are refused one after another cut once; the first that starts later cuts again."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    old = await turns(budget, 10)
    for _ in range(10):
        budget.heed(rate_limited(crowded=True), old)
    assert kept_to(budget) == (20.0, 10, 10)
    for _ in range(10):
        budget.heed(rate_limited(), old)
    rate = budget.stats.rate
    assert rate is not None
    assert 9 < rate <= 18
    budget.heed(rate_limited(), await turns(budget, 1))
    assert (budget.stats.rate or 0) < rate


async def test_the_rate_stays_near_what_went_through() -> None:
    """Nine of ten starts were let through, and nine tenths of that are kept to; without a limit too."""
    for qps in (15.0, None):
        budget = KeyBudget(Limits(qps=qps))
        last = await turns(budget, 10)
        budget.heed(rate_limited(), last)
        assert budget.stats.rate == pytest.approx(8.1, abs=0.1)


async def test_it_never_stops_altogether() -> None:
    """After any number of refusals one request in five seconds is still tried, one at a time."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    for _ in range(12):
        turn = await turns(budget, 1)
        budget.heed(rate_limited(), turn)
        budget.heed(rate_limited(crowded=True), turn)
    rate, slots, _ = kept_to(budget)
    assert (slots, 0.2 <= rate < 2.0) == (1, True)
    low = KeyBudget(Limits(qps=0.3))
    low.heed(rate_limited(), await turns(low, 1))
    assert low.stats.rate == pytest.approx(0.2, abs=0.02)


async def test_what_was_cut_climbs_back() -> None:
    """Half a request a second each second, and a slot in five; a large rate by a fiftieth of itself."""
    budget = KeyBudget(Limits(qps=20, concurrency=20))
    turn = await turns(budget, 1)
    budget.heed(rate_limited(), turn)
    budget.heed(rate_limited(crowded=True), turn)
    await anyio.sleep(10)
    assert budget.stats.rate == pytest.approx(15, abs=0.1)
    assert budget.stats.slots == 12
    large = KeyBudget(Limits(qps=1000))
    large.heed(rate_limited(), await turns(large, 1))
    await anyio.sleep(1)
    assert large.stats.rate == pytest.approx(510, abs=1)


async def test_a_busy_service_counts_from_a_fifth() -> None:
    """One busy answer among ten changes nothing; the second does."""
    budget = KeyBudget(Limits(qps=None, concurrency=20))
    last = await turns(budget, 10)
    budget.heed(ServerBusy("busy"), last)
    assert kept_to(budget) == (None, 20, 1)
    budget.heed(ServerBusy("busy"), last)
    rate, slots, rejected = kept_to(budget)
    assert (rate, slots, rejected) == (pytest.approx(7.2, abs=0.1), 10, 2)


# ---- pauses ----


@pytest.mark.parametrize(("asked", "seconds"), [(None, 180.0), (7.0, 7.0)])
async def test_how_long_submits_pause(asked: float | None, seconds: float) -> None:
    """Three minutes, or what the service asked for; queries go on at once."""
    budget = KeyBudget(Limits(qps=20))
    assert budget.submits_at == float("-inf")
    budget.heed(rate_limited(pauses_submits=True, retry_after_s=asked), await turns(budget, 1))
    assert budget.submits_at == pytest.approx(anyio.current_time() + seconds, abs=0.01)
    assert await seconds_until(budget, "query") < 1
    assert await seconds_until(budget) == pytest.approx(seconds, abs=0.2)
    assert await seconds_until(budget) < 1


async def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    """Neither for submits nor for all."""
    budget = KeyBudget(Limits(qps=20))
    turn = await turns(budget, 1)
    for asked in (100.0, 5.0):
        budget.heed(rate_limited(pauses_submits=True, retry_after_s=asked), turn)
        budget.heed(rate_limited(retry_after_s=asked / 2), turn)
    assert await seconds_until(budget, "query") == pytest.approx(50, abs=0.2)
    assert await seconds_until(budget) == pytest.approx(50, abs=0.2)


async def test_a_start_counts_from_when_it_left() -> None:
    """A connection was opened for half a second first: the next one of a second follows from there."""
    for held_up in (0.0, 0.5):
        budget = KeyBudget(Limits(qps=1, concurrency=5))
        turn = await budget.take()
        await anyio.sleep(held_up)
        await budget.confirm(turn)
        assert await seconds_until(budget) == pytest.approx(1.04, abs=0.02)
    free = KeyBudget(Limits(qps=None))
    turn = await free.take()
    await anyio.sleep(0.5)
    await free.confirm(turn)
    assert await seconds_until(free) < 0.25
