"""How far a batch has come, for somebody who watches: drawn on a terminal, else a plain line now and then."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from volcasr_async.cli.console import say
from volcasr_async.cli.progress import ECHO
from volcasr_async.cli.words import counted
from volcasr_async.outcomes import BatchStats

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.table import Table

GLANCE_S = 0.25
_LINE_EVERY_S = 5.0
_RECENT_S = 5.0
_SOON_S = 2.0
_TREND_S = 60.0
_HOUR_S = 3600.0


class Moment(Struct, frozen=True):
    """What is shown of one moment; `total` and `left_s` are `None` where they are not known."""

    done: int
    failed: int
    skipped: int
    waiting: int
    to_send: int
    total: int | None
    per_s: float
    rate: float | None
    rejected: int
    audio_s: float
    elapsed_s: float
    left_s: float | None
    stopping: bool

    @property
    def ended(self) -> int:
        """How many need nothing more."""
        return self.done + self.failed + self.skipped


class Pulse:
    """Makes moments of a batch's snapshots: rates need two."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._seen: deque[tuple[float, int, int]] = deque()

    def at(self, stats: BatchStats, *, bad: int, left_out: int = 0, stopping: bool) -> Moment:
        """Add a snapshot; *bad* lines of the list count as failed, and *left_out* files were skipped."""
        now, ended = stats.elapsed_s, stats.done + stats.failed
        self._seen.append((now, stats.requests, ended))
        while len(self._seen) > 2 and self._is_past(*self._seen[1], now):
            self._seen.popleft()
        unread = 0 if stats.exhausted or self._total is None else max(self._total - stats.read - bad - left_out, 0)
        return Moment(
            done=stats.done,
            failed=stats.failed + bad,
            skipped=stats.skipped,
            waiting=stats.waiting,
            to_send=unread + stats.sending,
            total=self._total,
            per_s=self._requests_per_s(now, stats.rate),
            rate=stats.rate,
            rejected=stats.rejected,
            audio_s=stats.audio_s,
            elapsed_s=now,
            left_s=self._left(now, ended + stats.skipped + bad + left_out),
            stopping=stopping,
        )

    @staticmethod
    def _is_past(at: float, _: int, ended: int, now: float) -> bool:
        """Forget what is old, and the time before the first end: it tells nothing of how fast they end."""
        return at <= now - (_TREND_S if ended else _RECENT_S)

    def _requests_per_s(self, now: float, rate: float | None) -> float:
        """Tell the pace of the last seconds: n starts that are evenly spaced take n gaps, the one before the first among them."""
        since = next(seen for seen in self._seen if seen[0] >= now - _RECENT_S)
        seconds = max(now - since[0], _SOON_S) + (1 / rate if rate else 0.0)
        return (self._seen[-1][1] - since[1]) / seconds

    def _left(self, now: float, settled: int) -> float | None:
        first = max((n for n, seen in enumerate(self._seen) if not seen[2]), default=0)
        since, _, before = self._seen[first]
        ended = self._seen[-1][2] - before
        if self._total is None or not ended:
            return None
        return max(self._total - settled, 0) * (now - since) / ended


# ---- words ----

Part = tuple[str, str]


def counts(moment: Moment) -> list[Part]:
    """Say what has become of the recordings: text and style, the most important first."""
    parts = [(f"{moment.done:,} done", "green"), (f"{moment.failed:,} failed", "red" if moment.failed else "dim")]
    if moment.skipped:
        parts.append((f"{moment.skipped:,} done before", ""))
    parts.append((f"{moment.waiting:,} in flight", "cyan"))
    parts.append((f"{moment.to_send:,}{'' if moment.total is not None else '+'} to send", ""))
    return parts


def pace(moment: Moment) -> list[Part]:
    """Say how fast it goes."""
    budget = f" of {moment.rate:.3g}" if moment.rate is not None else ""
    parts = [(f"{moment.per_s:.1f}{budget} requests/s", "")]
    if moment.rejected:
        parts.append((f"{moment.rejected:,} refused", "yellow"))
    return [*parts, (f"{moment.audio_s / _HOUR_S:.2f} h of audio", "")]


def clock(span: float) -> str:
    """Write a span of time as people do: 0:07, 12:03, 3:04:05."""
    minutes, seconds = divmod(round(span), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def times(moment: Moment) -> list[Part]:
    """Say how long it took and will take."""
    left = [] if moment.left_s is None or moment.stopping else [(f"about {clock(moment.left_s)} left", "")]
    return [(clock(moment.elapsed_s), "dim"), *left]


def plain_line(moment: Moment) -> str:
    """Say everything on one line, for a log."""
    return ", ".join(text for text, _ in (*counts(moment), *pace(moment), *times(moment)))


# ---- showing ----


class Meter:
    """Shows moments: drawn where somebody watches, else as a line every few seconds."""

    def __init__(self, name: str, *, watched: bool) -> None:
        self._name, self._watched = name, watched
        self._live: Live | None = None
        self._spinner: Spinner | None = None
        self._next_line = time.monotonic() + _LINE_EVERY_S

    @contextmanager
    def running(self) -> Iterator[Meter]:
        """Show for as long as the context lasts; messages come out above."""
        if not self._watched:
            yield self
            return
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._spinner = Spinner("dots", style="cyan")
        console = Console(stderr=True)
        with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live:
            self._live = live
            try:
                yield self
            finally:
                self._live = None

    def show(self, moment: Moment) -> None:
        """Show this moment."""
        if self._live is not None:
            from rich.constrain import Constrain

            width = self._live.console.width - ECHO
            self._live.update(Constrain(self.drawn(moment, width), width), refresh=True)
        elif not self._watched and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_EVERY_S
            say(plain_line(moment))

    def say_stopping(self, in_air: int) -> None:
        """Say that the first Ctrl-C was heard; where somebody watches, the moments that are drawn say so."""
        if not self._watched:
            first = (
                f"{counted(in_air, 'request')} in the air {'is' if in_air == 1 else 'are'} finished first; "
                if in_air
                else ""
            )
            say("stopping", f": {first}another Ctrl-C leaves at once")

    def drawn(self, moment: Moment, width: int) -> Group:
        """Draw a moment into *width* columns: a bar where the end is known, then words, as many to a line as fit."""
        from rich.console import Group
        from rich.text import Text

        head: list[Part] = (
            [("stopping after what is in the air", "yellow"), ("Ctrl-C leaves now", "yellow")]
            if moment.stopping
            else []
        )
        groups = (head, counts(moment), pace(moment), times(moment))
        lines = [line for parts in _merged(groups, width - 2) for line in _packed(parts, width - 2)]
        rows = [Text.assemble("  ", *_spaced(line), no_wrap=True, overflow="ellipsis") for line in lines]
        return Group(self._head(moment, width), *rows)

    def _head(self, moment: Moment, width: int) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1), expand=True)
        room = max(width // 3, 8)
        name = self._name if len(self._name) <= room else "..." + self._name[3 - room :]
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        if moment.total is None:
            grid.add_row(self._spinner or "", Text(name, style="bold"))
            return grid
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        share = min(moment.ended / moment.total, 1.0) if moment.total else 1.0
        bar = ProgressBar(total=1.0, completed=share, complete_style="cyan", finished_style="green")
        percent = f"{int(share * 1000) / 10:.1f} %"  # 100 % is the end, not nearly so
        grid.add_row(self._spinner or "", Text(name, style="bold"), bar, Text(percent, style="bold"))
        return grid


def _merged(groups: tuple[list[Part], ...], width: int) -> list[list[Part]]:
    """Put two groups on one line where both fit."""
    merged: list[list[Part]] = []
    for parts in filter(None, groups):
        if merged and _length([*merged[-1], *parts]) <= width and len(merged) > 1:
            merged[-1] = [*merged[-1], *parts]
        else:
            merged.append(list(parts))
    return merged


def _packed(parts: list[Part], width: int) -> Iterator[list[Part]]:
    """Break between parts, never inside one."""
    line: list[Part] = []
    for part in parts:
        if line and _length([*line, part]) > width:
            yield line
            line = []
        line.append(part)
    yield line


def _length(parts: list[Part]) -> int:
    return sum(len(text) for text, _ in parts) + 3 * (len(parts) - 1)


def _spaced(parts: list[Part]) -> Iterator[Part]:
    for number, part in enumerate(parts):
        if number:
            yield "   ", ""
        yield part
