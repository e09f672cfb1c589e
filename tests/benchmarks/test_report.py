"""What a run of the benchmarks says: tables, and what was asked beside what was seen."""

from typing import Any

import pytest

from benchmarks.report import OURS, document, held, tables

DEFAULT, SPEED = OURS["default"], OURS["[speed]"]


def upload(name: str, **cells: object) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "MB": 100,
        "at once": 1,
        "way": "plain",
        "memory MB": 1.0,
        "stall ms": 2.0,
        "CPU / demo": 0.1,
    }
    return row | {key.replace("_", " "): cell for key, cell in cells.items()}


def job(
    name: str, total: float, *, finished: int = 2000, cpu: float = 0.9, setting: str = "under a limit"
) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "setting": setting, "jobs": 2000, "finished": finished}
    return row | {"total s": total, "CPU / aiohttp": cpu}


def seen(results: dict[str, list[dict[str, Any]]], what: str, install: str = "default") -> tuple[str, str]:
    """The one row of the held-to table that begins so."""
    (row,) = (row for row in held(results) if row["what"].startswith(what) and row["install"] in (install, "either"))
    return row["seen"], row["holds"]


def test_nothing_was_run() -> None:
    """Every promise is told of, also where its benchmark was not run."""
    rows = held({})
    assert {row["seen"] for row in rows} == {"not run"}
    assert {row["holds"] for row in rows} == {""}
    assert [row["install"] for row in rows].count("default") == [row["install"] for row in rows].count("[speed]") == 9


def test_exchanges() -> None:
    """At 50 connections, with and without the server's delay, the worse of both counts; other cells do not."""
    cells = [(50, 0, 3.0), (50, 30, 4.5), (200, 0, 99.0)]
    rows = [{"name": DEFAULT, "connections": count, "server ms": ms, "/ aiohttp": ratio} for count, ms, ratio in cells]
    assert seen({"exchanges": rows}, "CPU of a small request") == ("4.50", "no")
    assert seen({"exchanges": rows[:1]}, "CPU of a small request") == ("3.00", "yes")
    assert seen({"exchanges": rows}, "CPU of a small request", "[speed]") == ("not run", "")


def test_jobs() -> None:
    """Each setting has its own promise."""
    rows = [job(DEFAULT, 40.0, cpu=1.2), job(DEFAULT, 9.0, cpu=2.5, setting="budget to spare")]
    assert seen({"jobs": rows}, "CPU of a job under a limit") == ("1.20", "no")
    assert seen({"jobs": rows}, "CPU of a job with budget to spare") == ("2.50", "yes")


def test_best_rival() -> None:
    """The best rival is the quickest that finished; one that was stopped early is none, and both of ours are none."""
    rows = [job(DEFAULT, 45.0), job(SPEED, 44.0), job("by hand", 100.0), job("demo", 60.0, finished=10)]
    assert seen({"jobs": rows}, "total time under a limit") == ("0.450", "yes")
    assert seen({"jobs": [*rows, job("another", 80.0)]}, "total time under a limit") == ("0.562", "no")


def test_ours_did_not_finish() -> None:
    """A total of ours for fewer jobs than asked holds nothing."""
    rows = [job(DEFAULT, 1.0, finished=1999), job("by hand", 100.0)]
    assert seen({"jobs": rows}, "total time under a limit") == ("inf", "no")


@pytest.mark.parametrize("column", ["memory MB", "stall ms"])
def test_uploads(column: str) -> None:
    """Plain and TLS, the worse of both; alone and eight at once are different promises."""
    what = {"memory MB": "memory above start", "stall ms": "worst stall of the loop"}[column]
    rows = [upload(DEFAULT), upload(DEFAULT, way="TLS") | {column: 7.5}, upload(DEFAULT, at_once=8) | {column: 9.0}]
    unit = column.rpartition(" ")[2]
    assert seen({"upload": rows}, f"{what}, 1") == (f"7.50 {unit}", "no")
    assert seen({"upload": rows}, f"{what}, 8") == (f"9.00 {unit}", "yes")


def test_upload_against_the_demo() -> None:
    """Only 100 MB, alone, plain."""
    rows = [upload(DEFAULT), upload(DEFAULT, MB=1) | {"CPU / demo": 0.6}]
    rows += [upload(DEFAULT, at_once=8) | {"CPU / demo": 0.5}, upload(DEFAULT, way="TLS") | {"CPU / demo": 0.4}]
    assert seen({"upload": rows}, "CPU of a 100 MB upload") == ("0.100", "yes")


def test_decode_and_flight() -> None:
    """Both are the same for either install."""
    decode = [{"name": DEFAULT, "/ json.loads": 0.11}, {"name": "orjson", "/ json.loads": 0.4}]
    decode += [{"name": DEFAULT, "stall ms": 12.0}]
    flight: list[dict[str, Any]] = [
        {"jobs": 1_000, "KB a job": 0.6},
        {"jobs": 100_000, "KB a job": 1.1},
        {"list": "a million"},
    ]
    assert seen({"decode": decode}, "decoding") == ("0.110", "yes")
    assert seen({"flight": flight}, "one of 100,000 jobs") == ("1.10 KB", "no")


def test_tables() -> None:
    """Rows with the same columns stand in one table; figures to the right, three digits, no exponent."""
    rows: list[dict[str, Any]] = [
        {"name": "a|b", "us": 123456.7, "intact": True},
        {"name": "c", "us": None, "intact": False},
        {"what": "other", "s": 0.0123},
    ]
    assert tables(rows) == (
        "| name | us | intact |\n| --- | --: | --- |\n| a\\|b | 123,457 | yes |\n| c |  | no |\n\n"
        "| what | s |\n| --- | --: |\n| other | 0.012 |"
    )


def test_document() -> None:
    """The page begins with what it ran on and what is held to; each benchmark tells what it measures."""
    results = {"decode": [{"name": DEFAULT, "/ json.loads": 0.5}]}
    page = document(results, about={"machine": "an abacus"}, notes={"decode": "Of words."}, seconds={"decode": 3.2})
    order = ["# Benchmarks", "- machine: an abacus", "## Held to", "0.500 | no |", "## decode (3 s)", "Of words."]
    assert [page.index(part) for part in order] == sorted(page.index(part) for part in order)
    assert page.endswith("| volcasr_async | 0.500 |\n")
