"""The benchmark of what finds words runs, and says what it should."""

import pytest

pytest.importorskip("rjieba", reason="benchmarks need the extra [bench]")
pytest.importorskip("budoux", reason="benchmarks need the extra [bench]")

from benchmarks import segmenters


def test_line_ends_are_counted_for_each_kind_of_text() -> None:
    """The kinds add up to all of them, and the libraries part fewer words than the rules."""
    everything, *kinds = segmenters.accuracy(widths=(20,))
    assert [row["text"] for row in kinds] == list(segmenters.read_labelled())
    assert everything["sentences"] == sum(row["sentences"] for row in kinds) == 79
    assert everything["line ends"] == sum(row["line ends"] for row in kinds) > 100
    assert everything[f"{segmenters.LIBRARY} %"] < 5 < everything[f"{segmenters.RULES} %"] < 100


def test_line_ends_are_counted_as_the_sentences_are_labelled() -> None:
    """In a sentence that is one word each line ends inside it, in one of single characters none does."""
    rows = segmenters.accuracy({"one word": [["好" * 30]], "single characters": [["好"] * 30]}, widths=(12,))
    assert [row["rules %"] for row in rows] == [50, 100, 0]
    assert rows[0]["line ends"] == rows[1]["line ends"] + rows[2]["line ends"]
    assert rows[1]["line ends"] == rows[2]["line ends"] >= 4


def test_each_is_loaded_and_timed() -> None:
    """Rules are what the others are compared with; each is measured in a process of its own."""
    rows = segmenters.costs(rounds=1, characters=300, repeats=1)
    assert [row["name"] for row in rows] == list(segmenters.names())
    assert rows[0]["CPU / rules"] == 1
    assert all(row["load ms"] > 0 and row["characters/s"] > 0 for row in rows)


def test_the_long_transcript_is_as_long_as_asked() -> None:
    """30,000 characters are two hours, and each character has its time."""
    spoken = segmenters.long_transcript(segmenters.CHARACTERS)
    words = [word for utterance in spoken.utterances for word in utterance.words]
    assert 30_000 <= len(words) < 30_100
    assert words[-1].end_ms == spoken.duration_ms == spoken.utterances[-1].end_ms
    assert 7200_000 <= spoken.duration_ms < 7230_000
