"""Utterances of any shape."""

import pytest
from ground import sample

from volcasr_async.models import Utterance, Word
from volcasr_async.protocol.loose import loose_utterances


@pytest.mark.parametrize("value", [None, 5, "x", {}, [], [None, 5, "x", []]])
def test_what_is_no_list_of_objects_is_empty(value: object) -> None:
    """Nothing is made up."""
    assert loose_utterances(value) == ()


def test_an_empty_object_is_an_empty_utterance() -> None:
    """What is missing has the values of nothing."""
    assert loose_utterances([{}]) == (Utterance(),)


def test_every_field_is_read_from_any_type() -> None:
    """Numbers come from strings, texts from anything."""
    (got,) = loose_utterances(
        [
            {
                "text": 5, "start_time": "7", "end_time": 8.2, "speaker_id": 3, "additions": {"a": None, "b": [1]},
                "words": [{"text": "w", "start_time": "1"}, None],
            }
        ]
    )  # fmt: skip
    assert (got.text, got.start_ms, got.end_ms, got.speaker, got.additions) == ("5", 7, 8, "3", {"a": "", "b": "[1]"})
    assert got.words == (Word("w", 1, -1),)


def test_it_agrees_with_the_typed_reading() -> None:
    """A good body reads the same either way."""
    body = sample("v3_query_done_speaker_channel")["body"]
    got = loose_utterances(body["result"]["utterances"])
    assert [u.text for u in got] == ["早上好。", "你好。"]
    assert [len(u.words) for u in got] == [3, 2]
