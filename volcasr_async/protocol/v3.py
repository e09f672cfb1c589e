"""What the v3 dialects share: headers, the envelope, and reading a finished body (doc 1354868, doc 2608628)."""

from __future__ import annotations

import msgspec

from volcasr_async.credentials import ApiKey, Credentials
from volcasr_async.job import Order
from volcasr_async.models import Task, Transcript
from volcasr_async.protocol.envelope import split_at_hole
from volcasr_async.protocol.messages import Call, Phase, Reply
from volcasr_async.protocol.reading import Status, unreadable_success
from volcasr_async.protocol.requests import submit_body
from volcasr_async.protocol.results import Result, duration_of, read_v3

Headers = tuple[tuple[str, str], ...]


def authentication(credentials: Credentials) -> Headers:
    """Say who asks, in exactly one of the two modes: a gateway refuses a pair that its console did not give."""
    if isinstance(credentials, ApiKey):
        return (("X-Api-Key", credentials.key),)
    return (("X-Api-App-Key", credentials.app_key), ("X-Api-Access-Key", credentials.access_key))


def headers(who: Headers, *, resource_id: str, request_id: str, sequence: bool) -> Headers:
    """Head one request; the sequence number is fixed, and not listed for query."""
    common = (
        *who,
        ("X-Api-Resource-Id", resource_id),
        ("X-Api-Request-Id", request_id),
        ("Content-Type", "application/json"),
    )
    return (*common, ("X-Api-Sequence", "-1")) if sequence else common


def opening(order: Order, *, phase: Phase, path: str, head: Headers) -> Call:
    """Make the request that starts a job, around the hole when the audio is ours to send."""
    body = submit_body(order)
    data = msgspec.json.encode(body)
    if body.audio.data is None:
        return Call(phase, path, head, data)
    prefix, suffix = split_at_hole(data)
    return Call(phase, path, head, prefix, suffix, has_audio=True)


def finished(reply: Reply, status: Status) -> Result | None:
    """Read the result of a reply that says success; `None` while there is none; `ReplyError` for nonsense."""
    try:
        return read_v3(reply.body)
    except ValueError as error:
        raise unreadable_success(
            reply, status, "the reply says success but its body is not what the service sends"
        ) from error


def transcript(result: Result, reply: Reply, status: Status, task: Task | None) -> Transcript:
    """Hand out a result."""
    return Transcript(
        text=result.text,
        duration_ms=result.duration_ms,
        utterances=result.utterances,
        task=task,
        log_id=status.log_id,
        raw=reply.body,
    )


def silence(reply: Reply, status: Status, task: Task | None) -> Transcript:
    """20000003 is a result: nothing was spoken, and the body tells for how long (doc 1631584)."""
    duration = duration_of(reply.body)
    return Transcript(text="", duration_ms=duration, silent=True, task=task, log_id=status.log_id, raw=reply.body)
