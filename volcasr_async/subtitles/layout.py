"""How subtitles are to look."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal, get_args

from msgspec import Struct

from volcasr_async.errors import InputError

_WIDE_COLUMNS = 40  # 20 Chinese characters
_NARROW_COLUMNS = 42
_LEAST_COLUMNS = 10

SegmenterName = Literal["auto", "library", "rules"]
SEGMENTERS: tuple[SegmenterName, ...] = get_args(SegmenterName)

Segmenter = Callable[[str], Iterable[int]]
"""What finds the words of a text: it gives the positions (in characters, as of a slice) where a word ends."""


class Layout(Struct, frozen=True, kw_only=True):
    """How long the lines of subtitles may be, how many at once, and for how long.

    `columns`: the widest line, where a Chinese character takes two columns and a Latin one takes one; `None` is 40 for
    Chinese (20 characters) and 42 for Latin. `lines`: lines shown at once. `shortest_s` and `longest_s`: seconds that a
    text stands; less only where the next one begins or the recording ends. `labels`: begin what somebody says with the
    speaker's name (or the channel's), where the service told speakers or channels apart. `segmenter`: what finds Chinese
    and Japanese words, so that no line ends inside one. "library" is that of the extra [subtitles]; "rules" needs no
    library, gives the same result everywhere, and may cut a word; "auto" is the library where it is installed, and else
    the rules; or a function of your own, `Segmenter`.

    `InputError` for what cannot be met.
    """

    columns: int | None = None
    lines: int = 2
    shortest_s: float = 1.0
    longest_s: float = 7.0
    labels: bool = False
    segmenter: SegmenterName | Segmenter = "auto"

    def __post_init__(self) -> None:
        if self.columns is not None and not _is_count(self.columns, _LEAST_COLUMNS):
            raise InputError(
                f"Layout(columns={self.columns!r}) must be a whole number, at least {_LEAST_COLUMNS}, where a Chinese "
                "character counts two; use columns=None for what suits the language"
            )
        if not _is_count(self.lines, 1):
            raise InputError(f"Layout(lines={self.lines!r}) must be a whole number, at least 1")
        if not (_is_number(self.shortest_s) and _is_number(self.longest_s) and 0 <= self.shortest_s <= self.longest_s):
            raise InputError("Layout needs numbers of seconds, 0 <= shortest_s <= longest_s")
        if not callable(self.segmenter) and self.segmenter not in SEGMENTERS:
            raise InputError(
                f'Layout(segmenter={self.segmenter!r}) is not known; use "auto", "library", "rules" or a function'
            )
        if self.longest_s < 0.1:
            raise InputError("Layout(longest_s=...) must be at least 0.1 s, or nobody can read it")

    def limit(self, *, wide: bool) -> int:
        """Return the widest line for text that is, or is not, set like Chinese; in columns."""
        return self.columns or (_WIDE_COLUMNS if wide else _NARROW_COLUMNS)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


USUAL = Layout()
