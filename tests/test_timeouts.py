"""A deadline that is extended once where the process did not run when it passed."""

import time

import anyio
import pytest

from volcasr_async._clock import now
from volcasr_async._timeouts import GRACE_S, Deadline

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("moves", [[5.0], [9.0, 5.0], [2.0, 5.0], [1.0, float("inf"), 5.0]])
async def test_it_ends_its_block_on_time(moves: list[float]) -> None:
    """However often it was moved before."""
    began, deadline = now(), Deadline()
    with deadline:
        for at in moves:
            deadline.at = began + at
        await anyio.sleep(20)
    assert deadline.expired
    assert now() - began == pytest.approx(5.0, abs=0.01)


async def test_it_can_be_moved_while_it_runs() -> None:
    """Later, and away."""
    began, deadline = now(), Deadline()
    deadline.at = began + 1.0
    with deadline:
        await anyio.sleep(0.5)
        deadline.at = began + 3.0
        await anyio.sleep(2.0)
        deadline.at = float("inf")
        await anyio.sleep(100.0)
    assert not deadline.expired


@pytest.mark.parametrize("limit", [0.0, -1.0])
async def test_one_that_has_passed_before_ends_its_block_at_once(limit: float) -> None:
    """It is none that is late."""
    began, deadline = now(), Deadline()
    deadline.at = began + limit
    with deadline:
        await anyio.sleep(20)
    assert deadline.expired
    assert now() - began < 0.1


async def test_what_ends_in_time_ends_by_itself() -> None:
    """With its result, or with its error."""
    deadline = Deadline()
    deadline.at = now() + 5
    with deadline:
        await anyio.sleep(4)
    assert not deadline.expired
    with pytest.raises(ZeroDivisionError), Deadline():
        raise ZeroDivisionError


async def test_the_callers_own_cancellation_passes() -> None:
    """It is not taken for the deadline."""
    with anyio.move_on_after(1) as scope:
        deadline = Deadline()
        deadline.at = now() + 5
        with deadline:
            await anyio.sleep(20)
    assert scope.cancelled_caught
    assert not deadline.expired


async def test_a_late_one_is_extended_once(real_time: None) -> None:
    """The loop stood still for longer than a second: what has come meanwhile has a few seconds more, but not for ever."""
    deadline = Deadline()
    deadline.at = now() + 0.1
    with deadline:
        time.sleep(1.3)  # noqa: ASYNC251 - as if the process had been stopped
        await anyio.sleep(0.2)
        began = now()
        await anyio.sleep(20)
    assert deadline.expired
    assert now() - began == pytest.approx(GRACE_S - 0.2, abs=0.3)


async def test_one_that_is_a_little_late_is_kept(real_time: None) -> None:
    """A busy loop is no stopped process."""
    deadline = Deadline()
    deadline.at = now() + 0.1
    with deadline:
        time.sleep(0.6)  # noqa: ASYNC251 - as above
        began = now()
        await anyio.sleep(20)
    assert deadline.expired
    assert now() - began < 0.2
