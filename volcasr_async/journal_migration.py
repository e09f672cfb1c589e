"""Brings a journal of 0.1.0 to the present schema, in place and in one transaction.

0.1.0 did not record the charge state. Where a row does not tell, the state is chosen that charges nothing again: it is queried
first, or needs the caller's permission.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
from msgspec import Raw

from volcasr_async.errors import Charged
from volcasr_async.journal import State

_FINAL = {"EmptyAudio", "BadAudioFormat", "AudioTooLong", "AudioTooLarge", "AudioDownloadFailed"}
_ENDED = ("55001010: ", "1006: ", "1020: ", "1021: ", "1022: ")
_UNSETTLED = {"ServerError", "TransportError", "ReplyError", "TaskNotFound", "SubmitUncertain", "WaitTimeout"}
_LISTED_REFUSALS = ("45000001: ", "1001: ")
_COPIED = (
    "key, edition, attempt, request_id, fingerprint, error_class, error, audio_ms, delivered, planned_at, updated_at"
)


def migrate(connection: sqlite3.Connection, job_table: str, version: int) -> None:
    """Rebuild the job table with a charge state in each row."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("ALTER TABLE job RENAME TO job_1")
        connection.execute(job_table)
        rows = connection.execute(f"SELECT state, task, {_COPIED} FROM job_1").fetchall()  # noqa: S608 - our own names
        places = ", ".join("?" * (len(_COPIED.split(", ")) + 3))
        connection.executemany(
            f"INSERT INTO job (state, charged, task, {_COPIED}) VALUES ({places})",  # noqa: S608
            (_row(*row) for row in rows),
        )
        connection.execute("DROP TABLE job_1")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _row(state: str, task: str | None, *copied: Any) -> tuple[Any, ...]:
    key, edition, _, request_id, _, error_class, error, *_, updated_at = copied
    can_query = '"name":"standard"' in edition or '"name":"idle"' in edition
    new, charged = state_of(state, error_class or "", error or "", has_task=task is not None, can_query=can_query)
    if new == "sent" and can_query and task is None:
        task = _presumed_task(key, edition, request_id, updated_at)
    return (new, charged, task, *copied)


def state_of(state: str, error_class: str, error: str, *, has_task: bool, can_query: bool) -> tuple[State, Charged]:
    """Return the state and the charge state of a row of 0.1.0."""
    match state:
        case "planned":
            return "planned", "no"
        case "accepted":
            return "accepted", "yes"
        case "done":
            return "done", "yes"
        case "sent":
            return "sent", "maybe"
        case "failed" if has_task:
            return _ended_with_task(error_class, error)
        case "failed":
            return _ended_without_task(error_class, error, can_query=can_query)
        case _:
            return "uncertain", "maybe"


def _ended_with_task(error_class: str, error: str) -> tuple[State, Charged]:
    """0.1.0 called a task failed after any reply that it could not use; only a listed final code ended it."""
    if error_class in _FINAL or error.startswith(_ENDED):
        return "failed", "yes"
    return ("missing", "yes") if error_class == "TaskNotFound" else ("accepted", "yes")


def _ended_without_task(error_class: str, error: str, *, can_query: bool) -> tuple[State, Charged]:
    unsettled = error_class in _UNSETTLED
    if error_class == "InvalidRequest":
        # 45000001 also answers a submit whose task the journal had lost; a page of a gateway had the same class.
        unsettled = can_query or not error.startswith(_LISTED_REFUSALS)
    if not unsettled:
        return "failed", "no"
    return ("sent", "maybe") if can_query else ("uncertain", "maybe")


def _presumed_task(key: str, edition: str, request_id: str, updated_at: float) -> str:
    task = {"id": request_id, "edition": Raw(edition.encode()), "request_id": request_id, "submitted_at": updated_at}
    return msgspec.json.encode(task | {"key": key}).decode()
