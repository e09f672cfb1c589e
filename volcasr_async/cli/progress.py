"""The lines that somebody watches while recordings are on their way: one for each, on stderr, only on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from volcasr_async.cli.console import is_terminal
from volcasr_async.errors import in_one_line

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.spinner import Spinner

ECHO = 3
"""Columns kept free at the end of what is drawn: the terminal writes ^C there, and a line that it broke would stay."""

_MOST_LINES = 12
_LONGEST_NAME = 40
_SPINNER, _CLOCK = 2, 6  # columns


class Board:
    """Shows what runs; where nobody watches it does nothing.

    `show` adds or changes a line, `drop` takes it away, `aside` clears the place while something else is written. `summary`
    stands below the lines.
    """

    def __init__(self, *, watched: bool | None = None) -> None:
        self.watched: bool = is_terminal() if watched is None else watched
        self.summary = ""
        self._lines: dict[object, tuple[str, str, float]] = {}
        self._live: Live | None = None
        self._spinner: Spinner | str = ""

    @contextmanager
    def running(self) -> Iterator[Board]:
        """Show the lines for as long as the context lasts."""
        self._start()
        try:
            yield self
        finally:
            self._stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Clear the place for something that is written in the meantime."""
        was_shown = self._live is not None
        self._stop()
        try:
            yield
        finally:
            if was_shown:
                self._start()

    def _start(self) -> None:
        """Begin to draw; each time anew, for a `Live` that goes on draws over what was written in between."""
        if not self.watched:
            return
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._spinner = Spinner("dots", style="cyan")
        console = Console(stderr=True)
        self._live = Live(
            get_renderable=lambda: self.drawn(console.width - ECHO),
            console=console,
            transient=True,
            refresh_per_second=10,
            redirect_stdout=False,  # results go to stdout, not through the console of the progress
            redirect_stderr=False,
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, key: object, name: str, doing: str) -> None:
        """Say what is being done about *name*; the clock of a line runs from its first word on."""
        since = self._lines[key][2] if key in self._lines else time.monotonic()
        self._lines[key] = (in_one_line(name), doing, since)

    def drop(self, key: object) -> None:
        """Take the line away."""
        self._lines.pop(key, None)

    def drawn(self, width: int) -> Group:
        """Draw the lines as they are now into *width* columns, which rich's own sizing would pass by a few."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now, lines = time.monotonic(), list(self._lines.values())
        names, doings = [shortened(name) for name, _, _ in lines], [doing for _, doing, _ in lines]
        room = max(width - _SPINNER - _CLOCK - 2, 2)  # a blank behind name and doing
        doing_width = min(_longest(doings), max(room // 2, room - _longest(names)))
        table = Table.grid()
        named = min(_longest(names), room - doing_width)
        for columns in (_SPINNER, named, 1, doing_width, 1, _CLOCK):
            table.add_column(width=columns, no_wrap=True, overflow="ellipsis")
        for name, (_, doing, since) in zip(names[:_MOST_LINES], lines, strict=False):
            clock = Text(f"{now - since:.0f} s", style="cyan", justify="right")
            table.add_row(self._spinner, Text(name), "", Text(doing, style="dim"), "", clock)
        more = len(lines) - _MOST_LINES
        rest = Text(", ".join(filter(None, (f"{more} more" if more > 0 else "", self.summary))), style="dim")
        rest.pad_left(_SPINNER)
        rest.truncate(width, overflow="ellipsis")
        return Group(table, rest) if rest.plain.strip() else Group(table)


def _longest(texts: list[str]) -> int:
    """Columns of the longest; a Chinese character takes two."""
    from rich.cells import cell_len

    return max(map(cell_len, texts), default=0)


def shortened(name: str) -> str:
    """Cut the middle out of a name that is too long for its column."""
    if len(name) <= _LONGEST_NAME:
        return name
    return name[: _LONGEST_NAME // 3] + "..." + name[-(_LONGEST_NAME - _LONGEST_NAME // 3 - 3) :]
