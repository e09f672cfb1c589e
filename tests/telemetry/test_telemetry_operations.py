"""What operators watch: waits for permits, durations of requests, recordings that are charged and lost, in Prometheus too."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from io_kit import PLAIN, client
from otel_kit import Otel, links, outcomes_of

from volcasr_async import Limits, PollPolicy
from volcasr_async.telemetry import AbandonedRecord, ExchangeRecord, JobRecord, Observer, OpenTelemetry
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio
SLOW = Limits(qps=1, concurrency=5)


class Kept(Observer):
    def __init__(self) -> None:
        self.exchanges: list[ExchangeRecord] = []
        self.jobs: list[JobRecord] = []
        self.abandoned: list[AbandonedRecord] = []

    def exchange_ended(self, exchange: ExchangeRecord) -> None:
        self.exchanges.append(exchange)

    def job_ended(self, job: JobRecord) -> None:
        self.jobs.append(job)

    def recording_abandoned(self, recording: AbandonedRecord) -> None:
        self.abandoned.append(recording)


async def test_calls_state_how_long_they_waited_for_a_permit() -> None:
    """Three calls at one request a second: the second waits a second, the third two."""
    kept = Kept()
    async with client(Simulator(), observe=kept, limits=SLOW) as asr, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(asr.transcribe, make_wav(1))
    waits = sorted(exchange.waited_s for exchange in kept.exchanges)
    assert waits == pytest.approx([0, 1, 2], abs=0.2)
    assert sorted(job.waited_s for job in kept.jobs) == waits  # one request each
    assert all(exchange.seconds < 1 for exchange in kept.exchanges)  # the wait is not part of the duration


async def test_the_wait_of_an_upload_includes_the_wait_for_capacity() -> None:
    """Audio that waits until other audio has left has waited for its permit as well."""
    kept = Kept()
    simulator = Simulator(faults=[Fault("stall", on="flash", seconds=20, times=1)])
    limits = Limits(upload_bytes=1, concurrency=5)
    async with client(simulator, observe=kept, limits=limits) as asr, anyio.create_task_group() as tasks:
        for seconds in (1, 2):
            tasks.start_soon(asr.transcribe, make_wav(seconds))
    first, second = sorted(exchange.waited_s for exchange in kept.exchanges)
    assert (first, second) == pytest.approx((0, 20), abs=0.5)


async def test_requests_of_a_batch_state_how_long_they_were_due(otel: Otel) -> None:
    """Ten recordings at one request a second: the last submit was due for seconds, by phase and marked as a batch."""
    simulator = Simulator(processing_time=2)
    async with client(simulator, observe=otel.observer(), limits=SLOW) as asr:
        await outcomes_of(asr, links(10))
    waits = {point["volcasr.phase"]: (point, value) for point, value in otel.points("volcasr.permit_wait")}
    assert waits.keys() == {"submit", "query"}
    for about, value in waits.values():
        assert about["volcasr.batch"] is True
        assert about["volcasr.edition"] == "standard"
        assert value.count >= 10
    assert waits["submit"][1].max > 5
    assert waits["submit"][1].sum < 10 * 40


async def test_the_duration_of_requests_is_measured(otel: Otel) -> None:
    """From the permit to the answer, by phase and error; a slow answer is in it."""
    simulator = Simulator(faults=[Fault("stall", on="submit", seconds=20, times=1)])
    async with client(simulator, observe=otel.observer()) as asr:
        await asr.transcribe(PLAIN)
    points = otel.points("volcasr.request_duration")
    slow = [value for about, value in points if about["volcasr.phase"] == "submit" and "error.type" not in about]
    assert sum(value.max >= 20 for value in slow) == 1
    assert {about["volcasr.phase"] for about, _ in points} == {"submit", "query"}
    assert 0.05 in slow[0].explicit_bounds


async def test_a_cancelled_call_whose_recording_is_charged_is_counted(otel: Otel) -> None:
    """A task goes on and can be waited for; flash has none, so its result is lost. What was not sent does not count."""
    simulator = Simulator(processing_time=1000, faults=[Fault("stall", on="flash", seconds=1000)])
    async with client(simulator, observe=otel.observer()) as asr:
        with anyio.move_on_after(30):
            await asr.transcribe(PLAIN)
        with anyio.move_on_after(30):
            await asr.transcribe(make_wav(1))
    async with client(simulator, observe=otel.observer(), limits=SLOW) as asr:
        await asr.submit(PLAIN)
        with anyio.move_on_after(0.5):  # it waits for its permit
            await asr.transcribe(PLAIN)
    assert otel.total("volcasr.abandoned", volcasr__has_task=True, volcasr__charged="yes") == 1
    assert otel.total("volcasr.abandoned", volcasr__has_task=False, volcasr__edition="flash") == 1
    assert otel.total("volcasr.abandoned") == 2


async def test_an_observer_is_told_what_was_abandoned() -> None:
    """With the ids that lead back to the recording, and without its link."""
    kept = Kept()
    async with client(Simulator(processing_time=1000), observe=kept) as asr:
        task = await asr.submit(PLAIN)
        with anyio.move_on_after(5):
            await asr.wait(task)
    [lost] = kept.abandoned
    assert (lost.task_id, lost.request_id, lost.edition, lost.charged) == (task.id, task.request_id, "standard", "yes")
    assert lost.client.host
    assert PLAIN not in repr(lost)


@pytest.mark.parametrize("recorded", [False, True])
async def test_a_batch_that_is_left_counts_the_tasks_that_nobody_knows(
    otel: Otel, tmp_path: Path, recorded: bool
) -> None:
    """With a journal nothing is abandoned: its next run waits for the tasks."""
    more: dict[str, Any] = {"journal": tmp_path / "run.db"} if recorded else {}
    simulator = Simulator(processing_time=1000)
    async with (
        client(simulator, observe=otel.observer(), poll=PollPolicy(first=100)) as asr,
        asr.batch(links(4), **more) as batch,
    ):
        with anyio.move_on_after(30):
            async for _ in batch:
                pytest.fail("no task is finished by then")
    assert otel.total("volcasr.abandoned") == (0 if recorded else 4)


async def test_failed_jobs_are_counted_by_their_charge_state(otel: Otel) -> None:
    """A recording that is refused before it was accepted is free; a task that ended badly is not."""
    bad = ["https://example.com/bad-format.mp3", "https://example.com/a.mp3"]
    async with client(Simulator(), observe=otel.observer()) as asr:
        await outcomes_of(asr, bad)
        for flaw in (b"", "no link"):
            with pytest.raises(ValueError):
                await asr.transcribe(flaw)
    assert otel.total("volcasr.jobs", volcasr__outcome="failed", volcasr__charged="yes") == 1
    assert otel.total("volcasr.jobs", volcasr__outcome="failed", volcasr__charged="no") == 2
    assert otel.total("volcasr.jobs", volcasr__outcome="done", volcasr__charged="yes") == 1


# ---- Prometheus ----


@pytest.fixture
def exposed() -> Iterator[Any]:
    """Give a meter provider that Prometheus reads, and the text that it reads."""
    prometheus = pytest.importorskip("prometheus_client")
    exporter = pytest.importorskip("opentelemetry.exporter.prometheus")
    from opentelemetry.sdk.metrics import MeterProvider

    reader = exporter.PrometheusMetricReader()
    provider = MeterProvider([reader])
    yield provider, lambda: prometheus.generate_latest().decode()
    provider.shutdown()


async def test_the_metrics_have_the_documented_names_in_prometheus(exposed: Any) -> None:
    """Each metric of the page, as the exporter writes it, with values that a query can use."""
    provider, read = exposed
    observer = OpenTelemetry(meter_provider=provider)
    simulator = Simulator(processing_time=1000, faults=[Fault("refuse-busy", on="submit", times=1)])
    async with client(simulator, observe=observer, limits=SLOW) as asr:
        await asr.transcribe(make_wav(3))
        with anyio.move_on_after(30):
            await asr.transcribe(PLAIN)
        text = read()
    page = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text("utf-8")
    names = set(re.findall(r"`(volcasr_\w+)`", page.partition("### Prometheus")[2].partition("\n## ")[0]))
    assert len(names) >= 10
    assert [name for name in sorted(names) if f"\n{name}{{" not in text] == []
    samples = dict(re.findall(r"^(\w+\{[^}]*\}) (\S+)$", text, re.MULTILINE))
    done = [v for k, v in samples.items() if k.startswith("volcasr_jobs_total") and 'volcasr_outcome="done"' in k]
    assert done == ["1.0"]
    waits = [k for k in samples if k.startswith("volcasr_permit_wait_seconds_bucket") and 'le="0.05"' in k]
    assert waits
