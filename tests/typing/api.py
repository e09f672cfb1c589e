"""Never run: mypy and pyright read what the public names promise, and what they refuse."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Literal, TextIO, assert_never, assert_type

import httpx
from fastapi import UploadFile

from volcasr_async import (
    ApiKey,
    AppKey,
    AucV1,
    AudioBytes,
    AudioFile,
    AudioFileObject,
    AudioStream,
    AudioUrl,
    BatchStats,
    BudgetFull,
    Corpus,
    Done,
    Edition,
    EditionName,
    Failed,
    Flash,
    Idle,
    InputError,
    Job,
    Limits,
    Options,
    Outcome,
    Pending,
    PollPolicy,
    RetryPolicy,
    SensitiveWords,
    ServiceError,
    Standard,
    SubmitUncertain,
    Task,
    Transcript,
    TransportError,
    Utterance,
    VolcASR,
    VolcASRError,
    WaitTimeout,
    Word,
    read_transcript,
)
from volcasr_async.batch import Batch
from volcasr_async.public_messages import InputReason, PublicCode
from volcasr_async.sqlite_journal import SqliteJournal


async def verbs() -> None:
    async with VolcASR(ApiKey("k"), edition="flash", limits=Limits(qps=None)) as asr:
        assert_type(asr, VolcASR)
        assert_type(await asr.transcribe("https://e.com/a.mp3"), Transcript)
        await asr.transcribe(Path("a.wav"), edition=Flash(), options=Options(enable_ddc=True), timeout=5)
        await asr.transcribe(b"...", poll=PollPolicy(first=1))
        await asr.transcribe(AudioUrl("https://e.com/a", format="mp3"))
        await asr.transcribe(BytesIO(b"..."))
        task = await asr.submit(Job("https://e.com/a.mp3", key="k"), callback="https://e.com/c", callback_data="d")
        assert_type(task, Task)
        answer = await asr.query(task)
        assert_type(answer, Pending | Transcript)
        if isinstance(answer, Pending):
            assert_type(answer.phase, str)
        else:
            assert_type(answer, Transcript)
        assert_type(await asr.wait(task, timeout=1.5, poll=PollPolicy()), Transcript)
        asr.hint(task)
        asr.hint(task.request_id)
        assert_type(asr.stats.in_air, int)
        assert_type(asr.stats.rate, float | None)
    await asr.aclose()


async def uploads(
    asr: VolcASR, upload: UploadFile, file: BinaryIO, spooled: SpooledTemporaryFile[bytes], text: TextIO
) -> None:
    await asr.transcribe(file)
    await asr.transcribe(spooled, edition="flash")
    await asr.transcribe(upload)
    await asr.transcribe(upload.file)
    await asr.transcribe(AudioFileObject(upload, name="a", language="en-US"))
    asr.batch([upload, BytesIO(b"...")])
    asr.batch([AudioFileObject(upload.file), Job(upload, key="k")])
    assert_type(AudioFileObject(upload).label, str)
    assert_type(AudioFileObject(upload).filename, str | None)
    await asr.transcribe(text)  # type: ignore[arg-type]
    AudioFileObject("a.wav")  # type: ignore[arg-type]
    AudioFileObject(upload, 5)  # type: ignore[arg-type]


async def refused_verbs(asr: VolcASR, task: Task) -> None:
    await asr.transcribe(5)  # type: ignore[arg-type]
    await asr.transcribe("https://e.com/a.mp3", "flash")  # type: ignore[call-arg]
    await asr.transcribe("https://e.com/a.mp3", timeout="5 s")  # type: ignore[arg-type]
    await asr.transcribe("https://e.com/a.mp3", callback="https://e.com/c")  # type: ignore[call-arg]
    await asr.wait("id")  # type: ignore[arg-type]
    await asr.query(task, timeout=5)  # type: ignore[call-arg]
    (await asr.query(task)).text  # type: ignore[union-attr]  # noqa: B018
    VolcASR(5)  # type: ignore[arg-type]
    VolcASR(edition="standrad")  # type: ignore[arg-type]
    await asr.transcribe("https://e.com/a.mp3", edition="standrad")  # type: ignore[arg-type]
    await asr.submit("https://e.com/a.mp3", edition="Flash")  # type: ignore[arg-type]
    Job("https://e.com/a.mp3", edition="turbo")  # type: ignore[arg-type]
    VolcASR(http="requests")  # type: ignore[arg-type]


def named(edition: EditionName) -> None:
    VolcASR("key", edition=edition)
    Job("https://e.com/a.mp3", edition=edition)


def clients(transport: httpx.AsyncBaseTransport, http: httpx.AsyncClient) -> None:
    VolcASR()
    VolcASR(AppKey("a", "b", secret_key="c"), edition=AucV1("cluster"), options=Options(), retry=RetryPolicy())
    VolcASR(http="aiohttp", observe=False, base_url="https://e.com", poll=PollPolicy(longest=None))
    VolcASR(http=transport)
    VolcASR(http=http)


def lazily() -> Iterator[Job | str | Path]:
    yield "https://e.com/a.mp3"
    yield Job(b"...", edition="flash")
    yield Path("a.wav")


async def later() -> AsyncIterator[str]:
    yield "https://e.com/a.mp3"


async def batches(asr: VolcASR, urls: list[str], paths: set[Path], journal: SqliteJournal) -> None:
    asr.batch(urls)
    asr.batch(paths, window=5, journal=Path("run.db"), redo=True)
    asr.batch(later(), journal=journal, replay=True)
    asr.batch([1])  # type: ignore[list-item]
    async with asr.batch(lazily(), journal="run.db") as batch:
        assert_type(batch, Batch)
        async for outcome in batch:
            assert_type(outcome, Done | Failed)
            assert_type(describe(outcome), str)
            outcome.transcript  # type: ignore[union-attr]  # noqa: B018
        assert_type(batch.stats, BatchStats)
        batch.stop()


def describe(outcome: Outcome) -> str:
    match outcome:
        case Done(job, transcript):
            assert_type(job, Job)
            assert_type(transcript, Transcript)
            return f"{job.name}: {transcript.text}"
        case Failed(job=job, error=error):
            assert_type(error, VolcASRError)
            return f"{job.name}: {error}"
        case _:
            assert_never(outcome)


def progress(stats: BatchStats) -> None:
    assert_type(stats.done, int)
    assert_type(stats.ended, int)
    assert_type(stats.replayed, int)
    assert_type(stats.total, int | None)
    assert_type(stats.audio_s, float)
    assert_type(stats.rate, float | None)
    stats.done = 1  # type: ignore[misc]


def results(transcript: Transcript, task: Task) -> None:
    assert_type(transcript.text, str)
    assert_type(transcript.duration_ms, int | None)
    assert_type(transcript.silent, bool)
    assert_type(transcript.utterances, tuple[Utterance, ...])
    assert_type(transcript.utterances[0].words, tuple[Word, ...])
    assert_type(transcript.utterances[0].start_ms, int)
    assert_type(transcript.utterances[0].words[0].end_ms, int)
    assert_type(transcript.utterances[0].speaker, str | None)
    assert_type(transcript.utterances[0].channel, str | None)
    assert_type(transcript.utterances[0].additions, dict[str, str])
    assert_type(transcript.task, Task | None)
    assert_type(transcript.raw, bytes)
    assert_type(transcript.to_json(), str)
    assert_type(read_transcript(transcript.to_json()), Transcript)
    assert_type(read_transcript(b"{}"), Transcript)
    assert_type(Task.from_json(task.to_json()), Task)
    assert_type(task.edition, Standard | Idle | Flash | AucV1)
    assert_type(task.submitted_at, float)
    read_transcript(Path("a.json"))  # type: ignore[arg-type]
    transcript.text = "other"  # type: ignore[misc]
    transcript.txt  # type: ignore[attr-defined]  # noqa: B018


def inputs(chunks: AsyncIterator[bytes]) -> None:
    AudioUrl("https://e.com/a", format="pcm", codec="raw", rate=16000, bits=16, channel=1, language="en-US")
    AudioFile(Path("a.wav"))
    AudioBytes(b"...", "name", format="wav")
    AudioStream(chunks, 1000, format="wav")
    AudioStream(chunks)  # type: ignore[call-arg]
    AudioUrl("https://e.com/a", "mp3")  # type: ignore[call-arg]
    job = Job(AudioFile(Path("a.wav")), edition=Idle(), options=Options(), callback="https://e.com", uid="u")
    assert_type(job.name, str)
    assert_type(job.request_id, str)
    assert_type(job.edition, Edition | EditionName | None)
    words = SensitiveWords(filter_with_empty=("a",))
    corpus = Corpus(boosting_table_id="t", hotwords=("a", "b"), context={"a": [1]})
    Options(corpus=corpus, sensitive_words_filter=words, vad_segment=None, extra={"new_field": 1})
    Options(enable_itn="yes")  # type: ignore[arg-type]
    Options(enable_magic=True)  # type: ignore[call-arg]
    Limits(20)  # type: ignore[call-arg]
    Limits(qps=2, concurrency=5, upload_bytes=10**9, max_waiting=50)
    RetryPolicy(attempts=3, resubmit_v1=True, resend_flash=True, new_tasks=1)


def errors(
    service: ServiceError, late: WaitTimeout, lost: SubmitUncertain, way: TransportError, bad: InputError
) -> None:
    assert_type(service.code, int | None)
    assert_type(service.message, str)
    assert_type(service.hint, str)
    assert_type(service.log_id, str | None)
    assert_type(service.retry_after_s, float | None)
    assert_type(service.retryable, bool)
    assert_type(late.task, Task | None)
    assert_type(lost.job, Job | None)
    assert_type(lost.task, Task | None)
    assert_type(BudgetFull("full").retry_after_s, float)
    assert_type(service.public_message, str)
    assert_type(service.public_code, PublicCode)
    assert_type(bad.reason, InputReason)
    assert_type(way.sent, Literal["no", "maybe", "yes"])
    passed: TimeoutError = late
    value: ValueError = service  # type: ignore[assignment]
    raise ExceptionGroup("both", [passed, value])


async def journals(path: Path) -> None:
    journal = await SqliteJournal.open(path)
    assert_type(journal, SqliteJournal)
    assert_type(await journal.transcript("key"), tuple[bytes, str | None, bool] | None)
    async with await SqliteJournal.open("run.db", create=False) as stored:
        async for key, transcript in stored.results():
            assert_type(key, str)
            assert_type(transcript, Transcript)


def counted(errors: list[Failed]) -> Counter[str]:
    tally: Counter[Any] = Counter(type(failed.error).__name__ for failed in errors)
    return tally
