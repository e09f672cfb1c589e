"""How wide text stands, and where it may be cut: columns and grapheme clusters, without a font."""

from __future__ import annotations

import re
from unicodedata import category, east_asian_width

# Text of these alone is cut anywhere between two code points: Latin, Greek, Cyrillic, punctuation, symbols, Chinese,
# Japanese, Korean and the emoji that need no second code point. Anything else is looked at one by one.
_SIMPLE = re.compile(
    "[\x20-\x7e\xa0-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u202f-\u205e\u20a0-\u20bf\u2100-\u2bff\u2e80-\u3029"
    "\u3030-\u3098\u309b-\ua48c\uac00-\ud7a3\uf900-\ufaff\uff01-\uff9d\uffe0-\uffee\U0001f300-\U0001f3fa"
    "\U0001f400-\U0001faff\U00020000-\U0003fffd]*"
).fullmatch
_MARKS = frozenset({"Mn", "Me", "Mc"})
_EXTENDING = re.compile("[\u200c\u200d\u0e33\u0eb3\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]").match
_REGIONAL = re.compile("[\U0001f1e6-\U0001f1ff]").fullmatch
_LEADING_JAMO = re.compile("[\u1100-\u115f\ua960-\ua97c]").match
_JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97c\uac00-\ud7fb]").match
_JOINER = "\u200d"
_AS_EMOJI = "\ufe0f"

_WORD = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u1fff]+")
_OTHER_WIDE = re.compile("[\u3040-\u30ff\u31f0-\u31ff\uac00-\ud7a3]")


class _Columns(dict[int, str]):
    """Columns of each code point as a digit, found once; for `str.translate`, which runs at C speed."""

    def __init__(self, ambiguous: str) -> None:
        self._widths = {"W": "2", "F": "2", "A": ambiguous}

    def __missing__(self, code: int) -> str:
        char = chr(code)
        width = "0" if category(char) in {"Mn", "Me", "Cf"} else self._widths.get(east_asian_width(char), "1")
        self[code] = width
        return width


# Quotation marks, dashes and dots that Chinese shares with Latin are wide in Chinese fonts and narrow in others.
_NARROW, _WIDE = _Columns("1"), _Columns("2")


def is_simple(text: str) -> bool:
    """Return whether each code point of *text* is a grapheme cluster of its own (`False` may mean "not known")."""
    return _SIMPLE(text) is not None


def graphemes(text: str) -> list[str]:
    """Cut *text* into what a reader takes for single characters, near enough to Unicode's own rules (UAX 29).

    Combining marks, variation selectors, joined emoji, flags and Korean syllables stay whole.
    """
    if is_simple(text):
        return list(text)
    clusters: list[list[str]] = []
    for char in text:
        if clusters and _joins(clusters[-1], char):
            clusters[-1].append(char)
        else:
            clusters.append([char])
    return ["".join(cluster) for cluster in clusters]


def _joins(cluster: list[str], char: str) -> bool:
    last = cluster[-1]
    if category(char) in _MARKS or _EXTENDING(char):
        return True
    if last == _JOINER:
        return char >= "\u2190" and category(char) == "So"
    if _REGIONAL(char):
        return len(cluster) == 1 and _REGIONAL(last) is not None
    return _JAMO(char) is not None and _joins_jamo(last, char)


def _joins_jamo(last: str, char: str) -> bool:
    if "\uac00" <= char <= "\ud7a3" or _LEADING_JAMO(char):
        return _LEADING_JAMO(last) is not None
    return _JAMO(last) is not None


def columns(text: str, *, wide: bool = False) -> int:
    """Count the columns of *text*: two for Chinese, Japanese, Korean, fullwidth forms and emoji, none for marks.

    With *wide*, so do the quotation marks, dashes and dots that Chinese shares with Latin.
    """
    if text.isascii():
        return len(text)
    table = _WIDE if wide else _NARROW
    if is_simple(text):
        digits = text.translate(table)
        return len(text) + digits.count("2") - digits.count("0")
    return sum(_cluster_columns(cluster, table) for cluster in graphemes(text))


def _cluster_columns(cluster: str, table: _Columns) -> int:
    return 2 if _AS_EMOJI in cluster else min(2, sum(map(int, cluster.translate(table))))


def is_letter(char: str) -> bool:
    """Return whether it is a Chinese character, or kana."""
    return char.isalpha() and columns(char) == 2


def is_wide(text: str) -> bool:
    """Return whether *text* is set like Chinese: with at least as many wide characters as words in letters."""
    wide = text.translate(_NARROW).count("2")
    return wide > 0 and wide >= len(_WORD.findall(text))


def is_chinese(text: str) -> bool:
    """Return whether *text* is Chinese rather than a language with letters, kana or hangul."""
    return is_wide(text) and text.translate(_NARROW).count("2") > 4 * len(_OTHER_WIDE.findall(text))
