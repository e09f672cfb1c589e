"""Made-up transcripts: they say so, they obey what was asked, and their times lie inside the audio."""

from hypothesis import given
from hypothesis import strategies as st

from volcasr_async.testing.text import Wishes, join, utterances

wishes = st.builds(Wishes, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans())


@given(st.integers(0, 3), st.text(max_size=5), st.integers(1, 200_000), wishes)
def test_times_lie_inside_the_audio_and_run_forwards(seed: int, source: str, duration: int, asked: Wishes) -> None:
    """No utterance overlaps the next, no word leaves its utterance; blank tokens stand at -1."""
    last = 0
    for part in utterances(seed, source, duration, asked):
        assert last <= part.start <= part.end <= duration
        last = part.end
        inside = part.start
        for word in part.words:
            if word.text == " ":
                assert (word.start, word.end) == (-1, -1)
                continue
            assert inside <= word.start <= word.end <= part.end
            inside = word.start


def test_the_text_says_that_it_is_made_up() -> None:
    """In either language, in the first sentence."""
    assert join(utterances(0, "a", 9000, Wishes()), Wishes()).startswith("这是模拟器编造的文字。")
    english = Wishes(english=True)
    assert join(utterances(0, "a", 9000, english), english).startswith("This text was made up by the simulator. ")


def test_punctuation_and_numbers_are_as_asked() -> None:
    """Without punctuation none; numbers as digits only with itn; never a punctuation mark in a word."""
    long = 400_000
    plain = join(utterances(0, "a", long, Wishes(punc=False, itn=False)), Wishes(punc=False))
    assert not set(plain) & set("。，0123456789")
    assert "第" in plain
    rich = utterances(0, "a", long, Wishes())
    assert any(char.isdigit() for part in rich for char in part.text)
    assert all(part.text.endswith("。") and "。" not in {word.text for word in part.words} for part in rich)
    said = join(utterances(0, "a", long, Wishes(english=True, itn=False)), Wishes(english=True))
    assert "number" in said
    assert not any(char.isdigit() for char in said)


def test_words_make_the_sentence() -> None:
    """The tokens of an utterance are its text without punctuation."""
    for asked in (Wishes(), Wishes(english=True)):
        for part in utterances(3, "b", 60_000, asked):
            assert "".join(word.text for word in part.words).lower() == part.text.rstrip("。.").lower()


def test_the_same_seed_and_source_say_the_same() -> None:
    """Another run repeats the text; another source or seed has another."""
    once = utterances(0, "a", 90_000, Wishes())
    assert once == utterances(0, "a", 90_000, Wishes())
    assert once != utterances(0, "b", 90_000, Wishes())
    assert once != utterances(1, "a", 90_000, Wishes())


def test_labels_are_strings_and_alternate() -> None:
    """Speakers and channels only when asked for."""
    parts = utterances(0, "a", 20_000, Wishes(speakers=True, channels=True))
    assert [part.additions for part in parts[:2]] == [
        {"speaker": "1", "channel_id": "1"},
        {"speaker": "2", "channel_id": "2"},
    ]
    assert utterances(0, "a", 20_000, Wishes())[0].additions == {}


def test_no_audio_no_text() -> None:
    """Nothing is said in nothing."""
    assert utterances(0, "a", 0, Wishes()) == []
