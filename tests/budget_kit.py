"""What the budget's tests share: turns that are taken, and refusals."""

from typing import Any

import anyio

from volcasr_async._budget import Budget, Kind, Turn
from volcasr_async.errors import RateLimited


async def turns(budget: Budget, number: int, kind: Kind = "submit") -> Turn:
    """Take so many turns, one after another; gives the last one."""
    for _ in range(number):
        async with budget.turn(kind) as turn:
            pass
    return turn


async def seconds_until(budget: Budget, kind: Kind = "submit") -> float:
    """Tell how long the next turn is waited for."""
    began = anyio.current_time()
    async with budget.turn(kind):
        return anyio.current_time() - began


def rate_limited(**marks: Any) -> RateLimited:
    """A refusal for the rate, for concurrency (`crowded`) or for hours of audio (`pauses_submits`)."""
    error = RateLimited("qps", code=45000292, retry_after_s=marks.pop("retry_after_s", None))
    for name, value in marks.items():
        setattr(error, name, value)
    return error
