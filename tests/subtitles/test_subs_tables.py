"""Text for programs."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from subtitle_kit import sample, shown, text_of, transcript, transcripts, utterance

from volcasr_async import Transcript
from volcasr_async.subtitles import to_csv, to_jsonl


def rows(file: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file, newline="")))


def objects(file: str) -> list[dict[str, Any]]:
    assert file == "" or file.endswith("\n")
    return [json.loads(line) for line in file.splitlines()]


def test_jsonl() -> None:
    """An utterance a line, with all that the service told of it and null for what it did not."""
    [found] = objects(to_jsonl(sample("v3_query_done_customer_service_fields")))
    assert (found["start_ms"], found["end_ms"], found["text"]) == (100, 4200, "您好，请讲。")
    assert (found["speaker"], found["channel"]) == ("0", "1")
    assert found["additions"]["emotion"] == "neutral"
    assert "speaker" not in found["additions"]
    [untimed] = objects(to_jsonl(Transcript(text="你好")))
    assert untimed == {
        "start_ms": None,
        "end_ms": None,
        "speaker": None,
        "channel": None,
        "text": "你好",
        "additions": {},
    }


def test_words() -> None:
    """The text's words with their punctuation, each with a time; the service's blanks at -1 are no words."""
    found = objects(to_jsonl(sample("v3_query_done_english_whitespace_tokens"), words=True))
    assert [(word["text"], word["start_ms"], word["end_ms"]) for word in found] == [
        ("Hello ", 200, 600),
        ("there ", 640, 1000),
        ("friend.", 1040, 1900),
    ]


def test_csv() -> None:
    """A header and a row an utterance."""
    assert to_csv(sample("v3_query_done_speaker_channel")) == (
        "start_ms,end_ms,speaker,channel,text\n480,2880,1,1,早上好。\n3000,5880,2,2,你好。\n"
    )
    assert to_csv(transcript(utterance('say "a, b"'))) == 'start_ms,end_ms,speaker,channel,text\n,,,,"say ""a, b"""\n'
    assert rows(to_csv(sample("v3_query_done_documented"), words=True))[1] == ["740", "860", "", "", "这"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-5度", "@SUM(A1)", "＝1", "\t=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    """An apostrophe keeps a spreadsheet from running what somebody said, or called themselves."""
    told = transcript(utterance(text, 0, 1, speaker=text.strip()))
    assert rows(to_csv(told))[1][2:] == ["'" + text.strip(), "", "'" + text.strip()]
    assert rows(to_csv(told, formulas=True))[1][4] == text.strip()


def test_silence() -> None:
    """No line, and a header alone."""
    silent = Transcript(text="", silent=True)
    assert (to_jsonl(silent), to_jsonl(silent, words=True)) == ("", "")
    assert to_csv(silent) == "start_ms,end_ms,speaker,channel,text\n"


@given(transcripts())
def test_tables_are_read_back(told: Transcript) -> None:
    """A row or a line for each utterance, whatever is in it, and words that together are the text."""
    utterances, words = objects(to_jsonl(told)), objects(to_jsonl(told, words=True))
    table = rows(to_csv(told, formulas=True))
    assert [row[4] for row in table[1:]] == [found["text"] for found in utterances]
    assert all(len(row) == 5 for row in table)
    assert len(shown("".join(str(word["text"]) for word in words))) == len(text_of(told))
    assert all(0 <= word["start_ms"] <= word["end_ms"] for word in words)
    assert len(rows(to_csv(told, words=True))) == len(words) + 1
