"""Which of two sequences' items belong together, and in which order."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

_DEEPEST = 24  # how often a stretch between two certain pairs is looked at again; text never needs half of it


def rising(values: Sequence[int]) -> list[int]:
    """Find the longest run of indices, not necessarily neighbours, whose values never fall."""
    if all(before <= after for before, after in pairwise(values)):
        return list(range(len(values)))
    tails: list[int] = []
    heads: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values):
        place = bisect_right(tails, value)
        before.append(heads[place - 1] if place else -1)
        if place == len(tails):
            tails.append(value)
            heads.append(index)
        else:
            tails[place] = value
            heads[place] = index
    found = []
    index = heads[-1] if heads else -1
    while index >= 0:
        found.append(index)
        index = before[index]
    return found[::-1]


def paired(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Pair equal items of two sequences, in order in both.

    What begins and ends alike is paired, then what stands exactly once on either side, then the stretches between.
    That takes time in proportion to the length, whatever is fed to it.
    """
    if left == right:
        return [(index, index) for index in range(len(left))]
    pairs: list[tuple[int, int]] = []
    stretches = [(0, len(left), 0, len(right), 0)]
    while stretches:
        a, b, c, d, depth = stretches.pop()
        while a < b and c < d and left[a] == right[c]:
            pairs.append((a, c))
            a, c = a + 1, c + 1
        while a < b and c < d and left[b - 1] == right[d - 1]:
            b, d = b - 1, d - 1
            pairs.append((b, d))
        if a < b and c < d and depth < _DEEPEST:
            certain = _certain(left[a:b], right[c:d])
            edges = [(a - 1, c - 1), *((a + i, c + j) for i, j in certain), (b, d)]
            pairs += edges[1:-1]
            if certain:
                stretches += [(i + 1, k, j + 1, m, depth + 1) for (i, j), (k, m) in pairwise(edges)]
    return sorted(pairs)


def _certain(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Pair what stands exactly once on either side, as far as the order agrees."""
    once = {item for item, count in Counter(right).items() if count == 1}
    places = {item: index for index, item in enumerate(right) if item in once}
    counts = Counter(left)
    common = [(index, places[item]) for index, item in enumerate(left) if counts[item] == 1 and item in places]
    return [common[index] for index in rising([place for _, place in common])]
