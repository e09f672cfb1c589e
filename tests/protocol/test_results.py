"""The request body field by field, and results of every shape that was reported or can be feared."""

import copy
import json
from typing import Any

import pytest
from ground import (
    CLUSTER,
    EDITIONS,
    SAMPLED,
    URL,
    answer,
    body_of,
    open_call,
    order_of,
    reply_of,
    speak,
    task_of,
    v1_answer,
)
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import (
    AudioBytes,
    AudioUrl,
    Corpus,
    Flash,
    Idle,
    InputError,
    Options,
    Pending,
    SensitiveWords,
    Standard,
    Transcript,
    VolcASRError,
    read_transcript,
)
from volcasr_async.options import WireFields
from volcasr_async.protocol.results import duration_of, read_v1, read_v3

STANDARD = Standard()
TABLES = [
    f"{kind}_table_{what}" for kind in ("boosting", "correct", "regex_correct") for what in ("name", "id")
]  # reference 4.3

# ---- what goes out ----


@pytest.mark.parametrize("edition", [Standard(), Idle(), Flash()], ids=lambda e: e.name)
def test_audio_section(edition: Any) -> None:
    """Every field of 4.2 stands in `audio` with its type."""
    fields: dict[str, Any] = {
        "format": "mp3",
        "codec": "raw",
        "rate": 8000,
        "bits": 16,
        "channel": 2,
        "language": "en-US",
    }
    body = body_of(open_call(edition, source=AudioUrl(URL, **fields)))
    assert body["audio"] == {"url": URL} | fields
    assert body_of(open_call(edition))["audio"] == {"url": URL}


STANDARD_FIELDS: dict[str, Any] = {
    "enable_itn": False, "enable_punc": False, "enable_ddc": True, "enable_speaker_info": True, "ssd_version": "200",
    "ssd_mode": 1, "enable_channel_split": True, "show_utterances": True, "show_speech_rate": True,
    "show_volume": True, "enable_lid": True, "enable_auto_lang": True, "enable_emotion_detection": True,
    "enable_gender_detection": True, "enable_age_detection": True, "vad_segment": True, "end_window_size": 800,
    "enable_poi_fc": True, "enable_music_fc": True, "output_zh_variant": "tw", "model_version": "400",
}  # fmt: skip


def test_request_section() -> None:
    """Every plain field of 4.3 stands in `request` under its name and with its type; no field is forgotten."""
    assert set(STANDARD_FIELDS) == set(WireFields.__struct_fields__)
    got = body_of(open_call(STANDARD, Options(**STANDARD_FIELDS)))["request"]
    assert got == {"model_name": "bigmodel"} | STANDARD_FIELDS
    assert {name: type(value) for name, value in got.items() if name in STANDARD_FIELDS} == {
        name: type(value) for name, value in STANDARD_FIELDS.items()
    }


def test_unset_fields_are_absent() -> None:
    """`None` is not sent."""
    got = body_of(open_call(STANDARD, Options(enable_itn=None, enable_punc=None, show_utterances=None)))
    assert got == {"audio": {"url": URL}, "request": {"model_name": "bigmodel"}}


@pytest.mark.parametrize("edition", [Standard(), Idle(), Flash()], ids=lambda e: e.name)
def test_corpus(edition: Any) -> None:
    """Tables stand in the object `corpus`; its context is a string that holds JSON."""
    corpus = Corpus(
        **{name: name for name in TABLES},
        context={"context_type": "dialog_ctx", "context_data": [{"text": "你好"}], "hotwords": [{"word": "甲"}]},
        hotwords=("乙", "丙"),
    )
    got = body_of(open_call(edition, Options(corpus=corpus)))["request"]["corpus"]
    context = got.pop("context")
    assert got == {name: name for name in TABLES}
    assert isinstance(context, str)
    assert json.loads(context) == {
        "context_type": "dialog_ctx",
        "context_data": [{"text": "你好"}],
        "hotwords": [{"word": "甲"}, {"word": "乙"}, {"word": "丙"}],
    }


def test_corpus_context_alone() -> None:
    """A ready string passes through, hot words alone make a context, no context is absent."""
    for corpus, expected in (
        (Corpus(context='{"x": 1}'), {"context": '{"x": 1}'}),
        (Corpus(hotwords=["甲"]), {"context": '{"hotwords":[{"word":"甲"}]}'}),  # type: ignore[arg-type]  # a list will do
        (Corpus(boosting_table_id="7"), {"boosting_table_id": "7"}),
    ):
        assert body_of(open_call(STANDARD, Options(corpus=corpus)))["request"]["corpus"] == expected


def test_sensitive_words_filter_is_a_string() -> None:
    """The filter goes out serialised, whether given as a value, as an object or ready."""
    words = {"system_reserved_filter": True, "filter_with_empty": ["a"], "filter_with_signed": ["b"]}
    for given_words in (
        SensitiveWords(system_reserved_filter=True, filter_with_empty=("a",), filter_with_signed=("b",)),
        words,
        json.dumps(words),
    ):
        got = body_of(open_call(STANDARD, Options(sensitive_words_filter=given_words)))["request"]
        assert isinstance(got["sensitive_words_filter"], str)
        assert json.loads(got["sensitive_words_filter"]) == words
    short = body_of(open_call(STANDARD, Options(sensitive_words_filter=SensitiveWords(filter_with_empty=("a",)))))
    assert json.loads(short["request"]["sensitive_words_filter"]) == {"filter_with_empty": ["a"]}


@pytest.mark.parametrize("edition", [Standard(), Idle()], ids=lambda e: e.name)
def test_top_level(edition: Any) -> None:
    """`callback` and `callback_data` stand beside `audio` and `request`; `user` holds the uid (4.1, 4.4)."""
    body = body_of(open_call(edition, callback="https://x.example/cb", callback_data="d", uid="u"))
    assert (body["callback"], body["callback_data"], body["user"]) == ("https://x.example/cb", "d", {"uid": "u"})


def test_extra_goes_into_the_request_section() -> None:
    """A field newer than the library goes out as it is, and wins."""
    got = body_of(open_call(STANDARD, Options(extra={"brand_new": {"a": [1]}, "enable_itn": False})))["request"]
    assert got["brand_new"] == {"a": [1]}
    assert got["enable_itn"] is False
    assert got["model_name"] == "bigmodel"
    assert "enable_ddc" not in got


@pytest.mark.parametrize("edition", [Flash(), Standard(inline_audio=True)], ids=lambda e: e.name)
@pytest.mark.parametrize("hostile", ['"data":""', "\x00", '"\x00"', '"data":"\x00"', "\\u0000", "}{"])
def test_the_hole_is_found_among_hostile_texts(edition: Any, hostile: str) -> None:
    """Inline audio stands in `audio.data` and nowhere else, whatever the options hold."""
    options = Options(
        extra={hostile: hostile}, corpus=Corpus(context={"a": hostile}, hotwords=(hostile,), correct_table_id=hostile)
    )
    call = open_call(edition, options, AudioBytes(b"ABC"), uid=hostile)
    assert call.has_audio
    body = body_of(call)
    assert body["audio"] == {"data": "QUJD"}
    assert body["request"][hostile] == hostile
    assert body["user"] == {"uid": hostile}
    assert call.content_length(3) == len(call.prefix) + 4 + len(call.suffix)


# ---- what comes back ----

GOOD: dict[str, Any] = {
    "audio_info": {"duration": 3000},
    "result": {
        "text": "甲乙。丙。",
        "additions": {"duration": "3000"},
        "utterances": [
            {
                "text": "甲乙。", "start_time": 100, "end_time": 900, "additions": {"speaker": "1"},
                "words": [{"text": "甲", "start_time": 100, "end_time": 200, "confidence": 0}],
            },
            {"text": "丙。", "start_time": 1000, "end_time": 1900, "speaker_id": "2", "words": []},
        ],
    },
}  # fmt: skip


def read(body: Any) -> Transcript:
    got = speak(STANDARD).read_follow(task_of(), answer(20000000, "OK", body))
    assert isinstance(got, Transcript)
    return got


@pytest.mark.parametrize(
    "body",
    [None, b"  ", {}, {"result": {}}, {"result": None}, {"result": []}, {"audio_info": {}, "result": {"text": ""}},
     {"audio_info": {"duration": 5}}, {"audio_info": {"duration": 5}, "result": {}}, {"result": {"text": ""}},
     {"result": {"text": None, "utterances": None}}, {"audio_info": None, "result": [{}]}],
    ids=repr,
)  # fmt: skip
def test_success_without_a_result_is_still_running(body: Any) -> None:
    """20000000 with nothing in it is pending (reference 6.2)."""
    assert isinstance(speak(STANDARD).read_follow(task_of(), answer(20000000, "OK", body)), Pending)


def test_empty_text_with_a_duration_is_done() -> None:
    """An empty text beside a duration is an empty transcript, wherever the duration stands."""
    for body in (
        {"audio_info": {"duration": 5}, "result": {"text": ""}},
        {"result": {"text": "", "additions": {"duration": "5"}}},
        {"audio_info": {"duration": "5"}, "result": {"text": ""}},
    ):
        got = read(body)
        assert (got.text, got.duration_ms, got.silent) == ("", 5, False)


def test_text_is_joined_where_only_utterances_came() -> None:
    """A result without its whole text still has one."""
    body = copy.deepcopy(GOOD)
    del body["result"]["text"]
    assert read(body).text == "甲乙。丙。"


def test_unknown_fields_survive() -> None:
    """What we do not know stays in `raw` and in `additions`."""
    body = copy.deepcopy(GOOD)
    body["result"]["utterances"][0]["additions"] |= {"brand_new": "x", "nested": {"a": [1]}, "n": 5, "none": None}
    body["result"]["new"] = {"deep": 1}
    got = read(body)
    assert json.loads(got.raw) == body
    assert got.utterances[0].additions == {
        "speaker": "1", "brand_new": "x", "nested": '{"a":[1]}', "n": "5", "none": "",
    }  # fmt: skip
    assert got.utterances[1].speaker == "2"


@pytest.mark.parametrize(
    ("value", "ms"),
    [("120", 120), (120.0, 120), (120.4, 120), ("120.4", 120), (None, -1), ("x", -1), ([], -1), (-1, -1)],
)
def test_times_in_every_type(value: object, ms: int) -> None:
    """Times are read from numbers and strings; what is none is -1."""
    body = copy.deepcopy(GOOD)
    utterance = body["result"]["utterances"][0]
    utterance["start_time"] = value
    utterance["words"][0]["end_time"] = value
    got = read(body)
    assert got.utterances[0].start_ms == ms
    assert got.utterances[0].words[0].end_ms == ms
    assert got.text == "甲乙。丙。"


@pytest.mark.parametrize("words", [None, [], {}, "x", [None, 5, {"text": "a"}], [{"text": 5}], [{"start_time": "7"}]])
def test_words_of_any_shape(words: object) -> None:
    """Words that cannot be read cost nothing else."""
    body = copy.deepcopy(GOOD)
    body["result"]["utterances"][0]["words"] = words
    got = read(body).utterances[0]
    assert got.text == "甲乙。"
    assert all(isinstance(word.text, str) for word in got.words)


def test_utterances_of_any_shape() -> None:
    """Missing, null or of another type: the text is there all the same."""
    values: tuple[Any, ...] = (None, [], "text", {}, 5, [None], [[]], [{"text": None}])
    for value in values:
        body = copy.deepcopy(GOOD)
        body["result"]["utterances"] = value
        assert read(body).text == "甲乙。丙。"


def test_a_list_with_leading_nonsense() -> None:
    """The first object of a list is the result."""
    assert read({"audio_info": None, "result": [None, GOOD["result"]]}).text == "甲乙。丙。"


def test_a_paid_text_in_a_wrong_charset_is_kept() -> None:
    """Bytes that are no UTF-8 are replaced, not refused; in words too."""
    body = json.dumps(GOOD, ensure_ascii=False).encode()
    got = read(body.replace("乙。丙。".encode(), b"\xff", 1))
    assert got.text == "甲\ufffd"
    words = json.dumps(GOOD, ensure_ascii=False).encode().replace('"text": "甲"'.encode(), b'"text": "\xff"')
    assert read(words).utterances[0].words[0].text == "\ufffd"
    assert json.loads(read(words).to_json())["text"] == "甲乙。丙。"


PLACES: list[tuple[Any, ...]] = [
    (), ("audio_info",), ("audio_info", "duration"), ("result",), ("result", "text"), ("result", "additions"),
    ("result", "additions", "duration"), ("result", "additions", "new"), ("result", "utterances"),
    ("result", "utterances", 0), ("result", "utterances", 0, "text"), ("result", "utterances", 0, "start_time"),
    ("result", "utterances", 0, "additions"), ("result", "utterances", 0, "additions", "speaker"),
    ("result", "utterances", 0, "words"), ("result", "utterances", 0, "words", 0),
    ("result", "utterances", 0, "words", 0, "text"), ("result", "utterances", 0, "words", 0, "end_time"),
    ("result", "utterances", 1, "speaker_id"), ("new",),
]  # fmt: skip
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["null", "1.5", "-1", "1e400", "nan", "inf", "true"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def put(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    body = copy.deepcopy(body)
    section = body
    for step in place[:-1]:
        section = section[step]
    section[place[-1]] = value
    return body


@given(st.sampled_from(PLACES), ANY_JSON)
def test_any_value_in_any_place(place: tuple[Any, ...], value: Any) -> None:
    """A paid v3 body with one value gone wild gives a step or an error of the tree, and no other text is lost."""
    body = put(GOOD, place, value)
    try:
        got = speak(STANDARD).read_follow(task_of(), answer(20000000, "OK", body))
    except VolcASRError:
        assert place == ()
        return
    if not (place and place[:2] in (("result",), ("result", "text"))) and place != ():
        assert isinstance(got, Transcript)
        assert got.text == GOOD["result"]["text"]
    if isinstance(got, Transcript):
        again = read_transcript(got.to_json())
        assert (again.text, again.duration_ms, again.utterances) == (got.text, got.duration_ms, got.utterances)
        assert all(isinstance(word.text, str) for u in got.utterances for word in u.words)
        assert hash(got.utterances) == hash(again.utterances)


@given(st.sampled_from([p for p in PLACES if p[:1] == ("result",) and len(p) > 1]), ANY_JSON)
def test_any_value_in_any_place_of_v1(place: tuple[Any, ...], value: Any) -> None:
    """The same for v1."""
    resp = put(GOOD, place, value)["result"]
    try:
        got = speak(CLUSTER).read_follow(task_of(CLUSTER), v1_answer(1000, "Success", **resp))
    except VolcASRError:
        raise AssertionError("a paid result was refused") from None
    assert isinstance(got, Transcript)
    if place != ("result", "text"):
        assert got.text == GOOD["result"]["text"]


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"<html>", b'{"result": {"text": "a"', b"[" * 100_000])
def test_bodies_that_are_no_result(body: bytes) -> None:
    """What is no JSON object is refused as unreadable, in every edition that polls."""
    with pytest.raises(ValueError):
        read_v3(body)
    with pytest.raises(VolcASRError):
        speak(STANDARD).read_follow(task_of(), answer(20000000, "OK", body))
    with pytest.raises(VolcASRError):
        speak(CLUSTER).read_follow(task_of(CLUSTER), answer(1000, "OK", body))


def test_v1_without_a_text_is_no_empty_transcript() -> None:
    """v1 success with nothing in it is not read as silence."""
    assert read_v1(b'{"resp": {"code": 1000}}') is None
    assert read_v1(b"{}") is None
    assert read_v1(b'{"resp": []}') is None


def test_duration_of_any_body() -> None:
    """Silence tells its length where it can."""
    assert [duration_of(b) for b in (b'{"audio_info":{"duration":"7"}}', b"{}", b"", b"<p>", b'{"audio_info":"x"}')] == [
        7, None, None, None, None,
    ]  # fmt: skip


# ---- our own document ----


def transcripts() -> list[Transcript]:
    v3 = [f"v3_query_{n}" for n in ("done_documented", "done_speaker_channel", "done_result_list", "silence")]
    found: list[Any] = [speak(STANDARD).read_follow(task_of(key="k", log_id="l"), reply_of(name)) for name in v3]
    found += [
        speak(CLUSTER).read_follow(task_of(CLUSTER, id=SAMPLED), reply_of(f"v1_auc_query_{n}"))
        for n in ("done", "silence")
    ]
    found.append(speak(Flash()).read_open(order_of(edition=Flash()), reply_of("v3_flash_ok"), at=0.0))
    for raw in (b"<html>", b"", b"  ", b"null", b'"text"', b"[1]", b'{"audio_info": {"duration": 7}}', b"{"):
        found.append(speak(STANDARD).read_follow(task_of(), answer(20000003, "", raw)))
    found.append(Transcript(text="made by hand", duration_ms=5, utterances=found[0].utterances))
    found.append(Transcript(text="with a foreign body", duration_ms=5, raw=b"{}"))
    return found


@pytest.mark.parametrize("transcript", transcripts(), ids=lambda t: repr(t)[:40] + repr(t.raw[:8]))
def test_round_trip(transcript: Transcript) -> None:
    """What `to_json` wrote is read again, whole: v3, v1, flash, silent, with a body that is no JSON."""
    for document in (transcript.to_json(), transcript.to_json().encode()):
        assert read_transcript(document) == transcript


@pytest.mark.parametrize("name", ["v3_query_done_documented", "v3_query_done_result_list", "v1_auc_query_done"])
def test_a_bare_body_is_read(name: str) -> None:
    """A body just as the service sent it is a transcript too."""
    body = reply_of(name).body
    got = read_transcript(body)
    assert got.text
    assert (got.raw, got.task, got.silent) == (body, None, False)


@pytest.mark.parametrize(
    "document",
    ["", "{}", "[]", "null", "5", "{", '{"text": 5}', '{"raw": 5}', '{"raw": "x"}', '{"result": {}}', "\ud800",
     '{"resp": {"code": 2000}}', "[" * 100_000, '{"x":' * 100_000, b"\xff", '{"task": {"id": 1}, "text": "a"}'],
    ids=lambda d: repr(d[:20]),
)  # fmt: skip
def test_other_documents_are_refused(document: str | bytes) -> None:
    """What holds no result is an `InputError`, an unfinished v1 reply too."""
    with pytest.raises(InputError):
        read_transcript(document)


def test_editions_share_the_request_section() -> None:
    """The three v3 editions write the same body."""
    bodies = [body_of(open_call(edition)) for edition in EDITIONS[:3]]
    assert bodies[0] == bodies[1] == bodies[2]
