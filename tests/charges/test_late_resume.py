"""Rows 8 and 9 of the attack on 0.1.0: a list that is gone on with hours or days later."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from charges_kit import (
    HOUR_S,
    STANDARD,
    change,
    charged_of,
    cut_off,
    errors,
    failures,
    links,
    make_older,
    names,
    once_each,
    polled,
    queried,
    rows,
    run,
)

from volcasr_async import PollPolicy, RetryPolicy, SubmitUncertain, TaskNotFound
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

LIST = links(9)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def accepted_hours_ago(simulator: Simulator, journal: Path, edition: Edition, hours: float) -> None:
    """Submit the list, leave before the first query, and let hours pass for the journal."""
    await cut_off(simulator, LIST, after_s=1.0, client_with={"edition": edition}, journal=journal)
    assert set(rows(journal)) == {"accepted"}
    assert not simulator.requests["query"]
    make_older(journal, hours * HOUR_S)


@polled
@pytest.mark.parametrize("hours", [3.5, 23.0])
async def test_a_page_of_a_gateway_loses_no_result(journal: Path, edition: Edition, hours: float) -> None:
    """Row 8: the deadline counts from the resume, so a 502 is followed by another query."""
    simulator = Simulator(faults=[Fault("html-502", on="query", times=1)])
    await accepted_hours_ago(simulator, journal, edition, hours)
    await anyio.sleep(60)
    assert names(await run(simulator, LIST, client_with={"edition": edition}, journal=journal)) == LIST
    assert once_each(simulator, LIST)


@polled
async def test_a_task_that_finishes_after_the_resume_is_fetched(journal: Path, edition: Edition) -> None:
    """Row 8: it is queried until it ends."""
    simulator = Simulator(processing_time=65)
    await accepted_hours_ago(simulator, journal, edition, 3.5)
    await anyio.sleep(60)
    assert names(await run(simulator, LIST, client_with={"edition": edition}, journal=journal)) == LIST
    assert once_each(simulator, LIST)


@polled
async def test_a_few_misses_lose_no_result(journal: Path, edition: Edition) -> None:
    """Row 8: two "cannot find task" in a row are not conclusive."""
    simulator = Simulator(faults=[Fault("not-found", on="query", times=2)])
    await accepted_hours_ago(simulator, journal, edition, 3.5)
    await anyio.sleep(60)
    assert names(await run(simulator, LIST, client_with={"edition": edition}, journal=journal)) == LIST


@polled
@pytest.mark.parametrize("hours", [3.5, 30.0])
async def test_a_forgotten_task_is_missing_and_can_be_redone(journal: Path, edition: Edition, hours: float) -> None:
    """Row 8: three misses settle it; each later run queries it first, and only a permission submits it again."""
    simulator = Simulator(faults=[Fault("forgotten", times=1)])
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    await accepted_hours_ago(simulator, journal, edition, hours)
    for _ in range(2):
        outcomes = await run(simulator, LIST, **told)
        assert failures(outcomes, TaskNotFound) == LIST
        assert charged_of(outcomes) == {"yes"}
        assert all(isinstance(error, TaskNotFound) and error.task is not None for error in errors(outcomes))
        assert set(rows(journal)) == {"missing"}
        assert once_each(simulator, LIST)
    assert names(await run(Simulator(), LIST, redo=True, **told)) == LIST
    assert set(rows(journal)) == {"done"}


@polled
async def test_a_missing_task_that_comes_back_is_done(journal: Path, edition: Edition) -> None:
    """Row 8: the next run queries it before anything else, at no cost."""
    simulator = Simulator(faults=[Fault("not-found", on="query", times=40)])
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    await accepted_hours_ago(simulator, journal, edition, 3.5)
    assert failures(await run(simulator, LIST, **told), TaskNotFound) == LIST
    done: list[str] = []
    for _ in range(20):
        done += names(await run(simulator, LIST, **told))
    assert sorted(done) == LIST
    assert set(rows(journal)) == {"done"}
    assert once_each(simulator, LIST)


@polled
async def test_the_deadline_counts_from_the_resume(journal: Path, edition: Edition) -> None:
    """Row 8: a task that never ends is left after what the edition promises, and stays accepted."""
    simulator = Simulator(processing_time=1e9)
    await accepted_hours_ago(simulator, journal, edition, 30.0)
    began = anyio.current_time()
    outcomes = await run(simulator, LIST, client_with={"edition": edition}, journal=journal)
    took = anyio.current_time() - began
    assert edition.patience_s <= took <= edition.patience_s + edition.longest_gap_s * 1.2
    assert charged_of(outcomes) == {"yes"}
    assert set(rows(journal)) == {"accepted"}
    assert once_each(simulator, LIST)


# ---- row 9 ----


async def sent_and_cut_off(simulator: Simulator, journal: Path, edition: Edition) -> None:
    """Submit the list to a service that accepts it and does not answer, and leave."""
    retry = RetryPolicy(reply_timeout=500)
    await cut_off(simulator, LIST, after_s=5.0, client_with={"edition": edition, "retry": retry}, journal=journal)
    assert set(rows(journal)) == {"sent"}
    assert once_each(simulator, LIST)


@queried
@pytest.mark.parametrize("reuse_charges", [False, True])
async def test_what_was_sent_and_has_expired_is_uncertain(journal: Path, edition: Edition, reuse_charges: bool) -> None:
    """Row 9: when a result would have expired, "cannot find task" proves nothing, so it is not sent again unasked."""
    simulator = Simulator(retention=100, reuse_charges=reuse_charges, faults=[Fault("stall", on="submit", times=1)])
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    await sent_and_cut_off(simulator, journal, edition)
    await anyio.sleep(200)
    make_older(journal, 25 * HOUR_S)
    for _ in range(2):
        outcomes = await run(simulator, LIST, **told)
        assert failures(outcomes, SubmitUncertain) == LIST
        assert charged_of(outcomes) == {"maybe"}
        assert set(rows(journal)) == {"uncertain"}
        assert once_each(simulator, LIST)
    told["client_with"] = {"edition": edition, "retry": RetryPolicy(pay_again=True)}
    assert names(await run(Simulator(), LIST, **told)) == LIST


@queried
async def test_what_was_sent_lately_and_is_there_is_found(journal: Path, edition: Edition) -> None:
    """Row 9: within a day the queries tell."""
    simulator = Simulator(faults=[Fault("stall", on="submit", times=1)])
    await sent_and_cut_off(simulator, journal, edition)
    make_older(journal, 23 * HOUR_S)
    assert names(await run(simulator, LIST, client_with={"edition": edition}, journal=journal)) == LIST
    assert once_each(simulator, LIST)


@queried
async def test_what_was_sent_lately_and_did_not_arrive_is_submitted(journal: Path, edition: Edition) -> None:
    """Row 9: within a day three misses over the grace prove that it was not accepted; the same request id goes again."""
    simulator = Simulator(faults=[Fault("stall", on="submit", times=1)])
    await sent_and_cut_off(simulator, journal, edition)
    sent = {charge.request_id for charge in simulator.charges}
    make_older(journal, 23 * HOUR_S)
    other = Simulator()
    began = anyio.current_time()
    client_with = {"edition": edition, "poll": PollPolicy(first=0.1)}
    assert names(await run(other, LIST, client_with=client_with, journal=journal)) == LIST
    assert anyio.current_time() - began >= RetryPolicy().grace
    assert {charge.request_id for charge in other.charges} == sent


async def test_a_row_without_a_task_counts_from_its_last_change(journal: Path) -> None:
    """Row 9: a journal of 0.1.0 does not say when it was sent."""
    simulator = Simulator(retention=100, faults=[Fault("stall", on="submit", times=1)])
    await sent_and_cut_off(simulator, journal, STANDARD)
    change(journal, "UPDATE job SET task = NULL")
    make_older(journal, 25 * HOUR_S)
    await anyio.sleep(200)
    outcomes = await run(simulator, LIST, journal=journal)
    assert failures(outcomes, SubmitUncertain) == LIST
    assert once_each(simulator, LIST)
