"""Row 6 of the attack on 0.1.0: a batch without a journal that ends early, and pages that refuse the account."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from charges_kit import cut_off, links, names, once_each, polled, rows, run, standard_and_v1, tasks_in, warnings_of
from io_kit import PLAIN, client

from volcasr_async import AuthenticationFailed, Done, Failed, Limits, ResourceNotGranted, VolcASRError
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


class InputEndsError(Exception):
    """What the caller's own input raises."""


def raising(count: int) -> Iterator[str]:
    """Give so many links, and then raise."""
    yield from links(count)
    raise InputEndsError


async def raising_later(count: int) -> AsyncIterator[str]:
    """Do the same asynchronously, while the first tasks run."""
    for link in links(count):
        await anyio.sleep(0.1)
        yield link
    raise InputEndsError


async def collect(asr: Any, items: Any, **more: Any) -> tuple[list[Any], Exception | None, tuple[Any, ...]]:
    """Take all outcomes; with the error that ended the batch, and the tasks that were left."""
    outcomes, ended = [], None
    async with asr.batch(items, **more) as batch:
        try:
            async for outcome in batch:
                outcomes.append(outcome)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            ended = error
    return outcomes, ended, batch.open_tasks


@polled
@pytest.mark.parametrize(("source", "count"), [(raising, 1200), (raising_later, 100)])
async def test_an_input_that_raises_loses_no_charged_recording(
    edition: Edition, source: Any, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What was accepted is waited for and returned, and then the input's error is raised."""
    simulator = Simulator(processing_time=20)
    async with client(simulator, edition=edition, limits=Limits(qps=50)) as asr:
        outcomes, ended, left = await collect(asr, source(count))
    assert isinstance(ended, InputEndsError)
    assert simulator.charges
    assert once_each(simulator, names(outcomes))
    assert left == ()
    assert warnings_of(caplog) == []


@polled
async def test_a_recording_that_fails_meanwhile_is_returned_as_failed(edition: Edition) -> None:
    """A charged recording that ends badly is no loss either: it is returned with its charge."""
    simulator = Simulator(faults=[Fault("bad-format", url="/1")])
    async with client(simulator, edition=edition) as asr:
        outcomes, ended, _ = await collect(asr, raising_later(12))
    assert isinstance(ended, InputEndsError)
    assert sorted(one.job.name for one in outcomes) == sorted(simulator.charges_by_source)
    assert {one.charged for one in outcomes if isinstance(one, Failed)} == {"yes"}


@polled
async def test_a_stop_returns_what_was_accepted(edition: Edition) -> None:
    """`stop` submits nothing more, and ends after the accepted tasks."""
    simulator = Simulator(processing_time=20)
    outcomes = []
    async with client(simulator, edition=edition, limits=Limits(qps=20)) as asr, asr.batch(links(500)) as batch:
        async for outcome in batch:
            outcomes.append(outcome)
            batch.stop()
    assert 0 < len(simulator.charges) < 500
    assert once_each(simulator, names(outcomes))


@polled
async def test_a_body_that_is_left_early_hands_over_the_tasks(
    edition: Edition, caplog: pytest.LogCaptureFixture
) -> None:
    """They can be read from the batch, stand in the log as JSON, and can be waited for at no cost."""
    simulator = Simulator(processing_time=20)
    async with client(simulator, edition=edition) as asr:
        with anyio.move_on_after(5):
            async with asr.batch(links(9)) as batch:
                async for _ in batch:
                    pass
        assert once_each(simulator, links(9))
        assert len(batch.open_tasks) == 9
        assert {task.request_id for task in batch.open_tasks} == tasks_in(warnings_of(caplog))
        assert len(warnings_of(caplog)) == 9
        assert all("the batch ended before its result" in line for line in warnings_of(caplog))
        for task in batch.open_tasks:
            assert (await asr.wait(task)).text
    assert len(simulator.charges) == 9


@polled
async def test_an_error_in_the_body_hands_over_the_tasks(edition: Edition, caplog: pytest.LogCaptureFixture) -> None:
    """An outcome that was not taken care of is among them: the caller has only begun with it."""
    simulator = Simulator(faults=[Fault("never", url="/8")])
    async with client(simulator, edition=edition) as asr:
        with pytest.raises(ZeroDivisionError):
            async with asr.batch(links(9)) as batch:
                async for outcome in batch:
                    assert isinstance(outcome, Done)
                    raise ZeroDivisionError
        assert len(batch.open_tasks) == 9
    assert len(tasks_in(warnings_of(caplog))) == 9


async def test_with_a_journal_nothing_is_handed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The journal keeps the tasks."""
    simulator, journal = Simulator(processing_time=20), tmp_path / "run.db"
    await cut_off(simulator, links(9), after_s=5, journal=journal)
    assert set(rows(journal)) == {"accepted"}
    assert warnings_of(caplog) == []
    assert names(await run(simulator, links(9), journal=journal)) == links(9)
    assert once_each(simulator, links(9))


def test_the_log_of_charges_is_seen_without_any_setting() -> None:
    """It has no handler that hides it: Python writes warnings without a handler to stderr."""
    assert logging.getLogger("volcasr_async.charges").handlers == []


# ---- pages that refuse the account ----


@standard_and_v1
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("on", ["submit", "query"])
@pytest.mark.parametrize("status", [401, 403])
async def test_a_single_page_without_a_code_ends_no_batch(
    tmp_path: Path, edition: Edition, recorded: bool, on: str, status: int
) -> None:
    """Some gateway's page is no word of the service about the account; every recording is charged once at most."""
    journal = tmp_path / "run.db" if recorded else None
    simulator = Simulator(faults=[Fault("gateway-page", on=on, status=status, times=1, url="/7.mp3")])
    outcomes = await run(simulator, links(30), client_with={"edition": edition}, journal=journal)
    assert len(outcomes) == 30
    doubtful = links(1, first=7) if on == "submit" and edition.name == "v1" else []
    assert names(outcomes, Failed) == doubtful
    assert once_each(simulator, [link for link in links(30) if link not in doubtful])


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationFailed), (403, ResourceNotGranted)])
async def test_six_pages_in_a_row_end_a_batch(status: int, kind: type[VolcASRError]) -> None:
    """Nothing is submitted after them, and the accepted tasks are returned as charged, or done."""
    simulator = Simulator(faults=[Fault("gateway-page", status=status)])
    async with client(simulator, limits=Limits(qps=10, concurrency=2)) as asr:
        outcomes, ended, _ = await collect(asr, links(500))
    assert isinstance(ended, VolcASRError)
    assert ended.account_wide
    assert isinstance(ended, kind) or isinstance(ended.__cause__, kind)
    assert sum(simulator.requests.values()) < 30
    assert {one.charged for one in outcomes} <= {"maybe"}
    assert not simulator.charges


@polled
async def test_six_pages_in_a_row_to_queries_return_the_charged_tasks(
    edition: Edition, caplog: pytest.LogCaptureFixture
) -> None:
    """Every charged recording is done, or handed over with its task, which can be waited for at no cost."""
    simulator = Simulator(faults=[Fault("gateway-page", status=403, on="query", times=20)])
    async with client(simulator, edition=edition) as asr:
        outcomes, ended, left = await collect(asr, links(9))
    assert ended is None or (isinstance(ended, VolcASRError) and ended.account_wide)
    tasks = {task.request_id: task for task in left}
    for one in outcomes:
        task = getattr(one.error, "task", None) if isinstance(one, Failed) else None
        if task is not None:
            tasks[task.request_id] = task
    assert len(tasks) + len(names(outcomes)) == 9
    assert tasks_in(warnings_of(caplog)) == {task.request_id for task in left}
    async with client(simulator, edition=edition) as asr:
        for task in tasks.values():
            for _ in range(30):
                try:
                    assert (await asr.wait(task)).text
                    break
                except VolcASRError:
                    continue
            else:
                pytest.fail("the task cannot be had")
    assert once_each(simulator, links(9))


async def test_the_services_own_refusal_needs_no_second_page() -> None:
    """With its code one answer ends the batch, and the accepted tasks are returned."""
    simulator = Simulator(processing_time=20, faults=[Fault("quota-lifetime", on="submit", url="/9.mp3")])
    async with client(simulator, limits=Limits(qps=5, concurrency=1)) as asr:
        outcomes, ended, _ = await collect(asr, links(100))
    assert isinstance(ended, VolcASRError)
    assert ended.account_wide
    assert ended.charged == "no"
    assert len(outcomes) >= 9
    assert once_each(simulator, names(outcomes))


async def test_one_page_to_a_single_call_is_followed_by_queries() -> None:
    """The call finds its task, or submits it again under the same id."""
    for kind in ("gateway-page", "gateway-page-after"):
        simulator = Simulator(faults=[Fault(kind, on="submit", status=403, times=1)])
        async with client(simulator) as asr:
            assert (await asr.transcribe(PLAIN)).text
        assert len(simulator.charges) == 1
