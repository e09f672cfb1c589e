"""A new task that is cut off on its way: what the recording had before, a task or a transcript, is not lost with it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from charges_kit import (
    FLASH,
    V1,
    change,
    client_over,
    copy_of,
    errors,
    failures,
    links,
    names,
    once_each,
    outcomes_of,
    restore,
    rows,
    run,
)
from io_kit import client

from volcasr_async import RetryPolicy, Standard, SubmitUncertain
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

ONE = links(1)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


class NoSubmits(httpx.AsyncBaseTransport):
    """The way to a simulator, which refuses the connection of each submit after so many; counts them."""

    def __init__(self, simulator: Simulator, *, after: int = 0) -> None:
        self._inner, self._left, self.refused = simulator.transport(), after, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("submit"):
            if not self._left:
                self.refused += 1
                raise httpx.ConnectError("connection refused", request=request)
            self._left -= 1
        return await self._inner.handle_async_request(request)


async def leave_before_a_submit(simulator: Simulator, journal: Path, *, after: int = 0, **more: Any) -> None:
    """Run a batch whose submits cannot leave, and leave it when the first has tried."""
    way = NoSubmits(simulator, after=after)
    async with client_over(way, **more) as asr, asr.batch(ONE, journal=journal):
        while not way.refused:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.1)


async def test_a_new_task_that_did_not_leave_leaves_its_id_to_the_next(journal: Path, tmp_path: Path) -> None:
    """Otherwise an older journal would not find the task that came instead, and submit one more."""
    simulator = Simulator(processing_time=5, faults=[Fault("task-failed", times=1)])
    way = NoSubmits(simulator, after=1)
    async with client_over(way, retry=RetryPolicy(new_tasks=1)) as asr, asr.batch(ONE, journal=journal):
        while rows(journal) != ["accepted"]:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.1)
        with closing(sqlite3.connect(journal)) as database:
            database.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
        while not way.refused:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.1)
    assert rows(journal, "state, charged, attempt") == [("failed", "yes", 0)]
    assert names(await run(simulator, ONE, journal=journal)) == ONE
    restore(tmp_path / "copy.db", journal)
    outcomes = await run(simulator, ONE, journal=journal) + await run(simulator, ONE, journal=journal)
    assert names(outcomes) == ONE
    assert len(simulator.charges) == 2


async def test_a_missing_task_outlives_its_replacement_that_did_not_leave(journal: Path) -> None:
    """It was there all the time: a later run without permission finds it."""
    simulator = Simulator(faults=[Fault("not-found", on="query", times=30)])
    assert failures(await run(simulator, ONE, journal=journal), Exception) == ONE
    await leave_before_a_submit(simulator, journal, retry=RetryPolicy(pay_again=True))
    assert rows(journal, "state, charged, attempt") == [("missing", "yes", 0)]
    for _ in range(9):
        outcomes = await run(simulator, ONE, journal=journal)
        if names(outcomes):
            break
    assert names(outcomes) == ONE
    assert once_each(simulator, ONE)


class SlowJournal:
    """A journal on a slow disk: each commit takes five seconds."""

    def __init__(self, inner: SqliteJournal) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def settle(self) -> None:
        await anyio.sleep(5)
        await self._inner.settle()


@pytest.mark.parametrize("after_s", [2, 7, 12])
async def test_a_redo_that_is_left_at_once_leaves_what_is_done(journal: Path, after_s: float) -> None:
    """Before the list was looked up, while the journal writes down that it may be sent, and after that."""
    simulator = Simulator()
    await run(simulator, links(4), journal=journal)
    opened = await SqliteJournal.open(journal)
    slow: Any = SlowJournal(opened)
    async with client_over(NoSubmits(simulator)) as asr, asr.batch(links(4), journal=slow, redo=True):
        await anyio.sleep(after_s)
    await opened.aclose()
    assert set(rows(journal, "state, charged, attempt")) == {("done", "yes", 0)}
    assert all(rows(journal, "audio_ms"))


@pytest.mark.parametrize("edition", [Standard(), FLASH, V1], ids=lambda edition: edition.name)
async def test_a_redo_that_was_killed_leaves_the_first_transcript(journal: Path, tmp_path: Path, edition: Any) -> None:
    """The second submit was written down and never arrived: the stored transcript is what there is."""
    simulator, told = Simulator(), {"edition": edition}
    async with client(simulator, **told) as asr, asr.batch(ONE, journal=journal) as batch:
        async for _ in batch:
            break  # not taken care of
    stalled, copy = Simulator(faults=[Fault("stall", on="flash" if edition is FLASH else "submit")]), tmp_path / "k.db"
    async with client(stalled, **told) as asr, asr.batch(ONE, journal=journal, redo=True):
        await anyio.sleep(5)
        with closing(sqlite3.connect(journal)) as database:
            database.execute("VACUUM INTO ?", (str(copy),))
    change(copy, "UPDATE meta SET value = value + 1000 WHERE name = 'sequence'")
    restore(copy, journal)
    assert rows(journal, "state, charged") == [("sent", "yes")]
    assert names(await run(simulator, ONE, client_with=told, journal=journal)) == ONE
    assert once_each(simulator, ONE)
    assert rows(journal, "state, attempt") == [("done", 0)]


async def test_a_submit_that_queries_did_not_find_is_not_forgotten_in_a_restart(journal: Path) -> None:
    """The next run's submit is refused as repeated: whether the first was charged is not known, as within one run."""
    faults = [Fault("lost-answer", on="submit", times=1), Fault("not-found", on="query", times=100)]
    simulator = Simulator(processing_time=1, faults=faults)
    await leave_before_a_submit(simulator, journal, after=1)
    assert rows(journal, "state, charged") == [("sent", "maybe")]
    (error,) = errors(await run(simulator, ONE, journal=journal))
    assert isinstance(error, SubmitUncertain)
    assert error.charged == "maybe"
    assert len(simulator.charges) == 1


async def test_not_found_proves_nothing_where_tasks_have_ids_of_their_own(journal: Path) -> None:
    """An older journal has lost an accepted row, and the submit under its request id cannot leave."""
    simulator, two = Simulator(task_ids="own"), links(2)
    await run(simulator, two[:1], journal=journal)
    copy = copy_of(journal)
    await run(simulator, two, journal=journal)
    restore(copy, journal)
    async with client_over(NoSubmits(simulator), retry=RetryPolicy(attempts=2)) as asr:
        (error,) = errors(await outcomes_of(asr, two, journal=journal))
    assert error.charged == "maybe"
    assert rows(journal, "state, charged") == [("done", "yes"), ("uncertain", "maybe")]


async def test_what_cannot_be_queried_stays_uncertain_in_an_older_journal(journal: Path) -> None:
    """Also a day later: that the service has deleted its results says nothing about the charge."""
    simulator, told = Simulator(), {"client_with": {"edition": FLASH}, "journal": journal}
    await run(simulator, ONE, **told)
    copy = copy_of(journal)
    await run(simulator, links(6), **told)
    restore(copy, journal)
    await run(simulator, links(3), **told)
    change(journal, "UPDATE meta SET value = value - 90000 WHERE name = 'behind_since'")
    assert failures(await run(simulator, links(6), **told), SubmitUncertain) == links(6)[1:]
    assert once_each(simulator, links(6))


async def test_a_file_that_comes_back_from_another_folder(tmp_path: Path) -> None:
    """The folder was copied, the copy went on, and only its main file came back: the number here knows nothing of that."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    simulator, told = Simulator(), {"edition": FLASH}
    await run(simulator, ONE, client_with=told, journal=here / "run.db")
    shutil.copytree(here, there)
    async with client(simulator, **told) as asr, asr.batch(links(4), journal=there / "run.db") as batch:
        assert len([outcome async for outcome in batch]) == 3
        main_file = copy_of(there / "run.db")
    restore(main_file, here / "run.db")
    outcomes = await run(simulator, links(4), client_with=told, journal=here / "run.db")
    assert names(outcomes) == []
    assert once_each(simulator, links(4))


async def test_a_folder_that_is_moved_whole_is_complete(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is missing, so nothing is reported, here or there."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    simulator = Simulator()
    await run(simulator, ONE, journal=here / "run.db")
    here.rename(there)
    for count in (1, 1, 2):
        await run(simulator, links(count), journal=there / "run.db")
    assert caplog.messages == []
    assert once_each(simulator, links(2))


async def test_a_file_that_is_gone_keeps_the_charge_of_its_task(journal: Path, tmp_path: Path) -> None:
    """The second task is in doubt, queries do not find it, and the audio cannot be read any more."""
    path, told = tmp_path / "a.wav", {"edition": Standard(inline_audio=True)}
    path.write_bytes(
        b"RIFF\x24\x7d\x00\x00WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\x7d\0\0" + bytes(32000)
    )
    bad = Simulator(faults=[Fault("bad-format", times=1)])
    assert [error.charged for error in errors(await run(bad, [path], client_with=told, journal=journal))] == ["yes"]
    simulator = Simulator(faults=[Fault("gateway-page", on="submit", times=1)])
    async with client(simulator, **told) as asr, asr.batch([path], journal=journal):
        while not simulator.requests["submit"]:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.1)
        await anyio.sleep(0.3)
    path.unlink()
    (error,) = errors(await run(simulator, [path], client_with=told, journal=journal))
    assert error.charged == "yes"
    assert rows(journal, "state, charged") == [("failed", "yes")]
