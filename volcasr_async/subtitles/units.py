"""Text into the pieces that stay whole at the end of a line, and how well a line or subtitle may end after each."""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import pairwise
from unicodedata import category, east_asian_width

from msgspec import Struct

from volcasr_async.subtitles.plain import separator
from volcasr_async.subtitles.width import columns, graphemes, is_simple
from volcasr_async.subtitles.words import ABBREVIATED, JOINING_WORDS, LEANING, OPENING, PARTICLES, SHORT_WORDS

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

# What it costs to end a subtitle or a line after a unit. The order is what matters: sentences before clauses before
# commas before words; the inside of a word only where nothing else is left.
SENTENCE, _CLAUSE, _COMMA, _BLANK, _LISTED, _WORD, _CHARACTER, _TORN = 0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 6.0, 30.0
_CLINGS = 4.0  # on top: what would be torn from what it belongs to
_OPENS = 3.0  # off: the next word begins a new thought
_AFTER = {
    **dict.fromkeys("。！？!?｡．؟۔।॥", SENTENCE),
    **dict.fromkeys("；;：:…—", _CLAUSE),
    **dict.fromkeys("，,､،؛–", _COMMA),
    **dict.fromkeys("、・", _LISTED),
}
_CLOSERS = "”’\"'』」）)》〉】〕〗］]｝}»›"


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


def units_of(text: str, *, limit: int, wide: bool, pairs: Container[str] = ()) -> list[Unit]:
    """Cut one line of text into units no wider than *limit* columns, still without times.

    *pairs* are two Chinese characters each that should stay together where that is possible.
    """
    clusters, kinds = _classified(text)
    spans = [match.span() for match in _UNIT.finditer(kinds) if match.end() > match.start()]
    texts = ["".join(clusters[start:end]) for start, end in spans]
    units: list[Unit] = []
    for number, (start, end) in enumerate(spans):
        unit = _unit(texts[number], "".join(texts[number + 1 : number + 3]), wide=wide, pairs=pairs)
        if unit.columns <= limit:
            units.append(unit)
        else:
            units += _torn(unit, clusters[start:end], kinds[start:end], limit=limit, wide=wide)
    return units


def _classified(text: str) -> tuple[str | list[str], str]:
    """Give the grapheme clusters of *text* and a letter for the kind of each."""
    if is_simple(text):
        return text, text.translate(_TABLE)
    clusters = graphemes(text)
    return clusters, "".join(_cluster_kind(cluster) for cluster in clusters)


def _cluster_kind(cluster: str) -> str:
    kind = _TABLE[ord(cluster[0])]
    if len(cluster) == 1:
        return kind
    if columns(cluster) == 2 and kind == "L" and not cluster[0].isalpha():
        return "H"  # an emoji made of several code points
    return "L" if kind == "S" else kind


def _unit(text: str, after: str, *, wide: bool, pairs: Container[str]) -> Unit:
    bare = text.rstrip(" ")
    blank = len(text) - len(bare)
    core = bare.rstrip(_CLOSERS) or bare
    cost = _cost_of_mark(core, after, spaced=blank > 0)
    if cost is None:
        cost = _cost_of_word(core, after, spaced=blank > 0, pairs=pairs)
    return Unit(text, columns(bare, wide=wide), blank, cost, cost == SENTENCE)


def _cost_of_mark(core: str, after: str, *, spaced: bool) -> float | None:
    """What it costs to end a line after punctuation, or at the end; `None` where there is neither."""
    last = core[-1:]
    if last == ".":
        return _cost_of_dot(core, after, spaced=spaced)
    return _AFTER.get(last, None if after else SENTENCE)


def _cost_of_dot(core: str, after: str, *, spaced: bool) -> float:
    word = core[:-1].lower()
    if word.endswith("."):
        return _CLAUSE  # three dots
    initial = len(word) == 1 and word.isalpha() and columns(word) == 1
    if after and (word in ABBREVIATED or initial or "." in word or after[0].islower()):
        return _WORD + _CLINGS
    return SENTENCE if spaced or not after or columns(word[-1:]) == 2 else _WORD


def _cost_of_word(core: str, after: str, *, spaced: bool, pairs: Container[str]) -> float:
    """What it costs to end a line between two words, or two Chinese characters."""
    last, first = core[-1], after[0]
    opens = after[:2] in OPENING or after.partition(" ")[0].lower() in JOINING_WORDS
    if not _is_letter(last):
        clings = (last.isdecimal() and _is_letter(first)) or core.lower() in SHORT_WORDS or first in PARTICLES
        return _lean(_WORD, clings=clings, opens=opens)
    if spaced and _is_letter(first):
        return _BLANK
    clings = first in PARTICLES or last in LEANING or last + first in pairs
    return _lean(_CHARACTER, clings=clings, opens=opens)


def _lean(cost: float, *, clings: bool, opens: bool) -> float:
    return cost + _CLINGS if clings else cost - _OPENS if opens else cost


def _is_letter(char: str) -> bool:
    """Whether it is a Chinese character, or kana."""
    return char.isalpha() and columns(char) == 2


def _torn(unit: Unit, clusters: str | list[str], kinds: str, *, limit: int, wide: bool) -> list[Unit]:
    """Cut a unit that is wider than a line, between two grapheme clusters."""
    widths = [columns(part, wide=wide) for part in clusters]
    edges, total = [0], 0
    for index, width in enumerate(widths):
        if total + width > limit and kinds[index] != "S":
            cut = _before_closers(kinds, edges[-1], index)
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
            unit.cost if number == len(parts) else _TORN,
            unit.ends and number == len(parts),
        )
        for number, (part, core) in enumerate(zip(parts, bare, strict=True), start=1)
    ]


def _before_closers(kinds: str, start: int, cut: int) -> int:
    """Move a cut back so that no closing punctuation comes first, where there is anything else."""
    earlier = cut
    while earlier > start + 1 and kinds[earlier] in "Xx":
        earlier -= 1
    return cut if kinds[earlier] in "Xx" else earlier


def finished(units: list[Unit]) -> list[Unit]:
    """Let the last unit of a sentence end with what separates it from the next sentence."""
    last = units[-1]
    if last.blank or not separator(last.text):
        return units
    return [*units[:-1], Unit(last.text + " ", last.columns, 1, last.cost, last.ends, last.start_ms, last.end_ms)]
