"""What it costs to end a line or a subtitle after a piece of text."""

from __future__ import annotations

from collections.abc import Container

from msgspec import Struct

from volcasr_async.subtitles.boundaries import Boundaries
from volcasr_async.subtitles.width import columns, is_letter
from volcasr_async.subtitles.words import (
    ABBREVIATED,
    JOINING_WORDS,
    LEANING,
    LEANING_ALONE,
    LEANING_WORDS,
    OPENING,
    PARTICLES,
    PLACES,
    SHORT_WORDS,
    SUFFIXES,
    TRAILING,
)

# What it costs to end a subtitle or a line after a unit. The order is what matters: sentences before clauses before
# commas before words; the inside of a word only where nothing else is left.
SENTENCE, _CLAUSE, _COMMA, _BLANK, _LISTED, _WORD, _CHARACTER, TORN = 0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 6.0, 30.0
_CLINGS = 4.0  # on top: what would be torn from what it belongs to
_OPENS = 3.0  # off: the next word begins a new thought
_PHRASE = 1.5  # on top: a phrase goes on
_SCRIPT = 1.0  # off: between Chinese and another script
_IN_PHRASE = 8.0  # between two Latin words inside Chinese
_LOOSE = {
    "的": 1.5,
    "地": 1.5,
    "得": 2.0,
    "了": 1.0,
    "着": 1.0,
    "过": 1.0,
    "等": 2.0,
}  # on top: what is described comes next
_AFTER = {
    **dict.fromkeys("。！？!?｡．؟۔।॥", SENTENCE),
    **dict.fromkeys("；;：:…—", _CLAUSE),
    **dict.fromkeys("，,､،؛–", _COMMA),
    **dict.fromkeys("、・", _LISTED),
}
_BRACKETS = "《〈「『“‘（【〔［"
_COUNTS, _MEASURES = (
    frozenset("一二两兩三四五六七八九十几幾这這那每某"),
    frozenset("个個种種位名件条條张張只隻家次项項"),
)
CLOSERS = "”’\"'』」）)》〉】〕〗］]｝}»›"


class Place(Struct, frozen=True, gc=False):
    """Where a line might end: the position in the text, what is known about its words, and whether a blank follows."""

    text: str
    at: int
    spaced: bool
    wide: bool
    pairs: Container[str]
    boundaries: Boundaries | None

    def is_single(self, at: int) -> bool:
        """Return whether the character there is known to be a word by itself."""
        return self.boundaries is not None and self.boundaries.is_single(at)

    def may_be_single(self, at: int) -> bool:
        """Return whether the character there may be a word by itself."""
        return self.boundaries is None or self.boundaries.is_single(at)

    @property
    def end(self) -> int:
        """Where the word before it ends, without its blank."""
        return self.at - self.spaced


def cost_of(core: str, after: str, place: Place) -> float:
    """Return the cost of ending a line between *core*, without its closing brackets, and *after*."""
    cost = _cost_of_mark(core, after, spaced=place.spaced)
    return _cost_of_word(core, after, place) if cost is None else cost


def _cost_of_mark(core: str, after: str, *, spaced: bool) -> float | None:
    """Return the cost of ending a line after punctuation, or at the end; `None` where there is neither."""
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


def _cost_of_word(core: str, after: str, place: Place) -> float:
    """Return the cost of ending a line between two words, or two Chinese characters."""
    last, first = core[-1], after[0]
    opens = after[:2] in OPENING or after.partition(" ")[0].lower() in JOINING_WORDS
    if not is_letter(last):
        clings = _clings_latin(core, after, spaced=place.spaced) or first in PARTICLES or after[:2] in TRAILING
        word = _IN_PHRASE if place.wide and place.spaced and not is_letter(first) else _WORD
        return _lean(word, clings=clings, opens=opens)
    if place.spaced and is_letter(first):
        return _BLANK
    if first in _BRACKETS:
        return _WORD
    clings = _leans(last, place) or (is_letter(first) and _trails(first, after, place))
    cost = _lean(_CHARACTER, clings=clings, opens=opens and not clings)
    if not is_letter(first):
        return cost - _SCRIPT
    if not clings and not opens and place.boundaries is not None and place.at in place.boundaries.weak:
        cost += _PHRASE
    return cost + (_LOOSE.get(last, 0.0) if place.may_be_single(place.end - 1) else 0.0)


def _clings_latin(core: str, after: str, *, spaced: bool) -> bool:
    if core[-1].isdecimal() and (is_letter(after[0]) or (spaced and _is_counted(after))):
        return True
    return core.lower() in SHORT_WORDS or (spaced and core[-1].isalpha() and after[0].isdecimal())


def _is_counted(after: str) -> bool:
    word = after.partition(" ")[0]
    return word.isalpha() and word.lower() not in SHORT_WORDS


def _leans(last: str, place: Place) -> bool:
    """Return whether the Chinese before the place belongs to what follows it."""
    word = place.text[max(0, place.end - 2) : place.end]
    if word in LEANING_WORDS or (word[0] in _COUNTS and last in _MEASURES):
        return place.boundaries is None or place.boundaries.may_begin(place.end - 2)
    if last in LEANING:
        return place.may_be_single(place.end - 1)
    return last in LEANING_ALONE and place.is_single(place.end - 1)


def _trails(first: str, after: str, place: Place) -> bool:
    """Return whether the Chinese after the place belongs to what stands before it."""
    if first in PARTICLES or after[:2] in TRAILING or place.text[place.at - 1 : place.at + 1] in place.pairs:
        return True
    if place.boundaries is None:
        return first in SUFFIXES
    return first in PLACES and place.is_single(place.at)


def _lean(cost: float, *, clings: bool, opens: bool) -> float:
    return cost + _CLINGS if clings else cost - _OPENS if opens else cost
