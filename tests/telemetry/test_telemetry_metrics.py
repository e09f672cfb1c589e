"""What is counted, measured and read."""

import gc
from typing import Any

import anyio
import pytest
from io_kit import PLAIN, client
from msgspec.structs import replace
from otel_kit import Otel, links, outcomes_of

from volcasr_async import Limits
from volcasr_async.telemetry import OpenTelemetry
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio


async def test_what_is_measured(otel: Otel) -> None:
    """Jobs, requests, seconds of audio and times to the result, by edition."""
    simulator = Simulator(processing_time=20)
    async with client(simulator, observe=otel.observer()) as asr:
        transcript = await asr.transcribe(PLAIN)
        flash = await asr.transcribe(make_wav(3))
        requests = asr.stats.started
    assert transcript.duration_ms is not None
    assert flash.duration_ms is not None
    assert otel.total("volcasr.requests") == requests
    assert otel.total("volcasr.requests", volcasr__phase="submit", volcasr__code=20000000) == 1
    assert otel.total("volcasr.requests", volcasr__phase="flash", http__response__status_code=200) == 1
    assert otel.total("volcasr.audio", volcasr__edition="standard") == transcript.duration_ms / 1000
    assert otel.total("volcasr.audio", volcasr__edition="flash") == flash.duration_ms / 1000 == 3
    times = {found["volcasr.edition"]: point for found, point in otel.points("volcasr.time_to_result")}
    assert times["standard"].count == times["flash"].count == 1
    assert 20 <= times["standard"].sum < 40
    assert 300 in times["standard"].explicit_bounds


async def test_the_time_to_the_result_counts_from_the_submit(otel: Otel) -> None:
    """Whoever waits later measures what the user waited, not what the second call took."""
    async with client(Simulator(processing_time=1), observe=otel.observer()) as asr:
        task = await asr.submit(PLAIN)
        await anyio.sleep(10)
        await asr.wait(replace(task, submitted_at=task.submitted_at - 100))
    [(_, point)] = otel.points("volcasr.time_to_result")
    assert 100 <= point.sum < 112


async def test_gauges(otel: Otel) -> None:
    """Who waits, what is in the air and the present rate are read when the exporter asks, while the client is open."""
    limits = Limits(qps=4, concurrency=1)
    async with client(Simulator(faults=[Fault("stall")]), observe=otel.observer(), limits=limits) as asr:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(asr.transcribe, PLAIN)
            await anyio.sleep(5)
            here = {"server.address": "127.0.0.1"}
            assert otel.points("volcasr.waiting") == [(here, 2)]
            assert otel.points("volcasr.in_air") == [(here, 1)]
            assert otel.points("volcasr.rate") == [(here, 4)]
            assert otel.total("volcasr.jobs.active") == 3
            tasks.cancel_scope.cancel()
        assert otel.points("volcasr.waiting") == [(here, 0)]
    assert otel.points("volcasr.waiting") == []


async def test_the_gauges_of_several_clients(otel: Otel) -> None:
    """Two clients of one process are read together, each with an observer of its own."""
    async with (
        client(Simulator(), observe=otel.observer(), limits=Limits(qps=5)),
        client(Simulator(), observe=otel.observer(), limits=Limits(qps=7)),
    ):
        assert otel.points("volcasr.rate") == [({"server.address": "127.0.0.1"}, 12)]


async def test_a_client_that_nobody_closes(otel: Otel) -> None:
    """It is read no longer once it is gone."""
    asr = client(Simulator(), observe=otel.observer(), limits=Limits(qps=5))
    assert otel.total("volcasr.rate") == 5
    del asr
    gc.collect()
    assert otel.points("volcasr.rate") == []


@pytest.mark.parametrize("kind", ["traces", "metrics"])
async def test_one_without_the_other(otel: Otel, kind: str) -> None:
    """A program may want only one of them."""
    only: dict[str, Any] = {"tracer_provider": otel.tracers} if kind == "traces" else {"meter_provider": otel.meters}
    async with client(Simulator(), observe=OpenTelemetry(**only)) as asr:
        await asr.transcribe(PLAIN)
        await outcomes_of(asr, links(2))
    assert (len(otel.jobs()), otel.total("volcasr.jobs")) == ((3, 0) if kind == "traces" else (0, 3))
