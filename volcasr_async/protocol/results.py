"""What comes back: the service's own shapes, read into ours."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from volcasr_async.editions import AucV1
from volcasr_async.errors import InputError
from volcasr_async.lenient import Milliseconds, json_of, number, objects, text_of
from volcasr_async.models import Task, Transcript, Utterance
from volcasr_async.protocol.loose import loose_utterances


class _AudioInfo(Struct, frozen=True):
    duration: Milliseconds | None = None


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


class _EitherBody(_V3Body, frozen=True):
    resp: _Result | None = None


_V3 = msgspec.json.Decoder(_V3Body, strict=False)
_V1 = msgspec.json.Decoder(_V1Body, strict=False)
_EITHER = msgspec.json.Decoder(_EitherBody, strict=False)


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
    return _finished_v3(found.result, found.audio_info)


def _finished_v3(result: _Result | list[_Result] | None, info: _AudioInfo | None) -> Result | None:
    if isinstance(result, list):
        result = next(iter(result), None)
    if not isinstance(result, _Result):
        return None
    duration = info.duration if info else None
    if duration is None and result.additions:
        duration = number(result.additions.get("duration"))
    if not result.text and not result.utterances and (result.text is None or duration is None):
        return None
    return _result(result, duration)


def read_v1(body: bytes) -> Result | None:
    """Read the result of a finished v1 body, which tells no duration (doc 80820); `None` where it holds none."""
    found: _V1Body = _decode(_V1, body, _loose_v1)
    return _finished_v1(found.resp)


def _finished_v1(result: _Result | None) -> Result | None:
    if result is None or (result.text is None and not result.utterances):
        return None
    return _result(result, None)


def duration_of(body: bytes) -> int | None:
    """Read the recording's length in ms from a v3 body that need not hold a result."""
    try:
        found: _V3Body = _decode(_V3, body, _loose_v3)
    except ValueError:
        return None
    return found.audio_info.duration if found.audio_info else None


class _Kept(Struct, frozen=True):
    """What `Transcript.to_json` wrote."""

    raw: Raw = Raw(b"null")
    log_id: str | None = None
    silent: bool = False
    task: Task | None = None
    text: str | None = None
    duration_ms: Milliseconds | None = None
    utterances: tuple[Utterance, ...] = ()


class _Document(_Kept, frozen=True):
    """That, or the service's own body: read in one pass, for it may hold thirty thousand words."""

    audio_info: _AudioInfo | None = None
    result: _Result | list[_Result] | None = None
    resp: _Result | None = None


_DOCUMENT = msgspec.json.Decoder(_Document, strict=False)
_KEPT = msgspec.json.Decoder(_Kept)


def read_transcript(document: bytes | str) -> Transcript:
    """Read what `Transcript.to_json` wrote, or a body just as the service sent it (v3 or v1); `InputError` for others.

    The JSON of `Transcript.to_dict` is read as well.
    """
    try:
        data = document.encode() if isinstance(document, str) else document
        found = _document(data)
        body, is_json = _raw_of(found, data)
        result = _result_of(found, body) if is_json and not found.silent else None
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is no transcript as volcasr or the service writes it: {error}") from error
    if result is None:
        if found.text is None and not found.silent:
            raise InputError("this document holds no finished result")
        if not body and b'"start_ms"' in data:  # the service and `to_json` call it start_time
            return Transcript.from_dict(json_of(data))
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
    result = None if silent else _either(body, task)
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


def _document(data: bytes) -> _Kept:
    for decoder in (_DOCUMENT, _KEPT):  # a body of a shape that nobody reported is read loosely later
        try:
            return decoder.decode(data)
        except (ValueError, RecursionError):
            continue
    # An editor may have put a byte order mark before it, and a body may be odd.
    return _KEPT.decode(msgspec.json.encode(json_of(data)))


def _result_of(found: _Kept, body: bytes) -> Result | None:
    if isinstance(found, _Document) and (found.result is not None or found.resp is not None):
        return _either_of(found, found.task)
    return _either(body, found.task)


def _raw_of(found: _Kept, data: bytes) -> tuple[bytes, bool]:
    """Find the service's body, inside the document or all of *data*, and whether it is JSON."""
    raw = bytes(found.raw)
    if raw == b"null":
        return (data, True) if found.text is None else (b"", False)
    if raw[:1] == b'"':
        return msgspec.json.decode(raw, type=str).encode(), False
    return raw, True


def _either(body: bytes, task: Task | None) -> Result | None:
    return _either_of(_decode(_EITHER, body, _loose_either), task)


def _either_of(found: _EitherBody | _Document, task: Task | None) -> Result | None:
    """Read the result where the edition has it; a newer field of the other's name is in nobody's way."""
    v1, v3 = _finished_v1(found.resp), _finished_v3(found.result, found.audio_info)
    return v1 or v3 if task is not None and isinstance(task.edition, AucV1) else v3 or v1


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


def _loose_either(body: Any) -> _EitherBody:
    v3, v1 = _loose_v3(body), _loose_v1(body)
    return _EitherBody(v3.audio_info, v3.result, v1.resp)


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
