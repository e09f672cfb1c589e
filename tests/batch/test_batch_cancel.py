"""Leaving a batch early, in every way and at every moment: nothing is lost and nothing is paid twice."""

import asyncio
import math
import tempfile
from pathlib import Path

import anyio
import pytest
from batch_kit import BAD_DAY, Mortal, links, names, outcomes_of, rows, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from io_kit import client, is_idle

from volcasr_async import AucV1, Done, Flash, Limits, SubmitUncertain
from volcasr_async.editions import Edition
from volcasr_async.outcomes import Outcome
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Simulator

pytestmark = pytest.mark.anyio

COUNT = 12
QUIET = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WAYS = st.sampled_from(["cancel", "raise", "break", "kill"])
CRASHES = st.lists(st.tuples(WAYS, st.floats(0.01, 12.0)), max_size=5)


class OnPurposeError(Exception):
    pass


async def interrupted(
    simulator: Simulator,
    path: Path,
    way: str,
    moment: float,
    edition: Edition | None,
    *,
    items: list[str] | None = None,
) -> list[Outcome]:
    """Run until the moment; gives what came."""
    until = anyio.current_time() + moment
    process = anyio.CancelScope(deadline=until if way in ("cancel", "kill") else math.inf)
    journal = Mortal(await SqliteJournal.open(path), until, process) if way == "kill" else path
    came = []
    async with client(simulator, edition=edition, limits=Limits(qps=4, concurrency=3)) as asr:
        try:
            with process:
                async with asr.batch(items or links(COUNT), journal=journal, window=7) as batch:
                    async for outcome in batch:
                        if way in ("raise", "break") and anyio.current_time() >= until:
                            if way == "raise":
                                raise OnPurposeError  # noqa: TRY301 - leaving by an exception is the point
                            break
                        came.append(outcome)
        except OnPurposeError:
            pass
        assert is_idle(asr)
    if isinstance(journal, Mortal):
        await journal.aclose()
    return came


@given(crashes=CRASHES, seed=st.integers(0, 1000))
@QUIET
async def test_every_recording_once(crashes: list[tuple[str, float]], seed: int) -> None:
    """Whatever crashes come, on a bad day, all is done at the end and each recording was charged once."""
    simulator = Simulator(seed=seed, faults=BAD_DAY, processing_time=3, processing_sigma=0.5)
    came = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        for way, moment in crashes:
            came += await interrupted(simulator, path, way, moment, None)
        for _ in range(10):
            came += await interrupted(simulator, path, "cancel", 1e6, None)
            if rows(path) == ["done"] * COUNT:
                break
        assert rows(path) == ["done"] * COUNT
        assert await run(simulator, links(COUNT), journal=path) == []
    done = names([outcome for outcome in came if isinstance(outcome, Done)])
    assert set(done) == set(links(COUNT))
    if all(way != "kill" for way, _ in crashes):
        assert len(done) == COUNT  # a killed process may have forgotten that its last outcome was taken care of
    assert set(simulator.charges_by_source.values()) == {1}
    assert not simulator.violations


@given(crashes=CRASHES, seed=st.integers(0, 1000), edition=st.sampled_from([AucV1("volc_auc_common"), Flash()]))
@QUIET
async def test_where_nobody_can_ask(crashes: list[tuple[str, float]], seed: int, edition: Edition | None) -> None:
    """v1 and flash never pay twice without permission: what is not known is reported."""
    simulator = Simulator(seed=seed, faults=BAD_DAY[:2], processing_time=3, flash_time=1.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        for way, moment in crashes:
            await interrupted(simulator, path, way, moment, edition)
        for _ in range(3):
            last = await interrupted(simulator, path, "cancel", 1e6, edition)
        states = rows(path)
    assert set(states) <= {"done", "uncertain", "sent"}
    assert len(states) == COUNT
    assert sum(isinstance(o.error, SubmitUncertain) for o in last if not isinstance(o, Done)) == COUNT - states.count(
        "done"
    )
    assert set(simulator.charges_by_source.values()) <= {1}


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.3, 1.0, 2.5, 4.0])
async def test_cancelled_from_outside(moment: float) -> None:
    """A cancellation leaves at once, holding nothing."""
    simulator = Simulator(reply_delay=0.2)
    async with client(simulator, limits=Limits(qps=10)) as asr:
        began = anyio.current_time()
        with anyio.move_on_after(moment) as scope:
            await outcomes_of(asr, links(100))
        assert scope.cancelled_caught
        assert anyio.current_time() - began < moment + 0.1
        assert is_idle(asr)


@pytest.mark.parametrize("moment", [0.05, 1.0, 2.5])
async def test_asyncio_ways_to_cancel(anyio_backend_name: str, moment: float, tmp_path: Path) -> None:
    """`Task.cancel`, `wait_for` and `timeout` end as they do with anything else."""
    if anyio_backend_name != "asyncio":
        pytest.skip("these are asyncio's")
    async with client(Simulator(), limits=Limits(qps=10)) as asr:
        task = asyncio.create_task(outcomes_of(asr, links(100), journal=tmp_path / "a.db"))
        await asyncio.sleep(moment)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(outcomes_of(asr, links(100), journal=tmp_path / "a.db"), moment)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(moment):
                await outcomes_of(asr, links(100), journal=tmp_path / "a.db")
        this = asyncio.current_task()
        assert this is not None
        assert this.cancelling() == 0
        assert is_idle(asr)
        assert len(names(await outcomes_of(asr, links(10), journal=tmp_path / "a.db"))) <= 10
    assert set(rows(tmp_path / "a.db")) <= {"planned", "sent", "accepted", "done"}


async def test_an_exception_in_the_body_comes_out_as_it_is() -> None:
    """The caller's own error is neither wrapped nor replaced."""
    async with client(Simulator(), limits=Limits(qps=10)) as asr:
        with pytest.raises(OnPurposeError):
            async with asr.batch(links(100)) as batch:
                async for _ in batch:
                    raise OnPurposeError
        assert is_idle(asr)


async def test_armed_jobs_are_planned_again(tmp_path: Path) -> None:
    """What was ready and not sent is written down as such."""
    path = tmp_path / "run.db"
    async with client(Simulator(), limits=Limits(qps=1.0, concurrency=2)) as asr:
        with anyio.move_on_after(2.5):
            await outcomes_of(asr, links(50), journal=path)
    states = rows(path)
    assert states.count("accepted") <= 3
    assert states.count("planned") >= 1
    assert "sent" not in states


@pytest.mark.parametrize(("edition", "doubtful"), [(AucV1("volc_auc_common"), 2), ("standard", 6)])
async def test_only_what_was_in_the_air_is_in_doubt_after_a_kill(
    tmp_path: Path, edition: Edition | None, doubtful: int
) -> None:
    """Where nobody can ask, "sent" is written just before the request; elsewhere for those that are next as well."""
    path, simulator = tmp_path / "run.db", Simulator(reply_delay=1.0)
    until = anyio.current_time() + 0.5
    process = anyio.CancelScope(deadline=until)
    journal = Mortal(await SqliteJournal.open(path), until, process)
    async with client(simulator, edition=edition, limits=Limits(qps=None, concurrency=2)) as asr:
        with process:
            await outcomes_of(asr, links(COUNT), journal=journal)
    await journal.aclose()
    assert rows(path) == ["sent"] * doubtful
