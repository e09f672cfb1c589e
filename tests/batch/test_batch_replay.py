"""`replay=True`: results of earlier runs are returned again from the journal, without a request and without a charge."""

import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from batch_kit import change, links, names, rows, run
from io_kit import client

from volcasr_async import Done, Failed, Idle, InputError, Job, Options
from volcasr_async.errors import JournalError
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Simulator, make_wav

pytestmark = pytest.mark.anyio


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def test_everything_is_returned_and_nothing_is_sent(journal: Path) -> None:
    """The whole list comes again, in its order, with the same texts, tasks and lengths."""
    simulator = Simulator()
    first = await run(simulator, links(20), journal=journal)
    sent, charged = sum(simulator.requests.values()), len(simulator.charges)
    again = await run(simulator, links(20), journal=journal, replay=True)
    assert [outcome.job.name for outcome in again] == links(20)
    texts = {outcome.job.name: outcome.transcript for outcome in first}
    for outcome in again:
        kept = texts[outcome.job.name]
        assert (outcome.transcript.text, outcome.transcript.duration_ms) == (kept.text, kept.duration_ms)
        assert outcome.transcript.task.id == kept.task.id
        assert outcome.transcript.utterances == kept.utterances
        assert outcome.transcript.raw == kept.raw
    assert (sum(simulator.requests.values()), len(simulator.charges)) == (sent, charged)


@pytest.mark.parametrize("window", [1, 7, 1000])
async def test_stored_and_new_recordings_are_returned_together(journal: Path, window: int) -> None:
    """A longer list in another order: each recording once, only the new ones sent and charged, and the bar reaches its end."""
    simulator = Simulator()
    await run(simulator, links(30), journal=journal)
    charged = len(simulator.charges)
    wanted = links(50)
    random.Random(4).shuffle(wanted)
    bar = []
    async with client(simulator) as asr, asr.batch(wanted, journal=journal, replay=True, window=window) as batch:
        outcomes = []
        async for outcome in batch:
            outcomes.append(outcome)
            bar.append((batch.stats.ended, batch.stats.total))
        stats = batch.stats
    assert names(outcomes) == sorted(wanted)
    assert (stats.done, stats.replayed, stats.skipped, stats.failed) == (50, 30, 0, 0)
    assert (stats.ended, stats.total) == (50, 50)
    assert {total for _, total in bar} == {50}
    assert bar[-1] == (50, 50)
    assert len(simulator.charges) == charged + 20
    new = sum(charge.audio_ms for charge in simulator.charges[charged:])
    assert stats.audio_s == pytest.approx(new / 1000)  # what this run has recognised


async def test_a_repeated_line_is_returned_once(journal: Path) -> None:
    """Also where its first result was taken care of long before."""
    simulator = Simulator()
    await run(simulator, links(5), journal=journal)
    async with client(simulator) as asr, asr.batch(links(5) * 3, journal=journal, replay=True, window=2) as batch:
        found = Counter([outcome.job.name async for outcome in batch])
        stats = batch.stats
    assert found == Counter(links(5))
    assert (stats.replayed, stats.skipped, stats.ended, stats.total) == (5, 10, 15, 15)


async def test_an_input_without_a_length_has_a_total_at_its_end(journal: Path) -> None:
    """A generator: the total is known once it is exhausted."""
    simulator = Simulator()
    await run(simulator, links(5), journal=journal)
    async with client(simulator) as asr, asr.batch((link for link in links(8)), journal=journal, window=2) as batch:
        begin = batch.stats
        count = len([outcome async for outcome in batch])
        end = batch.stats
    assert begin.total is None
    assert (count, end.skipped, end.ended, end.total) == (3, 5, 8, 8)


async def test_a_replay_changes_nothing_in_the_journal(journal: Path) -> None:
    """The rows keep their time and their delivery, and a third run without replay still skips all."""
    simulator = Simulator()
    await run(simulator, links(6), journal=journal)
    what = "key, state, delivered, updated_at, (SELECT value FROM meta WHERE name = 'sequence')"  # counts commits
    before = rows(journal, what)
    await run(simulator, links(6), journal=journal, replay=True)
    assert rows(journal, what) == before
    assert await run(simulator, links(6), journal=journal) == []


async def test_a_recording_with_other_options_is_no_replay(journal: Path) -> None:
    """It fails as it does without replay: the stored text is not what was asked for."""
    simulator = Simulator()
    await run(simulator, links(2), journal=journal)
    jobs = [Job(links(1)[0], options=Options(enable_itn=False)), Job(links(2)[1], edition=Idle())]
    outcomes = await run(simulator, jobs, journal=journal, replay=True)
    assert [type(outcome) for outcome in outcomes] == [Failed, Failed]
    assert all(isinstance(outcome.error, InputError) for outcome in outcomes)
    assert len(simulator.charges) == 2


async def test_files_and_keys_are_replayed(journal: Path, tmp_path: Path) -> None:
    """Local recordings by path and by key, although the file is gone."""
    simulator = Simulator()
    talk = tmp_path / "talk.wav"
    talk.write_bytes(make_wav(1))
    jobs = [Job(talk), Job(make_wav(2), key="second")]
    texts = {o.job.name: o.transcript.text for o in await run(simulator, jobs, journal=journal)}
    talk.unlink()
    again = await run(simulator, jobs, journal=journal, replay=True)
    assert {o.job.name: o.transcript.text for o in again} == texts
    assert len(simulator.charges) == 2


async def test_recordings_that_failed_are_tried_as_without_replay(journal: Path) -> None:
    """Replay is about results: a recording without one is sent as in any run."""
    simulator = Simulator()
    bad = "https://example.com/bad-format.mp3"
    await run(simulator, [bad, *links(2)], journal=journal)
    submits = simulator.requests["submit"]
    outcomes = await run(simulator, [bad, *links(2)], journal=journal, replay=True)
    assert names(outcomes) == links(2)
    assert names(outcomes, Failed) == [bad]
    assert simulator.requests["submit"] == submits + 1


async def test_stored_results_can_be_read_without_a_batch(journal: Path) -> None:
    """`SqliteJournal.results` returns what is done, by key, page after page, whole."""
    simulator = Simulator()
    items = [*links(21), "https://example.com/bad-format.mp3", "https://example.com/silence.mp3"]
    kept = {o.job.name: o.transcript for o in await run(simulator, items, journal=journal) if isinstance(o, Done)}
    async with await SqliteJournal.open(str(journal), create=False) as stored:
        found = [(key, transcript) async for key, transcript in stored.results()]
    assert [key for key, _ in found] == sorted(kept)
    for key, transcript in found:
        assert (transcript.text, transcript.silent, transcript.raw) == (kept[key].text, kept[key].silent, kept[key].raw)
        assert transcript.task.id == kept[key].task.id  # type: ignore[union-attr]
    assert dict(found)["https://example.com/silence.mp3"].silent


async def test_results_of_an_empty_journal(journal: Path) -> None:
    """No recordings, no results."""
    async with await SqliteJournal.open(journal) as stored:
        assert [key async for key, _ in stored.results()] == []


async def test_a_journal_that_does_not_exist_is_not_created_for_reading(journal: Path) -> None:
    """A misspelled path is an error, and leaves no file behind."""
    with pytest.raises(JournalError, match="there is no journal"):
        await SqliteJournal.open(journal, create=False)
    assert not journal.exists()


async def test_a_damaged_result_is_a_journal_error(journal: Path) -> None:
    """It names the file."""
    await run(Simulator(), links(3), journal=journal)
    change(journal, "UPDATE transcript SET raw = '<html>' WHERE key = ?", links(2)[1])
    async with await SqliteJournal.open(journal) as stored:
        with pytest.raises(JournalError, match=r"run\.db"):
            assert [key async for key, _ in stored.results()]


async def test_a_transcript_that_the_journal_has_lost_is_not_fetched(journal: Path) -> None:
    """A replay sends nothing and changes nothing: the recording fails, and a plain run fetches its result."""
    simulator = Simulator()
    await run(simulator, links(2), journal=journal)
    with sqlite3.connect(journal) as connection:
        connection.execute("DELETE FROM transcript WHERE key = ?", (links(2)[0],))
    connection.close()
    before, sent = rows(journal), sum(simulator.requests.values())
    outcomes = await run(simulator, links(2), journal=journal, replay=True)
    assert {type(outcome) for outcome in outcomes} == {Done, Failed}
    assert sum(simulator.requests.values()) == sent
    assert rows(journal) == before
