"""`volcasr status`: what the journal of a batch says, also while the batch runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer
from msgspec import Struct

from volcasr_async.cli.console import WRONG_USAGE, CommandError, plain
from volcasr_async.cli.output import write_stdout
from volcasr_async.cli.report import ReportFormat
from volcasr_async.cli.words import counted, in_flags
from volcasr_async.errors import Charged, JournalError
from volcasr_async.journal import STATES, State

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

_UNCERTAIN = "is queried where the edition allows it, else left alone; --pay-again submits it again"
_NEXT: dict[tuple[State, Charged], str] = {
    ("planned", "no"): "is submitted",
    (
        "sent",
        "maybe",
    ): "is queried, and submitted again only if the service does not know it; v1 and flash: as uncertain",
    ("sent", "yes"): "is queried: a new task of a recording that was charged before; v1 and flash: as uncertain",
    ("accepted", "yes"): "is waited for; queries are free",
    ("done", "yes"): "nothing is sent; a result that was not yet written is written from the journal",
    ("failed", "no"): "is submitted again; it was refused and not charged",
    ("failed", "yes"): "is submitted as a new task, which may be charged again",
    ("uncertain", "maybe"): _UNCERTAIN,
    ("uncertain", "yes"): _UNCERTAIN,
    ("missing", "yes"): "is queried; the service did not find it any more; --pay-again submits it again",
}
_COLOURS: dict[State, str] = {
    "done": "green",
    "failed": "red",
    "uncertain": "yellow",
    "missing": "yellow",
    "accepted": "cyan",
    "sent": "cyan",
}

_BY_CLASS = """
SELECT state, coalesce(error_class, '?'), count(*), min(key) FROM job WHERE state IN ('failed', 'uncertain', 'missing')
GROUP BY 1, 2 ORDER BY 3 DESC
"""
_FAILED = """
SELECT key, state, coalesce(error_class, '?'), coalesce(error, '') FROM job WHERE state IN ('failed', 'uncertain', 'missing')
ORDER BY updated_at, key LIMIT ?
"""
_MESSAGE = "SELECT coalesce(error, '') FROM job WHERE key = ?"
_UNDELIVERED = "SELECT count(*) FROM job WHERE state = 'done' AND delivered = 0"
_TIMES = "SELECT min(planned_at), max(updated_at) FROM job"


class Row(Struct, frozen=True):
    """A state: how many, of these by charge state, seconds of audio, and what `volcasr batch` does next about it."""

    count: int
    audio_s: float
    next: str
    charged: dict[Charged, int]


class Kind(Struct, frozen=True):
    """A class of errors: how many, and one of them."""

    error: str
    state: str
    count: int
    key: str
    message: str


class FailedOne(Struct, frozen=True):
    """One that failed."""

    key: str
    state: str
    error: str
    message: str


class Report(Struct, frozen=True):
    """What a journal says; `unwritten` are done, and their results have still to be written."""

    journal: str
    states: dict[str, Row]
    unwritten: int
    began_at: float | None
    changed_at: float | None
    errors: list[Kind]
    failed: list[FailedOne]


def status(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="The journal of a batch; it may be running.")],
    *,
    failed: Annotated[int, typer.Option(min=0, metavar="N", help="List up to N of those that failed.")] = 0,
    format: ReportFormat = "txt",  # noqa: A002 - the flag's name
) -> None:
    """Tell how far a batch has come, what failed and why, and what would be done next."""
    try:
        report = read_report(journal, failed)
    except JournalError as error:
        raise CommandError(
            str(error), "It is the file that volcasr batch named at its start", status=WRONG_USAGE
        ) from error
    if format == "json":
        write_stdout(msgspec.json.encode(report).decode() + "\n")
    else:
        _print(report)


def read_report(path: Path, most: int) -> Report:
    """Read the journal without disturbing a batch that writes to it."""
    from volcasr_async.journal_file import DAMAGE, summary

    totals = summary(path)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            kinds = [
                Kind(error, state, count, key, plain(message))
                for state, error, count, key in _asked(database, list[tuple[str, str, int, str]], _BY_CLASS)
                for [message] in _asked(database, list[tuple[str]], _MESSAGE, key)
            ]
            ones = [
                FailedOne(key, state, error, plain(message))
                for key, state, error, message in _asked(database, list[tuple[str, str, str, str]], _FAILED, most)
            ]
            [(unwritten,)] = _asked(database, list[tuple[int]], _UNDELIVERED)
            [(began_at, changed_at)] = _asked(database, list[tuple[float | None, float | None]], _TIMES)
    except DAMAGE as error:
        raise JournalError(f"{path} cannot be read as a journal: {error}") from error
    states: dict[str, Row] = {}
    for state in STATES:
        found = [total for total in totals if total.state == state]
        if found:
            says = "; ".join(_NEXT.get((state, total.charged), "is queried first") for total in found)
            counts: dict[Charged, int] = {total.charged: total.count for total in found}
            audio_s = sum(total.audio_ms for total in found) / 1000
            states[state] = Row(sum(counts.values()), audio_s, says, counts)
    return Report(str(path), states, unwritten, began_at, changed_at, kinds, ones)


def _asked(database: sqlite3.Connection, kind: type[T], statement: str, *given: str | int) -> T:
    """Ask, and hold the answer against its types, which SQLite does not: a file may be damaged."""
    return msgspec.convert(database.execute(statement, given).fetchall(), kind)


def _print(report: Report) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not report.states:
        console.print("nothing has been planned yet", markup=False)
        return
    _print_states(console, report)
    for kind in report.errors:
        console.print()
        _print_line(console, f"{kind.count:,} {kind.error}", "red", f", such as {plain(kind.key)}")
        _print_line(console, "  ", "", in_flags(kind.message))
    if report.failed:
        console.print()
    for one in report.failed:
        _print_line(console, one.error, "red", f" {plain(one.key)}: {in_flags(one.message)}")


def _print_states(console: Console, report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("state", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("charged", no_wrap=True)
    table.add_column("audio h", justify="right", no_wrap=True)
    table.add_column("what batch does next")
    for name, row in report.states.items():
        style = next((colour for state, colour in _COLOURS.items() if state == name), "")
        hours = f"{row.audio_s / 3600:.2f}" if name == "done" else ""
        charged = ", ".join(c if len(row.charged) == 1 else f"{c} {n:,}" for c, n in row.charged.items())
        table.add_row(Text(name, style=style), f"{row.count:,}", charged, hours, Text(row.next, style="dim"))
    total = sum(row.count for row in report.states.values())
    table.add_row(
        "all",
        f"{total:,}",
        "",
        "",
        f"still to be written: {counted(report.unwritten, 'result')}" if report.unwritten else "",
    )
    console.print(table)


def _print_line(console: Console, label: str, style: str, text: str) -> None:
    from rich.text import Text

    console.print(Text.assemble((label, style), text), soft_wrap=not console.is_terminal)
