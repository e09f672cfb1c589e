"""How fast a batch is, and at how many requests, in virtual time."""

import anyio
import pytest
from batch_kit import errors, links, names, outcomes_of
from io_kit import client, is_idle

from volcasr_async import Limits
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _one_clock(anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("the same arithmetic; trio's clock takes 20 ms for each of a thousand jumps")


async def timed(simulator: Simulator, count: int, limits: Limits) -> tuple[float, float]:
    async with client(simulator, limits=limits) as asr:
        began = anyio.current_time()
        outcomes = await outcomes_of(asr, links(count))
        assert is_idle(asr)
    assert not errors(outcomes)
    assert len(names(outcomes)) == count
    assert not simulator.violations
    return anyio.current_time() - began, sum(simulator.requests.values()) / count


async def test_the_rate_is_used_and_kept() -> None:
    """Submits and queries share 20 requests a second: little more than two a job, little more time than they take."""
    simulator = Simulator(qps=20, processing_time=6, processing_sigma=0.3)
    seconds, requests = await timed(simulator, 900, Limits(qps=20))
    assert simulator.refused == 0
    assert requests < 2.4
    assert seconds < 1.2 * 2 * 900 / 20 + 6


async def test_told_too_much() -> None:
    """Told ten times the rate that the service allows, it finds the rate: few are refused, and none fails."""
    simulator = Simulator(qps=40, processing_time=6, processing_sigma=0.3)
    seconds, requests = await timed(simulator, 1200, Limits(qps=400, concurrency=64))
    assert simulator.refused < 0.1 * requests * 1200
    assert seconds < 1.5 * 2 * 1200 / 40


@pytest.mark.parametrize("kind", ["rate-limited", "too-concurrent", "refuse-busy"])
async def test_refusals_are_no_failures(kind: str) -> None:
    """A service that refuses a third of everything fails nobody."""
    await timed(Simulator(faults=[Fault(kind, share=0.3)], reply_delay=1.5), 60, Limits(qps=50))


async def test_audio_hours_pause_submits_only() -> None:
    """Over the hours of half an hour submits wait, results come, and all are done in the end."""
    simulator = Simulator(window_audio_hours=1.0)
    seconds, _ = await timed(simulator, 120, Limits(qps=20))
    assert seconds > 1000
    assert simulator.answers["45000131"] < 120


async def test_the_end_of_the_list_goes_out_first() -> None:
    """Once tasks are known to take long, what is left of the list is sent at the full rate, and all ends the sooner."""
    simulator = Simulator(qps=10, processing_time=30, processing_sigma=0.3)
    async with client(simulator, limits=Limits(qps=10)) as asr, asr.batch(links(300)) as batch:
        async for _ in batch:
            if not batch.stats.sending:
                break
        assert batch.stats.elapsed_s < 56  # 63 where submits and queries share the rate to the end


async def test_few_questions_find_nothing() -> None:
    """Tasks that take long are asked about when they may be done: little more than two requests a job all the same."""
    simulator = Simulator(processing_time=28, processing_sigma=0.05)
    _, requests = await timed(simulator, 200, Limits(qps=10))
    assert requests < 3.1  # 3.4 where nothing is learned
