"""The benchmark of whole jobs runs, and says what it should."""

import pytest

pytest.importorskip("aiohttp", reason="benchmarks need the extra [bench]")
pytest.importorskip("aiolimiter", reason="benchmarks need the extra [bench]")
pytest.importorskip("aiometer", reason="benchmarks need the extra [bench]")
pytest.importorskip("requests", reason="benchmarks need the extra [bench]")

from benchmarks import jobs
from benchmarks.report import OURS


def test_everybody_finishes_under_a_limit() -> None:
    """All are done, each job in a submit and a query at least, none faster than the quota allows."""
    rows = jobs.limited(8, qps=20, processing=0.05, poll_s=0.05)
    assert [row["name"] for row in rows] == [rival.name for rival in jobs.IN_LIMITED]
    assert all(row["finished"] == 8 and row["requests a job"] >= 2 for row in rows)
    assert all(row["CPU ms a job"] > 0 and row["memory MB"] >= 0 for row in rows)
    assert all(row["CPU / aiohttp"] == row["total / aiohttp"] == 1 for row in rows if row["name"] == jobs.BY_HAND)


def test_who_is_not_done_by_the_cap_is_stopped() -> None:
    """What takes too long ends, and says how much it had."""
    by_hand = [rival for rival in jobs.IN_SPARE if rival.name == jobs.BY_HAND]
    (row,) = jobs.spare(4, processing=3600, poll_s=0.05, rounds=1, rivals=by_hand, cap_s=0.3)
    assert row["finished"] == 0
    assert 0.3 <= row["total s"] < 2.5


def test_with_budget_to_spare_nobody_waits_for_it() -> None:
    """Without a limit nothing is refused."""
    both = [rival for rival in jobs.IN_SPARE if rival.name in (jobs.BY_HAND, OURS["default"])]
    rows = jobs.spare(8, processing=0.05, poll_s=0.05, rounds=1, rivals=both)
    assert all(row["finished"] == 8 and row["refused"] == 0 for row in rows)
