"""Spans of single calls: what they say, where they stand, and how they end."""

import anyio
import httpx
import pytest
from io_kit import BASE, PAIR, PLAIN, URL, by_name, client, is_idle
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from otel_kit import Otel

from volcasr_async import AucV1, AudioDownloadFailed, Flash, InputError, Pending, VolcASR, WaitTimeout
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio


async def test_a_transcription_is_a_span_with_a_child_for_each_exchange(otel: Otel) -> None:
    """The job's span covers all of its exchanges and says how it ended; each exchange is a client span under it."""
    simulator = Simulator(processing_time=10)
    async with client(simulator, observe=otel.observer()) as asr:
        transcript = await asr.transcribe(URL)
    job = otel.job()
    children = otel.under(job)
    assert job.name == "volcasr transcribe"
    assert job.status.status_code is StatusCode.UNSET
    assert transcript.task is not None
    assert transcript.duration_ms is not None
    said = job.attributes
    assert said["volcasr.outcome"] == "done"
    assert said["volcasr.edition"] == "standard"
    assert said["volcasr.resource_id"] == "volc.bigasr.auc"
    assert said["volcasr.task_id"] == said["volcasr.request_id"] == transcript.task.id
    assert said["volcasr.log_id"] == transcript.log_id
    assert said["volcasr.code"] == 20000000
    assert said["volcasr.attempts"] == 1
    assert said["volcasr.queries"] == len(children) - 1
    assert said["volcasr.audio_s"] == transcript.duration_ms / 1000
    assert said["volcasr.bytes_sent"] == sum(child.attributes["http.request.body.size"] for child in children)
    assert [child.attributes["volcasr.phase"] for child in children] == ["submit"] + ["query"] * (len(children) - 1)
    assert job.start_time <= children[0].start_time
    assert children[-1].end_time <= job.end_time


async def test_an_exchange_follows_the_conventions(otel: Otel) -> None:
    """Method, address, URL and status stand under the names that HTTP spans have everywhere."""
    async with client(Simulator(), observe=otel.observer()) as asr:
        await asr.transcribe(URL)
    submit = otel.under(otel.job())[0]
    assert submit.name == "POST /api/v3/auc/bigmodel/submit"
    assert submit.kind is SpanKind.CLIENT
    expected = {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": 9,
        "url.full": BASE + "/api/v3/auc/bigmodel/submit",
        "http.response.status_code": 200,
        "volcasr.code": 20000000,
    }
    assert expected.items() <= dict(submit.attributes).items()


@by_name
async def test_each_edition(otel: Otel, edition: Edition) -> None:
    """Every edition tells the same things; v1's cluster stands where the others have a resource id."""
    async with client(Simulator(), observe=otel.observer()) as asr:
        await asr.transcribe(PLAIN, edition=edition)
    said = otel.job().attributes
    assert said["volcasr.edition"] == edition.name
    assert said["volcasr.resource_id"] == (edition.cluster if isinstance(edition, AucV1) else edition.resource_id)
    assert said["volcasr.code"] == (1000 if isinstance(edition, AucV1) else 20000000)
    assert ("volcasr.task_id" in said) == (not isinstance(edition, Flash))
    assert ("volcasr.audio_s" in said) == (not isinstance(edition, AucV1))


async def test_an_upload_says_how_much_was_sent(otel: Otel) -> None:
    """The bytes of a flash call are the request's body, audio in base64 and all."""
    async with client(Simulator(), observe=otel.observer()) as asr:
        await asr.transcribe(make_wav(2))
    [flash] = otel.under(otel.job())
    assert flash.attributes["volcasr.phase"] == "flash"
    assert otel.job().attributes["volcasr.bytes_sent"] > 4 / 3 * len(make_wav(2))


async def test_the_steps_are_spans_of_their_own(otel: Otel) -> None:
    """`submit`, `query` and `wait` are found together by their task."""
    async with client(Simulator(processing_time=20), observe=otel.observer()) as asr:
        task = await asr.submit(PLAIN)
        assert isinstance(await asr.query(task), Pending)
        await asr.wait(task)
    found = {span.name: span.attributes for span in otel.jobs()}
    assert [found[f"volcasr {verb}"]["volcasr.outcome"] for verb in ("submit", "query", "wait")] == [
        "accepted",
        "pending",
        "done",
    ]
    assert {said["volcasr.task_id"] for said in found.values()} == {task.id}
    assert found["volcasr wait"]["volcasr.attempts"] == 0


async def test_under_the_callers_span(otel: Otel) -> None:
    """Spans nest under whatever is current, also when two calls run at once, and leave it current afterwards."""

    async def serve(name: str) -> None:
        with otel.tracer.start_as_current_span(name) as mine:
            await asr.transcribe(PLAIN)
            assert trace.get_current_span() is mine

    async with client(Simulator(), observe=otel.observer()) as asr, anyio.create_task_group() as tasks:
        tasks.start_soon(serve, "one")
        tasks.start_soon(serve, "two")
    for name in ("one", "two"):
        [request] = [span for span in otel.spans if span.name == name]
        [job] = otel.under(request)
        assert job.name == "volcasr transcribe"
        assert otel.under(job)


async def test_the_exchange_is_current_while_it_is_made(otel: Otel) -> None:
    """What an HTTP library's own instrumentation traces stands below our exchange."""
    async with VolcASR(
        PAIR, base_url=BASE, http=Traced(Simulator().transport(), otel.tracer), observe=otel.observer()
    ) as asr:
        await asr.transcribe(PLAIN, edition="flash")
    [exchange] = otel.under(otel.job())
    assert [span.name for span in otel.under(exchange)] == ["the way"]


class Traced(httpx.AsyncBaseTransport):
    """A transport with an instrumentation of its own."""

    def __init__(self, inner: httpx.AsyncBaseTransport, tracer: trace.Tracer) -> None:
        self.inner, self.tracer = inner, tracer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with self.tracer.start_as_current_span("the way"):
            return await self.inner.handle_async_request(request)


# ---- what goes wrong ----


async def test_a_refused_recording_is_an_error(otel: Otel) -> None:
    """Job and exchange name the error's class, the service's code and its message."""
    async with client(Simulator(), observe=otel.observer()) as asr:
        with pytest.raises(AudioDownloadFailed):
            await asr.transcribe("https://example.com/download-failed.mp3?signature=signed-link-secret")
    job = otel.job()
    last = otel.under(job)[-1]
    for span in (job, last):
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description
        assert span.attributes["error.type"] == "AudioDownloadFailed"
        assert span.attributes["volcasr.code"] == 45000006
    assert job.attributes["volcasr.outcome"] == "failed"
    assert otel.total("volcasr.jobs", volcasr__outcome="failed", error__type="AudioDownloadFailed") == 1


async def test_what_was_tried_again(otel: Otel) -> None:
    """Each try is a span with its own error; the job that got through is none."""
    simulator = Simulator(faults=[Fault("reset", on="submit", times=2)])
    async with client(simulator, observe=otel.observer()) as asr:
        await asr.transcribe(PLAIN)
    job = otel.job()
    tries = otel.under(job)
    assert job.status.status_code is StatusCode.UNSET
    assert "error.type" not in job.attributes
    failed = [span for span in tries if span.status.status_code is StatusCode.ERROR]
    assert {span.attributes["error.type"] for span in failed} >= {"TransportError"}
    assert job.attributes["volcasr.attempts"] == 3
    submits = [span for span in tries if span.attributes["volcasr.phase"] == "submit"]
    assert [span.attributes.get("http.request.resend_count", 0) for span in submits] == list(range(len(submits)))


async def test_bad_input_is_a_job_without_exchanges(otel: Otel) -> None:
    """What is refused before anything is sent counts as failed, by its class alone."""
    async with client(Simulator(), observe=otel.observer()) as asr:
        with pytest.raises(InputError):
            await asr.transcribe(make_wav(1), edition="idle")
    assert not otel.under(otel.job())
    assert otel.job().status.description is None
    assert otel.total("volcasr.jobs", error__type="InputError") == 1


async def test_the_deadline_and_the_caller(otel: Otel) -> None:
    """A deadline is an error with a task; who is cancelled made no mistake."""
    async with client(Simulator(faults=[Fault("never")]), observe=otel.observer()) as asr:
        with pytest.raises(WaitTimeout):
            await asr.transcribe(PLAIN, timeout=30)
        with anyio.move_on_after(30):
            await asr.transcribe(PLAIN)
    late, cancelled = otel.jobs()
    assert late.attributes["error.type"] == "WaitTimeout"
    assert late.status.status_code is StatusCode.ERROR
    assert cancelled.attributes["volcasr.outcome"] == "cancelled"
    assert cancelled.status.status_code is StatusCode.UNSET
    assert cancelled.attributes["volcasr.task_id"]


async def test_an_exchange_that_was_cut_off(otel: Otel) -> None:
    """Its span ends too, with no status and the word for it."""
    async with client(Simulator(faults=[Fault("stall")]), observe=otel.observer()) as asr:
        with anyio.move_on_after(5):
            await asr.transcribe(PLAIN)
        assert is_idle(asr)
    [exchange] = otel.under(otel.job())
    assert exchange.attributes["error.type"] == "cancelled"
    assert "http.response.status_code" not in exchange.attributes
    assert exchange.status.status_code is StatusCode.UNSET
    assert otel.total("volcasr.jobs.active") == 0
