"""The page of the matrix: rows by phase and outcome, a column for each verb."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from cells import Cell, Found
from fault_list import FAULTS

Outcomes = dict[tuple[str, str, str, str, bool], str]
"""Phase, name, edition and verb, engine, whether it stays; what the caller gets."""

COLUMNS = {
    "flash": "flash",
    "standard submit": "submit, standard and idle",
    "v1 submit": "submit, v1",
    "standard query": "query, standard and idle",
    "v1 query": "query, v1",
    "standard wait": "wait, standard and idle",
    "v1 wait": "wait, v1",
}
BEGIN, END = "<!-- the matrix -->", "<!-- the end of the matrix -->"


def outcomes_of(found: dict[Cell, Found]) -> Outcomes:
    return {key_of(cell): one.told(reads=cell.verb == "query") for cell, one in found.items()}


def key_of(cell: Cell) -> tuple[str, str, str, str, bool]:
    column = "flash" if cell.edition == "flash" else f"{cell.edition} {cell.does}"
    return cell.fault.phase, cell.fault.name, column, cell.engine, cell.stays


def printed(outcomes: Outcomes) -> str:
    """Print both tables."""
    lines = [BEGIN, "", "## A fault that stays", ""]
    lines += _table(outcomes, [name for name in COLUMNS if not name.endswith("wait")], stays=True)
    lines += ["", "## A fault that passes", ""]
    lines += _table(outcomes, [name for name in COLUMNS if not name.endswith("query")], stays=False)
    return "\n".join([*lines, "", END])


def _table(outcomes: Outcomes, columns: list[str], *, stays: bool) -> Iterator[str]:
    yield "| while | what goes wrong | " + " | ".join(COLUMNS[name] for name in columns) + " |"
    yield "| --- " * (len(columns) + 2) + "|"
    for phase, faults in groupby(FAULTS, key=lambda fault: fault.phase):
        rows: dict[tuple[str, ...], list[str]] = {}
        for fault in faults:
            row = tuple(_told(outcomes, (phase, fault.name, column), stays=stays) for column in columns)
            if any(row):
                rows.setdefault(row, []).append(fault.name)
        for row, names in rows.items():
            yield f"| {phase} | {'; '.join(names)} | " + " | ".join(row) + " |"


def _told(outcomes: Outcomes, where: tuple[str, str, str], *, stays: bool) -> str:
    """Tell what both engines give, and where aiohttp differs."""
    usual = outcomes.get((*where, "httpx", stays), "")
    other = outcomes.get((*where, "aiohttp", stays), usual)
    return usual if other == usual else f"{usual}; aiohttp: {other}"
