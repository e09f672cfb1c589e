"""The times of the words, laid upon the text that has the punctuation and the figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from volcasr_async.models import Word
from volcasr_async.subtitles.matching import paired, rising
from volcasr_async.subtitles.plain import one_line
from volcasr_async.subtitles.units import Unit

Span = tuple[int, int]

_WIDE = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_TOKEN = re.compile(f"[{_WIDE}]|[^\\W_{_WIDE}]+")
"""What is compared: a Chinese character or kana, or a run of letters and digits. Punctuation is not spoken."""

_MS_A_COLUMN = 100  # of a word whose end is missing; the next one may cut it short


def timed(units: Sequence[Unit], words: Sequence[Word], span: Span) -> list[Unit]:
    """Give units that make up a text their times, all within *span* and never backwards.

    A unit takes the times of the words that it is made of. Words that the text writes otherwise (figures for numerals)
    share their time by width; what no word stands for takes the time between its neighbours.
    """
    text = "".join(unit.text for unit in units)
    tokens = list(_TOKEN.finditer(text))
    spoken = _spoken(words, span) if tokens else []
    times = _times([token.group().casefold() for token in tokens], spoken) if spoken else [None] * len(tokens)
    found, weights = _by_unit(units, [token.span() for token in tokens], times)
    spans = filled(found, weights, span)
    return [
        Unit(unit.text, unit.columns, unit.blank, unit.cost, unit.ends, start, end)
        for unit, (start, end) in zip(units, spans, strict=True)
    ]


def shared(span: Span, weights: Sequence[int]) -> list[Span]:
    """Divide a span among neighbours by their weights."""
    if len(weights) == 1 and weights[0]:
        return [(span[0], max(span))]
    start, length = span[0], max(0, span[1] - span[0])
    total = sum(weights) or 1
    edges = [start + length * part // total for part in accumulate(weights, initial=0)]
    return list(pairwise(edges))


def filled(spans: Sequence[Span | None], weights: Sequence[int], span: Span) -> list[Span]:
    """Give those without a time what lies between their neighbours, by weight; *span* holds them all."""
    whole: list[Span] = []
    index = 0
    while index < len(spans):
        known = spans[index]
        if known is not None:
            whole.append(known)
            index += 1
            continue
        after = next((i for i in range(index, len(spans)) if spans[i] is not None), len(spans))
        left = whole[-1][1] if whole else span[0]
        right = spans[after] if after < len(spans) else None
        whole += shared((left, right[0] if right else span[1]), weights[index:after])
        index = after
    return whole


def _spoken(words: Sequence[Word], span: Span) -> list[tuple[str, Span]]:
    """Take the words apart into tokens, each with a time that is possible.

    Times beyond the span are cut; those that run against the order of the words, and the -1 of blanks and punctuation,
    are replaced by what lies between the neighbours.
    """
    said = [(tokens, word) for word in words if (tokens := _TOKEN.findall(one_line(word.text).casefold()))]
    weights = [_widths(tokens) for tokens, _ in said]
    raw = [_clamped(word, sum(widths), span) for (_, word), widths in zip(said, weights, strict=True)]
    times = _in_order(raw)
    if not any(times):
        return []
    whole = filled(times, [sum(widths) for widths in weights], span)
    return [
        pair
        for (tokens, _), widths, time in zip(said, weights, whole, strict=True)
        for pair in zip(tokens, shared(time, widths), strict=True)
    ]


def _clamped(word: Word, width: int, span: Span) -> Span | None:
    if word.start_ms < 0:
        return None
    start = min(max(word.start_ms, span[0]), span[1])
    end = word.end_ms if word.end_ms >= word.start_ms else start + width * _MS_A_COLUMN
    return start, max(start, min(end, span[1]))


def _in_order(times: Sequence[Span | None]) -> list[Span | None]:
    """Drop the times that run against the order, and end each word no later than the next one begins."""
    known = [(index, time) for index, time in enumerate(times) if time is not None]
    kept = [known[place] for place in rising([time[0] for _, time in known])]
    ordered: list[Span | None] = [None] * len(times)
    for place, (index, (start, end)) in enumerate(kept):
        ordered[index] = (start, min(end, kept[place + 1][1][0]) if place + 1 < len(kept) else end)
    return ordered


def _widths(tokens: Sequence[str]) -> list[int]:
    return [len(part) * (2 if part > "\u2fff" else 1) for part in tokens]


def _times(written: Sequence[str], spoken: Sequence[tuple[str, Span]]) -> list[Span | None]:
    """Find the time of each written token; `None` for what nobody said."""
    times: list[Span | None] = [None] * len(written)
    pairs = paired(written, [token for token, _ in spoken])
    for i, j in pairs:
        times[i] = spoken[j][1]
    for (i, j), (k, m) in pairwise([(-1, -1), *pairs, (len(written), len(spoken))]):
        if k - i > 1 and m - j > 1:
            times[i + 1 : k] = _otherwise(written[i + 1 : k], [time for _, time in spoken[j + 1 : m]])
    return times


def _otherwise(written: Sequence[str], times: Sequence[Span]) -> Sequence[Span]:
    """Time what is written otherwise than it was said: one to one, or by width."""
    if len(written) == len(times):
        return times
    return shared((times[0][0], times[-1][1]), _widths(written))


def _by_unit(
    units: Sequence[Unit], places: Sequence[Span], times: Sequence[Span | None]
) -> tuple[list[Span | None], list[int]]:
    """Gather the tokens' times by the unit that they stand in, from its first to its last, and how much each speaks."""
    edges = list(accumulate((len(unit.text) for unit in units), initial=0))
    found: list[Span | None] = [None] * len(units)
    weights = [0 if places else unit.columns for unit in units]
    first = 0
    for (start, end), time in zip(places, times, strict=True):
        while edges[first + 1] <= start:
            first += 1
        last = first
        while edges[last + 1] < end:
            last += 1
        parts = _torn(time, start, end, edges[first + 1 : last + 1])
        for index, part in enumerate(parts, start=first):
            weights[index] = units[index].columns
            found[index] = _through(found[index], part)
    return found, weights


def _torn(time: Span | None, start: int, end: int, cuts: Sequence[int]) -> Sequence[Span | None]:
    """Share the time of a word that is cut, because it is wider than a line."""
    if time is None or not cuts:
        return [time] * (len(cuts) + 1)
    return shared(time, [after - before for before, after in pairwise([start, *cuts, end])])


def _through(before: Span | None, time: Span | None) -> Span | None:
    return before if time is None else time if before is None else (before[0], time[1])
