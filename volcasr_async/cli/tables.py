"""Lists that are tables: CSV and TSV, as spreadsheets and databases write them; read as they come, however long they are."""

from __future__ import annotations

import codecs
import csv
import difflib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer
from msgspec import Struct

from volcasr_async.cli.console import WRONG_USAGE, CommandError
from volcasr_async.cli.flags import flags_of
from volcasr_async.cli.looks import shown_list
from volcasr_async.cli.table_looks import (
    SEPARATORS,
    as_characters,
    guess_text,
    is_recording,
    row_separator,
    safe_cells,
    split_cells,
    stated_separator,
)
from volcasr_async.spelling import strip_edges

LONGEST_ROW = 1 << 16


class Columns(Struct, frozen=True, kw_only=True):
    """Which columns of a table are read; without `column` the list is no table."""

    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|NUMBER", help="The list is CSV or TSV: its column with the links or paths, by name or number."
        ),
    ] = None
    key_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|NUMBER", help="The column with a key for each recording; by default its link or path."
        ),
    ] = None


COLUMNS = flags_of(Columns)


class Row(Struct, frozen=True):
    """A row: the cells that were asked for, or what is wrong with it. `line` is the number of its first line."""

    line: int
    source: str | None = None
    key: str | None = None
    fault: str | None = None


# ---- reading ----


class TableReader:
    """Makes rows of lines; a row may have several lines, when a line end stands in quotes."""

    def __init__(self, columns: Columns, name: str) -> None:
        self._columns, self._name = columns, name
        self._separator = ""
        self._layout: _Layout | None = None
        self._todo: deque[tuple[int, bytes]] = deque()
        self._pending: list[tuple[int, bytes]] = []
        self._size = self._number = 0
        self._in_quotes = False

    def feed(self, lines: list[bytes]) -> Iterator[Row]:
        """Return the rows that end in these complete lines."""
        for line in lines:
            self._number += 1
            if not self._separator and not self._begins(line):
                continue
            if self._number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
            self._todo.append((self._number, line))
            yield from self._rows()

    def end(self) -> Iterator[Row]:
        """Return the rows that are left; a quote that was never closed concerns the first of their lines only."""
        while self._pending:
            yield self._drop("a quote is opened in this line and never closed")
            yield from self._rows()

    def _begins(self, line: bytes) -> bool:
        """Choose the separator by the first line that is not blank, and return whether that line is a row.

        One line decides, so that a table is read alike from a file and from a pipe, which may bring a line at a time.
        """
        line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            return False
        if (said := stated_separator(line)) is not None:
            self._separator = said
            return False
        self._separator = _choose_separator(as_characters(line).rstrip("\r"), self._columns)
        return True

    def _rows(self) -> Iterator[Row]:
        while self._todo:
            number, line = self._todo.popleft()
            self._pending.append((number, line))
            self._size += len(line) + 1
            self._in_quotes = _ends_in_quotes(line, self._separator.encode(), in_quotes=self._in_quotes)
            if self._size > LONGEST_ROW:
                yield self._drop(f"this row is longer than {LONGEST_ROW} bytes, or a quote in it is never closed")
            elif not self._in_quotes:
                row = self._complete()
                if row is not None:
                    yield row

    def _drop(self, fault: str) -> Row:
        """Drop the first pending line, and read those after it again."""
        (number, _), *rest = self._pending
        self._todo.extendleft(reversed(rest))
        self._clear()
        return Row(number, fault=fault)

    def _clear(self) -> None:
        self._pending, self._size, self._in_quotes = [], 0, False

    def _complete(self) -> Row | None:
        number, several = self._pending[0][0], len(self._pending) > 1
        text = as_characters(b"\n".join(line for _, line in self._pending)).removesuffix("\r")
        try:
            # Strict for several lines: a stray quote must not swallow the lines after it.
            cells = split_cells(text, self._separator, strict=several)
        except csv.Error:
            return self._drop("the quotes in this line do not match")
        self._clear()
        if not any(cell.strip() for cell in cells):
            return None
        if self._layout is None:
            self._layout = _layout_of(cells, self._columns, self._name)
            if self._layout.has_header:
                return None
        return self._layout.row(number, cells)


class _Layout(Struct, frozen=True):
    """Where the cells are that were asked for."""

    source: int
    key: int | None
    width: int
    has_header: bool

    def row(self, number: int, cells: list[str]) -> Row:
        if any(cell.strip() for cell in cells[self.width :]):
            return Row(
                number,
                fault=f"this row has {len(cells)} cells, and the first row {self.width}: put a cell that holds the separator in "
                "double quotes",
            )
        if len(cells) == 1 < self.width and (other := row_separator(strip_edges(guess_text(cells[0])))) is not None:
            return Row(number, fault=f"this row is separated by {other!r}, and the first row is not")
        try:
            source, key = _cell(cells, self.source), "" if self.key is None else _cell(cells, self.key)
        except UnicodeDecodeError:
            return Row(number, fault="this row is not UTF-8: save the table as CSV UTF-8")
        if not source:
            return Row(number, key=key or None, fault=f"column {self.source + 1} of this row is empty")
        return Row(number, source, key or None)


def _cell(cells: list[str], index: int) -> str:
    """Return a cell as text; others need not be UTF-8."""
    return strip_edges(cells[index].encode("latin-1").decode()) if index < len(cells) else ""


def _layout_of(cells: list[str], columns: Columns, name: str) -> _Layout:
    """Find the columns in the first row; a name needs a header, a number does not."""
    header = [strip_edges(guess_text(cell)) for cell in cells]
    found = [_index_of(header, wanted, name) for wanted in (columns.column, columns.key_column) if wanted is not None]
    source, key = found[0][0], found[1][0] if len(found) > 1 else None
    return _Layout(source, key, len(cells), any(named for _, named in found) or not is_recording(header[source]))


def _index_of(header: list[str], wanted: str, name: str) -> tuple[int, bool]:
    """Return the index of a column, and whether it was found by its name."""
    folded = [cell.casefold() for cell in header]
    text = strip_edges(wanted)
    if text.casefold() in folded:
        return folded.index(text.casefold()), True
    shown = shown_list(name)
    if text.isascii() and text.isdigit():
        if 1 <= int(text[:9]) <= len(header):
            return int(text) - 1, False
        message = f"{shown} has {len(header)} columns, so there is no column {text[:9]}"
        raise CommandError(message, f"Its first row has {_named(header)}", status=WRONG_USAGE)
    close = difflib.get_close_matches(text.casefold(), folded, 1)
    closest = f"; the closest is {header[folded.index(close[0])]!r:.60}" if close else ""
    raise CommandError(
        f"{shown} has no column {wanted!r:.60}",
        f"Its first row has {_named(header)}{closest}. Without a header, give the number of the column: --column 1",
        status=WRONG_USAGE,
    )


def _named(header: list[str]) -> str:
    return ", ".join(cell[:60] if "://" not in cell else "(a link)" for cell in header[:20])


def _ends_in_quotes(line: bytes, separator: bytes, *, in_quotes: bool) -> bool:
    """Return whether a quoted cell goes on after *line*, as the csv module reads it."""
    place = 0
    if not in_quotes and line.startswith(b'"'):
        in_quotes, place = True, 1
    while True:
        if not in_quotes:
            start = line.find(separator + b'"', place)
            if start < 0:
                return False
            in_quotes, place = True, start + 2
        end = line.find(b'"', place)
        if end < 0:
            return True
        in_quotes = line[end + 1 : end + 2] == b'"'
        place = end + (2 if in_quotes else 1)


def _choose_separator(line: str, columns: Columns) -> str:
    """Choose the separator of a first row.

    It is the one that yields most of the named columns, then a recording in a numbered column, rather one that is not a row itself,
    then most cells.
    """
    wanted = [strip_edges(name) for name in (columns.column, columns.key_column) if name is not None]
    names = {name.casefold() for name in wanted}
    number = int(wanted[0][:9]) if wanted and wanted[0].isascii() and wanted[0].isdigit() else 0

    def score(separator: str) -> tuple[int, bool, bool, int]:
        cells = [strip_edges(guess_text(cell)) for cell in safe_cells(line, separator)]
        known = names & {cell.casefold() for cell in cells}
        fits = 0 < number <= len(cells) > 1 and is_recording(cells[number - 1])
        return len(known), fits, fits and row_separator(cells[number - 1]) is None, len(cells)

    best = max(SEPARATORS, key=score)
    return best if score(best)[-1] > 1 else ","


def count_rows(lines: Iterable[bytes], columns: Columns, name: str) -> int:
    """Count the rows of a table."""
    reader = TableReader(columns, name)
    count = 0
    batch: list[bytes] = []
    for line in lines:
        batch.append(line.removesuffix(b"\n")[: LONGEST_ROW + 1])
        if len(batch) >= 1000:
            count += sum(1 for _ in reader.feed(batch))
            batch = []
    return count + sum(1 for _ in reader.feed(batch)) + sum(1 for _ in reader.end())
