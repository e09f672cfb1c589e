"""New tasks that take the place of charged ones: what is charged stays known when the new task is refused or not sent."""

from pathlib import Path
from typing import Any

import anyio
import charges_kit  # noqa: F401 - it brings the helpers of batches
import httpx
import pytest
from batch_kit import errors, links, names, rows, run
from io_kit import BASE, PAIR, PLAIN, client

from volcasr_async import Flash, Job, Limits, RetryPolicy, Standard, Task, VolcASR
from volcasr_async.errors import SubmitUncertain, TaskNotFound
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


async def test_a_refused_new_attempt_leaves_the_uncertain_row(tmp_path: Path) -> None:
    """Permission was for one run: when its submit is refused, the next run without permission submits nothing."""
    journal = tmp_path / "run.db"
    lost = Simulator(faults=[Fault("lost-answer", on="flash")])
    await run(lost, links(1), client_with={"edition": Flash()}, journal=journal)
    assert rows(journal, "state, charged") == [("uncertain", "maybe")]
    refusing = Simulator(faults=[Fault("bad-format")])
    permitted = {"edition": Flash(), "retry": RetryPolicy(pay_again=True)}
    (error,) = errors(await run(refusing, links(1), client_with=permitted, journal=journal))
    assert error.charged == "maybe"
    assert rows(journal, "state, charged") == [("uncertain", "maybe")]
    calm = Simulator()
    (error,) = errors(await run(calm, links(1), client_with={"edition": Flash()}, journal=journal))
    assert isinstance(error, SubmitUncertain)
    assert not calm.requests["flash"]


async def test_a_redo_that_was_not_sent_leaves_what_is_done(tmp_path: Path) -> None:
    """The results of the first run are still there, and a plain run sends nothing."""
    journal, simulator = tmp_path / "run.db", Simulator()
    await run(simulator, links(3), journal=journal)
    slow = Simulator(qps=1)
    async with client(slow, limits=Limits(qps=0.2)) as asr, asr.batch(links(3), journal=journal, redo=True) as batch:
        await anyio.sleep(1)
        batch.stop()
        assert [outcome async for outcome in batch] == []
    assert sorted(rows(journal, "state")).count("done") >= 2
    before = len(simulator.charges)
    await run(simulator, links(3), journal=journal)
    assert len(simulator.charges) <= before + 1


@pytest.mark.parametrize("window", [1, 1000])
async def test_a_recording_that_stands_twice_is_redone_once(tmp_path: Path, window: int) -> None:
    """Whether the first is over or under way when the second is read."""
    simulator = Simulator()
    outcomes = await run(simulator, links(2) * 3, journal=tmp_path / "run.db", redo=True, window=window)
    assert names(outcomes) == links(2)
    assert set(simulator.charges_by_source.values()) == {1}


async def test_the_same_job_after_a_cancelled_call_is_queried_first() -> None:
    """The service may have the first submit, and would charge for a repeated id."""
    simulator, job = Simulator(reply_delay=5.0, reuse_charges=True), Job(PLAIN)
    async with client(simulator) as asr:
        with anyio.move_on_after(2):
            await asr.transcribe(job)
        assert (await asr.transcribe(job)).text
    assert len(simulator.charges) <= 1
    assert simulator.requests["submit"] == 1


class Raising(httpx.AsyncBaseTransport):
    """A caller's transport that fails in its own way after the service has answered."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner, self.broken = inner, 1

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        if self.broken:
            self.broken -= 1
            await response.aread()
            raise LookupError("a hook of the caller's")
        return response


@pytest.mark.parametrize(("edition", "charged"), [(Standard(), "yes"), (Flash(), "maybe")])
async def test_a_foreign_error_after_the_submit_had_left(edition: Any, charged: str) -> None:
    """Standard is queried and found; flash is uncertain; neither is submitted again."""
    simulator = Simulator()
    http = Raising(simulator.transport())
    async with VolcASR(PAIR, http=http, base_url=BASE, edition=edition, limits=Limits(qps=None)) as asr:
        if charged == "yes":
            assert (await asr.transcribe(PLAIN)).text
        else:
            with pytest.raises(SubmitUncertain) as caught:
                await asr.transcribe(PLAIN)
            assert caught.value.charged == charged
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("task_ids", ["both", "own"])
async def test_the_task_of_an_uncertain_submit_is_not_taken_for_charged(task_ids: Any) -> None:
    """A query that finds it changes that; where none does, "maybe" stays."""
    faults = [Fault("cut-body", on="submit", url="/lost"), Fault("not-found", url="/lost", times=6)]
    simulator = Simulator(task_ids=task_ids, faults=faults)
    async with client(simulator, retry=RetryPolicy(grace=5.0)) as asr:
        assert (await asr.transcribe(PLAIN)).text  # shows that tasks have ids of their own
        with pytest.raises(SubmitUncertain) as uncertain:
            await asr.transcribe("https://example.com/lost.mp3")
        task = uncertain.value.task
        assert task is not None
        assert not task.accepted
        assert Task.from_json(task.to_json()) == task
        if task_ids == "both":
            transcript = await asr.wait(task)
            assert transcript.task is not None
            assert transcript.task.accepted
        else:
            with pytest.raises(TaskNotFound) as missing:
                await asr.wait(task)
            assert missing.value.charged == "maybe"
