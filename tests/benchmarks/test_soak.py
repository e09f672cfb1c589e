"""The soak runs, and says what it should."""

import pytest

pytest.importorskip("aiohttp", reason="benchmarks need the extra [bench]")

from benchmarks import soak


def test_a_short_one_charges_each_recording_once() -> None:
    """Both engines are busy, nothing is charged twice, and the page has a row for each."""
    rows = soak.run(minutes=0.05, qps=200, processing_time=0.5, faults=["reset=0.1", "html-502=0.1"])
    sums = rows[-2:]
    assert all(row["done"] > 0 and row["recordings"] == row["charged once"] > 0 for row in sums)
    assert all(row["outside the tree"] == 0 for row in sums)
    page = soak.page(rows, 0.05)
    assert all(row["install"] in page for row in sums)
