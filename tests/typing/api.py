"""Never run: mypy and pyright read what the public names promise."""

from pathlib import Path
from typing import assert_type

from volcasr_async import (
    ApiKey,
    AudioUrl,
    Flash,
    Job,
    Limits,
    Options,
    Pending,
    ServiceError,
    SubmitUncertain,
    Task,
    Transcript,
    Utterance,
    VolcASR,
    WaitTimeout,
    Word,
    read_transcript,
)


async def verbs() -> None:
    async with VolcASR(ApiKey("k"), edition="flash", limits=Limits(qps=None)) as asr:
        assert_type(asr, VolcASR)
        assert_type(await asr.transcribe("https://e.com/a.mp3"), Transcript)
        await asr.transcribe(Path("a.wav"), edition=Flash(), options=Options(enable_ddc=True), timeout=5)
        await asr.transcribe(b"...")
        await asr.transcribe(AudioUrl("https://e.com/a", format="mp3"))
        task = await asr.submit(Job("https://e.com/a.mp3", key="k"))
        assert_type(task, Task)
        assert_type(await asr.query(task), Pending | Transcript)
        assert_type(await asr.wait(task, timeout=1.5), Transcript)


def values(transcript: Transcript, task: Task) -> None:
    assert_type(transcript.text, str)
    assert_type(transcript.duration_ms, int | None)
    assert_type(transcript.utterances, tuple[Utterance, ...])
    assert_type(transcript.utterances[0].words, tuple[Word, ...])
    assert_type(transcript.utterances[0].speaker, str | None)
    assert_type(transcript.task, Task | None)
    assert_type(transcript.raw, bytes)
    assert_type(read_transcript(transcript.to_json()), Transcript)
    assert_type(Task.from_json(task.to_json()), Task)


def errors(service: ServiceError, late: WaitTimeout, lost: SubmitUncertain) -> None:
    assert_type(service.code, int | None)
    assert_type(service.retryable, bool)
    assert_type(late.task, Task | None)
    assert_type(lost.job, Job | None)
