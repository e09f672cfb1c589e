"""Rows 13, 14 and 15 of the attack on 0.1.0: deadlines of batches, repeated lines, and lost answers."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from charges_kit import (
    FLASH,
    IDLE,
    STANDARD,
    V1,
    charged_of,
    errors,
    links,
    names,
    once_each,
    polled,
    queried,
    rows,
    run,
)

from volcasr_async import InvalidRequest, RetryPolicy, VolcASRError, WaitTimeout
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

DAY_S = 86_400.0


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


# ---- row 13 ----


@pytest.mark.parametrize(
    ("edition", "on"), [(STANDARD, "submit"), (STANDARD, "query"), (IDLE, "query"), (V1, "submit"), (FLASH, "flash")]
)
@pytest.mark.parametrize("recorded", [False, True])
async def test_a_request_in_progress_ends_with_the_deadline(
    journal: Path, edition: Edition, on: str, recorded: bool
) -> None:
    """Row 13: whatever the caller's reply timeout, each recording of a batch has its outcome when the edition promises."""
    simulator = Simulator(faults=[Fault("stall", on=on)])
    client_with = {"edition": edition, "retry": RetryPolicy(reply_timeout=3 * DAY_S, pay_again=True)}
    began = anyio.current_time()
    outcomes = await run(simulator, links(3), client_with=client_with, journal=journal if recorded else None)
    assert anyio.current_time() - began <= edition.patience_s + edition.longest_gap_s
    assert len(errors(outcomes)) == 3
    assert all(isinstance(error, VolcASRError) for error in errors(outcomes))
    assert charged_of(outcomes) <= {"maybe", "yes"}
    if edition is not FLASH:  # which was permitted to send again
        assert {type(error) for error in errors(outcomes)} == {WaitTimeout}
        assert once_each(simulator, links(3))


# ---- row 14 ----


@pytest.mark.parametrize("edition", [STANDARD, V1, FLASH], ids=lambda edition: edition.name)
@pytest.mark.parametrize("window", [1, 5, 1000])
async def test_a_failing_recording_is_submitted_once_in_a_run(journal: Path, edition: Edition, window: int) -> None:
    """Row 14: however often it stands in the list; the next run submits it once more."""
    simulator = Simulator(faults=[Fault("bad-format")])
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal, "window": window}
    for number in (1, 2):
        outcomes = await run(simulator, links(2) * 25, **told)
        assert len(errors(outcomes)) == 2
        assert simulator.requests["flash" if edition is FLASH else "submit"] == 2 * number
    assert set(rows(journal)) == {"failed"}


async def test_a_refused_recording_is_submitted_once_in_a_run(journal: Path) -> None:
    """Row 14: a refusal that costs nothing is not repeated either."""
    simulator = Simulator(faults=[Fault("generic-error", on="submit")])
    outcomes = await run(simulator, links(1) * 25, journal=journal, window=1)
    assert {type(error) for error in errors(outcomes)} == {InvalidRequest}
    assert (len(outcomes), simulator.requests["submit"]) == (1, 1)
    assert charged_of(outcomes) == {"no"}


# ---- row 15 ----


@queried
@pytest.mark.parametrize("reuse_charges", [False, True])
@pytest.mark.parametrize("lag", [4.0, 12.0, 28.0])
async def test_a_lost_answer_is_asked_about_until_the_grace_has_passed(
    journal: Path, edition: Edition, reuse_charges: bool, lag: float
) -> None:
    """Row 15: a task that can be seen only after seconds is found, so a service that takes ids twice charges once."""
    simulator = Simulator(
        lag=lag, reuse_charges=reuse_charges, faults=[Fault("lost-answer", on="submit", times=1, share=0.7)]
    )
    outcomes = await run(simulator, links(20), client_with={"edition": edition}, journal=journal)
    assert names(outcomes) == sorted(links(20))
    assert once_each(simulator, links(20))


@queried
async def test_the_grace_is_the_callers(edition: Edition) -> None:
    """Row 15: a longer one finds what is visible later."""
    simulator = Simulator(lag=100.0, reuse_charges=True, faults=[Fault("lost-answer", on="submit", times=1)])
    client_with = {"edition": edition, "retry": RetryPolicy(grace=110.0)}
    assert names(await run(simulator, links(5), client_with=client_with)) == links(5)
    assert once_each(simulator, links(5))


@polled
async def test_a_task_that_can_be_seen_only_later_is_not_missing(edition: Edition) -> None:
    """Row 15: an accepted task has twice the grace."""
    simulator = Simulator(lag=50.0)
    assert names(await run(simulator, links(5), client_with={"edition": edition})) == links(5)
    assert once_each(simulator, links(5))
