"""Text into the pieces that stay whole at the end of a line, and how well a line or subtitle may end after each."""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import pairwise
from unicodedata import category, east_asian_width

import msgspec
from msgspec import Struct

from volcasr_async.subtitles.bonds import HELD, MARK, bonds_of
from volcasr_async.subtitles.boundaries import Boundaries
from volcasr_async.subtitles.costs import CLOSERS, SENTENCE, TORN, Place, cost_of
from volcasr_async.subtitles.plain import is_spoken, separator
from volcasr_async.subtitles.width import columns, graphemes, is_simple

# Kinds of characters: S blank; H breaks on both sides (Chinese, kana, emoji); L letters and the like; N digits;
# O and P opening, X and x closing (never first in a line), large ones Chinese; Q a quotation mark that may be either.
_KINDS = {
    **dict.fromkeys("“‘￥＄￡＃＠", "O"),
    **dict.fromkeys("，。、；：？！…—～〜·・”％‰℃゠ー々ゝゞヽヾ．｡､･", "X"),
    **dict.fromkeys("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ", "X"),
    **dict.fromkeys(".,:;!?%'’/-–*،؛؟۔।॥", "x"),
    '"': "Q",
}
_UNIT = re.compile(
    r"[OPQ]*"
    r"(?:N(?:[Nx]*N)?H(?:Q+H)*"  # a number and what it counts: 2026年, 3.5万
    r"|H(?:Q+H)*"
    r"|[LNxPQ]*[LNxQ]"
    r"|[^S])?"
    r"[XxQ]*(?:S[Xx]+(?![LNXxPQ]))*"  # French puts a blank before its closing punctuation
    r"S*"
)
_STRONG_JOINTS = frozenset("/?&@")
_JOINTS = frozenset("/?&@=._-#:,+~\\")
# A mark that begins something after Chinese: .5, .NET, .mp3, -5, --help, /usr/bin. A capital letter with small ones
# after it begins a sentence, and the dot before it ends one.
_STARTS = re.compile(
    r"(?<=[^\x00-\x7f])(?:\.(?=[0-9a-z]|[A-Z][A-Z0-9]|Net(?![a-z]))|--?(?=[0-9a-z.])|~?/(?=[A-Za-z0-9._-]+/))"
)


class Unit(Struct, frozen=True, gc=False):
    """A piece of text that stays whole, with the blank that follows it; times in ms.

    `columns` counts without that blank, `blank` is its width. `cost` says how bad it is to end a line here; `ends`,
    whether a sentence ends here.
    """

    text: str
    columns: int
    blank: int
    cost: float
    ends: bool
    start_ms: int = 0
    end_ms: int = 0


class _Kinds(dict[int, str]):
    """The kind of each code point, found once; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = _KINDS.get(char) or _kind(char)
        self[code] = kind
        return kind


def _kind(char: str) -> str:
    group, wide = category(char), east_asian_width(char) in {"W", "F"}
    if group in {"Ps", "Pi"}:
        return "O" if wide else "P"
    if group in {"Pe", "Pf"}:
        return "X" if wide else "x"
    if group == "Nd":
        return "N"
    if char.isspace() and char not in "\xa0\u2007\u202f":
        return "S"
    letters = group in {"Lu", "Ll"} or "\u1100" <= char <= "\u11ff" or "\uac00" <= char <= "\ud7a3"
    return "H" if (wide and not letters) or "\uff66" <= char <= "\uff9d" else "L"


_TABLE = _Kinds()


def units_of(
    text: str, *, limit: int, wide: bool, pairs: Container[str] = (), boundaries: Boundaries | None = None
) -> list[Unit]:
    """Cut one line of text into units no wider than *limit* columns, still without times.

    *pairs* are two Chinese characters each that should stay together where that is possible; *boundaries* are the ends
    of words, where they are known.
    """
    clusters, kinds = _classified(text)
    bonds = bonds_of(text, limit=limit, wide=wide, boundaries=boundaries)
    spans = [match.span() for match in _UNIT.finditer(kinds) if match.end() > match.start()]
    texts = ["".join(clusters[start:end]) for start, end in spans]
    units: list[Unit] = []
    at = 0
    for number, (start, end) in enumerate(spans):
        at += len(texts[number])
        place = Place(text, at, texts[number].endswith(" "), wide, pairs, boundaries)
        unit = _unit(texts[number], "".join(texts[number + 1 : number + 3]), place, bonds.get(at))
        if unit.columns <= limit:
            units.append(unit)
        else:
            units += _torn(unit, clusters[start:end], kinds[start:end], limit=limit, wide=wide)
    return _with_marks_held(units)


def _with_marks_held(units: list[Unit]) -> list[Unit]:
    """Hold punctuation that stands by itself to what follows it, at the end to what comes before."""
    last = len(units) - 1
    for index, unit in enumerate(units):
        if is_spoken(unit.text):
            continue
        holder = index if index < last else index - 1
        if holder >= 0 and units[holder].cost < HELD:
            units[holder] = msgspec.structs.replace(units[holder], cost=MARK, ends=False)
    return units


def _classified(text: str) -> tuple[str | list[str], str]:
    """Return the grapheme clusters of *text* and a letter for the kind of each."""
    if is_simple(text):
        return text, _with_starts(text, text.translate(_TABLE))
    clusters = graphemes(text)
    kinds = "".join(_cluster_kind(cluster) for cluster in clusters)
    return clusters, _with_starts("".join(cluster[0] for cluster in clusters), kinds)


def _with_starts(text: str, kinds: str) -> str:
    """Mark the dot of `.5` and `.NET` as opening, also right after Chinese."""
    if text.isascii():
        return kinds
    changed = list(kinds)
    for match in _STARTS.finditer(text):
        if kinds[match.start() - 1] in "HX":
            changed[match.start() : match.end()] = "P" * (match.end() - match.start())
    return "".join(changed)


def _cluster_kind(cluster: str) -> str:
    kind = _TABLE[ord(cluster[0])]
    if len(cluster) == 1:
        return kind
    if columns(cluster) == 2 and kind == "L" and not cluster[0].isalpha():
        return "H"  # an emoji made of several code points
    return "L" if kind == "S" else kind


def _unit(text: str, after: str, place: Place, bond: float | None) -> Unit:
    bare = text.rstrip(" ")
    core = bare.rstrip(CLOSERS) or bare
    cost = cost_of(core, after, place)
    ends = cost == SENTENCE and bond is None
    if bond is not None:
        cost = bond + min(cost, 19.0) / 10
    return Unit(text, columns(bare, wide=place.wide), len(text) - len(bare), cost, ends)


def _torn(unit: Unit, clusters: str | list[str], kinds: str, *, limit: int, wide: bool) -> list[Unit]:
    """Cut a unit that is wider than a line, between two grapheme clusters."""
    widths = [columns(part, wide=wide) for part in clusters]
    edges, total = [0], 0
    for index, width in enumerate(widths):
        if total + width > limit and kinds[index] != "S":
            cut = _tear(clusters, kinds, edges[-1], index)
            total = sum(widths[cut:index])
            if total + width > limit:
                cut, total = index, 0
            edges.append(cut)
        total += width
    parts = ["".join(clusters[a:b]) for a, b in pairwise([*edges, len(clusters)])]
    bare = [part.rstrip(" ") for part in parts]
    return [
        Unit(
            part,
            columns(core, wide=wide),
            len(part) - len(core),
            unit.cost if number == len(parts) else TORN,
            unit.ends and number == len(parts),
        )
        for number, (part, core) in enumerate(zip(parts, bare, strict=True), start=1)
    ]


def _tear(clusters: str | list[str], kinds: str, start: int, cut: int) -> int:
    """Move a cut back to where it is read more easily: behind a mark of a link, or so that no closing mark comes first.

    Where there is nothing better, or it would leave too little of the line, the cut stays.
    """
    for joints in (_STRONG_JOINTS, _JOINTS):
        for earlier in range(cut, start + (cut - start) // 3, -1):
            mark, first = clusters[earlier - 1], clusters[earlier]
            in_number = kinds[earlier] == "N" and mark in ".,:"
            if mark in joints and kinds[earlier] in "LN" and first not in _JOINTS and not in_number:
                return earlier
    earlier = cut
    while earlier > start + 1 and kinds[earlier] in "Xx":
        earlier -= 1
    return cut if kinds[earlier] in "Xx" else earlier


def finished(units: list[Unit]) -> list[Unit]:
    """Append to the last unit of a sentence what separates it from the next sentence."""
    last = units[-1]
    if last.blank or not separator(last.text):
        return units
    return [*units[:-1], Unit(last.text + " ", last.columns, 1, last.cost, last.ends, last.start_ms, last.end_ms)]
