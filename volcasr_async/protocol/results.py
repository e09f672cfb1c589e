"""What comes back: the service's own shapes, read into ours."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from volcasr_async.errors import InputError
from volcasr_async.lenient import json_of, number, objects, text_of
from volcasr_async.models import Task, Transcript, Utterance
from volcasr_async.protocol.loose import loose_utterances


class _AudioInfo(Struct, frozen=True):
    duration: int | None = None


class _Result(Struct, frozen=True):
    text: str | None = None
    utterances: tuple[Utterance, ...] | None = None
    additions: dict[str, Any] | None = None


class _V3Body(Struct, frozen=True):
    """`result` is an object in every capture, a list in the documents' tables: both are read."""

    audio_info: _AudioInfo | None = None
    result: _Result | list[_Result] | None = None


class _V1Body(Struct, frozen=True):
    resp: _Result | None = None


_V3 = msgspec.json.Decoder(_V3Body, strict=False)
_V1 = msgspec.json.Decoder(_V1Body, strict=False)


class Result(Struct, frozen=True):
    """What a finished body holds, in one shape for all editions."""

    text: str
    duration_ms: int | None
    utterances: tuple[Utterance, ...]


def read_v3(body: bytes) -> Result | None:
    """Read the result of a v3 body; `None` while there is none.

    Success with zero bytes, `{}`, no `result` or an empty one is reported of tasks that still run; an empty text counts
    as finished only beside a duration. Raises `ValueError` where the body is no JSON object.
    """
    found: _V3Body = _decode(_V3, body, _loose_v3) if body.strip() else _V3Body()
    result = found.result[0] if isinstance(found.result, list) and found.result else found.result
    if not isinstance(result, _Result):
        return None
    duration = found.audio_info.duration if found.audio_info else None
    if duration is None and result.additions:
        duration = number(result.additions.get("duration"))
    if not result.text and not result.utterances and (result.text is None or duration is None):
        return None
    return _result(result, duration)


def read_v1(body: bytes) -> Result | None:
    """Read the result of a finished v1 body, which tells no duration (doc 80820); `None` where it holds none."""
    found: _V1Body = _decode(_V1, body, _loose_v1)
    if found.resp is None or (found.resp.text is None and not found.resp.utterances):
        return None
    return _result(found.resp, None)


def duration_of(body: bytes) -> int | None:
    """Read the recording's length in ms from a v3 body that need not hold a result."""
    try:
        found: _V3Body = _decode(_V3, body, _loose_v3)
    except ValueError:
        return None
    return found.audio_info.duration if found.audio_info else None


class _Document(Struct, frozen=True):
    raw: Raw = Raw(b"null")
    log_id: str | None = None
    silent: bool = False
    task: Task | None = None
    text: str | None = None
    duration_ms: int | None = None
    utterances: tuple[Utterance, ...] = ()


def read_transcript(document: bytes | str) -> Transcript:
    """Read what `Transcript.to_json` wrote, or a body just as the service sent it (v3 or v1); `InputError` for others."""
    try:
        data = document.encode() if isinstance(document, str) else document
        found = msgspec.json.decode(data, type=_Document)
        body, is_json = _raw_of(found, data)
        result = _either(body) if is_json else None
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is no transcript as volcasr or the service writes it: {error}") from error
    if result is None:
        if found.text is None and not found.silent:
            raise InputError("this document holds no finished result")
        result = Result(found.text or "", found.duration_ms, found.utterances)
    return Transcript(
        text=result.text,
        duration_ms=result.duration_ms,
        utterances=result.utterances,
        silent=found.silent,
        task=found.task,
        log_id=found.log_id,
        raw=body,
    )


def transcript_of(body: bytes, *, log_id: str | None, silent: bool, task: Task | None) -> Transcript:
    """Make the transcript again from the body that was kept of a finished task."""
    result = None if silent else _either(body)
    if result is None and not silent:
        msg = "the body that was kept holds no result"
        raise ValueError(msg)
    return Transcript(
        text=result.text if result else "",
        duration_ms=result.duration_ms if result else duration_of(body),
        utterances=result.utterances if result else (),
        silent=silent,
        task=task,
        log_id=log_id,
        raw=body,
    )


def _raw_of(found: _Document, data: bytes) -> tuple[bytes, bool]:
    """Find the service's body, inside the document or all of *data*, and whether it is JSON."""
    raw = bytes(found.raw)
    if raw == b"null":
        return (data, True) if found.text is None else (b"", False)
    if raw[:1] == b'"':
        return msgspec.json.decode(raw, type=str).encode(), False
    return raw, True


def _either(body: bytes) -> Result | None:
    is_v1 = _decode(_V1, body, _loose_v1).resp is not None
    return read_v1(body) if is_v1 else read_v3(body)


def _result(result: _Result, duration: int | None) -> Result:
    utterances = result.utterances or ()
    text = result.text if result.text is not None else "".join(u.text for u in utterances)
    return Result(text, duration, utterances)


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes, loosely: Any) -> Any:
    """Decode by type; a paid result of another shape is read loosely instead of being lost."""
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError):
        return loosely(json_of(body))


def _loose_v3(body: Any) -> _V3Body:
    if not isinstance(body, dict):
        msg = "the body is no JSON object"
        raise ValueError(msg)  # noqa: TRY004 - callers take any unreadable body as ValueError, as msgspec's own are
    info, result = body.get("audio_info"), body.get("result")
    if isinstance(result, list):
        result = next(iter(objects(result)), None)
    duration = number(info.get("duration")) if isinstance(info, dict) else None
    return _V3Body(_AudioInfo(duration), _loose_result(result))


def _loose_v1(body: Any) -> _V1Body:
    return _V1Body(_loose_result(body.get("resp")) if isinstance(body, dict) else None)


def _loose_result(result: Any) -> _Result | None:
    if not isinstance(result, dict):
        return None
    text, additions = result.get("text"), result.get("additions")
    return _Result(
        text_of(text) if text is not None else None,
        loose_utterances(result.get("utterances")),
        additions if isinstance(additions, dict) else None,
    )
