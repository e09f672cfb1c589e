"""Times of words on the text."""

from hypothesis import given
from hypothesis import strategies as st
from subtitle_kit import texts, utterance, words

from volcasr_async.subtitles.align import filled, shared, timed
from volcasr_async.subtitles.plain import one_line
from volcasr_async.subtitles.units import units_of


def align(
    text: str, said: list[tuple[str, int, int]], span: tuple[int, int] = (0, 10_000), limit: int = 40
) -> list[tuple[str, int, int]]:
    units = timed(units_of(text, limit=limit, wide=True), utterance(text, 0, 0, said).words, span)
    return [(unit.text.strip(" "), unit.start_ms, unit.end_ms) for unit in units]


def test_punctuation_comes_from_the_text() -> None:
    """The words have the times, the text the punctuation."""
    assert align("你好，世界。", [("你", 100, 200), ("好", 200, 300), ("世", 900, 1000), ("界", 1000, 1100)]) == [
        ("你", 100, 200), ("好，", 200, 300), ("世", 900, 1000), ("界。", 1000, 1100),
    ]  # fmt: skip


def test_blank_words_of_english() -> None:
    """The blanks at -1 between English words say nothing; upper case and hyphens do not matter."""
    said = [("hello", 200, 600), (" ", -1, -1), ("ice", 640, 800), (" ", -1, -1), ("cream", 800, 1000)]
    assert align("Hello, ice-cream!", said) == [("Hello,", 200, 600), ("ice-cream!", 640, 1000)]


def test_figures_take_the_time_of_the_numerals() -> None:
    """What the text writes otherwise than it was said takes exactly that time, and disturbs nothing around it."""
    said = [(char, 100 * i, 100 * i + 100) for i, char in enumerate("在二零二六年三月涨了百分之五")]
    assert align("在2026年3月涨了5%", said) == [
        ("在", 0, 100), ("2026年", 100, 600), ("3月", 600, 800), ("涨", 800, 900), ("了", 900, 1000), ("5%", 1000, 1400),
    ]  # fmt: skip


def test_another_spelling_is_matched_one_to_one() -> None:
    """Traditional text over simplified words keeps each character's own time."""
    said = [("台", 0, 100), ("湾", 300, 400), ("的", 500, 600)]
    assert align("臺灣的", said) == [("臺", 0, 100), ("灣", 300, 400), ("的", 500, 600)]


def test_text_that_nobody_said_lies_between_its_neighbours() -> None:
    """By width, as does a text without words."""
    assert align("一二三四", [("一", 0, 100), ("四", 500, 600)]) == [
        ("一", 0, 100), ("二", 100, 300), ("三", 300, 500), ("四", 500, 600),
    ]  # fmt: skip
    assert align("好abcd", [], (0, 600)) == [("好", 0, 200), ("abcd", 200, 600)]


def test_words_that_the_text_left_out() -> None:
    """Fillers that were smoothed away leave a gap."""
    assert align("好吧", [("好", 0, 100), ("嗯", 100, 900), ("吧", 900, 1000)]) == [("好", 0, 100), ("吧", 900, 1000)]


def test_times_that_are_missing_or_impossible() -> None:
    """-1, out of order, and beyond the utterance: taken from the neighbours, or cut."""
    said = [
        ("一", 0, 100),
        ("二", -1, -1),
        ("三", 300, 400),
        ("四", 99_999, 99_999),
        ("五", 500, 9_000),
        ("六", 700, -1),
    ]
    assert align("一二三四五六", said, (0, 1000)) == [
        ("一", 0, 100), ("二", 100, 300), ("三", 300, 400), ("四", 400, 500), ("五", 500, 700), ("六", 700, 900),
    ]  # fmt: skip
    assert align("一二", [("一", -1, -1), ("二", -1, -1)], (0, 100)) == [("一", 0, 50), ("二", 50, 100)]


def test_a_word_wider_than_a_line_shares_its_time() -> None:
    """Each of its lines takes its part."""
    assert align("x" * 20, [("x" * 20, 0, 1000)], limit=10) == [("x" * 10, 0, 500), ("x" * 10, 500, 1000)]
    assert align("x" * 20, [], (0, 1000), limit=10) == [("x" * 10, 0, 500), ("x" * 10, 500, 1000)]


def test_a_lone_mark_takes_no_time() -> None:
    """So that the pause before the next word is seen."""
    assert align("好 👍 吧", [("好", 0, 100), ("吧", 900, 1000)])[1] == ("👍", 100, 100)


def test_sharing() -> None:
    """By weight, without gaps; nothing has no weight."""
    assert shared((0, 100), [1, 3]) == [(0, 25), (25, 100)]
    assert shared((100, 0), [1, 1]) == [(100, 100), (100, 100)]
    assert shared((5, 9), [0]) == [(5, 5)]
    assert shared((5, 9), []) == []
    assert filled([None, (4, 5), None], [1, 1, 1], (0, 9)) == [(0, 4), (4, 5), (5, 9)]


@given(texts.map(one_line), words, st.integers(0, 5_000), st.integers(0, 20_000), st.integers(10, 50))
def test_any_words_on_any_text(
    text: str, said: list[tuple[str, int, int]], start: int, length: int, limit: int
) -> None:
    """Times lie within the utterance and never go backwards, whatever the words say; the text is untouched."""
    units = units_of(text, limit=limit, wide=False)
    found = timed(units, utterance(text, 0, 0, said).words, (start, start + length))
    assert [unit.text for unit in found] == [unit.text for unit in units]
    edges = [edge for unit in found for edge in (unit.start_ms, unit.end_ms)]
    assert edges == sorted(edges)
    assert all(start <= edge <= start + length for edge in edges)
