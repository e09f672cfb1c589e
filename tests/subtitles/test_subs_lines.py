"""Lines."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from subtitle_kit import texts

from volcasr_async.subtitles.lines import fits, lines_of, width_of
from volcasr_async.subtitles.plain import one_line
from volcasr_async.subtitles.units import Unit, units_of
from volcasr_async.subtitles.width import columns
from volcasr_async.subtitles.words import pairs_of


def units(text: str, limit: int = 42) -> list[Unit]:
    return units_of(text, limit=limit, wide=False, pairs=pairs_of(text))


@pytest.mark.parametrize(
    ("text", "limit", "lines"),
    [
        ("Short enough.", 42, ("Short enough.",)),
        ("The quick brown fox jumps over the lazy dog", 42, ("The quick brown fox", "jumps over the lazy dog")),
        ("When it rained yesterday, we all stayed at home", 42, ("When it rained yesterday,", "we all stayed at home")),
        ("因为昨天下了一场很大的雨，所以今天的空气特别好。", 40, ("因为昨天下了一场很大的雨，", "所以今天的空气特别好。")),
        ("那我想先请教一下王教授，您觉得现在的医生怎么样", 40, ("那我想先请教一下王教授，", "您觉得现在的医生怎么样")),
        ("one two three four five six", 10, ("one two", "three four", "five six")),
    ],
)  # fmt: skip
def test_lines(text: str, limit: int, lines: tuple[str, ...]) -> None:
    """As few as possible, of even length, broken after punctuation rather than in the middle."""
    assert lines_of(units(text, limit), limit, 3) == lines


def test_a_last_line_is_never_only_a_number() -> None:
    """Readers of SRT would take it for the number of the next cue."""
    assert not fits(units("x" * 12 + " 2026", 12), 12, 2)
    assert lines_of(units("nineteen hundred 1984", 16), 16, 2) == ("nineteen", "hundred 1984")
    assert fits(units("2026", 12), 12, 1)


@given(texts.map(one_line), st.integers(10, 50), st.integers(1, 4))
def test_what_fits_is_laid_out_within_its_limits(text: str, limit: int, lines: int) -> None:
    """No line is too wide, there are not too many, none is empty, and nothing is lost."""
    found = units(text, limit)
    assume(found and fits(found, limit, lines))
    rows = lines_of(found, limit, lines)
    assert len(rows) <= lines
    assert all(columns(row) <= limit for row in rows)
    assert all(row.strip() for row in rows)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")
    assert len(rows) == 1 or not rows[-1].isdecimal()
    assert (len(rows) == 1) == (width_of(found) <= limit)
