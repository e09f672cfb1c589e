"""Pairing sequences."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async.subtitles.matching import paired, rising

letters = st.lists(st.sampled_from("abcde"), max_size=20)


@given(st.lists(st.integers(0, 30), max_size=12))
def test_rising(values: list[int]) -> None:
    """The longest run that never falls, as trying all runs finds it."""
    found = rising(values)
    assert found == sorted(set(found))
    assert all(values[a] <= values[b] for a, b in pairwise(found))
    longest: list[int] = []
    for index, value in enumerate(values):
        longest.append(1 + max((longest[i] for i in range(index) if values[i] <= value), default=0))
    assert len(found) == max(longest, default=0)


@given(letters, letters)
def test_pairs_are_equal_and_in_order(left: list[str], right: list[str]) -> None:
    """Pairs join equal items, and go up on both sides."""
    pairs = paired(left, right)
    assert all(left[i] == right[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


@given(letters)
def test_what_is_equal_is_paired_whole(items: list[str]) -> None:
    """Equal sequences are paired one to one; so are their common beginning and end."""
    assert paired(items, items) == [(i, i) for i in range(len(items))]
    assert len(paired([*items, "x", *items], [*items, "y", "z", *items])) == 2 * len(items)


@pytest.mark.parametrize(
    ("left", "right", "matched"),
    [
        ("去年1月到3月", "去年一月到三月", "去年月到月"),
        ("abcdefg", "xbcyefz", "bcef"),
        ("aaXbbYcc", "bbXYcc", "XYcc"),
        ("ab", "ba", "a"),
        ("", "a", ""),
    ],
)
def test_what_stands_between_differences_is_found(left: str, right: str, matched: str) -> None:
    """Differences in the middle do not spoil what is around them."""
    found = "".join(left[i] for i, _ in paired(list(left), list(right)))
    assert len(found) == len(matched)
