"""Every format by its name."""

import pytest
from subtitle_kit import sample

from volcasr_async import InputError, Transcript, read_transcript, subtitles
from volcasr_async.subtitles import FORMATS, Layout, render, to_srt

TALK = sample("v3_query_done_speaker_channel")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written(name: str) -> None:
    """By its name, ending with a line end, for a silent transcript too."""
    assert render(TALK, name).endswith("\n")
    silent = render(Transcript(text="", silent=True), name)
    assert silent == "" or silent.endswith("\n")
    assert FORMATS[name].about
    assert FORMATS[name].suffix.isalnum()


def test_render_hands_on_what_it_is_told() -> None:
    """Layout and language; JSON is the whole result."""
    layout = Layout(labels=True)
    assert render(TALK, "srt", layout=layout, language="en") == to_srt(TALK, layout, language="en")
    assert "Speaker 1: " in render(TALK, "speakers", language="en")
    assert read_transcript(render(TALK, "json")) == TALK


def test_an_unknown_format_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(InputError, match="there are txt, json, srt, vtt"):
        render(TALK, "doc")


def test_all() -> None:
    """`__all__` is sorted but for the upper case first, and everything in it is there and described."""
    assert (
        sorted(subtitles.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
        == subtitles.__all__
    )
    assert all(getattr(subtitles, name) is not None for name in subtitles.__all__)


def test_the_same_every_time() -> None:
    """Nothing depends on a clock or on dice."""
    assert all(render(TALK, name) == render(TALK, name) for name in FORMATS)
