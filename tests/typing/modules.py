"""Never run: the types of the modules beside the front door."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, assert_type

import httpx
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.routing import Mount

from volcasr_async import Job, PollPolicy, Task, Transcript, VolcASR
from volcasr_async.callbacks import CallbackReceiver
from volcasr_async.probe import Probe, Verdict, probe, verdicts
from volcasr_async.subtitles import (
    FORMATS,
    Cue,
    Format,
    Layout,
    render,
    to_ass,
    to_csv,
    to_cues,
    to_jsonl,
    to_lrc,
    to_markdown,
    to_other,
    to_pysubs2,
    to_speakers,
    to_srt,
    to_text,
    to_vtt,
)
from volcasr_async.telemetry import ClientRecord, ExchangeRecord, JobRecord, Observer, OpenTelemetry
from volcasr_async.testing import Charge, Delivery, Fault, Simulator, Upload, Violation, make_wav


def subtitles(transcript: Transcript) -> None:
    layout = Layout(columns=40, lines=1, shortest_s=0.5, labels=True)
    for text in (
        to_srt(transcript),
        to_vtt(transcript, layout, language="zh"),
        to_lrc(transcript, layout),
        to_ass(transcript, language="en"),
        to_other(transcript, "ttml", layout, fps=30),
        to_text(transcript),
        to_speakers(transcript, language="en"),
        to_markdown(transcript, title="Minutes"),
        to_csv(transcript, words=True, formulas=True),
        to_jsonl(transcript, words=True),
        render(transcript, "srt", layout=layout),
    ):
        assert_type(text, str)
    cues = to_cues(transcript, layout)
    assert_type(cues, tuple[Cue, ...])
    assert_type(cues[0].lines, tuple[str, ...])
    assert_type(FORMATS, Mapping[str, Format])
    assert_type(FORMATS["ass"].extra, str | None)
    to_pysubs2(transcript).save("a.ass")
    to_srt(transcript, language="fr")  # type: ignore[arg-type]
    to_text(transcript, layout)  # type: ignore[call-arg]
    to_srt("text")  # type: ignore[arg-type]


def looks() -> None:
    found = probe("talk.wav")
    assert_type(found, Probe)
    assert_type(found.duration_s, float | None)
    assert_type(verdicts(found), dict[str, Verdict])
    assert_type(verdicts(found)["flash"].reasons, tuple[str, ...])
    probe(Path("talk.wav"))
    probe(b"...")
    probe(5)  # type: ignore[arg-type]
    verdicts("talk.wav")  # type: ignore[arg-type]


async def woken(request_id: str) -> None:
    assert_type(request_id, str)


async def callbacks(asr: VolcASR, task: Task) -> None:
    receiver = CallbackReceiver(asr, public_url="https://e.com/v", secret="s" * 16, poll=PollPolicy(), on_hint=woken)
    Starlette(routes=[Mount("/v", receiver)])
    assert_type(receiver.url_for(task.request_id), str)
    assert_type(receiver.job("https://e.com/a.mp3"), Job)
    assert_type(await receiver.transcribe("https://e.com/a.mp3", edition="idle", timeout=5), Transcript)
    assert_type(await receiver.submit(Job("https://e.com/a.mp3")), Task)
    assert_type(await receiver.wait(task, timeout=5), Transcript)
    CallbackReceiver(asr, "https://e.com/v")  # type: ignore[call-arg]


class Mine(Observer):
    def job_ended(self, job: JobRecord) -> None:
        assert_type(job.verb, Literal["transcribe", "submit", "query", "wait"])
        assert_type(job.seconds, float)
        assert_type(job.client, ClientRecord)

    def exchange_ended(self, exchange: ExchangeRecord) -> None:
        assert_type(exchange.http_status, int | None)
        assert_type(exchange.job, JobRecord)

    def client_opened(self, client: str) -> None:  # type: ignore[override]
        """Observers are told of a record."""


def watched() -> None:
    VolcASR(observe=Mine())
    VolcASR(observe=OpenTelemetry(tracer_provider=TracerProvider(), open_spans=10))
    VolcASR(observe=True)  # type: ignore[arg-type]


async def simulated(app: Starlette) -> None:
    simulator = Simulator(qps=20, faults=[Fault("lost-answer", share=0.1), Fault.parse("stall,seconds=30")])
    async with simulator.serve(port=8080) as base_url, simulator.send_callbacks(app):
        assert_type(base_url, str)
    async with httpx.AsyncClient(transport=simulator.transport()) as http:
        VolcASR(http=http)
    VolcASR(http=simulator.transport())
    assert_type(simulator.add_audio("a.wav", make_wav(1.5, channels=2)), str)
    assert_type(simulator.charges, list[Charge])
    assert_type(simulator.violations, list[Violation])
    assert_type(simulator.uploads, list[Upload])
    assert_type(simulator.deliveries, list[Delivery])
    assert_type(simulator.requests, Counter[str])
    assert_type(simulator.charges_by_source, Counter[str])
    assert_type(simulator.peak_qps, int)
    simulator.reset()
    Simulator(20)  # type: ignore[call-arg]
    Simulator(submit_body="xml")  # type: ignore[arg-type]
    Simulator(faults=["stall"])  # type: ignore[list-item]
    simulator.charges[0].audio_ms = 5  # type: ignore[misc]
