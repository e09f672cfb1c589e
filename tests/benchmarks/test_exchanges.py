"""The benchmark of small requests runs, and says what it should."""

import pytest

pytest.importorskip("aiohttp", reason="benchmarks need the extra [bench]")
pytest.importorskip("requests", reason="benchmarks need the extra [bench]")

from benchmarks import exchanges
from benchmarks.report import OURS


def test_each_rival_has_a_row_for_each_cell() -> None:
    """Everybody is measured, beside aiohttp by hand in the same cell."""
    names = [OURS["default"], exchanges.BY_HAND, "requests.Session in threads", "raw asyncio protocol (the limit)"]
    rivals = [rival for rival in exchanges.RIVALS if rival.name in names]
    rows = exchanges.run(scale=0.01, rounds=1, connections=(1, 2), rivals=rivals)
    assert [(row["server ms"], row["connections"], row["name"]) for row in rows] == [
        (delay, connections, name) for delay in (0, 30) for connections in (1, 2) for name in names
    ]
    assert all(row["CPU us"] > 0 and row["requests/s"] > 0 for row in rows)
    assert all(row["/ aiohttp"] == 1 for row in rows if row["name"] == exchanges.BY_HAND)
    assert all(row["requests/s"] < 34 * row["connections"] for row in rows if row["server ms"] == 30)


def test_a_rival_that_fails_is_named() -> None:
    """What breaks in a rival's process is told with its name."""
    broken = exchanges.Rival("broken", "vendor_demo.post")
    with pytest.raises(RuntimeError, match=r"vendor_demo\.post"):
        exchanges.run(scale=0.01, rounds=1, connections=(1,), rivals=[broken])
