"""Row 10 of the attack on 0.1.0: a batch that is killed while no connection can be opened has sent nothing."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from charges_kit import (
    FLASH,
    IDLE,
    STANDARD,
    V1,
    Down,
    Mortal,
    client_over,
    links,
    names,
    once_each,
    outcomes_of,
    rows,
    run,
)

from volcasr_async.editions import Edition
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Simulator

pytestmark = pytest.mark.anyio

EDITIONS = pytest.mark.parametrize("edition", [STANDARD, IDLE, V1, FLASH], ids=lambda edition: edition.name)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@EDITIONS
@pytest.mark.parametrize("reached", [False, True])
async def test_a_batch_that_is_left_while_connections_are_refused(
    journal: Path, edition: Edition, reached: bool
) -> None:
    """Nothing has left, so nothing is uncertain: the next run submits everything, with the same ids where nothing was sent."""
    simulator = Simulator(flash_time=0.6)
    began = anyio.current_time()
    down = Down(simulator, lambda: not reached or anyio.current_time() - began >= 1.0)
    async with client_over(down, edition=edition) as asr:
        with anyio.move_on_after(8):
            await outcomes_of(asr, links(20), journal=journal, window=5)
    assert down.refused
    assert "uncertain" not in rows(journal)
    again = await run(simulator, links(20), client_with={"edition": edition}, journal=journal)
    assert not [one for one in again if one.job.name not in names(again)]
    assert once_each(simulator, links(20))


@EDITIONS
@pytest.mark.parametrize("dies_at", [0.2, 1.0, 3.0, 7.0])
async def test_a_process_that_is_killed_while_connections_are_refused(
    journal: Path, edition: Edition, dies_at: float
) -> None:
    """Whatever its journal had settled when it was killed."""
    simulator = Simulator()
    began = anyio.current_time()
    with anyio.CancelScope() as process:
        inner = await SqliteJournal.open(journal)
        mortal: Any = Mortal(inner, began + dies_at, process)
        down = Down(simulator, lambda: anyio.current_time() - began < 60.0)
        async with client_over(down, edition=edition) as asr:
            with anyio.move_on_after(dies_at):
                await outcomes_of(asr, links(20), journal=mortal)
            process.cancel()
    with anyio.CancelScope(shield=True):
        await inner.aclose()
    await anyio.sleep(60)
    assert not {"uncertain", "accepted"} & set(rows(journal))
    assert sorted(names(await run(simulator, links(20), client_with={"edition": edition}, journal=journal))) == sorted(
        links(20)
    )
    assert once_each(simulator, links(20))
