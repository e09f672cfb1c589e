"""New tasks that take the place of charged ones: what is charged stays known when the new task is refused or not sent."""

import wave
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from charges_kit import V1, client_over, errors, links, names, outcomes_of, rows, run, warnings_of
from io_kit import BASE, PAIR, PLAIN, client

from volcasr_async import Flash, Job, Limits, Options, RetryPolicy, Standard, Task, VolcASR
from volcasr_async.errors import InputError, JournalError, SubmitUncertain, TaskNotFound, VolcASRError
from volcasr_async.journal_file import summary
from volcasr_async.sqlite_journal import SqliteJournal
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


class Refusing(httpx.AsyncBaseTransport):
    """A service that refuses every submit with a listed code."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("submit"):
            return await self.inner.handle_async_request(request)
        headers = {"x-api-status-code": "45000132", "x-api-message": "too large"}
        return httpx.Response(200, headers=headers, json={})


async def left_with_a_new_task_in_doubt(journal: Path, fault: str) -> Simulator:
    """Let a task end, submit another one whose answer is lost, and leave; return a service that knows neither."""
    await run(Simulator(faults=[Fault(fault, times=1)]), links(1), journal=journal)
    simulator = Simulator(faults=[Fault("gateway-page", on="submit", times=1)])
    policy = RetryPolicy(pay_again=fault == "forgotten")
    async with client(simulator, retry=policy) as asr, asr.batch(links(1), journal=journal):
        while not simulator.requests["submit"]:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.1)
        await anyio.sleep(0.3)
    assert rows(journal, "state, charged, attempt") == [("sent", "yes", 1)]
    return simulator


@pytest.mark.parametrize("fault", ["download-failed", "forgotten"])
async def test_the_charge_of_a_replaced_task_outlives_the_process(tmp_path: Path, fault: str) -> None:
    """When the next run's submit is refused, the recording is charged all the same."""
    journal = tmp_path / "run.db"
    simulator = await left_with_a_new_task_in_doubt(journal, fault)
    async with client_over(Refusing(simulator.transport())) as asr:
        (error,) = errors(await outcomes_of(asr, links(1), journal=journal))
    assert error.charged == "yes"
    state = "failed" if fault == "download-failed" else "missing"
    assert rows(journal, "state, charged") == [(state, "yes")]


@pytest.mark.parametrize("fault", ["download-failed", "forgotten"])
async def test_permission_to_replace_a_missing_task_ends_with_its_run(tmp_path: Path, fault: str) -> None:
    """The next run submits nothing without permission, unless a listed code had ended the first task."""
    journal = tmp_path / "run.db"
    simulator = await left_with_a_new_task_in_doubt(journal, fault)
    outcomes = await run(simulator, links(1), journal=journal)
    assert len(simulator.charges) == (1 if fault == "download-failed" else 0)
    assert names(outcomes) == (links(1) if fault == "download-failed" else [])
    if fault == "forgotten":
        (error,) = errors(outcomes)
        assert isinstance(error, SubmitUncertain)
        permitted = {"retry": RetryPolicy(pay_again=True)}
        assert names(await run(simulator, links(1), client_with=permitted, journal=journal)) == links(1)


async def test_a_task_that_a_query_proved_stays_charged(tmp_path: Path) -> None:
    """The submit's answer was lost, a query's could not be read, and then the service does not find the task."""
    faults = [Fault("lost-answer", on="submit", times=1), Fault("not-json", on="query", times=1)]
    journal = tmp_path / "run.db"
    simulator = Simulator(reuse_charges=True, processing_time=0.05, faults=[*faults, Fault("not-found", on="query")])
    for policy in (RetryPolicy(), RetryPolicy(attempts=1)):
        (error,) = errors(await run(simulator, links(1), client_with={"retry": policy}, journal=journal))
        assert isinstance(error, TaskNotFound)
        assert error.charged == "yes"
        assert rows(journal, "state, charged") == [("missing", "yes")]
    assert len(simulator.charges) == 1


async def test_a_proof_is_written_down_at_once(tmp_path: Path) -> None:
    """A run that is left afterwards has told the next one that the task was accepted."""
    faults = [Fault("lost-answer", on="submit", times=1), Fault("not-json", on="query", times=3)]
    simulator, journal = Simulator(faults=[*faults, Fault("html-502", on="query")]), tmp_path / "run.db"
    async with client(simulator) as asr, asr.batch(links(1), journal=journal):
        while simulator.requests["query"] < 5:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.5)
    assert rows(journal, "state, charged") == [("accepted", "yes")]


async def test_what_is_refused_here_keeps_its_charge(tmp_path: Path) -> None:
    """Other options, or a file that is gone, change nothing of what an earlier run has cost."""
    journal, simulator = tmp_path / "run.db", Simulator()
    await run(simulator, links(1), journal=journal)
    changed = {"options": Options(enable_itn=False)}
    (error,) = errors(await run(simulator, links(1), client_with=changed, journal=journal))
    assert (type(error), error.charged) == (InputError, "yes")

    path, told = tmp_path / "a.wav", {"edition": Flash(), "retry": RetryPolicy(pay_again=True)}
    with wave.open(str(path), "wb") as audio:
        audio.setparams((1, 2, 16000, 0, "NONE", "NONE"))
        audio.writeframes(bytes(32000))
    lossy = Simulator(faults=[Fault("lost-answer", on="flash")])
    await run(lossy, [path], client_with={"edition": Flash()}, journal=journal)
    path.unlink()
    (error,) = errors(await run(lossy, [path], client_with=told, journal=journal))
    assert error.charged == "maybe"


async def test_a_row_that_is_charged_stays_so_while_it_is_uncertain(tmp_path: Path) -> None:
    """v1 accepted it without naming the task: nothing can be queried, in any run."""
    journal = tmp_path / "run.db"
    nameless = httpx.MockTransport(lambda _: httpx.Response(200, json={"resp": {"code": "1000", "message": "Success"}}))
    for _ in range(3):
        async with client_over(nameless, edition=V1) as asr:
            (error,) = errors(await outcomes_of(asr, links(1), journal=journal))
        assert error.charged == "yes"
        assert rows(journal, "charged") == ["yes"]


async def test_new_tasks_of_one_run_are_counted(tmp_path: Path) -> None:
    """The summary says how many tasks there were besides."""
    journal, told = tmp_path / "run.db", {"retry": RetryPolicy(new_tasks=1)}
    simulator = Simulator(faults=[Fault("task-failed", times=1)])
    assert names(await run(simulator, links(1), client_with=told, journal=journal)) == links(1)
    assert len(simulator.charges) == 2
    assert sum(total.repeats for total in summary(journal)) == 1


async def test_two_batches_do_not_share_a_journal(tmp_path: Path) -> None:
    """Each knows only its own jobs; the second is told so, and may have the journal afterwards."""
    simulator, journal = Simulator(), await SqliteJournal.open(tmp_path / "run.db")
    async with client(simulator) as asr:
        async with asr.batch(links(1), journal=journal) as batch:
            with pytest.raises(JournalError, match="used by another batch"):
                async with asr.batch(links(1), journal=journal):
                    pass
            assert len([outcome async for outcome in batch]) == 1
        async with asr.batch(links(1), journal=journal) as batch:
            assert [outcome async for outcome in batch] == []
    await journal.aclose()
    assert len(simulator.charges) == 1


@pytest.mark.parametrize(
    ("fault", "kind"), [("unlisted-code", "is raised"), ("html-502", "is sent again"), ("bad-format", "ends the task")]
)
async def test_a_submit_that_queries_do_not_find_is_logged(
    fault: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it is sent again or its error is raised: a service that has forgotten it would charge for the next one."""
    simulator = Simulator(faults=[Fault(fault, on="submit" if kind != "ends the task" else "any", times=1)])
    async with client(simulator) as asr:
        if kind == "is sent again":
            assert (await asr.transcribe(PLAIN)).text
        else:
            with pytest.raises(VolcASRError) as caught:
                await asr.transcribe(PLAIN)
            assert caught.value.charged == ("no" if kind == "is raised" else "yes")
    lines = [line for line in warnings_of(caplog) if "the service does not know the submit" in line]
    assert len(lines) == (0 if kind == "ends the task" else 1)
