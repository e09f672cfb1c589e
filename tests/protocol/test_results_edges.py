"""A paid result, wherever it was kept and however odd its body: the same transcript again, or a clear no."""

import json
from typing import Any

import pytest
from ground import CLUSTER, answer, order_of, reply_of, speak, task_in, task_of

from volcasr_async import Flash, Idle, InputError, Standard, Transcript, read_transcript
from volcasr_async.protocol.results import duration_of, read_v1, read_v3, transcript_of

DONE = [
    (Standard(), "v3_query_done_documented"),
    (Standard(), "v3_query_done_speaker_channel"),
    (Standard(), "v3_query_done_result_list"),
    (Standard(), "v3_query_done_empty_text"),
    (Idle(), "v3_query_silence"),
    (Flash(), "v3_flash_ok"),
    (CLUSTER, "v1_auc_query_done"),
    (CLUSTER, "v1_auc_query_silence"),
]


def finished(edition: Any, reply: Any) -> Transcript:
    dialect = speak(edition)
    if dialect.phase == "flash":
        got = dialect.read_open(order_of(edition=edition), reply, at=0.0)
    else:
        got = dialect.read_follow(task_in(reply, edition, key="k"), reply)
    assert isinstance(got, Transcript)
    return got


def again(transcript: Transcript) -> Transcript:
    """The transcript as a journal brings it back."""
    return transcript_of(transcript.raw, log_id=transcript.log_id, silent=transcript.silent, task=transcript.task)


# ---- kept ----


@pytest.mark.parametrize(("edition", "name"), DONE, ids=[name for _, name in DONE])
def test_a_kept_body_is_the_same_transcript(edition: Any, name: str) -> None:
    """Text, length, utterances, silence, task, log id and the bytes themselves."""
    transcript = finished(edition, reply_of(name))
    assert again(transcript) == transcript
    assert read_transcript(transcript.to_json()) == transcript


ODD = [
    (Standard(), {"audio_info": {"duration": 5}, "result": {"text": 7, "utterances": 5, "additions": "x"}}, "7", 5),
    (Standard(), {"audio_info": {"duration": "12.4"}, "result": {"text": "a", "additions": ["x"]}}, "a", 12),
    (Standard(), {"result": {"text": "", "utterances": 5, "additions": {"duration": "9"}}}, "", 9),
    (Standard(), {"audio_info": "x", "result": [5, {"text": "a", "utterances": 5}]}, "a", None),
    (Standard(), {"result": {"utterances": [{"text": "a", "start_time": []}, {"text": "b"}]}}, "ab", None),
    (Standard(), {"result": {"text": "a", "additions": ["x"]}}, "a", None),
    (Standard(), {"result": {"text": "a"}, "resp": {"text": "b"}}, "a", None),
    (CLUSTER, {"resp": {"code": 1000, "text": 7, "utterances": 5}}, "7", None),
    (CLUSTER, {"resp": {"code": 1000, "text": "b"}, "result": {"text": "a"}}, "b", None),
    (CLUSTER, {"resp": {"code": 1000, "text": "b", "utterances": 5}, "result": {"text": "a"}}, "b", None),
]


@pytest.mark.parametrize(("edition", "body", "text", "duration_ms"), ODD, ids=[json.dumps(row[1]) for row in ODD])
def test_an_odd_body_keeps_its_text_and_length(edition: Any, body: Any, text: str, duration_ms: int | None) -> None:
    """Read at once, out of a journal, and out of a document: the same, in the place where the edition has it."""
    got = finished(edition, answer(None if edition is CLUSTER else 20000000, "OK", body))
    assert (got.text, got.duration_ms) == (text, duration_ms)
    assert again(got) == got
    assert read_transcript(got.to_json()) == got


def test_a_kept_body_without_a_result_is_no_transcript() -> None:
    """Nothing is handed out as finished that is not."""
    for body in (b"{}", b'{"resp": {"code": 2000}}', b'{"result": {}}', b'{"audio_info": {"duration": 5}}'):
        with pytest.raises(ValueError, match=r"^the body that was kept holds no result$"):
            transcript_of(body, log_id=None, silent=False, task=None)
    with pytest.raises(ValueError, match=r"^the body is no JSON object$"):
        transcript_of(b"[]", log_id=None, silent=False, task=None)


@pytest.mark.parametrize(
    ("body", "duration_ms"),
    [
        (b"", None),
        (b"<p>", None),
        (b'{"audio_info": {"duration": 7}}', 7),
        (b'{"audio_info": {"duration": "x"}}', None),
    ],
)
def test_kept_silence_is_silence(body: bytes, duration_ms: int | None) -> None:
    """Whatever the body holds, nothing was spoken; its length is told where the body tells it."""
    got = transcript_of(body, log_id="l", silent=True, task=task_of())
    assert (got.text, got.utterances, got.silent, got.duration_ms) == ("", (), True, duration_ms)
    assert (got.raw, got.log_id, got.task) == (body, "l", task_of())


def test_a_kept_body_of_the_other_family_is_read() -> None:
    """A paid text is handed out wherever it stands."""
    for edition, body in ((CLUSTER, b'{"result": {"text": "a"}}'), (Standard(), b'{"resp": {"text": "a"}}')):
        assert transcript_of(body, log_id=None, silent=False, task=task_of(edition)).text == "a"


def test_silence_stays_silence_beside_a_result() -> None:
    """A silent answer that holds a text all the same is read as the service called it, wherever it was kept."""
    body = {"audio_info": {"duration": 5}, "result": {"text": "noise"}}
    got = finished(Standard(), answer(20000003, "", body))
    assert (got.text, got.silent, got.duration_ms) == ("", True, 5)
    assert again(got) == got == read_transcript(got.to_json())


# ---- what counts as finished ----


@pytest.mark.parametrize(
    ("body", "text", "duration_ms"),
    [
        ({"result": {"text": "a"}}, "a", None),
        ({"result": {"utterances": [{"text": "a"}]}}, "a", None),
        ({"audio_info": {"duration": 5}, "result": {"text": "a", "additions": {"duration": "7"}}}, "a", 5),
        ({"audio_info": {}, "result": {"text": "a", "additions": {"duration": "7"}}}, "a", 7),
        ({"audio_info": {"duration": 0}, "result": {"text": ""}}, "", 0),
    ],
)
def test_a_finished_body(body: Any, text: str, duration_ms: int | None) -> None:
    """A text, or utterances, or an empty text beside a length, which `audio_info` tells first."""
    found = read_v3(json.dumps(body).encode())
    assert found is not None
    assert (found.text, found.duration_ms) == (text, duration_ms)
    assert len(found.utterances) == len(body["result"].get("utterances", ()))
    assert found.utterances == tuple(found.utterances)


def test_a_list_of_nothing_is_not_finished() -> None:
    """Neither is one of things that are no results."""
    for body in (b'{"result": []}', b'{"result": [5]}', b'{"audio_info": "x", "result": [5]}'):
        assert read_v3(body) is None


def test_utterances_alone_finish_v1_too() -> None:
    """Their texts are joined; an empty text is finished, for v1 tells no length."""
    found = read_v1(b'{"resp": {"utterances": [{"text": "a"}, {"text": "b"}]}}')
    assert found is not None
    assert (found.text, found.duration_ms) == ("ab", None)
    empty = read_v1(b'{"resp": {"text": ""}}')
    assert empty is not None
    assert empty.text == ""
    assert read_v1(b'{"resp": {"utterances": []}}') is None


def test_a_length_in_an_odd_body() -> None:
    """It is read from any number, beside fields of any type."""
    for body, expected in (
        (b'{"audio_info": {"duration": 7.4}, "result": 5}', 7),
        (b'{"audio_info": {"duration": "7"}, "result": "x"}', 7),
        (b'{"audio_info": [7], "result": 5}', None),
    ):
        assert duration_of(body) == expected


# ---- documents ----


def test_a_document_need_not_hold_the_body() -> None:
    """Made by hand, silent without a text, or with a body that is no JSON: read as it says."""
    for document in (
        Transcript(text="made by hand", raw=b"<html>"),
        Transcript(text="made by hand", duration_ms=7, raw=b'"text"'),
        Transcript(text="", silent=True),
    ):
        assert read_transcript(document.to_json()) == document
    assert read_transcript('{"text": "a"}') == Transcript(text="a")
    silent = read_transcript('{"silent": true}')
    assert (silent.text, silent.silent) == ("", True)


def test_a_document_with_a_byte_order_mark() -> None:
    """Some editors put one before it."""
    transcript = finished(Standard(), reply_of("v3_query_done_documented"))
    got = read_transcript(b"\xef\xbb\xbf" + transcript.to_json().encode())
    assert (got.text, got.utterances, got.task) == (transcript.text, transcript.utterances, transcript.task)
    assert json.loads(got.raw) == json.loads(transcript.raw)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("{", "this is no transcript as volcasr or the service writes it: "),
        ("[]", "this is no transcript as volcasr or the service writes it: "),
        ("{}", "this document holds no finished result"),
        ('{"resp": {"code": 2000}}', "this document holds no finished result"),
        ('{"raw": {"result": {}}}', "this document holds no finished result"),
    ],
)
def test_other_documents_are_told_apart(document: str, why: str) -> None:
    """What is no transcript at all, and what is not finished."""
    with pytest.raises(InputError) as caught:
        read_transcript(document)
    assert str(caught.value).startswith(why)
