"""Journals in which any cell holds anything: SQLite checks no types, and a file may be damaged, or mended by hand."""

from __future__ import annotations

import sqlite3

from fuzz_journal import run, seeds
from fuzz_kit import scratch
from hypothesis import example, given, settings
from hypothesis import strategies as st

_JOURNAL = next(seeds())
_JOB = ("key", "state", "edition", "attempt", "request_id", "fingerprint", "task", "error_class", "error", "audio_ms")
_CELLS = [
    *(("job", column) for column in (*_JOB, "delivered", "planned_at", "updated_at")),
    *(("transcript", column) for column in ("key", "log_id", "silent", "raw")),
    *(("meta", column) for column in ("name", "value")),
]
values = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.binary(max_size=6)
    | st.sampled_from(["{}", "null", "planned", "https://example.com/a?b", "9" * 30, "0", "'", b"\xff", float("inf")])
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_CELLS), values), min_size=1, max_size=3), st.booleans())
@example([(("job", "audio_ms"), 2**63 - 1)], True)
@example([(("job", "error"), b"\xff")], True)
def test_any_value_in_any_cell(changes: list[tuple[tuple[str, str], object]], everywhere: bool) -> None:
    """The journal is gone on with, or refused; `volcasr status` reports, or says that it cannot."""
    path = scratch() / "cells.db"
    path.write_bytes(_JOURNAL)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA ignore_check_constraints = 1")
        for (table, column), value in changes:
            key = "name" if table == "meta" else "key"
            where = "1" if everywhere else f"{key} = (SELECT max({key}) FROM {table})"
            try:
                database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,))
            except sqlite3.IntegrityError:
                continue
    database.close()
    run(path.read_bytes())
