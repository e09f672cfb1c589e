"""The log's lines and their fields; nothing secret and nothing of the text in them, nor in spans and metrics."""

import logging

import anyio
import pytest
from io_kit import PLAIN, URL, client
from otel_kit import SECRETS, Otel, links, outcomes_of

from volcasr_async import Limits, ReplyError, RetryPolicy, ServiceError, SubmitUncertain, Transcript, VolcASR
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio


async def _a_day(asr: VolcASR) -> Transcript:
    """All kinds of things with secrets in them."""
    transcript = await asr.transcribe(URL)
    await asr.transcribe("https://example.com/silence.mp3?x=S3CRET", edition="flash")
    for bad in ("https://example.com/download-failed.mp3?x=S3CRET", "https://example.com/task-failed.mp3?x=S3CRET"):
        with pytest.raises(ServiceError):
            await asr.transcribe(bad)
    await outcomes_of(asr, [f"{link}?x=S3CRET" for link in links(5)])
    with anyio.move_on_after(10):
        await asr.transcribe("https://example.com/never.mp3?x=S3CRET")
    return transcript


async def test_nothing_secret_and_nothing_of_the_text(otel: Otel, caplog: pytest.LogCaptureFixture) -> None:
    """No key, no link's query and no word of a transcript leaves in a span, a metric or a line of the log."""
    caplog.set_level(logging.DEBUG, "volcasr_async")
    async with client(Simulator(seed=1), observe=otel.observer()) as asr:
        transcript = await _a_day(asr)
    told = otel.everything() + caplog.text + str([vars(record) for record in caplog.records])
    assert len(otel.spans) > 20
    for secret in (
        *SECRETS,
        transcript.text[:6],
        *(word.text for u in transcript.utterances for word in u.words if len(word.text) > 3),
    ):
        assert secret not in told


@pytest.mark.parametrize("kind", ["not-json", "cut-body"])
async def test_a_broken_reply_is_not_quoted(otel: Otel, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    """The beginning of a reply may be a transcript: an error that quotes it is told by its class."""
    caplog.set_level(logging.DEBUG, "volcasr_async")
    async with client(Simulator(faults=[Fault(kind, on="flash")]), observe=otel.observer()) as asr:
        with pytest.raises(SubmitUncertain) as caught:
            await asr.transcribe(make_wav(3))
    told = otel.everything() + caplog.text
    assert otel.job().attributes["error.type"] == "SubmitUncertain"
    if kind == "not-json":
        assert isinstance(caught.value.__cause__, ReplyError)
        excerpt = caught.value.__cause__.excerpt
        assert '"text"' in excerpt
        assert excerpt[:40] not in told
        assert '"text"' not in told


async def test_the_log_has_the_ids_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    """Exchanges at DEBUG, jobs at INFO, each record with the same ids as a span has."""
    caplog.set_level(logging.DEBUG, "volcasr_async")
    async with client(Simulator()) as asr:
        transcript = await asr.transcribe(PLAIN)
    assert transcript.task is not None
    [job] = [record for record in caplog.records if record.name == "volcasr_async.jobs"]
    exchanges = [record for record in caplog.records if record.name == "volcasr_async.exchanges"]
    assert (job.levelno, {record.levelno for record in exchanges}) == (logging.INFO, {logging.DEBUG})
    assert vars(job)["volcasr_task_id"] == transcript.task.id
    assert vars(job)["volcasr_log_id"] == transcript.log_id
    assert (vars(job)["volcasr_outcome"], vars(job)["volcasr_attempts"]) == ("done", 1)
    assert [vars(record)["volcasr_phase"] for record in exchanges[:2]] == ["submit", "query"]
    assert {vars(record)["volcasr_request_id"] for record in exchanges} == {transcript.task.id}
    assert vars(exchanges[0])["volcasr_http_status"] == 200
    assert "answered HTTP 200" in exchanges[0].getMessage()


async def test_what_costs_money_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A submit without a usable answer is logged at WARNING; a request that is only tried again is not."""
    caplog.set_level(logging.INFO, "volcasr_async")
    faults = [Fault("lost-answer", on="submit", url="1.mp3", times=1), Fault("reset", on="query", times=1)]
    async with client(Simulator(faults=faults)) as asr:
        await outcomes_of(asr, links(2))
    [lost] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "no usable answer" in lost.getMessage()
    assert vars(lost)["volcasr_request_id"] in lost.getMessage()
    assert any(
        vars(record)["volcasr_error_type"] == "TransportError"
        for record in caplog.records
        if "again in" in record.msg % record.args
    )


async def test_a_fresh_task_is_a_warning(otel: Otel, caplog: pytest.LogCaptureFixture) -> None:
    """It may be charged again: both names are said, and the job stays one span whose exchanges have their own ids."""
    caplog.set_level(logging.INFO, "volcasr_async")
    simulator = Simulator(faults=[Fault("task-failed", times=1)])
    async with client(simulator, retry=RetryPolicy(new_tasks=1), observe=otel.observer()) as asr:
        transcript = await asr.transcribe(PLAIN)
    first, second = (charge.task_id for charge in simulator.charges)
    assert transcript.task is not None
    assert second == transcript.task.id
    [warned] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert first in warned.getMessage()
    assert vars(warned)["volcasr_request_id"] == second
    job = otel.job()
    assert (job.attributes["volcasr.task_id"], job.attributes["volcasr.attempts"]) == (second, 2)
    for span in otel.under(job):
        assert span.attributes["volcasr.task_id"] == span.attributes["volcasr.request_id"]


async def test_a_cut_of_the_rate_is_a_warning_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """The first cut is said aloud, the next ones only to who listens closer."""
    caplog.set_level(logging.INFO, "volcasr_async")
    async with client(Simulator(qps=5), limits=Limits(qps=20)) as asr:
        await outcomes_of(asr, links(40))
    cuts = [record for record in caplog.records if record.name == "volcasr_async.rate"]
    assert cuts[0].levelno == logging.WARNING
    assert vars(cuts[0])["volcasr_rate"] < 20
    assert vars(cuts[0])["volcasr_code"] == 45000292
    assert len(cuts) > 1
    assert sum(record.levelno == logging.WARNING for record in cuts) < len(cuts)


async def test_a_quiet_log_stays_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """At the level that a program has by default, a good day writes nothing."""
    caplog.set_level(logging.WARNING, "volcasr_async")
    async with client(Simulator()) as asr:
        await asr.transcribe(PLAIN)
        await outcomes_of(asr, links(3))
    assert not caplog.records
