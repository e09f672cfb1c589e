"""Where results go."""

import errno
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from cli_calls import Caller, readable

from volcasr_async import InputError, Job, Transcript, read_transcript
from volcasr_async.cli.console import CommandError, say
from volcasr_async.cli.formats import Writing
from volcasr_async.cli.output import file_names, write_stdout
from volcasr_async.cli.round import ToStdout
from volcasr_async.subtitles import FORMATS, Layout, render
from volcasr_async.testing import Simulator, make_wav

SAMPLE = json.dumps(
    {
        "audio_info": {"duration": 6000},
        "result": {
            "text": "今天我们讨论预算。好的，开始吧。",
            "utterances": [
                {"text": "今天我们讨论预算。", "start_time": 0, "end_time": 3000, "additions": {"speaker": "1"}},
                {"text": "好的，开始吧。", "start_time": 3200, "end_time": 6000, "additions": {"speaker": "2"}},
            ],
        },
    }
).encode()
"""What the service says about two people."""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Recordings of 1, 2 and 3 seconds, two of them of one name."""
    paths = [tmp_path / "in" / "a" / "talk.wav", tmp_path / "in" / "b" / "talk.wav", tmp_path / "in" / "会议.wav"]
    for seconds, path in enumerate(paths, 1):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_wav(seconds))
    return paths


def test_text_of_several(volcasr: Caller, service: Simulator, files: list[Path]) -> None:
    """One text after the other on stdout, in the order given; the names stand on stderr."""
    end = volcasr("transcribe", *files)
    assert end.status == 0
    assert len(end.out.splitlines()) == 3
    assert end.err.splitlines() == [str(path) for path in files]


def test_json_of_one(volcasr: Caller, service: Simulator, files: list[Path]) -> None:
    """The JSON of one recording is the document that `convert` and `read_transcript` take."""
    end = volcasr("transcribe", "--format", "json", files[1])
    assert read_transcript(end.out).duration_ms == 2000


def test_file_for_one(volcasr: Caller, service: Simulator, files: list[Path], tmp_path: Path) -> None:
    """`--output` names the file; nothing else stays beside it."""
    target = tmp_path / "out" / "x.json"
    target.parent.mkdir()
    end = volcasr("transcribe", "-f", "json", "-o", target, files[0])
    assert (end.status, end.out) == (0, "")
    assert read_transcript(target.read_bytes()).duration_ms == 1000
    assert list(target.parent.iterdir()) == [target]


def test_directory_for_several(volcasr: Caller, service: Simulator, files: list[Path], tmp_path: Path) -> None:
    """Each recording gets its file, with a number where two would have one name."""
    end = volcasr("transcribe", "-f", "json", "-o", tmp_path / "out", *files)
    assert (end.status, end.out) == (0, "")
    found = {path.name: json.loads(path.read_text("utf-8"))["duration_ms"] for path in (tmp_path / "out").iterdir()}
    assert found == {"talk.json": 1000, "talk-2.json": 2000, "会议.json": 3000}


def test_directory_that_is_a_file(volcasr: Caller, service: Simulator, files: list[Path]) -> None:
    """Several results do not fit into one file: refused before anything is sent."""
    before = service.requests.total()
    end = volcasr("transcribe", "-o", files[0], *files)
    readable(end)
    assert end.status == 2
    assert service.requests.total() == before


def test_result_that_cannot_be_written_is_printed(
    volcasr: Caller, service: Simulator, files: list[Path], tmp_path: Path
) -> None:
    """What has been paid is not lost: it goes to stdout, and the status is 1."""
    (tmp_path / "out" / "talk.txt").mkdir(parents=True)
    end = volcasr("transcribe", "-o", tmp_path / "out", files[0])
    readable(end)
    assert end.status == 1
    assert "模拟器" in end.out
    assert "cannot be written" in end.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["talk.txt"]


def test_silence_is_a_result(volcasr: Caller, service: Simulator) -> None:
    """A recording without speech is an empty line and a note, not a failure."""
    end = volcasr("transcribe", "--edition", "flash", "https://h.example/silence-1.mp3")
    assert (end.status, end.out) == (0, "\n")
    assert "nothing is spoken" in end.err


def test_convert(volcasr: Caller, service: Simulator, files: list[Path], tmp_path: Path) -> None:
    """A kept result becomes text again, from ours and from the service's own body; no credentials are needed."""
    kept = tmp_path / "kept.json"
    volcasr("transcribe", "-f", "json", "-o", kept, files[0])
    body = tmp_path / "body.json"
    body.write_bytes(read_transcript(kept.read_bytes()).raw)
    end = volcasr("convert", kept, "--format", "txt")
    assert (end.status, end.err) == (0, "")
    assert "模拟器" in end.out
    assert volcasr("convert", body).out == end.out
    target = tmp_path / "text.txt"
    assert volcasr("convert", kept, "-o", target).out == ""
    assert target.read_text("utf-8") == end.out


def test_convert_of_something_else(volcasr: Caller, tmp_path: Path) -> None:
    """What is no transcript is refused."""
    path = tmp_path / "x.json"
    path.write_text("[1, 2]")
    end = volcasr("convert", path)
    readable(end)
    assert end.status == 2


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a.wav", "a.txt"),
        ("../../etc/passwd", "passwd.txt"),
        ("/", "recording.txt"),
        ("..", "recording.txt"),
        (".hidden.wav", "hidden.txt"),
        ("https://h.example/", "recording.txt"),
        ("https://h.example/a/%2e%2e%2f%2e%2e%2fb.mp3?sig=x", "b.txt"),
        ("https://h.example/%E4%BC%9A%E8%AE%AE%00%0a.mp3", "会议.txt"),
        ("C:\\talks\\a b.wav", "a_b.txt"),
        ("x" * 500 + ".wav", "x" * 80 + ".txt"),
    ],
)
def test_names_are_safe(source: str, name: str) -> None:
    """A source's name never leads out of the directory, and never holds what a file system minds."""
    assert file_names([source], "txt") == [name]


def test_names_never_collide() -> None:
    """Names that differ in case, or in a number that we would give, stay apart."""
    names = file_names(["a.wav", "A.mp3", "a-2.wav", "a.ogg"], "txt")
    assert names == ["a.txt", "A-2.txt", "a-2-2.txt", "a-3.txt"]
    assert len({name.casefold() for name in names}) == 4


@pytest.mark.parametrize(("label", "text"), [("one two three four five six", ""), ("one: ", "two three four five six")])
def test_a_wrapped_message_is_said_once(label: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal a long message is broken between words, and no word of it comes twice."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "22")
    monkeypatch.setenv("TERM", "xterm")
    say(label, text, wrap=True)
    assert terminal.getvalue().split() == (label + text).split()
    assert terminal.getvalue().count("\n") == 2


@pytest.mark.parametrize("wanted", FORMATS)
def test_every_format_of_every_command(
    volcasr: Caller, service: Simulator, files: list[Path], tmp_path: Path, wanted: str
) -> None:
    """transcribe, convert and batch write the same, in each format; files have its suffix."""
    kept = tmp_path / "kept.json"
    volcasr("transcribe", "-o", kept, files[1])
    transcript = read_transcript(kept.read_bytes())
    assert volcasr("convert", kept, "-f", wanted).out == render(transcript, wanted)
    if wanted != "json":  # which has the time of the task in it
        assert volcasr("transcribe", "-f", wanted, files[1]).out == render(transcript, wanted)
    (tmp_path / "list.txt").write_text(f"{files[1]}\n")
    assert volcasr("batch", tmp_path / "list.txt", "-o", tmp_path / "out", "-f", wanted).status == 0
    [result] = (tmp_path / "out").glob("talk-*")
    assert result.suffix == f".{FORMATS[wanted].suffix}"


@pytest.mark.parametrize("name", ["a.srt", "a.VTT", "a.md", "a.jsonl", "a.json", "a.ass", "a"])
def test_the_output_chooses_the_format(volcasr: Caller, tmp_path: Path, name: str) -> None:
    """Without --format the file's suffix is taken at its word; a name without suffix is text."""
    kept = tmp_path / "kept.json"
    kept.write_bytes(SAMPLE)
    volcasr("convert", kept, "-o", tmp_path / name)
    suffix = name.partition(".")[2].lower()
    wanted = suffix if suffix in {"srt", "vtt", "md", "jsonl", "json", "ass"} else "txt"
    assert (tmp_path / name).read_text("utf-8") == render(read_transcript(SAMPLE), wanted)


def test_the_layout_is_the_flags(volcasr: Caller, tmp_path: Path) -> None:
    """How subtitles are cut, whether speakers are named, and in which language."""
    kept = tmp_path / "kept.json"
    kept.write_bytes(SAMPLE)
    flags = ["--columns", 24, "--lines", 1, "--shortest", 0, "--longest", 2.5, "--labels", "--label-language", "en"]
    layout = Layout(columns=24, lines=1, shortest_s=0, longest_s=2.5, labels=True)
    text = volcasr("convert", kept, "-f", "srt", *flags).out
    assert text == render(read_transcript(SAMPLE), "srt", layout=layout, language="en")
    assert text != volcasr("convert", kept, "-f", "srt").out
    assert "Speaker 1" in text


def test_steps_take_formats_too(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """`query` and `wait` write subtitles as transcribe does."""
    task = volcasr("submit", "https://h.example/formats.mp3").out
    target = tmp_path / "talk.vtt"
    assert volcasr("wait", task, "-o", target).status == 0
    assert target.read_text("utf-8").startswith("WEBVTT")
    assert volcasr("query", task, "--format", "vtt").out == target.read_text("utf-8")


def test_missing_extra_is_told_before_anything_is_sent(
    volcasr: Caller, service: Simulator, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A format whose library is not installed costs nothing."""
    monkeypatch.setitem(sys.modules, "pysubs2", None)
    before = service.requests.total()
    end = volcasr("transcribe", "-f", "ass", files[0])
    readable(end)
    assert end.status == 2
    assert 'pip install "volcasr-async[subtitles]"' in end.err
    assert service.requests.total() == before


def test_what_no_format_can_hold_is_printed_as_json(
    volcasr: Caller, service: Simulator, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paid result that the format cannot write is not lost."""

    def refuses(transcript: Transcript, *_: object, **__: object) -> str:
        if transcript.text:
            raise InputError("ass ends at 10 hours")
        return ""

    monkeypatch.setattr("volcasr_async.cli.formats.render", refuses)
    end = volcasr("transcribe", "-f", "ass", files[0])
    readable(end)
    assert end.status == 1
    assert "ass ends at 10 hours" in end.err
    assert read_transcript(end.out).duration_ms == 1000


# ---- stdout ----


class Reluctant(io.RawIOBase):
    """A file that takes a few bytes at a time, and none for want of room after *room* of them."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room, self.kept = room, b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)[: min(7, self.room - len(self.kept))]
        if not piece:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.kept += piece
        return len(piece)


UNBUFFERED = pytest.mark.parametrize("unbuffered", [True, False], ids=["unbuffered", "buffered"])


def stdout_over(raw: io.RawIOBase, unbuffered: bool, patch: pytest.MonkeyPatch) -> None:
    """Make stdout as Python does, with PYTHONUNBUFFERED or without."""
    file: Any = raw if unbuffered else io.BufferedWriter(raw)
    patch.setattr(sys, "stdout", io.TextIOWrapper(file, "utf-8", write_through=unbuffered))


@UNBUFFERED
def test_short_writes_are_gone_on_with(unbuffered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text arrives whole, however little stdout takes at a time."""
    stdout_over(raw := Reluctant(), unbuffered, monkeypatch)
    write_stdout("会议记录，" * 100)
    assert raw.kept.decode() == "会议记录，" * 100


@UNBUFFERED
def test_a_line_that_failed_is_ended_before_the_next(unbuffered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is told; later nothing of the failed line follows, and the next line stands alone."""
    stdout_over(raw := Reluctant(20), unbuffered, monkeypatch)
    with pytest.raises(CommandError, match="stdout cannot be written: No space left on device"):
        write_stdout('{"key": "a", "text": "long"}\n')
    raw.room = 1 << 20
    write_stdout('{"key": "b"}\n')
    write_stdout('{"key": "c"}\n')
    sys.stdout.flush()
    assert raw.kept.decode().splitlines() == ['{"key": "a", "text":', '{"key": "b"}', '{"key": "c"}']


@pytest.mark.skipif(os.name != "posix", reason="such pipes are POSIX's")
@UNBUFFERED
def test_a_full_pipe_that_does_not_block(unbuffered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that shares the pipe may have made it non-blocking: the rest waits for its reader."""
    end, start = os.pipe()
    os.set_blocking(start, False)
    text, read = "0123456789" * 50_000, []
    with open(start, "wb", buffering=0 if unbuffered else -1) as file, open(end, "rb") as reader:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, "utf-8", write_through=unbuffered))
        thread = threading.Thread(target=lambda: read.append(reader.read(len(text))))
        thread.start()
        write_stdout(text)
        thread.join()
    assert read == [text.encode()]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file that is open for writing cannot be looked at")
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("whole\n", "whole\n"), ("torn", "torn\n")], ids=["new", "whole", "torn"]
)
def test_a_file_that_ends_within_a_line(
    before: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `>>`, a line begins at the beginning of a line; other texts go on where the file ends."""
    path = tmp_path / "all.jsonl"
    path.write_text(before)
    for line in (False, True):
        with path.open("a") as file:
            monkeypatch.setattr(sys, "stdout", file)
            write_stdout("a\n", line=line)
            write_stdout("b\n", line=line)
        assert path.read_text() == (after if line else before) + "a\nb\n"
        path.write_text(before)


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
async def test_a_slow_pipe_stops_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a batch's line waits for its reader, the event loop goes on; a cancellation leaves no half line."""
    end, start = os.pipe()
    seen: list[Any] = []
    transcript, went_on = Transcript(text="long " * 50_000), threading.Event()
    with open(start, "wb", buffering=0) as file, open(end, "rb") as reader:  # noqa: ASYNC230, PTH123
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, "utf-8", write_through=True))
        thread = threading.Thread(target=lambda: seen.extend([went_on.wait(5), reader.readline()]))
        thread.start()
        async with anyio.create_task_group() as tasks:
            sink = ToStdout(Writing("json", Layout()))
            tasks.start_soon(sink.put, Job("https://h.example/a.mp3", key="a"), transcript)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
            went_on.set()
        await anyio.to_thread.run_sync(thread.join)
    assert seen[0], "the event loop stood still"
    assert json.loads(seen[1])["text"] == transcript.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk is always full here")
@pytest.mark.parametrize("unbuffered", ["1", ""])
@pytest.mark.parametrize("wanted", ["txt", "json"])
def test_a_full_disk_is_told_by_every_command(tmp_path: Path, unbuffered: str, wanted: str) -> None:
    """The status is 1 and the message names the cause, with no traceback."""
    (tmp_path / "kept.json").write_bytes(SAMPLE)
    argv = [sys.executable, "-m", "volcasr_async", "convert", "-f", wanted, str(tmp_path / "kept.json")]
    with Path("/dev/full").open("w") as full:
        environ = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        end = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, env=environ, text=True, check=False)
    assert (end.returncode, end.stderr) == (1, "error: stdout cannot be written: No space left on device\n")
