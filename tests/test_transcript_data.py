"""A transcript as plain values: documents for JSON, records for pandas and polars."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from volcasr_async import InputError, Job, Options, Transcript, Utterance, Word, read_transcript
from volcasr_async.lenient import json_of
from volcasr_async.testing import Simulator

pytestmark = pytest.mark.anyio


def said(text: str, start: int = 0, end: int = 900, words: str = "[]", **additions: str) -> Utterance:
    return Utterance(text=text, start_ms=start, end_ms=end, additions=additions, words_json=Raw(words.encode()))


TOKENS = (
    '[{"text":"hello","start_time":0,"end_time":300},{"text":" ","start_time":-1,"end_time":-1},'
    '{"text":"你","start_time":310,"end_time":"500"}]'
)
TALK = Transcript(
    text="hello 你。再见",
    duration_ms=2000,
    log_id="2026LOG",
    raw=b'{"secret": 1}',
    utterances=(
        said("hello 你。", words=TOKENS, speaker="1", channel_id="2", emotion="happy", volume="66.6", speech_rate="x"),
        said("再见", -1, -1),
    ),
)
EMPTY = Transcript(text="", silent=True)
ALL = [TALK, EMPTY, Transcript(text="no utterances", duration_ms=None)]


# ---- documents ----


def test_the_document_has_the_documented_shape() -> None:
    """All keys in all places, `None` for what is not stated, nothing internal."""
    assert TALK.to_dict() == {
        "text": "hello 你。再见",
        "duration_ms": 2000,
        "silent": False,
        "utterances": [
            {
                "start_ms": 0,
                "end_ms": 900,
                "speaker": "1",
                "channel": "2",
                "text": "hello 你。",
                "additions": {"emotion": "happy", "volume": "66.6", "speech_rate": "x"},
                "words": [
                    {"start_ms": 0, "end_ms": 300, "text": "hello"},
                    {"start_ms": None, "end_ms": None, "text": " "},
                    {"start_ms": 310, "end_ms": 500, "text": "你"},
                ],
            },
            {
                "start_ms": None,
                "end_ms": None,
                "speaker": None,
                "channel": None,
                "text": "再见",
                "additions": {},
                "words": [],
            },
        ],
    }
    assert "words" not in TALK.to_dict(words=False)["utterances"][0]


@pytest.mark.parametrize("transcript", ALL, ids=repr)
@pytest.mark.parametrize("words", [True, False])
def test_a_document_is_read_again(transcript: Transcript, words: bool) -> None:
    """By `from_dict`, and from its JSON by `read_transcript`, as `volcasr convert` does."""
    document = transcript.to_dict(words=words)
    text = json.dumps(document)
    assert json.loads(text) == document
    for again in (Transcript.from_dict(document), read_transcript(text), read_transcript(text.encode())):
        assert again.to_dict(words=words) == document
        assert (again.text, again.silent, again.duration_ms) == (
            transcript.text, transcript.silent, transcript.duration_ms,
        )  # fmt: skip
    if words:
        assert Transcript.from_dict(document).utterances == transcript.utterances


def test_the_label_of_an_older_field_becomes_the_speaker() -> None:
    """`speaker_id` and `additions.speaker` are one fact."""
    labelled = Transcript(text="a", utterances=(Utterance(text="a", speaker_id="7"),))
    again = Transcript.from_dict(labelled.to_dict())
    assert again.utterances[0].speaker == "7"


@pytest.mark.parametrize(
    "document",
    [{}, [], None, "text", {"text": 5}, {"text": "a", "utterances": [{"start_ms": 0}]}, {"text": "a", "utterances": {}},
     {"text": "a", "utterances": [{"text": "a", "start_ms": "0"}]}],
    ids=repr,
)  # fmt: skip
def test_what_is_no_document_is_rejected(document: Any) -> None:
    """As an `InputError` that says so."""
    with pytest.raises(InputError, match=r"not a document of Transcript\.to_dict"):
        Transcript.from_dict(document)


def test_a_text_that_mentions_the_field_is_no_document() -> None:
    """What `to_json` wrote is still read as such."""
    told = Transcript(text='he said "start_ms"', utterances=(said('"start_ms"', 5, 9),))
    again = read_transcript(told.to_json())
    assert (again.text, again.utterances[0].start_ms) == (told.text, 5)


times = st.one_of(st.just(-1), st.integers(0, 10**9))
words = st.builds(Word, st.text(max_size=5), times, times)


@given(
    st.lists(
        st.tuples(
            st.text(max_size=9),
            times,
            times,
            st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
            st.lists(words),
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_any_transcript_survives_the_document(rows: list[Any], silent: bool) -> None:
    """Texts, times, additions and words of any content."""
    import msgspec

    utterances = tuple(
        Utterance(text=t, start_ms=a, end_ms=b, additions=more, words_json=Raw(msgspec.json.encode(tokens)))
        for t, a, b, more, tokens in rows
    )
    transcript = Transcript(text="".join(u.text for u in utterances), utterances=utterances, silent=silent)
    document = json_of(json.dumps(transcript.to_dict()).encode())
    assert Transcript.from_dict(document) == transcript
    assert len(transcript.to_records()) == len(rows)


# ---- records ----


def test_the_records_of_utterances_are_flat_and_complete() -> None:
    """One for each, with numbers as numbers."""
    first, second = TALK.to_records()
    assert first == {
        "utterance": 0, "start_ms": 0, "end_ms": 900, "speaker": "1", "channel": "2", "text": "hello 你。",
        "emotion": "happy", "gender": None, "language": None, "speech_rate": None, "volume": 66.6,
    }  # fmt: skip
    assert (second["start_ms"], second["end_ms"], second["utterance"]) == (None, None, 1)


def test_the_records_of_words_carry_their_utterance_and_speaker() -> None:
    """Blank tokens are left out."""
    assert TALK.to_records(words=True, key="call-1") == [
        {"key": "call-1", "utterance": 0, "word": 0, "start_ms": 0, "end_ms": 300, "speaker": "1", "channel": "2",
         "text": "hello"},
        {"key": "call-1", "utterance": 0, "word": 1, "start_ms": 310, "end_ms": 500, "speaker": "1", "channel": "2",
         "text": "你"},
    ]  # fmt: skip


@pytest.mark.parametrize("by_words", [False, True])
@pytest.mark.parametrize("key", [None, "a"])
def test_the_columns_are_always_the_same(by_words: bool, key: str | None) -> None:
    """Names, order and types are those of `record_columns`."""
    columns = Transcript.record_columns(words=by_words, key=key is not None)
    for transcript in ALL:
        for record in transcript.to_records(words=by_words, key=key):
            assert list(record) == list(columns)
            assert all(value is None or type(value) is columns[name] for name, value in record.items())


PANDAS = {int: "Int64", float: "Float64", str: "string"}


@pytest.mark.parametrize("by_words", [False, True])
@pytest.mark.parametrize("transcript", ALL, ids=repr)
def test_pandas_takes_the_records(transcript: Transcript, by_words: bool) -> None:
    """With the types of the columns, also for a transcript without utterances."""
    pandas = pytest.importorskip("pandas")
    records, columns = transcript.to_records(words=by_words), Transcript.record_columns(words=by_words)
    frame = pandas.DataFrame(records, columns=list(columns)).astype({n: PANDAS[k] for n, k in columns.items()})
    assert list(frame.columns) == list(columns)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {n: PANDAS[k] for n, k in columns.items()}
    assert frame["text"].tolist() == [record["text"] for record in records]
    assert len(pandas.DataFrame(records)) == len(records)  # without the types as well


@pytest.mark.parametrize("by_words", [False, True])
@pytest.mark.parametrize("transcript", ALL, ids=repr)
def test_polars_takes_the_records(transcript: Transcript, by_words: bool) -> None:
    """The types of the columns are a schema as they are."""
    polars = pytest.importorskip("polars")
    columns = Transcript.record_columns(words=by_words)
    frame = polars.DataFrame(transcript.to_records(words=by_words), schema=columns)
    kinds = {int: polars.Int64, float: polars.Float64, str: polars.String}
    assert dict(frame.schema) == {name: kinds[kind] for name, kind in columns.items()}
    assert frame.to_dicts() == transcript.to_records(words=by_words)


async def test_records_of_a_whole_batch_make_one_table() -> None:
    """The key tells the recordings apart, also with different options."""
    from io_kit import client

    jobs = [
        Job("https://example.com/a.mp3", key="a", options=Options(enable_speaker_info=True, show_volume=True)),
        Job("https://example.com/b.mp3", key="b"),
        Job("https://example.com/silence.mp3", key="c"),
    ]
    async with client(Simulator()) as asr, asr.batch(jobs) as batch:
        outcomes = [outcome async for outcome in batch]
    rows = [row for o in outcomes for row in o.transcript.to_records(key=o.job.name)]  # type: ignore[union-attr]
    assert {row["key"] for row in rows} == {"a", "b"}
    assert len({tuple(row) for row in rows}) == 1
    assert {row["volume"] is None for row in rows if row["key"] == "a"} == {False}


# ---- a web framework ----


@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")  # the newest starlette asks for httpx2
def test_a_response_model_of_fastapi_takes_the_document() -> None:
    """Filtered and described by the model."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from pydantic import BaseModel

    class Line(BaseModel):
        start_ms: int | None
        end_ms: int | None
        speaker: str | None
        text: str

    class Result(BaseModel):
        text: str
        duration_ms: int | None
        utterances: list[Line]

    app = FastAPI()

    @app.get("/", response_model=Result)
    async def show() -> Any:
        return TALK.to_dict()

    @app.get("/whole")
    async def whole() -> dict[str, Any]:
        return TALK.to_dict()

    with TestClient(app) as http:
        shown = http.get("/").json()
        assert shown["utterances"][1] == {"start_ms": None, "end_ms": None, "speaker": None, "text": "再见"}
        assert shown.keys() == {"text", "duration_ms", "utterances"}
        assert http.get("/whole").json() == TALK.to_dict()
