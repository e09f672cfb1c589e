"""Row 3 of the attack on 0.1.0: a journal that is older than what was sent."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from charges_kit import (
    DIRECT,
    FLASH,
    STANDARD,
    V1,
    change,
    charged_of,
    copy_of,
    cut_off,
    direct,
    failures,
    links,
    names,
    once_each,
    queried,
    restore,
    rows,
    run,
    warnings_of,
)
from io_kit import client

from volcasr_async import RetryPolicy, SubmitUncertain
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

OLDER = "older than what was sent"
SIX, ALL = links(6), links(20)
LATER = sorted(set(ALL) - set(SIX))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def two_runs_and_an_older_copy(simulator: Simulator, journal: Path, edition: Edition) -> None:
    """Copy the journal between two runs, and put the copy in its place after both; the number of commits stays beside it."""
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    assert len(await run(simulator, SIX, **told)) == len(SIX)
    copy = copy_of(journal)
    assert len(await run(simulator, ALL, **told)) == len(LATER)
    assert once_each(simulator, ALL)
    restore(copy, journal)


# ---- restored from an earlier copy ----


@pytest.mark.parametrize("edition", [STANDARD, V1], ids=lambda edition: edition.name)
async def test_a_second_restore_is_noticed(journal: Path, edition: Edition) -> None:
    """Also that of a copy that is newer than the first one: the number beside the journal never goes down."""
    simulator, told = Simulator(reuse_charges=True), {"client_with": {"edition": edition}, "journal": journal}
    await run(simulator, SIX[:1], **told)
    oldest = copy_of(journal, "oldest.db")
    await run(simulator, SIX, **told)
    newer = copy_of(journal, "newer.db")
    await run(simulator, ALL, **told)
    restore(oldest, journal)
    await run(simulator, links(1, first=100), **told)
    restore(newer, journal)
    await run(simulator, ALL, **told)
    assert {name: count for name, count in simulator.charges_by_source.items() if count > 1} == {}


async def test_a_copy_that_stands_alone_is_taken_for_an_older_one(journal: Path, tmp_path: Path) -> None:
    """Everything was deleted, and a backup of the main file put in its place: nothing tells what was sent since."""
    simulator, told = Simulator(), {"client_with": {"edition": V1}, "journal": journal}
    await run(simulator, SIX[:1], **told)
    copy = copy_of(journal, "backup.db")
    await run(simulator, SIX, **told)
    for path in tmp_path.glob("run.db*"):
        path.unlink()
    copy.rename(journal)
    assert failures(await run(simulator, SIX, **told), SubmitUncertain) == SIX[1:]
    assert once_each(simulator, SIX)


async def test_what_queries_did_not_find_is_written_down_before_it_is_submitted(journal: Path) -> None:
    """A block that is left before the answer leaves "sent": the next run queries it, however late that is."""
    simulator = Simulator(reuse_charges=True, faults=[Fault("stall", on="submit", url="/0.mp3", times=1)])
    await run(simulator, SIX[5:], journal=journal)
    copy = copy_of(journal)
    await run(simulator, links(1, first=50), journal=journal)
    restore(copy, journal)
    async with client(simulator) as asr, asr.batch(SIX[:1], journal=journal):
        while not simulator.charges_by_source[SIX[0]]:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(1)
    assert rows(journal, "state, charged") == [("sent", "maybe"), ("done", "yes")]
    change(journal, "UPDATE meta SET value = value - 90000 WHERE name = 'behind_since'")
    assert names(await run(simulator, SIX[:1], journal=journal)) == SIX[:1]
    assert simulator.charges_by_source[SIX[0]] == 1


@pytest.mark.parametrize("edition", [STANDARD, V1], ids=lambda edition: edition.name)
async def test_the_task_that_followed_one_that_ended_badly_is_not_submitted_once_more(
    journal: Path, edition: Edition
) -> None:
    """The first task ended badly, a second run submitted another, and the journal has lost it."""
    simulator = Simulator(reuse_charges=True, faults=[Fault("download-failed", times=1)])
    one, told = SIX[:1], {"client_with": {"edition": edition}, "journal": journal}
    assert charged_of(await run(simulator, one, **told)) == {"yes"}
    copy = copy_of(journal)
    assert names(await run(simulator, one, **told)) == one
    restore(copy, journal)
    outcomes = await run(simulator, one, **told) + await run(simulator, one, **told)
    assert len(simulator.charges) == 2
    if edition is STANDARD:
        assert names(outcomes) == one
    else:
        assert failures(outcomes, SubmitUncertain) == one * 2
        assert charged_of(outcomes[:1]) == {"yes"}


@queried
@pytest.mark.parametrize("reuse_charges", [False, True])
async def test_a_restored_journal_charges_nothing_twice(
    journal: Path, edition: Edition, reuse_charges: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported, and what it does not know is queried before it is submitted: all results come back."""
    simulator = Simulator(reuse_charges=reuse_charges)
    await two_runs_and_an_older_copy(simulator, journal, edition)
    assert warnings_of(caplog) == []
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    assert names(await run(simulator, ALL, **told)) == LATER
    assert [line for line in warnings_of(caplog) if OLDER in line]
    assert await run(simulator, ALL, **told) == []
    assert once_each(simulator, ALL)
    assert set(rows(journal)) == {"done"}


@direct
async def test_a_restored_journal_of_an_edition_that_cannot_be_queried(
    journal: Path, edition: Edition, caplog: pytest.LogCaptureFixture
) -> None:
    """What it does not know is uncertain, in each run, until it is permitted to be submitted again."""
    simulator = Simulator()
    await two_runs_and_an_older_copy(simulator, journal, edition)
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    for _ in range(2):
        outcomes = await run(simulator, ALL, **told)
        assert failures(outcomes, SubmitUncertain) == LATER
        assert len(outcomes) == len(LATER)
        assert charged_of(outcomes) == {"maybe"}
        assert once_each(simulator, ALL)
    assert [line for line in warnings_of(caplog) if OLDER in line]
    told["client_with"] = {"edition": edition, "retry": RetryPolicy(pay_again=True)}
    assert names(await run(simulator, ALL, **told)) == LATER
    assert set(rows(journal)) == {"done"}


@queried
@pytest.mark.parametrize("reuse_charges", [False, True])
async def test_tasks_that_run_while_their_rows_are_lost_are_found(
    journal: Path, edition: Edition, reuse_charges: bool
) -> None:
    """Their request ids come from the journal's id, so they are queried and waited for."""
    simulator = Simulator(processing_time=30, reuse_charges=reuse_charges)
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    await run(simulator, SIX, **told)
    copy = copy_of(journal)
    await cut_off(simulator, ALL, after_s=5, **told)
    assert once_each(simulator, ALL)
    restore(copy, journal)
    assert names(await run(simulator, ALL, **told)) == LATER
    assert once_each(simulator, ALL)


@pytest.mark.parametrize("edition", [STANDARD, *DIRECT], ids=lambda edition: edition.name)
async def test_new_recordings_of_a_restored_journal(journal: Path, edition: Edition) -> None:
    """Nobody can tell them from lost ones: standard queries them and submits them, the others report them."""
    simulator = Simulator()
    await two_runs_and_an_older_copy(simulator, journal, edition)
    new = links(3, first=100)
    outcomes = await run(simulator, new, client_with={"edition": edition}, journal=journal)
    assert (names(outcomes) == new) is (edition is STANDARD)
    assert (failures(outcomes, SubmitUncertain) == new) is (edition is not STANDARD)


async def test_a_journal_that_is_complete_is_not_reported(
    journal: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither one that was used before, nor one that was left in the middle."""
    simulator = Simulator(processing_time=20)
    await cut_off(simulator, ALL, after_s=5, journal=journal)
    for _ in range(2):
        await run(simulator, ALL, journal=journal)
    assert warnings_of(caplog) == []
    assert once_each(simulator, ALL)


@queried
@pytest.mark.parametrize("with_number", [False, True])
async def test_a_copy_that_goes_on_in_another_folder(
    journal: Path, tmp_path: Path, edition: Edition, with_number: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the number of commits was copied along or not, nothing is charged twice."""
    simulator = Simulator(reuse_charges=True)
    client_with = {"edition": edition}
    await run(simulator, SIX, client_with=client_with, journal=journal)
    (tmp_path / "other").mkdir()
    there = copy_of(journal, "other/run.db")
    await run(simulator, ALL, client_with=client_with, journal=journal)
    if with_number:
        copy_of(journal.with_name("run.db-seq"), "other/run.db-seq")
    assert names(await run(simulator, ALL, client_with=client_with, journal=there)) == LATER
    assert [line for line in warnings_of(caplog) if OLDER in line]
    assert once_each(simulator, ALL)


@queried
async def test_a_copy_that_was_made_while_the_journal_was_used(
    journal: Path, tmp_path: Path, edition: Edition, caplog: pytest.LogCaptureFixture
) -> None:
    """Without its -wal file it lacks the newest rows, and in another folder no number beside it tells so."""
    simulator = Simulator(processing_time=20, reuse_charges=True)
    (tmp_path / "other").mkdir()
    async with client(simulator, edition=edition) as asr:
        with anyio.move_on_after(5):
            async with asr.batch(SIX, journal=journal) as batch:
                await anyio.sleep(1)
                there = copy_of(journal, "other/run.db")
                async for _ in batch:
                    pass
    assert once_each(simulator, SIX)
    assert names(await run(simulator, SIX, client_with={"edition": edition}, journal=there)) == SIX
    assert [line for line in warnings_of(caplog) if OLDER in line]
    assert once_each(simulator, SIX)


# ---- deleted between two runs ----


@pytest.mark.parametrize("edition", [STANDARD, V1, FLASH], ids=lambda edition: edition.name)
async def test_a_journal_that_was_deleted_between_two_runs_is_reported(
    journal: Path, edition: Edition, caplog: pytest.LogCaptureFixture
) -> None:
    """What it knew is charged again, so the batch says so."""
    simulator = Simulator()
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    await run(simulator, SIX, **told)
    assert warnings_of(caplog) == []
    for path in (journal, journal.with_name("run.db-wal"), journal.with_name("run.db-shm")):
        path.unlink(missing_ok=True)
    assert names(await run(simulator, SIX, **told)) == SIX
    [line] = warnings_of(caplog)
    assert "deleted" in line
    assert "charged" in line
    assert str(journal) in line


# ---- without tables ----


async def test_a_file_without_tables_keeps_its_request_ids(journal: Path) -> None:
    """Where only the number of commits tells the journal's id, it is taken from there."""
    simulator = Simulator(reuse_charges=True, faults=[Fault("html-502", on="query", times=1)])
    await run(simulator, SIX, journal=journal)
    for suffix in ("-wal", "-shm"):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
    journal.write_bytes(b"")
    assert names(await run(simulator, SIX, journal=journal)) == SIX
    assert once_each(simulator, SIX)
