"""Bad days: whatever goes wrong on the way, each recording ends once and is charged once."""

import pytest
from batch_kit import BAD_DAY, errors, links, names, outcomes_of, run
from io_kit import EDITIONS, client, is_idle

from volcasr_async import Limits, SubmitUncertain
from volcasr_async.errors import JournalError
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "kind", ["lost-answer", "reset", "html-502", "html-502-after", "cut-body", "not-json", "no-status"]
)
async def test_single_faults(kind):
    """No fault of the way costs a recording or a second charge."""
    simulator = Simulator(faults=[Fault(kind, share=0.4)])
    async with client(simulator) as asr:
        outcomes = await outcomes_of(asr, links(20))
        assert is_idle(asr)
    assert len(names(outcomes)) == 20
    assert set(simulator.charges_by_source.values()) == {1}
    assert not simulator.violations


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda edition: edition.name)
async def test_a_bad_day(edition):
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

    def __init__(self, inner, calls):
        self._inner, self._left, self.id = inner, calls, inner.id
        self.note, self.delivered, self.aclose = inner.note, inner.delivered, inner.aclose

    def _count(self):
        self._left -= 1
        if self._left <= 0:
            raise JournalError("no more")

    async def look_up(self, keys):
        self._count()
        return await self._inner.look_up(keys)

    async def transcript(self, key):
        self._count()
        return await self._inner.transcript(key)

    async def settle(self):
        self._count()
        await self._inner.settle()


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 6, 9, 14])
async def test_a_journal_that_fails_anywhere(tmp_path, calls):
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
