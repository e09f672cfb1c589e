"""What others say moves no cursor, forges no line of a log, and is no formula."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_calls import Caller
from io_kit import reply
from leak_kit import API_KEY, PAIR, Log
from wire_kit import listening

from volcasr_async import (
    AucV1,
    InvalidRequest,
    Job,
    RetryPolicy,
    Task,
    Transcript,
    TransportError,
    Utterance,
    VolcASR,
    WaitTimeout,
)
from volcasr_async.cli.output import write_stdout
from volcasr_async.subtitles import render

ESCAPE = "\x1b]0;title\x07\x1b[2J\x9b31m\rfirst\nsecond \u202e"
CONTROLS = set("\x1b\x07\x9b\r\x00\x08")
RESULT = json.dumps({"result": {"text": ESCAPE, "utterances": [{"text": ESCAPE, "start_time": 0, "end_time": 900}]}})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
async def test_what_the_service_says(log: Log) -> None:
    """A refusal with escape sequences and line ends is one line of text, in the error and in the log."""
    body = json.dumps({"header": {"code": 45000001, "message": ESCAPE}}).encode()

    async def handle(stream: object) -> None:
        data = b""
        while not data.endswith(b"}"):  # the refused submit is checked by queries, each on a connection of its own
            data += await stream.receive()  # type: ignore[attr-defined]
        await stream.send(reply(body, status="400 Bad Request", code=None))  # type: ignore[attr-defined]

    async with listening(handle) as port:
        url = f"http://127.0.0.1:{port}"
        async with VolcASR(API_KEY, base_url=url, retry=RetryPolicy(attempts=1)) as asr:
            with pytest.raises(InvalidRequest) as caught:
                await asr.submit("https://example.com/a.mp3")
    assert not CONTROLS & set(str(caught.value))
    assert "\n" not in str(caught.value)
    assert caught.value.message == ESCAPE, "the attribute keeps what was said"
    assert any("InvalidRequest" in line for line in log.printed)
    assert not [line for line in log.printed if CONTROLS & set(line) or "\n" in line]


@pytest.mark.parametrize("wanted", ["txt", "srt", "vtt", "csv", "md", "json"])
def test_a_transcript_on_a_terminal(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who speaks, and no service, writes escape sequences to the terminal; line ends and tabs stay."""
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    write_stdout(render(Transcript(text=ESCAPE, utterances=(Utterance(text=ESCAPE, start_ms=0, end_ms=900),)), wanted))
    assert "first" in terminal.getvalue()
    assert not CONTROLS & set(terminal.getvalue())


def test_files_and_pipes_keep_what_was_said(volcasr: Caller, tmp_path: Path) -> None:
    """What does not go to a terminal is what the service said."""
    (tmp_path / "kept.json").write_text(RESULT)
    assert json.loads(volcasr("convert", tmp_path / "kept.json", "-f", "json").out)["text"] == ESCAPE
    volcasr("convert", tmp_path / "kept.json", "-f", "json", "-o", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["text"] == ESCAPE


@pytest.mark.parametrize(
    "argv",
    [
        *(["transcribe", f"{ESCAPE}.wav"], ["probe", f"{ESCAPE}.wav"], ["convert", ESCAPE], ["wait", f"@{ESCAPE}"]),
        *(
            ["status", ESCAPE],
            ["batch", ESCAPE, "--output-dir", "OUT"],
            [ESCAPE],
            ["transcribe", "--edition", ESCAPE, "a"],
        ),
        *(["submit", f"https://example.com/{ESCAPE}"], ["transcribe", "-o", f"{ESCAPE}/x", "a.wav"], [f"--{ESCAPE}"]),
    ],
    ids=lambda argv: argv[0][:10].strip("\x1b[]-0;"),
)
def test_what_the_command_line_says(
    argv: list[str], volcasr: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names come from file systems and scripts: no message of the command passes their control characters on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOLCASR_API_KEY", "key")
    monkeypatch.setenv("VOLCASR_BASE_URL", "http://127.0.0.1:9")
    end = volcasr(*argv)
    assert end.status != 0
    assert not CONTROLS & set(end.out + end.err)


@pytest.mark.parametrize("first", "=+-@＝＋－＠")
def test_no_cell_is_a_formula(first: str) -> None:
    """A text that a spreadsheet would run gets an apostrophe before it."""
    said = Transcript(text="x", utterances=(Utterance(text=f'{first}HYPERLINK("http://e.com")', start_ms=0, end_ms=9),))
    rows = list(csv.reader(io.StringIO(render(said, "csv"))))
    assert rows[1][-1].startswith(f"'{first}")


def test_a_key_is_data(tmp_path: Path) -> None:
    """A key may be any text: in the repr of a job it is quoted."""
    assert not CONTROLS & set(repr(Job("https://example.com/a", key=ESCAPE)))


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("field", ["id", "request_id"])
async def test_a_task_of_others(field: str, log: Log) -> None:
    """A task may come from anywhere, and v1 gives its tasks any name: the log stays one line for each fact."""
    names: dict[str, Any] = {"id": "1", "request_id": "2", field: ESCAPE}
    task = Task(edition=AucV1("common"), submitted_at=0.0, **names)
    async with VolcASR(PAIR, base_url="http://127.0.0.1:9", retry=RetryPolicy(attempts=2, first=0.01)) as asr:
        with pytest.raises((TransportError, WaitTimeout)):
            await asr.wait(Task.from_json(task.to_json()), timeout=0.2)
    assert any("trying again" in line for line in log.printed)
    assert not [line for line in log.printed if CONTROLS & set(line) or "\n" in line]


def test_a_task_of_others_on_the_command_line(volcasr: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what went wrong nor the line to go on with passes the name of a task on as it is."""
    for name, value in {"APP_KEY": "app", "ACCESS_KEY": "key", "BASE_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(f"VOLCASR_{name}", value)
    task = Task(id=ESCAPE, edition=AucV1("common"), request_id=ESCAPE, submitted_at=0.0).to_json()
    end = volcasr("wait", "--verbose", "--timeout", 0.3, task)
    assert (end.status, "go on with" in end.err) == (1, True)
    assert not CONTROLS & set(end.out + end.err)
