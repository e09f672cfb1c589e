"""The rows of a journal's tables as values, and changes as rows."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from volcasr_async.errors import Charged
from volcasr_async.journal import Change, Entry, State
from volcasr_async.models import Task, Transcript
from volcasr_async.protocol.results import transcript_of

JobRow = tuple[str, State, int, str, str, str | None, int, Charged, float, str | None, str | None, str | None]


def entry_of(row: JobRow) -> Entry:
    """Return what a row of the table `job` says."""
    key, state, attempt, request_id, fingerprint, task, delivered, charged, updated_at, account, path, before = row
    return Entry(
        key=key,
        state=state,
        attempt=attempt,
        request_id=request_id,
        fingerprint=fingerprint,
        task=Task.from_json(task) if task else None,
        delivered=bool(delivered),
        charged=charged,
        updated_at=updated_at,
        account=account,
        path=path,
        before=msgspec.json.decode(before, type=Entry) if before else None,
    )


def kept_of(row: tuple[object, ...]) -> tuple[bytes, str | None, bool]:
    """Return the body, the log id and the silence of a transcript; `ValueError` for a damaged row."""
    raw, log_id, silent = row
    body = raw.encode() if isinstance(raw, str) else raw
    if not isinstance(body, bytes) or not isinstance(log_id, str | None):
        raise ValueError("a transcript has the wrong type")  # noqa: TRY004 - as the other damages are
    return body, log_id, bool(silent)


def result_of(row: tuple[object, ...]) -> tuple[str, Transcript]:
    """Return the key and the transcript of a row of both tables; `ValueError` or `ReplyError` for a damaged one."""
    key, *kept, task = row
    raw, log_id, silent = kept_of(tuple(kept))
    found = Task.from_json(str(task)) if task else None
    return str(key), transcript_of(raw, log_id=log_id, silent=silent, task=found)


def row_of(change: Change, now: float) -> tuple[object, ...]:
    """Return the values of a row of the table `job`; *now* is in seconds since 1970."""
    done, error = change.transcript, change.error
    return (
        change.key,
        change.state,
        change.edition,
        change.attempt,
        change.request_id,
        change.fingerprint,
        replace(change.task, key=change.key).to_json() if change.task else None,
        type(error).__name__ if error else None,
        str(error).encode(errors="backslashreplace").decode() if error else None,
        done.duration_ms if done else None,
        now,
        now,
        change.charged,
        change.account,
        change.path,
        msgspec.json.encode(change.before).decode() if change.before else None,
    )
