"""Columns and grapheme clusters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from subtitle_kit import texts

from volcasr_async.subtitles.width import columns, graphemes, is_chinese, is_wide


@pytest.mark.parametrize(
    "clusters",
    [
        ["a", "b"],
        ["e\u0301", "x"],
        ["👩‍👩‍👧", "!"],
        ["👍🏽", "👍"],
        ["❤️"],
        ["🇨🇳", "🇺🇸", "🇫"],
        ["1️⃣", "2"],
        ["漢\ufe00", "字"],
        ["ᄒ\u1161\u11ab", "ᄀ\u1173"],
        ["한", "국"],
        ["नि", "म"],
        ["กำ"],
        ["\u0301", "a"],
        [" \u0301", "a"],
        ["か\u3099"],
        ["🏴\U000e0067\U000e007f", "x"],
        ["ﾊ\uff9f"],
        ["a\u200d", "b"],
        [],
    ],
    ids=repr,
)
def test_clusters_stay_whole(clusters: list[str]) -> None:
    """Marks, selectors, joined emoji, flags, keycaps and syllables belong to what they follow."""
    assert graphemes("".join(clusters)) == clusters


@given(texts)
def test_clusters_are_the_text(text: str) -> None:
    """Nothing is lost, no cluster is empty, and each is narrow enough for any line."""
    clusters = graphemes(text)
    assert "".join(clusters) == text
    assert all(clusters)
    assert all(columns(cluster, wide=True) <= 2 for cluster in clusters)
    assert columns(text) == sum(map(columns, clusters))


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("中文，", 6),
        ("ＡＢ", 4),
        ("한국", 4),
        ("カナ", 4),
        ("ｶﾅ", 2),
        ("é", 1),
        ("e\u0301", 1),
        ("👍", 2),
        ("👩‍👩‍👧", 2),
        ("❤️", 2),
        ("🇨🇳", 2),
        ("\u200b\u00ad\u202e", 0),
        ("“a”", 3),
        ("ᄒ\u1161\u11ab", 2),
        ("नि", 2),
    ],
)
def test_columns(text: str, width: int) -> None:
    """Chinese and fullwidth take two columns, marks none, a cluster never more than two."""
    assert columns(text) == width


def test_punctuation_that_chinese_shares_with_latin() -> None:
    """In Chinese text quotation marks, dashes and dots are as wide as characters."""
    assert columns("“好”……", wide=True) == 10
    assert columns("“好”……") == 6


@pytest.mark.parametrize(
    ("text", "wide", "chinese"),
    [
        ("你好", True, True),
        ("我用 Python 写 code", True, True),
        ("I said 你 and went home", False, False),
        ("2026", False, False),
        ("", False, False),
        ("今日は良い天気です", True, False),
        ("안녕하세요 여러분", True, False),
        ("👍", True, True),
    ],
)
def test_script(text: str, wide: bool, chinese: bool) -> None:
    """The script that most of the words have decides."""
    assert is_wide(text) is wide
    assert is_chinese(text) is chinese


@given(st.text())
def test_wide_only_widens(text: str) -> None:
    """Counting shared punctuation as wide never makes a text narrower."""
    assert columns(text) <= columns(text, wide=True) <= 2 * len(text)
