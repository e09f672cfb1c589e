"""A transcript as plain values: a document for JSON, and records for data tools."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volcasr_async.models import Transcript, Utterance

Column = type[int] | type[float] | type[str]

_TEXTS = {"emotion": "emotion", "gender": "gender", "language": "lid_lang"}
_NUMBERS = {"speech_rate": "speech_rate", "volume": "volume"}
_TIMES: dict[str, Column] = {"start_ms": int, "end_ms": int, "speaker": str, "channel": str, "text": str}
_OF_UTTERANCES: dict[str, Column] = {
    "utterance": int,
    **_TIMES,
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(_NUMBERS, float),
}
_OF_WORDS: dict[str, Column] = {"utterance": int, "word": int, **_TIMES}
_OWN_FIELDS = frozenset({"speaker", "channel_id"})


def columns_of(*, words: bool, key: bool) -> dict[str, Column]:
    """Return the columns of records and the type of each; every column but the counters may contain `None`."""
    return ({"key": str} if key else {}) | (_OF_WORDS if words else _OF_UTTERANCES)


def records_of(transcript: Transcript, *, words: bool, key: str | None) -> list[dict[str, Any]]:
    """Return a flat record for each utterance, or each word."""
    first = {} if key is None else {"key": key}
    rows = _words(transcript) if words else _utterances(transcript)
    return [first | row for row in rows]


def _utterances(transcript: Transcript) -> Iterator[dict[str, Any]]:
    for number, utterance in enumerate(transcript.utterances):
        more = utterance.additions
        texts = {column: more.get(name) for column, name in _TEXTS.items()}
        numbers = {column: _number(more.get(name)) for column, name in _NUMBERS.items()}
        yield {"utterance": number, **_row(utterance, utterance), **texts, **numbers}


def _words(transcript: Transcript) -> Iterator[dict[str, Any]]:
    for number, utterance in enumerate(transcript.utterances):
        spoken = [word for word in utterance.words if word.text.strip()]
        for place, word in enumerate(spoken):
            yield {"utterance": number, "word": place, **_row(word, utterance)}


def _row(said: Any, voice: Utterance) -> dict[str, Any]:
    times = {"start_ms": _time(said.start_ms), "end_ms": _time(said.end_ms)}
    return {**times, "speaker": voice.speaker, "channel": voice.channel, "text": said.text}


def document_of(transcript: Transcript, *, words: bool) -> dict[str, Any]:
    """Return a document of dicts, lists, strings, numbers, booleans and `None`."""
    return {
        "text": transcript.text,
        "duration_ms": transcript.duration_ms,
        "silent": transcript.silent,
        "utterances": [_document(utterance, words=words) for utterance in transcript.utterances],
    }


def _document(utterance: Utterance, *, words: bool) -> dict[str, Any]:
    more = {name: value for name, value in utterance.additions.items() if name not in _OWN_FIELDS}
    document = {**_row(utterance, utterance), "additions": more}
    if words:
        document["words"] = [
            {"start_ms": _time(word.start_ms), "end_ms": _time(word.end_ms), "text": word.text}
            for word in utterance.words
        ]
    return document


def _time(value: int) -> int | None:
    """Return a time, or `None` where the service states none."""
    return None if value < 0 else value


def _number(value: str | None) -> float | None:
    """Return the number that a string of the service contains."""
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
