"""The subtitles of a whole programme, counted as a viewer would complain."""

from itertools import accumulate
from pathlib import Path

import pytest
from programme import programme
from subtitle_kit import said

from volcasr_async import Transcript
from volcasr_async.subtitles import Layout, to_cues
from volcasr_async.subtitles.width import columns

LABELLED = Path(__file__).with_name("labelled.txt")


@pytest.mark.parametrize("segmenter", ["rules", "library"])
@pytest.mark.parametrize("width", [20, 40])
def test_a_viewer_has_nothing_to_complain_about(segmenter: str, width: int) -> None:
    """No line begins with what belongs before it, hardly any is a word or two, and no cue stands too long."""
    told = programme()
    cues = to_cues(told, Layout(columns=width, segmenter=segmenter))  # type: ignore[arg-type]
    lines = [line for cue in cues for line in cue.lines]
    assert said("".join(lines)) == said("".join(u.text for u in told.utterances))
    assert [line for line in lines if line[0] in "的了吗呢吧们，。！？、”》）"] == []
    assert [line for line in lines if line[-1] in "（《“"] == []
    assert max(columns(line, wide=True) for line in lines) <= width
    assert sum(len(cue.lines) > 1 and min(map(columns, cue.lines)) < 6 for cue in cues) <= len(cues) // 50
    assert all(said("".join(cue.lines)) and cue.end_ms - cue.start_ms <= 7000 for cue in cues)


def test_words_of_the_labelled_sentences_are_whole_with_the_library() -> None:
    """At most one line end in twenty lies inside a word, at widths where nearly every line has to be cut somewhere."""
    split, total = _split_words("library")
    assert total > 500
    assert split / total < 0.05


def _split_words(segmenter: str) -> tuple[int, int]:
    split = total = 0
    for line in LABELLED.read_text("utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        words = [word.rstrip("，。？、") for word in line.split("|")]
        text, ends = "".join(words), set(accumulate(map(len, words)))
        for width in (12, 16, 20, 24):
            told = Transcript(text=text, duration_ms=400 * len(text))
            cues = to_cues(told, Layout(columns=width, segmenter=segmenter))  # type: ignore[arg-type]
            places = list(accumulate(len(row) for cue in cues for row in cue.lines))[:-1]
            total += len(places)
            split += sum(place not in ends for place in places)
    return split, total
