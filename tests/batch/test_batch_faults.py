"""Bad days: whatever goes wrong on the way, each recording ends once and is charged once."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import pytest
from batch_kit import BAD_DAY, change, errors, links, names, outcomes_of, rows, run
from io_kit import EDITIONS, client, is_idle

from volcasr_async import ApiKey, AucV1, Job, Limits, SubmitUncertain
from volcasr_async.editions import Edition
from volcasr_async.errors import ConfigurationError, JournalError
from volcasr_async.journal import Entry
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "kind", ["lost-answer", "reset", "html-502", "html-502-after", "cut-body", "not-json", "no-status"]
)
async def test_single_faults(kind: str) -> None:
    """No fault of the way costs a recording or a second charge."""
    simulator = Simulator(faults=[Fault(kind, share=0.4)])
    async with client(simulator) as asr:
        outcomes = await outcomes_of(asr, links(20))
        assert is_idle(asr)
    assert len(names(outcomes)) == 20
    assert set(simulator.charges_by_source.values()) == {1}
    assert not simulator.violations


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda edition: edition.name)
async def test_a_bad_day(edition: Edition) -> None:
    """All faults at once: v3 does everything, v1 and flash report what they cannot know; nothing is paid twice."""
    simulator = Simulator(seed=3, faults=BAD_DAY)
    outcomes = await run(simulator, links(30), client_with={"edition": edition, "limits": Limits(qps=20)})
    assert len(outcomes) == 30
    assert set(simulator.charges_by_source.values()) == {1}
    if edition.name in ("standard", "idle"):
        assert not errors(outcomes)
    else:
        assert all(isinstance(error, SubmitUncertain) for error in errors(outcomes))


class Failing:
    """A journal that fails at its n-th call."""

    def __init__(self, inner: SqliteJournal, calls: int) -> None:
        self._inner, self._left, self.id = inner, calls, inner.id
        self.note, self.delivered, self.aclose = inner.note, inner.delivered, inner.aclose
        self.bind, self.note_own_task_ids = inner.bind, inner.note_own_task_ids

    def _count(self) -> None:
        self._left -= 1
        if self._left <= 0:
            raise JournalError("no more")

    async def look_up(self, keys: Sequence[str]) -> dict[str, Entry]:
        self._count()
        return await self._inner.look_up(keys)

    async def transcript(self, key: str) -> tuple[bytes, str | None, bool] | None:
        self._count()
        return await self._inner.transcript(key)

    async def settle(self) -> None:
        self._count()
        await self._inner.settle()


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 6, 9, 14])
async def test_a_journal_that_fails_anywhere(tmp_path: Path, calls: int) -> None:
    """Wherever the journal fails, its error ends the iteration, nothing is held, and the next run pays for nothing twice."""
    path, simulator = tmp_path / "run.db", Simulator()
    journal = await SqliteJournal.open(path)
    async with client(simulator, limits=Limits(qps=None, concurrency=3)) as asr:
        with pytest.raises(JournalError, match="no more"):
            await outcomes_of(asr, links(8), journal=Failing(journal, calls), window=4)
        assert is_idle(asr)
    await journal.aclose()
    outcomes = await run(simulator, links(8), journal=path)
    assert not errors(outcomes)
    assert set(simulator.charges_by_source.values()) == {1}


async def test_a_journal_that_cannot_bring_what_it_has(tmp_path: Path) -> None:
    """An outcome that cannot be read ends the batch, for the others could not be either; it is none of the job's own."""
    path, simulator = tmp_path / "run.db", Simulator()
    await run(simulator, links(3), journal=path)
    change(path, "UPDATE job SET delivered = 0")
    journal = await SqliteJournal.open(path)
    failing = Failing(journal, 3)  # settle, look_up, transcript
    came = []
    async with client(simulator) as asr:
        with pytest.raises(JournalError, match="no more"):
            async with asr.batch(links(3), journal=failing, window=3) as batch:
                async for outcome in batch:
                    came.append(outcome)
        assert is_idle(asr)
    assert came == []
    await journal.aclose()
    assert rows(path, "state, delivered") == [("done", 0)] * 3


async def test_the_first_error_is_the_one_that_is_told() -> None:
    """What ended the batch is not hidden by what went wrong with the requests that were in the air then."""

    async def items() -> AsyncIterator[str]:
        for link in links(3):
            yield link
        await anyio.sleep(1)
        raise LookupError("the list broke")

    simulator = Simulator(faults=[Fault("quota-lifetime", on="submit")], reply_delay=5.0)
    async with client(simulator) as asr:
        with pytest.raises(LookupError, match="the list broke"):
            await outcomes_of(asr, items())
        assert is_idle(asr)
    assert simulator.requests["submit"] == 3


class Worn(Failing):
    """A journal of somebody's own, which fails once, with an error of its own."""

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise RuntimeError("worn out")


@pytest.mark.parametrize(("edition", "calls"), [("standard", 3), ("standard", 4), (AucV1("volc_auc_common"), 4)])
async def test_a_journal_that_fails_in_its_own_way(tmp_path: Path, edition: str | AucV1, calls: int) -> None:
    """It ends the iteration as it is, and what cannot be written down is not sent."""
    journal = await SqliteJournal.open(tmp_path / "run.db")
    simulator = Simulator()
    async with client(simulator, edition=edition, limits=Limits(qps=None, concurrency=1)) as asr:
        with pytest.raises(RuntimeError, match="worn out"):
            await outcomes_of(asr, links(1), journal=Worn(journal, calls))
        assert is_idle(asr)
    await journal.aclose()
    assert len(simulator.charges) == (1 if (edition, calls) == ("standard", 4) else 0)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("whose", ["client", "job"])
async def test_credentials_that_cannot_be_used(tmp_path: Path, recorded: bool, whose: str) -> None:
    """Credentials that do not fit the edition end the batch with what is missing, and nothing is sent to it."""
    simulator, v1 = Simulator(), AucV1("volc_auc_common")
    edition, items = (v1, links(3)) if whose == "client" else (None, [Job(links(1)[0], edition=v1)])
    async with client(simulator, credentials=ApiKey("0123456789abcdef"), edition=edition) as asr:
        with pytest.raises(ConfigurationError, match="AppKey"):
            await outcomes_of(asr, items, journal=tmp_path / "run.db" if recorded else None)
        assert is_idle(asr)
    assert not simulator.requests
