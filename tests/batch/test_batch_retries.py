"""What a batch sends again: under its own id, no sooner than it should, and looked at no more often than is needed."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from batch_kit import errors, links, names, outcomes_of, rows, run
from io_kit import client, is_idle

from volcasr_async import AucV1, AudioStream, Done, Failed, Flash, Limits, PollPolicy, RetryPolicy, Standard
from volcasr_async.errors import ServerError, SubmitUncertain
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

SLOW = RetryPolicy(first=40.0, longest=40.0)
INLINE = Standard(inline_audio=True)


@pytest.fixture
def one_clock(anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("trio's clock may jump while a thread works, and these count seconds")


@pytest.mark.usefixtures("one_clock")
@pytest.mark.parametrize("kind", ["link", "file"])
async def test_a_refused_submit_keeps_its_pause(tmp_path: Path, kind: str) -> None:
    """It is sent again after the pause that the policy says, and the others do not wait for it."""
    path = tmp_path / "0.wav"
    path.write_bytes(make_wav(1.0))
    item = links(1)[0] if kind == "link" else path
    simulator = Simulator(
        faults=[Fault("server-error", on="submit", times=1, url="/0.mp3" if kind == "link" else "sha")]
    )
    ended = {}
    async with client(simulator, edition=INLINE, retry=SLOW) as asr:
        began = anyio.current_time()
        async with asr.batch([item, *links(4)[1:]], journal=tmp_path / "run.db") as batch:
            async for outcome in batch:
                assert isinstance(outcome, Done)
                ended[outcome.job.name] = anyio.current_time() - began
        assert is_idle(asr)
    late = ended.pop(str(item))
    assert max(ended.values()) < 10
    assert 20 <= late < 50
    assert set(simulator.charges_by_source.values()) == {1}
    assert len({charge.request_id for charge in simulator.charges}) == 4


async def test_a_stream_is_not_sent_twice() -> None:
    """Audio that passes through is spent when its submit fails: the job fails with the service's error, others go on."""

    async def chunks() -> AsyncIterator[bytes]:
        yield make_wav(1.0)

    stream = AudioStream(chunks(), len(make_wav(1.0)), name="live", format="wav")
    simulator = Simulator(faults=[Fault("server-error", on="submit", times=1, url="sha256")])
    outcomes = await run(simulator, [stream, *links(2)], client_with={"edition": INLINE})
    assert names(outcomes) == links(2)
    (error,) = errors(outcomes)
    assert isinstance(error, ServerError)
    assert len(simulator.uploads) == 0


async def test_a_fresh_task_has_its_own_row(tmp_path: Path) -> None:
    """What follows a task that ended badly stands in the journal under the name that the service was told."""
    path, simulator = tmp_path / "run.db", Simulator(faults=[Fault("task-failed", times=1)])
    async with client(simulator, retry=RetryPolicy(new_tasks=1), limits=Limits(qps=None)) as asr:
        assert len(names(await outcomes_of(asr, links(2), journal=path))) == 2
    assert len(simulator.charges) == 4
    assert sorted(rows(path, "request_id")) == sorted(charge.request_id for charge in simulator.charges[2:])


async def test_a_fresh_task_goes_out_in_the_room_that_is_held(tmp_path: Path) -> None:
    """Audio whose answer was lost keeps its room; what follows the task that ended badly does not wait for another."""
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav(1.0))
    faults = [Fault("lost-answer", on="submit", times=1), Fault("task-failed", times=1)]
    simulator = Simulator(processing_time=0.05, faults=faults)
    limits = Limits(qps=None, upload_bytes=1)
    async with client(simulator, edition=INLINE, retry=RetryPolicy(new_tasks=1), limits=limits) as asr:
        with anyio.fail_after(3000):
            assert names(await outcomes_of(asr, [path])) == [str(path)]
        assert is_idle(asr)
    assert len(simulator.charges) == 2


async def test_a_retry_does_not_wait_for_what_is_due_later() -> None:
    """While everybody sleeps until the next question, a submit that is to be repeated sooner is."""
    simulator = Simulator(faults=[Fault("server-error", on="submit", times=1, url="/1.mp3")], reply_delay=1.0)
    async with client(simulator, poll=PollPolicy(first=500.0)) as asr, asr.batch(links(2)) as batch:
        await anyio.sleep(30)
        assert batch.stats.waiting == 2
        assert len([outcome async for outcome in batch]) == 2


async def test_patience_begins_with_the_first_submit() -> None:
    """A job that stood in the queue for an hour, behind a pause that the service asked for, has all its time still."""
    faults = [
        Fault("rate-limited", on="flash", times=1, url="/0.mp3", retry_after=3600.0),
        Fault("refuse-busy", on="flash", times=1, url="/1.mp3"),
    ]
    async with client(Simulator(faults=faults), edition="flash", limits=Limits(qps=1.0, concurrency=1)) as asr:
        began = anyio.current_time()
        outcomes = await outcomes_of(asr, links(2))
        assert anyio.current_time() - began > 3600
    assert links(2)[1] in names(outcomes)


async def test_a_fresh_task_is_written_down_before_it_is_sent(tmp_path: Path) -> None:
    """While its submit is in the air, its row says "sent" under its own name."""
    path = tmp_path / "run.db"
    simulator = Simulator(reply_delay=2.0, faults=[Fault("task-failed", times=1)])
    seen = set()
    async with client(simulator, retry=RetryPolicy(new_tasks=1)) as asr, asr.batch(links(1), journal=path) as batch:

        async def look() -> None:
            while not batch.stats.done:
                seen.update(rows(path, "state, request_id"))
                await anyio.sleep(0.5)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            assert len([outcome async for outcome in batch]) == 1
    assert len(simulator.charges) == 2
    assert {("sent", charge.request_id) for charge in simulator.charges} <= seen


async def test_a_pause_of_submits_that_begins_while_one_waits_for_its_turn() -> None:
    """Its turn is given back, nothing is sent during the pause, and the slot is free again."""
    simulator = Simulator(window_audio_hours=0.03, reply_delay=0.8)  # of half an hour: as much as one of these is long
    async with client(simulator, limits=Limits(qps=1.0, concurrency=2)) as asr, asr.batch(links(3)) as batch:
        await anyio.sleep(100)
        assert simulator.answers["45000131"] == 1
        assert simulator.requests["submit"] == 2
        assert asr.stats.in_air == 0
        assert len([outcome async for outcome in batch]) == 3
        assert is_idle(asr)


EDITIONS: dict[str, Flash | AucV1] = {"flash": Flash(), "v1": AucV1("volc_auc_common")}
NOBODY_CAN_ASK = pytest.mark.parametrize("edition", EDITIONS)


def unasked(edition: str, path: Path) -> tuple[Simulator, list[Path] | list[str]]:
    """A service that takes recordings and loses every answer, and one recording."""
    path.write_bytes(make_wav(1.0))
    phase = "flash" if edition == "flash" else "submit"
    return Simulator(faults=[Fault("lost-answer", on=phase)]), [path] if edition == "flash" else links(1)


@NOBODY_CAN_ASK
async def test_what_may_be_charged_stays_uncertain_when_it_was_allowed_once(tmp_path: Path, edition: str) -> None:
    """All tries are lost: another run without the permission does not send it again."""
    simulator, items = unasked(edition, tmp_path / "a.wav")
    retry = RetryPolicy(attempts=2, resend_flash=True, resubmit_v1=True)
    more = {"edition": EDITIONS[edition]}
    [failed] = await run(simulator, items, journal=tmp_path / "run.db", client_with={"retry": retry, **more})
    assert isinstance(failed, Failed)
    assert rows(tmp_path / "run.db") == ["uncertain"]
    sent = len(simulator.charges)
    assert sent == 2
    [failed] = await run(simulator, items, journal=tmp_path / "run.db", client_with=more)
    assert isinstance(failed.error, SubmitUncertain)
    assert len(simulator.charges) == sent


@NOBODY_CAN_ASK
async def test_what_may_be_charged_is_not_planned_when_a_batch_stops(tmp_path: Path, edition: str) -> None:
    """It stops between two tries: the lost one is not forgotten."""
    simulator, items = unasked(edition, tmp_path / "a.wav")
    retry = RetryPolicy(first=1000.0, longest=1000.0, resend_flash=True, resubmit_v1=True)
    async with (
        client(simulator, edition=EDITIONS[edition], retry=retry) as asr,
        asr.batch(items, journal=tmp_path / "run.db") as batch,
        anyio.create_task_group() as tasks,
    ):

        async def stop() -> None:
            await anyio.sleep(60)
            batch.stop()

        tasks.start_soon(stop)
        assert [outcome async for outcome in batch] == []
    assert len(simulator.charges) == 1
    assert rows(tmp_path / "run.db") == ["sent"]
