"""Asyncio-native client for Volcengine's (Doubao) recorded-audio speech recognition.

    async with VolcASR() as asr:
        transcript = await asr.transcribe("https://example.com/a.mp3")
        print(transcript.text)

General layout, each floor looking down only:

    errors, editions, credentials, containers, policies, models, options, sources, job    values, pure
    protocol                                                                               the wire contract, pure
    _audio, _budget, _transport, environment                                               the world outside
    client                                                                                 VolcASR
    callbacks, cli, testing                                                                the receiver, the command, the simulator
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volcasr_async._version import __version__
from volcasr_async.credentials import ApiKey, AppKey
from volcasr_async.editions import AucV1, Edition, EditionName, Flash, Idle, Standard
from volcasr_async.errors import (
    AudioDownloadFailed,
    AudioError,
    AudioTooLarge,
    AudioTooLong,
    AuthenticationFailed,
    BadAudioFormat,
    BudgetFull,
    ConfigurationError,
    EmptyAudio,
    InputError,
    InvalidRequest,
    JournalError,
    QuotaExceeded,
    RateLimited,
    ReplyError,
    ResourceNotGranted,
    ServerBusy,
    ServerError,
    ServiceError,
    SubmitUncertain,
    TaskNotFound,
    TransportError,
    VolcASRError,
    WaitTimeout,
)
from volcasr_async.job import Job
from volcasr_async.models import Pending, Task, Transcript, Utterance, Word
from volcasr_async.options import Corpus, Options, SensitiveWords
from volcasr_async.outcomes import BatchStats, Done, Failed, Outcome
from volcasr_async.policies import Limits, PollPolicy, RetryPolicy
from volcasr_async.protocol.results import read_transcript
from volcasr_async.sources import AudioBytes, AudioFile, AudioFileObject, AudioStream, AudioUrl

if TYPE_CHECKING:
    from volcasr_async.client import VolcASR

__all__ = [
    "ApiKey",
    "AppKey",
    "AucV1",
    "AudioBytes",
    "AudioDownloadFailed",
    "AudioError",
    "AudioFile",
    "AudioFileObject",
    "AudioStream",
    "AudioTooLarge",
    "AudioTooLong",
    "AudioUrl",
    "AuthenticationFailed",
    "BadAudioFormat",
    "BatchStats",
    "BudgetFull",
    "ConfigurationError",
    "Corpus",
    "Done",
    "Edition",
    "EditionName",
    "EmptyAudio",
    "Failed",
    "Flash",
    "Idle",
    "InputError",
    "InvalidRequest",
    "Job",
    "JournalError",
    "Limits",
    "Options",
    "Outcome",
    "Pending",
    "PollPolicy",
    "QuotaExceeded",
    "RateLimited",
    "ReplyError",
    "ResourceNotGranted",
    "RetryPolicy",
    "SensitiveWords",
    "ServerBusy",
    "ServerError",
    "ServiceError",
    "Standard",
    "SubmitUncertain",
    "Task",
    "TaskNotFound",
    "Transcript",
    "TransportError",
    "Utterance",
    "VolcASR",
    "VolcASRError",
    "WaitTimeout",
    "Word",
    "__version__",
    "read_transcript",
]


def __getattr__(name: str) -> Any:
    """Bring the client when it is first asked for: who only reads transcripts needs no HTTP library."""
    if name == "VolcASR":
        from volcasr_async.client import VolcASR

        return VolcASR
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
