"""Values that come back."""

import json
import pickle
from typing import Any

import pytest
from ground import EDITIONS, task_of
from msgspec import Raw

from volcasr_async import InputError, Pending, Task, Transcript, Utterance, Word, read_transcript


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda e: e.name)
def test_task_round_trip(edition: Any) -> None:
    """A task is the same after JSON and after a pickle, in every edition."""
    task = task_of(edition, key="k", log_id="l")
    assert Task.from_json(task.to_json()) == Task.from_json(task.to_json().encode()) == task
    assert pickle.loads(pickle.dumps(task)) == task
    assert "\n" not in task.to_json()


GOOD = task_of().to_json()


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "5", "null", "{", b"\xff", "\ud800", "[" * 100_000, '{"x":' * 100_000, GOOD[:-1],
     GOOD.replace('"standard"', '"nonsense"'), GOOD.replace("volc.bigasr.auc", ""), GOOD.replace("1800000000.0", '"x"'),
     GOOD.replace('"id":"', '"id":"a\\r\\n'), GOOD.replace('"id":"67ee89ba-7050-4c04-a3d7-ac61a63499b3"', '"id":""', 1)],
    ids=lambda t: repr(t[:25]),
)  # fmt: skip
def test_garbage_is_no_task(text: str | bytes) -> None:
    """Anything else is an `InputError`, also a task whose words cannot stand in a header."""
    with pytest.raises(InputError):
        Task.from_json(text)


@pytest.mark.parametrize(
    ("words", "expected"),
    [(b"[]", ()), (b"null", ()), (b"{}", ()), (b"x", ()), (b'[{"text":"a","start_time":"5"}]', (Word("a", 5, -1),)),
     (b'[{"text":5},null]', (Word("5", -1, -1),)), (b'[{"text":"\xff"}]', (Word("\ufffd"),)), (b"[" * 100_000, ())],
    ids=lambda w: repr(w[:12]),
)  # fmt: skip
def test_words_of_any_shape(words: bytes, expected: tuple[Word, ...]) -> None:
    """Words are read when asked for, and never raise."""
    assert Utterance(words_json=Raw(words)).words == expected


def test_utterances() -> None:
    """Speaker and channel; equality by content; a short repr."""
    one = Utterance(text="a", start_ms=1, end_ms=2, additions={"speaker": "1", "channel_id": "2"}, speaker_id="9")
    assert (one.speaker, one.channel) == ("1", "2")
    assert (Utterance(speaker_id="9").speaker, Utterance().speaker, Utterance().channel) == ("9", None, None)
    assert Utterance(words_json=Raw(b'[ {"text": "a"} ]')) == Utterance(words_json=Raw(b'[{"text":"a"}]'))
    assert one != Utterance()
    assert one != "a"
    assert hash(one) == hash(Utterance(text="a", start_ms=1, end_ms=2))
    assert repr(one) == "Utterance(1-2 ms, 'a')"


def test_transcripts_show_little() -> None:
    """The repr is one short line; a pickle keeps everything."""
    transcript = Transcript(text="a" * 100, duration_ms=1500, utterances=(Utterance(text="a"),), raw=b"{}")
    assert repr(transcript) == f"<Transcript {'a' * 40 + '...'!r}, 1.5 s, 1 utterances>"
    assert repr(Transcript(text="", silent=True)) == "<Transcript silent, 0 utterances>"
    assert pickle.loads(pickle.dumps(transcript)) == transcript
    assert Pending(task=task_of()).phase == "processing"


def test_the_document_shows_sentences_for_other_programs() -> None:
    """`jq .utterances` finds them, though the words stand in the service's body only."""
    raw = (
        b'{"audio_info":{"duration":9},"result":{"text":"a b","utterances":[{"text":"a","start_time":1,"end_time":2}]}}'
    )
    transcript = read_transcript(raw)
    document = json.loads(transcript.to_json())
    assert document["utterances"] == [{"text": "a", "start_time": 1, "end_time": 2, "additions": {}}]
    assert read_transcript(transcript.to_json()) == transcript
