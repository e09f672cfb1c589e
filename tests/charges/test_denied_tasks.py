"""Tasks that queries denied after a lost answer: later runs and calls remember that their request id was sent."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from charges_kit import charged_of, links, rows, run
from io_kit import PLAIN, client

from volcasr_async import AudioStream, Flash, InputError, Job, Standard, TransportError
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio
INLINE = Standard(inline_audio=True)
LOST = Fault("lost-and-forgotten", on="submit")
WAV = make_wav(2)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def test_a_run_that_cannot_read_the_file_keeps_the_denied_task(journal: Path, tmp_path: Path) -> None:
    """Otherwise the run after it would take a refusal of the repeated id for proof that nothing is charged."""
    recording = tmp_path / "talk.wav"
    recording.write_bytes(WAV)
    simulator = Simulator(faults=[LOST])
    await run(simulator, [recording], journal=journal, client_with={"edition": INLINE})
    [(charged, task)] = rows(journal, "charged, task")
    assert charged == "no"
    assert task is not None
    hidden = recording.rename(tmp_path / "elsewhere.wav")
    await run(simulator, [recording], journal=journal, client_with={"edition": INLINE})
    assert rows(journal, "state, charged, task") == [("failed", "no", task)]  # the same task, of the same age
    hidden.rename(recording)
    refused = Simulator(faults=[Fault("generic-error", on="submit", times=1)])
    outcomes = await run(refused, [recording], journal=journal, client_with={"edition": INLINE})
    assert [type(outcome).__name__ for outcome in outcomes] == ["Failed"]
    assert charged_of(outcomes) == {"maybe"}
    assert rows(journal) == ["uncertain"]


async def test_a_second_call_queries_before_it_submits() -> None:
    """The first was lost each time it was sent, and denied each time; the id may be known all the same."""
    simulator, job = Simulator(faults=[LOST]), Job(PLAIN)
    async with client(simulator, edition="standard") as asr:
        with pytest.raises(TransportError):
            await asr.transcribe(job)
        submits, queries = simulator.requests["submit"], simulator.requests["query"]
        with anyio.move_on_after(10):
            await asr.transcribe(job)
    assert simulator.requests["submit"] == submits
    assert simulator.requests["query"] > queries


async def test_a_redo_that_is_refused_leaves_the_task_of_the_result(journal: Path) -> None:
    """It is part of the transcript that `results` and a replay return."""
    simulator = Simulator()
    await run(simulator, links(1), journal=journal)
    [task] = rows(journal, "task")
    refusing = Simulator(faults=[Fault("generic-error", on="submit")])
    await run(refusing, links(1), journal=journal, redo=True)
    assert rows(journal, "state, task") == [("done", task)]
    async with await SqliteJournal.open(journal, create=False) as opened:
        [transcript] = [transcript async for _, transcript in opened.results()]
    assert transcript.task is not None


# ---- the same job, whose source is a stream ----


def stream(first_after_s: float = 0.0) -> AudioStream:
    async def chunks() -> AsyncIterator[bytes]:
        await anyio.sleep(first_after_s)
        yield WAV

    return AudioStream(chunks(), size=len(WAV))


@pytest.mark.parametrize("first_after_s", [0.0, 5.0])
async def test_two_calls_at_once_with_the_job_of_a_stream(first_after_s: float) -> None:
    """One reads and sends it; the other waits, and returns the same transcript."""
    simulator, texts = Simulator(processing_time=3), []
    job = Job(stream(first_after_s), edition=INLINE)
    async with client(simulator) as asr, anyio.create_task_group() as tasks:

        async def call() -> None:
            texts.append((await asr.transcribe(job)).text)

        tasks.start_soon(call)
        tasks.start_soon(call)
    assert len(set(texts)) == 1
    assert len(texts) == 2
    assert len(simulator.charges) == 1


async def test_flash_says_that_a_stream_was_read() -> None:
    """There is no task to follow: the second call is refused by what happened, and the first keeps its stream."""
    simulator, ended = Simulator(flash_time=3), []
    job = Job(stream(5.0), edition=Flash())
    async with client(simulator) as asr, anyio.create_task_group() as tasks:

        async def call() -> None:
            try:
                ended.append((await asr.transcribe(job)).text)
            except InputError as error:
                ended.append(str(error))

        tasks.start_soon(call)
        tasks.start_soon(call)
    assert sorted("was read before, a stream can be sent once" in text for text in ended) == [False, True]
    assert len(simulator.charges) == 1
