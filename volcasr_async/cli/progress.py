"""The lines that somebody watches while recordings are on their way: one for each, on stderr, only on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from volcasr_async.cli.console import is_terminal

if TYPE_CHECKING:
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.table import Table

_MOST_LINES = 12
_LONGEST_NAME = 40


class Board:
    """Shows what runs; where nobody watches it does nothing.

    `show` adds or changes a line, `drop` takes it away, `aside` clears the place while something else is written. `summary`
    stands below the lines.
    """

    def __init__(self, *, watched: bool | None = None) -> None:
        self.watched = is_terminal() if watched is None else watched
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
        self._live = Live(
            get_renderable=self.table,
            console=Console(stderr=True),
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
        self._lines[key] = (name, doing, since)

    def drop(self, key: object) -> None:
        """Take the line away."""
        self._lines.pop(key, None)

    def table(self) -> Table:
        """Draw the lines as they are now."""
        from rich.table import Table
        from rich.text import Text

        table, now = Table.grid(padding=(0, 1)), time.monotonic()
        for width in (1, None, None, 6):
            table.add_column(min_width=width, no_wrap=True, overflow="ellipsis")
        lines = list(self._lines.values())
        for name, doing, since in lines[:_MOST_LINES]:
            clock = Text(f"{now - since:.0f} s", style="cyan", justify="right")
            table.add_row(self._spinner, Text(shortened(name)), Text(doing, style="dim"), clock)
        more = len(lines) - _MOST_LINES
        if rest := ", ".join(filter(None, (f"{more} more" if more > 0 else "", self.summary))):
            table.add_row("", Text(rest, style="dim"), "", "")
        return table


def shortened(name: str) -> str:
    """Cut the middle out of a name that is too long for its column."""
    if len(name) <= _LONGEST_NAME:
        return name
    return name[: _LONGEST_NAME // 3] + "..." + name[-(_LONGEST_NAME - _LONGEST_NAME // 3 - 3) :]
