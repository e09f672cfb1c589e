"""Spans of a batch: one for each job, under the span that it was opened in, and not too many at once."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from io_kit import PLAIN, client
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from otel_kit import Otel, links, outcomes_of

from volcasr_async import ApiKey, AudioStream, AuthenticationFailed, Done, Failed, Limits
from volcasr_async.sources import SourceLike
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


async def test_a_batch_has_a_span_for_each_job(otel: Otel) -> None:
    """Done, failed and bad input: one span for each outcome, under the span that the batch was opened in."""
    items: list[SourceLike] = [*links(5), "https://example.com/bad-format.mp3", AudioStream(_chunks(), 4, name="a.m4a")]
    async with client(Simulator(processing_time=5), observe=otel.observer()) as asr:
        with otel.tracer.start_as_current_span("nightly"):
            outcomes = await outcomes_of(asr, items)
    assert Counter(type(outcome) for outcome in outcomes) == {Done: 5, Failed: 2}
    [nightly] = [span for span in otel.spans if span.name == "nightly"]
    jobs = otel.under(nightly)
    assert Counter(job.attributes["volcasr.outcome"] for job in jobs) == {"done": 5, "failed": 2}
    assert all(job.attributes["volcasr.batch"] for job in jobs)
    exchanges = {job.attributes.get("volcasr.request_id"): otel.under(job) for job in jobs}
    for outcome in outcomes:
        if isinstance(outcome, Done):
            assert outcome.transcript.task is not None
            found = exchanges[outcome.transcript.task.request_id]
            assert found[0].attributes["volcasr.phase"] == "submit"
            assert {span.attributes["volcasr.request_id"] for span in found} == {outcome.transcript.task.request_id}
    assert otel.total("volcasr.jobs", volcasr__outcome="done") == 5
    assert otel.total("volcasr.jobs", error__type="BadAudioFormat") == 1
    assert otel.total("volcasr.jobs.active") == 0


async def _chunks() -> AsyncIterator[bytes]:
    yield b"data"


async def test_a_bad_day_of_a_batch(otel: Otel) -> None:
    """Refused and lost requests are counted, and every one of them stands under its own job."""
    faults = [Fault("lost-answer", share=0.3, on="submit"), Fault("rate-limited", share=0.2)]
    async with client(Simulator(seed=4, faults=faults), observe=otel.observer(), limits=Limits(qps=20)) as asr:
        async with asr.batch(links(30)) as batch:
            assert len([outcome async for outcome in batch if isinstance(outcome, Done)]) == 30
            stats = batch.stats
        assert otel.total("volcasr.rejections") == stats.rejected == asr.stats.rejected > 0
    assert otel.total("volcasr.requests") == stats.requests
    assert otel.total("volcasr.rejections", error__type="RateLimited", volcasr__code=45000292) == stats.rejected
    assert otel.total("volcasr.requests", error__type="TransportError") > 0
    jobs = otel.jobs()
    assert sum(len(otel.under(job)) for job in jobs) == stats.requests
    assert sum(job.attributes["volcasr.attempts"] + job.attributes["volcasr.queries"] for job in jobs) == stats.requests
    assert all(job.status.status_code is StatusCode.UNSET for job in jobs)


async def test_a_resumed_job_begins_a_new_span_with_its_task(otel: Otel, tmp_path: Path) -> None:
    """What a first run left is "left" there; the second run's span has the same task and no submit of its own."""
    simulator, path = Simulator(processing_time=60), tmp_path / "run.db"
    async with client(simulator, observe=otel.observer()) as asr:
        async with asr.batch(links(3), journal=path):
            await anyio.sleep(20)
        left = {job.attributes["volcasr.task_id"] for job in otel.jobs()}
        assert [job.attributes["volcasr.outcome"] for job in otel.jobs()] == ["left"] * 3
        await outcomes_of(asr, links(3), journal=path)
        again = otel.jobs()[3:]
        assert {job.attributes["volcasr.task_id"] for job in again} == left
        assert [(job.attributes["volcasr.outcome"], job.attributes["volcasr.attempts"]) for job in again] == [
            ("done", 0)
        ] * 3
        await outcomes_of(asr, links(3), journal=path)
    assert len(otel.jobs()) == 6
    assert otel.total("volcasr.jobs.active") == 0


async def test_a_batch_that_no_job_survives(otel: Otel) -> None:
    """Refused credentials end the batch; its jobs were left and no span stays open."""
    async with client(Simulator(api_keys=["right"]), credentials=ApiKey("wrong"), observe=otel.observer()) as asr:
        with pytest.raises(AuthenticationFailed):
            await outcomes_of(asr, links(5))
    assert {job.attributes["volcasr.outcome"] for job in otel.jobs()} == {"left"}
    assert otel.total("volcasr.jobs.active") == 0
    exchange = otel.under(otel.jobs()[0])[0]
    assert exchange.attributes["error.type"] == "AuthenticationFailed"
    assert exchange.status.description is None


async def test_the_open_spans_of_a_batch_are_bounded(otel: Otel) -> None:
    """Past the bound a job's span is made at its end: it has its true beginning and its facts, and no children."""
    opened = OpenSpans()
    otel.tracers.add_span_processor(opened)
    async with client(Simulator(processing_time=30), observe=otel.observer(open_spans=2)) as asr:
        outcomes = await outcomes_of(asr, links(10))
    assert len(outcomes) == len(otel.jobs()) == 10
    assert opened.most == 2
    bare = [job for job in otel.jobs() if not otel.under(job)]
    assert len(bare) == 8
    asked = min(span.start_time for span in otel.spans if span.name.endswith("/query"))
    for job in bare:
        assert job.attributes["volcasr.outcome"] == "done"
        assert job.attributes["volcasr.queries"] >= 1
        assert job.start_time < asked < job.end_time
    assert otel.total("volcasr.jobs", volcasr__outcome="done") == 10


class OpenSpans(SpanProcessor):
    """Counts how many job spans are open while a request is made."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.now += span.name.startswith("volcasr ")
        if span.kind is SpanKind.CLIENT:
            self.most = max(self.most, self.now)

    def on_end(self, span: ReadableSpan) -> None:
        self.now -= span.name.startswith("volcasr ")


async def test_what_is_not_sampled_is_not_made() -> None:
    """The program's sampler decides; the metrics are complete all the same."""
    otel = Otel(sampler=ALWAYS_OFF)
    async with client(Simulator(), observe=otel.observer()) as asr:
        await asr.transcribe(PLAIN)
        await outcomes_of(asr, links(3))
    assert not otel.spans
    assert otel.total("volcasr.jobs") == 4
