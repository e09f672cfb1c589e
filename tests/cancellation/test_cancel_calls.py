"""Every await of a single call, cancelled: in virtual time, at a simulator in this process."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from io_kit import PLAIN, is_idle
from step_kit import Moment, Watch, each_moment, stepped

from volcasr_async import AucV1, AudioFile, AudioStream, Limits, PollPolicy, Task, VolcASR
from volcasr_async.callbacks import CallbackReceiver
from volcasr_async.editions import Edition, EditionName
from volcasr_async.testing import Simulator, make_wav
from volcasr_async.testing.asgi import Message

pytestmark = pytest.mark.anyio

WAV = make_wav(0.1)
LARGE = make_wav(25)  # 800 kB: several pieces, more than one block of a file
SOON, RARE = PollPolicy(first=0.25), PollPolicy(first=1000)
V1 = AucV1("common")


def streamed() -> AudioStream:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(LARGE), 200_000):
            await anyio.lowlevel.checkpoint()
            yield LARGE[start : start + 200_000]

    return AudioStream(chunks=chunks(), size=len(LARGE), format="wav")


CALLS = {
    "standard": lambda asr, folder: asr.transcribe(PLAIN),
    "idle": lambda asr, folder: asr.transcribe(PLAIN, edition="idle"),
    "v1": lambda asr, folder: asr.transcribe(PLAIN, edition=V1),
    "bytes": lambda asr, folder: asr.transcribe(LARGE),
    "file": lambda asr, folder: asr.transcribe(AudioFile(path=folder / "large.wav")),
    "stream": lambda asr, folder: asr.transcribe(streamed()),
    "submit": lambda asr, folder: asr.submit(PLAIN),
    "submit v1": lambda asr, folder: asr.submit(PLAIN, edition=V1),
}


def told(caplog: pytest.LogCaptureFixture) -> tuple[Task | None, bool]:
    """The task that the log names as going on, if it names one; whether it warns of a charge at all."""
    said = [record.getMessage() for record in caplog.records if record.name == "volcasr_async.charges"]
    caplog.clear()
    assert len(said) <= 1
    named = [text.partition("task ")[2].partition(" may go on")[0] for text in said if "can be waited for" in text]
    return (Task.from_json(named[0]) if named else None), bool(said)


async def works(asr: VolcASR) -> None:
    """The client does what it always does, with all that it may hold."""
    assert (await asr.transcribe(PLAIN)).text
    assert (await asr.transcribe(WAV)).text
    assert is_idle(asr)


@pytest.mark.parametrize("name", CALLS)
async def test_every_await_of_a_call(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is held, what was charged is named, what never left is not, and the client works on."""
    (tmp_path / "large.wav").write_bytes(LARGE)

    async def once(moment: Moment) -> None:
        simulator = Simulator(processing_time=0.2)
        watch, limits = Watch(), Limits(qps=None, concurrency=1, upload_bytes=1)
        async with stepped(simulator, poll=SOON, limits=limits, observe=watch) as asr:
            await moment.strike(partial(CALLS[name], asr, tmp_path))
            assert is_idle(asr)
            assert watch.open == 0
            assert len(simulator.charges) <= 1
            (task, warned), requests = told(caplog), sum(simulator.requests.values())
            assert warned or not (moment.cancelled and simulator.charges), "what was charged is said"
            if moment.cancelled and simulator.charges and name in ("standard", "idle", "submit"):
                assert task is not None
                assert task.id == simulator.charges[0].task_id
            assert task is None or requests
            await works(asr)
        assert simulator.violations == []

    counts = await each_moment(once)
    assert min(counts.values()) >= 2


@pytest.mark.parametrize("edition", ["standard", V1], ids=["standard", "v1"])
@pytest.mark.parametrize("verb", ["query", "wait", "hinted"])
async def test_every_await_for_a_task(verb: str, edition: Edition | EditionName) -> None:
    """The task can be waited for afterwards, by a hint too: whoever is woken or cut off leaves no trace."""

    async def once(moment: Moment) -> None:
        simulator = Simulator(processing_time=0.2)
        async with stepped(simulator, poll=SOON) as asr, anyio.create_task_group() as tasks:
            task = await asr.submit(PLAIN, edition=edition)

            async def hint() -> None:
                await anyio.sleep(0.5)
                asr.hint(task)

            if verb == "hinted":
                tasks.start_soon(hint)
                await moment.strike(lambda: asr.wait(task, poll=RARE))
            else:
                await moment.strike(lambda: asr.query(task) if verb == "query" else asr.wait(task))
            assert is_idle(asr)
            assert (await asr.wait(task)).text
            await works(asr)
        assert simulator.violations == []

    counts = await each_moment(once)
    assert min(counts.values()) >= 2


@pytest.mark.parametrize("scarce", ["slots", "rate", "room"])
async def test_every_await_behind_a_full_budget(scarce: str) -> None:
    """Who queues and is cut off, also when its turn has just come, gives its place to those behind."""
    limits = {
        "slots": Limits(qps=None, concurrency=1),
        "rate": Limits(qps=2),
        "room": Limits(qps=None, upload_bytes=len(WAV)),
    }[scarce]

    async def once(moment: Moment) -> None:
        simulator = Simulator(flash_time=0.2)
        async with stepped(simulator, limits=limits) as asr:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(asr.transcribe, WAV)
                tasks.start_soon(asr.transcribe, WAV)
                await anyio.sleep(0.1)
                await moment.strike(lambda: asr.transcribe(WAV))
                tasks.start_soon(asr.transcribe, WAV)
            await works(asr)

    counts = await each_moment(once)
    assert min(counts.values()) >= 5


async def test_every_await_of_a_callback() -> None:
    """A callback that is cut off has woken whoever waits all the same."""

    async def once(moment: Moment) -> None:
        simulator, sent, seen = Simulator(processing_time=0.2), [], []

        async def send(message: Message) -> None:
            await anyio.lowlevel.checkpoint()
            sent.append(message)

        async def on_hint(request_id: str) -> None:
            await anyio.lowlevel.checkpoint()
            seen.append(request_id)

        async def receive() -> Message:
            await anyio.lowlevel.checkpoint()
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async with stepped(simulator) as asr:
            receiver = CallbackReceiver(asr, public_url="https://me.example/volcasr", on_hint=on_hint)
            task = await asr.submit(receiver.job(PLAIN))
            path = receiver.url_for(task.request_id).removeprefix("https://me.example")
            scope: Message = {"type": "http", "method": "POST", "path": path}
            await anyio.sleep(1)
            await moment.strike(lambda: receiver(scope, receive, send))
            began = anyio.current_time()
            assert (await asr.wait(task, poll=RARE)).text
            assert anyio.current_time() - began < 1
            await receiver(scope, receive, send)
            assert seen[-1] == task.request_id
            assert [message.get("status") for message in sent[-2:]] == [200, None]

    counts = await each_moment(once)
    assert min(counts.values()) == 4
