"""Replies of every edition and step: byte 0 chooses the step, byte 1 the HTTP status; headers, an empty line, the body."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

from fuzz_kit import TASK_ID, Target, samples, shows_no_query, told_json, whole

from volcasr_async import AppKey, AucV1, Flash, Idle, Pending, Standard, Task, Transcript, read_transcript
from volcasr_async.editions import Edition
from volcasr_async.errors import ReplyError, ServiceError, VolcASRError
from volcasr_async.job import Job, Order, prepare
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access, Dialect, Reply, Step
from volcasr_async.protocol.results import transcript_of

_STATUSES = (200, 400, 401, 403, 404, 429, 500, 502, 204, 302)
_EDITIONS: tuple[Edition, ...] = (Standard(), Idle(), Flash(), AucV1("volc_auc_common"))
_STEPS = (
    ("standard", "submit"),
    ("standard", "query"),
    ("idle", "query"),
    ("flash", "submit"),
    ("v1", "submit"),
    ("v1", "query"),
)


def run(data: bytes) -> None:
    """Read one reply; what comes is a step that can be kept, or an error of the tree that can be shown."""
    if len(data) < 2:
        return
    edition, verb = _STEPS[data[0] % len(_STEPS)]
    reply = _reply(data)
    try:
        step = _READERS[edition, verb](reply)
    except VolcASRError as error:
        _check_error(error)
        step = None
    if verb == "query" or edition == "flash":
        _check_paid(edition, reply, step)
    if isinstance(step, Pending):
        assert Task.from_json(step.task.to_json()) == step.task
    elif isinstance(step, Transcript):
        _check_transcript(step)


def seeds() -> Iterator[bytes]:
    """Bring the recorded replies, each as answer to each step that it may answer."""
    for name, status, headers, body in samples():
        head = "\n".join(f"{key.lower()}: {value}" for key, value in headers.items()).encode("latin-1", "replace")
        for number, (edition, verb) in enumerate(_STEPS):
            family = "v1" if edition == "v1" else "v3"
            fits = name.startswith("gateway") or (name.startswith(family) and verb in name)
            if fits or (edition == "flash" and "flash" in name):
                yield bytes([number, _STATUSES.index(status)]) + head + b"\n\n" + body


def _reply(data: bytes) -> Reply:
    head, _, body = data[2:].partition(b"\n\n")
    lines = (line.partition(": ") for line in head.decode("latin-1").split("\n"))
    return Reply(_STATUSES[data[1] % len(_STATUSES)], {name.lower(): value for name, _, value in lines}, body)


def _check_error(error: VolcASRError) -> None:
    shown = error.excerpt if isinstance(error, ReplyError) else error.message if isinstance(error, ServiceError) else ""
    shows_no_query(shown)
    assert str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    if isinstance(error, ServiceError) and error.retry_after_s is not None:
        assert 0 <= error.retry_after_s <= 3600


def _check_paid(edition: str, reply: Reply, step: Step | None) -> None:
    """A text that was paid for is never lost to an oddity of what stands around it."""
    text = _paid_text(edition, reply)
    if text:
        assert isinstance(step, Transcript), f"a paid text was lost: {text!r}"
        assert whole(step.text) == whole(text)


def _paid_text(edition: str, reply: Reply) -> str | None:
    """Find the text by other means than the library's."""
    body, code = told_json(reply.body), reply.headers.get("x-api-status-code")
    if not isinstance(body, dict):
        return None
    if edition == "v1":
        result = body.get("resp")
        said = isinstance(result, dict) and result.get("code") in (1000, "1000")
        if code is not None or "header" in body or "code" in body or not said:
            return None
    else:
        result = body.get("result")
        if code != "20000000":
            return None
    if isinstance(result, list):
        result = next((item for item in result if isinstance(item, dict)), None)
    text = result.get("text") if isinstance(result, dict) else None
    return text if isinstance(text, str) else None


def _check_transcript(told: Transcript) -> None:
    """What was read can be written, kept, and read again."""
    again = read_transcript(told.to_json())
    assert (again.text, again.duration_ms, again.silent) == (told.text, told.duration_ms, told.silent)
    assert again.utterances == told.utterances
    kept = transcript_of(told.raw, log_id=told.log_id, silent=told.silent, task=told.task)
    assert (kept.text, kept.utterances) == (told.text, told.utterances)
    assert told.text.encode() is not None
    assert repr(told)
    for utterance in told.utterances:
        assert isinstance(hash(utterance), int)
        assert all(isinstance(word.text, str) for word in utterance.words)
        assert all(isinstance(value, str) for value in utterance.additions.values())


def _order(edition: Edition) -> Order:
    job = Job("https://example.com/a.wav", request_id=TASK_ID)
    return prepare(job, edition=edition, options=None, cluster=None)


def _reader(dialect: Dialect, edition: Edition, verb: str) -> Callable[[Reply], Step]:
    order = _order(edition)
    task = Task(id=TASK_ID, edition=edition, request_id=TASK_ID, submitted_at=1.0, key="a")
    if verb == "query":
        return lambda reply: dialect.read_follow(task, reply)
    return lambda reply: dialect.read_open(order, reply, at=1.0)


def _readers() -> dict[Any, Callable[[Reply], Step]]:
    access, readers = Access(AppKey("1234567890", "access-token-secret")), {}
    for edition in _EDITIONS:
        for verb in ("submit", "query"):
            readers[edition.name, verb] = _reader(dialect_of(edition, access), edition, verb)
    return readers


_READERS = _readers()

TARGET = Target(
    run,
    seeds,
    (
        *("x-api-status-code: 20000000", "x-api-message: ", "x-tt-logid: ", "retry-after: ", '"resp":', '"code":'),
        *('"header":', '"message":', '"result":', '"text":', '"utterances":', '"words":', '"additions":'),
        *('"audio_info":', '"duration":', '"start_time":', '"end_time":', '"speaker_id":', '"speaker":', "null"),
        *("true", "NaN", "1e308", "-1", "99999999999999999999", "\\\\ud83d", "https://a/b?c=d", "[{", "}]", "20000003"),
        *("45000292", "45000000", "cannot find task", "lifetime", "qps", "1000", "1013", "2000", "55000000"),
    ),
)
