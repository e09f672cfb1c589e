"""Virtual time for the tests of users: hours pass at once, and files and journals are read and written as usual."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import pytest
import trio

from volcasr_async import ApiKey, VolcASR
from volcasr_async.testing import Fault, Simulator, VirtualTimeLoop, make_wav, virtual_time

T = TypeVar("T")
BACKENDS = ["asyncio", "trio"]
WORK_S = 0.05  # of a thread, in real time


def run(backend: str, main: Callable[[], Awaitable[T]], **more: Any) -> T:
    name, options = virtual_time(backend, **more)
    return anyio.run(main, backend=name, backend_options=options)


async def timed_out(work: Callable[[], Awaitable[Any]], seconds: float = 3600) -> bool:
    """Tell whether an hour passed before the work of a twentieth of a second was done."""
    before = anyio.current_time()
    with anyio.move_on_after(seconds):  # a thread is not stopped by it, but the clock jumps to it
        await work()
    return anyio.current_time() - before >= seconds


@pytest.mark.parametrize("backend", BACKENDS)
def test_hours_pass_at_once(backend: str) -> None:
    """On the clock of the event loop only."""

    async def main() -> float:
        before = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(anyio.sleep, 7200)
        return anyio.current_time() - before

    before = time.monotonic()
    assert run(backend, main) == pytest.approx(7200, abs=60)
    assert time.monotonic() - before < 60


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_time_passes_while_a_thread_works(backend: str) -> None:
    """A deadline of an hour holds beside a thread, also beside the second one, and jumps again afterwards."""

    async def main() -> list[bool]:
        work = lambda: anyio.to_thread.run_sync(time.sleep, WORK_S)  # noqa: E731 - short

        async def twice() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work)
                tasks.start_soon(lambda: anyio.to_thread.run_sync(time.sleep, 2 * WORK_S))

        return [await timed_out(work), await timed_out(twice), await timed_out(anyio.sleep_forever)]

    assert run(backend, main) == [False, False, True]


def test_threads_of_the_event_loops_themselves_count_too() -> None:
    """`asyncio.to_thread` and `run_in_executor`, whether they end well or not; `trio.to_thread`."""

    def fail() -> None:
        time.sleep(WORK_S)
        raise ZeroDivisionError

    async def failing() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.get_running_loop().run_in_executor(None, fail)

    async def in_asyncio() -> list[bool]:
        work = lambda: asyncio.to_thread(time.sleep, WORK_S)  # noqa: E731 - short
        return [await timed_out(work), await timed_out(failing), await timed_out(anyio.sleep_forever)]

    async def in_trio() -> list[bool]:
        return [await timed_out(lambda: trio.to_thread.run_sync(time.sleep, WORK_S))]

    assert run("asyncio", in_asyncio) == [False, False, True]
    assert run("trio", in_trio) == [False]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_threshold_waits_for_threads_that_are_not_seen(backend: str) -> None:
    """A limiter of one's own hides a thread; real seconds without an event make up for it."""

    async def main() -> bool:
        limiter = anyio.CapacityLimiter(1)
        return await timed_out(lambda: anyio.to_thread.run_sync(time.sleep, WORK_S, limiter=limiter))

    assert run(backend, main) is True
    assert run(backend, main, threshold=20 * WORK_S) is False


def test_it_runs_without_anyio() -> None:
    """By asyncio's own runner."""

    async def main() -> float:
        before = asyncio.get_running_loop().time()
        await asyncio.wait_for(asyncio.to_thread(time.sleep, WORK_S), 3600)
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time() - before

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(main()) == pytest.approx(3600, abs=60)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="no backend 'curio'; use 'asyncio' or 'trio'"):
        virtual_time("curio")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_is_transcribed(backend: str, tmp_path: Path) -> None:
    """An upload that is read from a file, and an answer after a minute."""
    path = tmp_path / "talk.wav"
    path.write_bytes(make_wav(60))
    simulator = Simulator(flash_time=60)

    async def main() -> tuple[str, float]:
        before = anyio.current_time()
        async with VolcASR(ApiKey("any"), http=simulator.transport()) as asr:
            text = (await asr.transcribe(path, edition="flash")).text
        return text, anyio.current_time() - before

    text, passed = run(backend, main)
    assert text
    assert 60 <= passed < 90
    assert [upload.size for upload in simulator.uploads] == [path.stat().st_size]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_writes_its_journal(backend: str, tmp_path: Path) -> None:
    """Tasks of an hour, a lost answer and a refusal for the rate; the second run finds everything done."""
    simulator = Simulator(processing_time=3600, qps=20, faults=[Fault("lost-answer", on="submit", times=1)])
    urls = [f"https://example.com/{number}.mp3" for number in range(3)]

    async def main() -> tuple[int, float]:
        before = anyio.current_time()
        async with (
            VolcASR(ApiKey("any"), http=simulator.transport()) as asr,
            asr.batch(urls, journal=tmp_path / "run.db") as batch,
        ):
            done = [outcome.job.name async for outcome in batch]
        return len(done), anyio.current_time() - before

    done, passed = run(backend, main)
    assert done == 3
    assert 3600 <= passed < 3 * 3600
    assert run(backend, main)[0] == 0
    assert set(simulator.charges_by_source.values()) == {1}


@pytest.mark.anyio
class TestAsAFixture:
    """As a user writes it."""

    @pytest.fixture(params=BACKENDS)
    def anyio_backend(self, request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
        return virtual_time(request.param)

    async def test_the_fixture_gives_virtual_time(self, volcasr_simulator: Simulator, tmp_path: Path) -> None:
        volcasr_simulator.processing_time = 3600
        before = anyio.current_time()
        async with VolcASR(ApiKey("any"), http=volcasr_simulator.transport()) as asr:
            assert (await asr.transcribe("https://example.com/talk.mp3")).text
        assert anyio.current_time() - before >= 3600


def test_importing_it_loads_no_trio() -> None:
    """It is for users without trio, too."""
    import subprocess

    script = "import sys, volcasr_async.testing as t; t.virtual_time(); print('trio' in sys.modules)"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": root}
    )
    assert done.stdout.strip() == "False"
