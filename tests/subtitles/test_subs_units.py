"""What stays whole at the end of a line, and how well a line ends where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from subtitle_kit import texts

from volcasr_async.subtitles.plain import one_line
from volcasr_async.subtitles.units import finished, units_of
from volcasr_async.subtitles.width import columns, graphemes
from volcasr_async.subtitles.words import pairs_of


def cut(text: str, limit: int = 40) -> list[str]:
    return [unit.text for unit in units_of(text, limit=limit, wide=True)]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("你好，世界。", ["你", "好，", "世", "界。"]),
        ("他说：“好（真的）！”", ["他", "说：", "“好", "（真", "的）！”"]),
        ("2026年3月，涨3.5万、98.5%", ["2026年", "3月，", "涨", "3.5万、", "98.5%"]),
        ("用Python写（CPython）", ["用", "Python", "写", "（CPython）"]),
        ("It's a well-known (old) e.g. 3,000!", ["It's ", "a ", "well-known ", "(old) ", "e.g. ", "3,000!"]),
        ('说"你好"吗', ['说"你', '好"吗']),
        ("说“你好”吗", ["说", "“你", "好”", "吗"]),
        ("Bonjour ! Oui ?", ["Bonjour ! ", "Oui ?"]),
        ("10\u00a0000 km", ["10\u00a0000 ", "km"]),
        ("你好,Hello", ["你", "好,", "Hello"]),
        ("ラーメンっ", ["ラー", "メ", "ンっ"]),
        ("한국어 좋아", ["한국어 ", "좋아"]),
        ("👍🏽好👩‍👩‍👧", ["👍🏽", "好", "👩‍👩‍👧"]),
        ("这……好——吧", ["这……", "好——", "吧"]),
        ("（ 好", ["（ ", "好"]),
        ("，好", ["，", "好"]),
        ("", []),
    ],
)
def test_units(text: str, units: list[str]) -> None:
    """Words, Chinese characters with the punctuation around them, and numbers with what they count."""
    assert cut(text) == units


@pytest.mark.parametrize(
    ("text", "limit", "units"),
    [
        ("ab" + "。" * 5, 10, ["ab。。。。", "。"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("x" * 10 + "。", 10, ["x" * 9, "x。"]),
        ("a" * 9 + "👍🏽", 10, ["a" * 9, "👍🏽"]),
        ("好" + "。" * 9, 10, ["好。。。。", "。。。。。"]),
    ],
    ids=repr,
)
def test_what_is_wider_than_a_line_is_cut(text: str, limit: int, units: list[str]) -> None:
    """Only then; between characters as a reader sees them, and not before closing punctuation if it can be helped."""
    assert cut(text, limit) == units


@given(texts.map(one_line), st.integers(10, 50), st.booleans())
def test_units_are_the_text(text: str, limit: int, wide: bool) -> None:
    """Nothing is lost or moved, each unit fits, and no cluster is cut."""
    units = units_of(text, limit=limit, wide=wide)
    assert "".join(unit.text for unit in units) == text
    assert all(unit.text for unit in units)
    assert all(unit.columns == columns(unit.text.rstrip(" "), wide=wide) <= limit for unit in units)
    assert [cluster for unit in units for cluster in graphemes(unit.text)] == graphemes(text)


def costs(text: str, *, wide: bool = True) -> dict[str, float]:
    units = units_of(text, limit=99, wide=wide, pairs=pairs_of(text))
    return {unit.text.strip(" "): unit.cost for unit in units}


def test_where_a_line_ends_best() -> None:
    """After sentences before clauses before commas before words."""
    found = costs("好。看；你，苹、果真 Python 很大hello world it", wide=False)
    order = ["好。", "看；", "你，", "苹、", "hello", "果"]
    assert [found[text] for text in order] == sorted(found[text] for text in order)
    assert found["好。"] < found["看；"] < found["你，"] < found["苹、"] < found["Python"]


def test_what_belongs_together_is_not_parted() -> None:
    """Common words, particles and prepositions; articles and titles; numbers and what follows them."""
    found = costs("我们吃的在家里 the cat and 3 年 Mr. Smith, U.S. law", wide=False)
    assert found["我"] > found["们"]
    assert found["吃"] > found["的"]
    assert found["在"] > found["的"]
    assert found["the"] > found["cat"]
    assert found["3"] > found["cat"]
    assert found["Mr."] > found["cat"]
    assert found["U.S."] > found["cat"]


def test_a_new_thought_is_a_good_place_to_break() -> None:
    """Before conjunctions, in either language."""
    assert costs("走路因为下雨")["路"] < costs("走路下雨")["路"]
    assert costs("walk because")["walk"] < costs("walk home")["walk"]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("好。你", "好。"),
        ("Yes. No", "Yes."),
        ("Yes.” No", "Yes.”"),
        ("3.5 times", None),
        ("Dr. No", None),
        ("etc. and", None),
        ("J. Smith", None),
        ("Wait... what", None),
        ("好.你", "好."),
        ("really? I", "really?"),
        ("नमस्ते। मैं", "नमस्ते।"),
        ("hm… so", None),
    ],
)
def test_where_a_sentence_ends(text: str, ends: str | None) -> None:
    """At its mark, but not at the dot of a number, a title, an initial or an ellipsis."""
    found = [unit.text.strip(" ") for unit in units_of(text, limit=99, wide=False)[:-1] if unit.ends]
    assert found == ([] if ends is None else [ends])


def test_the_last_unit_brings_what_parts_it_from_the_next_sentence() -> None:
    """A blank, unless Chinese punctuation does it."""
    assert finished(units_of("go", limit=40, wide=False))[-1].text == "go "
    assert finished(units_of("走。", limit=40, wide=True))[-1].text == "走。"
    assert finished(units_of("走", limit=40, wide=True))[-1].columns == 2
