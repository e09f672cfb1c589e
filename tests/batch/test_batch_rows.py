"""What a row of the journal means for the next run: what is brought, asked about, sent again, skipped or refused."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from batch_kit import change, errors, links, names, outcomes_of, rows, run
from io_kit import client

from volcasr_async import AucV1, AudioUrl, Done, Failed, Idle, Job, Options, RetryPolicy, Standard, WaitTimeout
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@pytest.mark.parametrize(
    "other", [{"options": Options(enable_itn=False)}, {"edition": Idle()}], ids=["options", "edition"]
)
async def test_a_client_with_other_wishes_is_refused(journal: Path, other: dict[str, Any]) -> None:
    """The same holds where the client's own defaults have changed, for plain links too."""
    simulator = Simulator()
    await run(simulator, links(2), journal=journal)
    outcomes = await run(simulator, links(3), client_with=other, journal=journal)
    assert names(outcomes) == links(3)[2:]
    assert ["redo" in str(error) for error in errors(outcomes)] == [True, True]
    assert rows(journal) == ["done"] * 3
    assert len(simulator.charges) == 3


def query(path: Path, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, values).fetchall()


@pytest.fixture
def one_clock(anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("trio's clock may jump while a thread works, and these count seconds")


async def test_the_last_outcome_comes_from_the_file(journal: Path) -> None:
    """Whoever left after the last outcome gets that one again, just as it was, and the service is not asked."""
    simulator = Simulator()
    async with client(simulator) as asr, asr.batch(links(3), journal=journal) as batch:
        before = [await anext(batch) for _ in range(3)]
    assert sorted(rows(journal, "delivered")) == [0, 1, 1]
    sent = sum(simulator.requests.values())
    async with client(simulator) as asr, asr.batch(links(3), journal=journal) as batch:
        (again,) = [outcome async for outcome in batch]
        stats = batch.stats
    last = before[-1]
    assert isinstance(again, Done)
    assert isinstance(last, Done)
    assert (again.job.name, again.transcript) == (last.job.name, last.transcript)
    assert again.transcript.task is not None
    assert last.transcript.task is not None
    assert again.transcript.task.id == last.transcript.task.id
    assert again.transcript.duration_ms is not None
    assert (stats.read, stats.skipped, stats.done, stats.requests) == (3, 2, 1, 0)
    assert stats.audio_s == again.transcript.duration_ms / 1000
    assert sum(simulator.requests.values()) == sent
    assert rows(journal, "delivered") == [1, 1, 1]


async def test_what_a_row_says_of_its_job(journal: Path) -> None:
    """Edition, attempt and id are those that the service was told; a failed task stays named."""
    simulator = Simulator(faults=[Fault("bad-format", url="/1.mp3", times=1)])
    items = [Job(links(1)[0], edition=Idle()), *links(2)[1:]]
    await run(simulator, items, journal=journal)
    (idle, told, done), (standard, told_too, failed) = rows(journal, "edition, request_id, task IS NOT NULL")
    assert Idle().resource_id in idle
    assert Standard().resource_id in standard
    assert {told, told_too} == {charge.request_id for charge in simulator.charges}
    assert (done, failed) == (1, 1)
    await run(simulator, items, journal=journal)
    assert rows(journal, "state, attempt") == [("done", 0), ("done", 1)]
    assert rows(journal, "request_id")[1] == simulator.charges[-1].request_id != told_too


@pytest.mark.usefixtures("one_clock")
async def test_audio_that_had_arrived_before_a_crash(journal: Path, tmp_path: Path) -> None:
    """Not found for a while, it is sent again under its id, refused as a repetition, and then waited for."""
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav(1.0))
    simulator, edition = Simulator(lag=40.0, processing_time=1.0), Standard(inline_audio=True)
    async with client(simulator, edition=edition) as asr:
        with anyio.move_on_after(3):
            await outcomes_of(asr, [path], journal=journal)
    change(journal, "UPDATE job SET state = 'sent', charged = 'maybe', task = NULL")
    assert len(names(await run(simulator, [path], client_with={"edition": edition}, journal=journal))) == 1
    assert simulator.answers["45000001"] == 1
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("kind", ["links", "jobs"])
async def test_a_long_list_that_was_done(journal: Path, kind: str) -> None:
    """What was done is counted as skipped, frees its place in the window at once, and is done no more than once."""
    simulator = Simulator()
    items = links(7) if kind == "links" else [Job(link, key=f"key {link}") for link in links(7)]
    await run(simulator, items, journal=journal)
    async with client(simulator) as asr, asr.batch([*items, *items], journal=journal, window=2) as batch:
        assert [outcome async for outcome in batch] == []
        stats = batch.stats
    assert (stats.read, stats.skipped, stats.done, stats.requests) == (14, 14, 0, 0)
    more = Job("https://example.com/more.mp3", key="more")
    async with client(simulator) as asr, asr.batch([*items, more, *items, more], journal=journal, window=3) as batch:
        assert [outcome.job.name async for outcome in batch] == ["more"]
        stats = batch.stats
    assert (stats.read, stats.skipped, stats.done, stats.sending) == (16, 15, 1, 0)
    assert set(simulator.charges_by_source.values()) == {1}


@pytest.mark.usefixtures("one_clock")
async def test_an_accepted_task_is_waited_for(journal: Path) -> None:
    """It is neither sent again nor asked about before its time, and a fresh one may follow it where that is allowed."""
    simulator = Simulator(processing_time=20, faults=[Fault("task-failed", times=1, url="/1.mp3")])
    async with client(simulator) as asr:
        with anyio.move_on_after(5):
            await outcomes_of(asr, links(2), journal=journal)
    assert rows(journal) == ["accepted", "accepted"]
    submits = simulator.requests["submit"]
    retry = RetryPolicy(new_tasks=1)
    assert names(await run(simulator, links(2), client_with={"retry": retry}, journal=journal)) == links(2)
    assert simulator.requests["submit"] == submits + 1
    assert simulator.charges_by_source == {links(2)[0]: 1, links(2)[1]: 2}


async def test_an_accepted_row_without_its_task(journal: Path) -> None:
    """Where the file was damaged, the service is asked under the id that the row still has."""
    simulator = Simulator()
    await run(simulator, links(2), journal=journal)
    change(journal, "UPDATE job SET state = 'accepted', task = NULL, delivered = 0")
    with anyio.fail_after(600):
        assert names(await run(simulator, links(2), journal=journal)) == links(2)
    assert len(simulator.charges) == 2


async def test_each_jobs_own_wishes_are_remembered(journal: Path) -> None:
    """A job that asked for something of its own is refused under other wishes, plain ones too, and skipped under its own."""
    simulator = Simulator()
    first, other = (Job(links(1)[0], options=Options(enable_itn=itn, enable_punc=False)) for itn in (True, False))
    assert len(names(await run(simulator, [first], journal=journal))) == 1
    for item in (other, links(1)[0], AudioUrl(links(1)[0])):
        (error,) = errors(await run(simulator, [item], journal=journal))
        assert "redo" in str(error)
    assert await run(simulator, [first], journal=journal) == []
    assert len(simulator.charges) == 1


async def test_a_client_whose_defaults_fit_no_link(journal: Path) -> None:
    """Each link fails with what is wrong; a job that chooses better is done, and so are the links under better defaults."""
    simulator = Simulator()
    wishes = {"edition": "flash", "options": Options(show_volume=True)}
    items = [*links(2), Job(links(3)[2], edition="standard")]
    outcomes = await run(simulator, items, client_with=wishes, journal=journal)
    assert names(outcomes) == links(3)[2:]
    assert ["does not take show_volume" in str(error) for error in errors(outcomes)] == [True, True]
    assert names(await run(simulator, links(2), client_with={"edition": "flash"}, journal=journal)) == links(2)
    assert len(simulator.charges) == 3


@pytest.mark.parametrize("edition", ["standard", "flash", AucV1("volc_auc_common")], ids=str)
async def test_what_is_brought_is_written(journal: Path, edition: str | AucV1) -> None:
    """When an outcome comes, its row and its transcript are in the file already, whatever happens to us next."""
    simulator = Simulator(faults=[Fault("bad-format", url="/1.mp3"), Fault("lost-answer", on="flash", url="/2.mp3")])
    async with client(simulator, edition=edition) as asr, asr.batch(links(6), journal=journal) as batch:
        async for outcome in batch:
            states = dict(rows(journal, "key, state"))
            if isinstance(outcome, Failed):
                assert states[outcome.job.name] in ("failed", "uncertain")
            else:
                assert states[outcome.job.name] == "done"
                assert query(journal, "SELECT raw FROM transcript WHERE key = ?", outcome.job.name) == [
                    (outcome.transcript.raw,)
                ]


@pytest.mark.usefixtures("one_clock")
async def test_an_old_task_is_asked_about_now_and_then(journal: Path, tmp_path: Path) -> None:
    """A task of an earlier run keeps its age: it is asked about as seldom as then, and its time ends when it would have."""
    item = tmp_path / "a.wav"
    item.write_bytes(make_wav(1.0))
    simulator = Simulator(processing_time=1e6)
    wishes = {"edition": Standard(inline_audio=True)}
    async with client(simulator, **wishes) as asr:
        with anyio.move_on_after(1000):
            await outcomes_of(asr, [item], journal=journal)
    simulator.requests.clear()
    with anyio.fail_after(4 * 3600):
        (error,) = errors(await run(simulator, [item], client_with=wishes, journal=journal))
    assert isinstance(error, WaitTimeout)
    assert error.task is not None
    assert rows(journal) == ["accepted"]
    assert 300 < simulator.requests["query"] < 450  # every 30 s for three hours
