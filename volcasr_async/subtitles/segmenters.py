"""The libraries that cut Chinese and Japanese into words (extra [subtitles]): rjieba and budoux."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import accumulate

from volcasr_async.errors import InputError
from volcasr_async.subtitles.boundaries import Boundaries
from volcasr_async.subtitles.layout import Layout
from volcasr_async.subtitles.width import is_chinese, is_wide

_Cut = Callable[[str], list[str]]
_TRADITIONAL = frozenset(
    "們這個說會來對時國學後還過經開關點問題東車長門見電話語機體樣種讓請謝為與從處應該實現場產業務網絡資訊軟醫臺灣"
)


def segmentation_of(layout: Layout) -> Callable[[str], Boundaries | None]:
    """Choose what finds the words for a layout; it gives `None` where rules have to do.

    `InputError` where the layout asks for the libraries and they are not installed.
    """
    if callable(layout.segmenter):
        own = layout.segmenter
        return lambda text: Boundaries(frozenset(own(text)))
    if layout.segmenter == "rules":
        return lambda _text: None
    libraries = load_libraries()
    if libraries is not None:
        return libraries
    if layout.segmenter == "library":
        raise InputError(
            'Layout(segmenter="library") needs the extra [subtitles]: pip install "volcasr-async[subtitles]"'
        )
    return lambda _text: None


@cache
def load_libraries() -> Callable[[str], Boundaries | None] | None:
    """Load the libraries, once; `None` where they are not installed."""
    try:
        import budoux
        import rjieba
    except ImportError:
        return None
    simplified: _Cut = budoux.load_default_simplified_chinese_parser().parse
    traditional: _Cut = budoux.load_default_traditional_chinese_parser().parse
    japanese: _Cut = budoux.load_default_japanese_parser().parse

    def find(text: str) -> Boundaries | None:
        if not is_wide(text):
            return None
        if not is_chinese(text):
            return Boundaries(_ends(japanese(text)))
        ends = _ends(rjieba.cut(text))
        phrases = _ends((traditional if _is_traditional(text) else simplified)(text))
        return Boundaries(ends, ends - phrases)

    return find


def _ends(parts: list[str]) -> frozenset[int]:
    return frozenset(accumulate(map(len, parts)))


def _is_traditional(text: str) -> bool:
    return not _TRADITIONAL.isdisjoint(text)
