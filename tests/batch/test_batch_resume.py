"""The same list and the same journal again: what was done stays done, and is paid for once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from batch_kit import change, errors, links, names, outcomes_of, rows, run
from io_kit import PAIR, client

from volcasr_async import (
    AucV1,
    AudioBytes,
    Done,
    Failed,
    Flash,
    Idle,
    InputError,
    Job,
    Limits,
    Options,
    RetryPolicy,
    Standard,
    SubmitUncertain,
)
from volcasr_async.editions import Edition
from volcasr_async.errors import JournalError, QuotaExceeded
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

V1 = AucV1("volc_auc_common")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def test_the_same_list_again_does_nothing(journal: Path) -> None:
    """A second run makes no request, a longer list only what is new, and a list read twice is done once."""
    simulator = Simulator()
    assert len(names(await run(simulator, links(20), journal=journal))) == 20
    sent = sum(simulator.requests.values())
    assert await run(simulator, links(20), journal=journal) == []
    assert sum(simulator.requests.values()) == sent
    assert names(await run(simulator, links(23) * 2, journal=journal)) == links(23)[20:]
    assert set(simulator.charges_by_source.values()) == {1}
    assert set(rows(journal)) == {"done"}


@pytest.mark.parametrize("window", [1, 3, 1000])
async def test_what_stands_in_the_list_twice(journal: Path, window: int) -> None:
    """With a journal a repeated line is one job, whether the first is under way or over."""
    simulator = Simulator()
    async with client(simulator) as asr, asr.batch(links(5) * 4, journal=journal, window=window) as batch:
        outcomes = [outcome async for outcome in batch]
        assert batch.stats.skipped == 15
    assert names(outcomes) == links(5)
    assert len(simulator.charges) == 5


@pytest.mark.parametrize(
    "other", [Job(links(1)[0], options=Options(enable_itn=False)), Job(links(1)[0], edition=Idle())]
)
async def test_changed_wishes_are_refused(journal: Path, other: Job) -> None:
    """What is done with other options or another edition is refused each time, until it is to be redone."""
    simulator = Simulator()
    await run(simulator, links(1), journal=journal)
    for _ in range(3):
        (error,) = errors(await run(simulator, [other], journal=journal))
        assert isinstance(error, InputError)
        assert "redo" in str(error)
    assert await run(simulator, links(1), journal=journal) == []
    assert len(simulator.charges) == 1
    assert len(names(await run(simulator, [other], journal=journal, redo=True))) == 1
    assert len({charge.request_id for charge in simulator.charges}) == 2
    assert await run(simulator, [other], journal=journal) == []


async def test_redo(journal: Path) -> None:
    """`redo` makes a new attempt under a new id."""
    simulator = Simulator()
    for _ in range(3):
        assert len(await run(simulator, links(2), journal=journal, redo=True)) == 2
    assert len({charge.request_id for charge in simulator.charges}) == 6


async def test_what_failed_is_tried_again(journal: Path) -> None:
    """A failed key gets another task under a new id."""
    simulator = Simulator(faults=[Fault("bad-format", times=1)])
    assert len(errors(await run(simulator, links(3), journal=journal))) == 3
    assert set(rows(journal, "state, error_class")) == {("failed", "BadAudioFormat")}
    assert len(names(await run(simulator, links(3), journal=journal))) == 3
    assert len({charge.request_id for charge in simulator.charges}) == 6
    assert not simulator.violations


async def test_an_outcome_not_taken_care_of_is_delivered_again(journal: Path) -> None:
    """A caller who crashed over an outcome gets it once more, and nothing is charged."""
    simulator = Simulator()
    with pytest.raises(ZeroDivisionError):
        async with client(simulator) as asr, asr.batch(links(3), journal=journal) as batch:
            async for first in batch:  # noqa: B007 - it is looked at below
                raise ZeroDivisionError
    outcomes = await run(simulator, links(3), journal=journal)
    assert names(outcomes) == links(3)
    again = next(outcome for outcome in outcomes if outcome.job.name == first.job.name)
    assert isinstance(first, Done)
    assert (again.transcript.text, again.transcript.raw) == (first.transcript.text, first.transcript.raw)
    assert len(simulator.charges) == 3
    assert await run(simulator, links(3), journal=journal) == []


@pytest.mark.parametrize("edition", [Standard(), Flash()])
async def test_a_lost_transcript(journal: Path, edition: Standard | Flash) -> None:
    """Where the file has lost a transcript, the service is asked again; what it cannot tell fails, not the batch."""
    simulator = Simulator()
    await run(simulator, links(2), client_with={"edition": edition}, journal=journal)
    change(journal, "UPDATE job SET delivered = 0")
    change(journal, "DELETE FROM transcript WHERE key = ?", links(1)[0])
    for expected in (links(2), []):
        outcomes = await run(simulator, links(2), client_with={"edition": edition}, journal=journal)
        if isinstance(edition, Standard):
            assert not errors(outcomes)
            assert names(outcomes) == expected
        else:
            assert "redo" in str(errors(outcomes)[0])
            assert rows(journal) == ["done", "done"]
    assert len(simulator.charges) == 2


@pytest.mark.parametrize(
    ("edition", "allowed"), [(V1, RetryPolicy(resubmit_v1=True)), (Flash(), RetryPolicy(resend_flash=True))]
)
async def test_what_is_uncertain_is_not_sent_again_unasked(
    journal: Path, edition: Edition, allowed: RetryPolicy
) -> None:
    """Where nobody can ask, a lost answer is reported each time, and sent again only where that is allowed."""
    simulator = Simulator(faults=[Fault("lost-answer", times=1, url="/0.mp3")])
    for number in range(3):
        outcomes = await run(simulator, links(2), client_with={"edition": edition}, journal=journal)
        (error,) = errors(outcomes)
        assert isinstance(error, SubmitUncertain)
        assert ("an earlier run sent" in str(error)) == bool(number)
        assert "RetryPolicy(" in str(error)
        assert error.job is not None
        assert error.job.name == links(1)[0]
        assert names(outcomes, Failed) == links(1)
    assert sorted(rows(journal)) == ["done", "uncertain"]
    assert len(simulator.charges) == 2
    outcomes = await run(simulator, links(2), client_with={"edition": edition, "retry": allowed}, journal=journal)
    assert names(outcomes) == links(1)


async def test_refused_v1_submits_are_not_uncertain(journal: Path) -> None:
    """What the service refused for its pace was not sent: the next run simply sends it."""
    faults = [Fault("rate-limited", times=1, on="submit", retry_after=500)]
    simulator = Simulator(faults=faults)
    async with client(simulator, edition=V1) as asr, asr.batch(links(3), journal=journal) as batch:
        with anyio.move_on_after(100):
            async for _ in batch:
                pass
    assert set(rows(journal)) == {"planned"}
    assert names(await run(simulator, links(3), client_with={"edition": V1}, journal=journal)) == links(3)
    assert set(simulator.charges_by_source.values()) == {1}


async def test_an_account_that_refuses_keeps_the_jobs(journal: Path) -> None:
    """After a spent quota the jobs are as they were, and the next run does them."""
    simulator = Simulator(faults=[Fault("quota-lifetime", on="submit", times=1)])
    with pytest.raises(QuotaExceeded):
        await run(simulator, links(30), client_with={"limits": Limits(qps=20, concurrency=2)}, journal=journal)
    assert set(rows(journal)) == {"planned"}
    outcomes = []
    for _ in range(40):
        try:
            outcomes += await run(simulator, links(30), client_with={"limits": Limits(qps=20)}, journal=journal)
        except QuotaExceeded:
            continue
        break
    assert set(rows(journal)) == {"done"}
    assert set(simulator.charges_by_source.values()) == {1}


async def test_fresh_tasks_after_a_bad_end_go_on_under_their_id(journal: Path) -> None:
    """A fresh task that was planned and not sent is sent by the next run under its own name, not the ended one's."""
    simulator = Simulator(processing_time=5, faults=[Fault("task-failed", times=1)])
    retry = RetryPolicy(new_tasks=1)
    for patience in (9, 11, 13, 15, 1000):
        async with client(simulator, retry=retry, limits=Limits(qps=1.0)) as asr:
            with anyio.move_on_after(patience):
                outcomes = await outcomes_of(asr, links(4), journal=journal)
    assert not errors(outcomes)
    assert set(rows(journal)) == {"done"}
    assert not simulator.violations
    assert set(simulator.charges_by_source.values()) == {2}


async def test_audio_inside_a_standard_submit_after_a_crash(journal: Path, tmp_path: Path) -> None:
    """A file that may have been sent is asked about, and looked at again before it is sent again."""
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav(1.0))
    simulator = Simulator(faults=[Fault("bad-format", times=1)])
    edition = Standard(inline_audio=True)
    await run(simulator, [path], client_with={"edition": edition}, journal=journal)
    change(
        journal,
        "UPDATE job SET state = 'sent', charged = 'maybe', task = NULL, attempt = 7, request_id = 'a0000000-0000-4000-8000-000000000000'",
    )
    outcomes = await run(simulator, [path], client_with={"edition": edition}, journal=journal)
    assert isinstance(outcomes[0], Done)
    assert simulator.uploads[-1].size == path.stat().st_size
    assert simulator.uploads[-1].request_id == "a0000000-0000-4000-8000-000000000000"
    assert not simulator.violations


async def test_recordings_without_a_name(journal: Path) -> None:
    """Bytes of the same size are not one recording: with a journal they need a name, or fail alone."""
    audio = make_wav(0.5)
    items = [audio, AudioBytes(audio), AudioBytes(audio, name="a"), Job(audio, key="b"), Job(audio, key="c")]
    outcomes = await run(Simulator(), items, journal=journal)
    assert len(names(outcomes)) == 3
    assert all("key" in str(error) for error in errors(outcomes))
    assert len(errors(outcomes)) == 2
    assert len(names(await run(Simulator(), [audio, audio]))) == 2


async def test_a_bad_item_of_the_same_key_leaves_what_is_done(journal: Path) -> None:
    """An unfit job under a key that is done fails, and the journal still says done."""
    simulator = Simulator()
    await run(simulator, [Job(links(1)[0], key="k")], journal=journal)
    (failed,) = await run(
        simulator,
        [Job("https://example.com/0.mp3", key="k", edition="flash", callback="https://e.com/")],
        journal=journal,
    )
    assert isinstance(failed, Failed)
    assert rows(journal) == ["done"]


async def test_no_secret_in_the_file(journal: Path) -> None:
    """Neither credentials nor the query of a signed link stand in the journal or beside it."""
    secret = "signed-link-secret"
    items: list[Any] = [f"{link}?X-Tos-Signature={secret}&part={secret}" for link in links(3)]
    items += [
        {"url": items[0]},
        items[0].replace("https", "ftp"),
        Job(items[1], key=items[1]),
        f"https://example.com/bad-format/1.mp3?sig={secret}",
    ]
    found = b""
    async with client(Simulator(faults=[Fault("reset", share=0.4)])) as asr, asr.batch(items, journal=journal) as batch:
        async for _ in batch:
            found = b"".join(path.read_bytes() for path in journal.parent.glob("run.db*"))
    found += b"".join(path.read_bytes() for path in journal.parent.glob("run.db*"))
    assert b"example.com" in found
    assert secret.encode() not in found
    assert PAIR.access_key.encode() not in found


async def test_a_second_process_is_refused(journal: Path) -> None:
    """While a batch holds the journal another process is told so, and may read it."""
    program = (
        "import sys, anyio; from pathlib import Path; from volcasr_async.journal_file import summary; from volcasr_async.sqlite_journal import SqliteJournal\n"
        "from volcasr_async.errors import JournalError\n"
        "print(summary(Path(sys.argv[1])))\n"
        "try: anyio.run(SqliteJournal.open, Path(sys.argv[1]))\n"
        "except JournalError as error: print('refused', error)"
    )
    async with client(Simulator()) as asr, asr.batch(links(2), journal=journal) as batch:
        async for _ in batch:
            done = subprocess.run(  # noqa: ASYNC221 - the batch waits meanwhile
                [sys.executable, "-c", program, str(journal)], capture_output=True, text=True, check=True
            )
            assert "refused" in done.stdout
            assert "in use" in done.stdout
            assert "done" in done.stdout
            with pytest.raises(JournalError, match="in use"):
                await outcomes_of(asr, links(2), journal=journal)


async def test_what_is_planned_keeps_its_id(journal: Path) -> None:
    """A job that was planned and not sent goes out under the id that the journal holds."""
    simulator, planned = Simulator(), "a0000000-0000-4000-8000-000000000000"
    await run(simulator, links(1), journal=journal)
    change(journal, "UPDATE job SET state = 'planned', charged = 'no', task = NULL, request_id = ?", planned)
    assert len(names(await run(simulator, links(1), journal=journal))) == 1
    assert simulator.charges[-1].request_id == planned
    assert not simulator.violations
