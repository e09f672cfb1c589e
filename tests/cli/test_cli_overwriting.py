"""No command writes to a file that it reads, under whatever name."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_calls import ROOT, Caller, Port, readable

from volcasr_async.cli.app import app
from volcasr_async.cli.inputs import READ
from volcasr_async.testing import Fault, Simulator, make_wav

KEPT = json.dumps({"audio_info": {"duration": 1000}, "result": {"text": "好。"}})

Naming = Callable[[Path], Path]


def the_same(path: Path) -> Path:
    return path


def relative(path: Path) -> Path:
    (path.parent / "sub").mkdir()
    return Path("sub") / ".." / path.name


def symbolic_link(path: Path) -> Path:
    (path.parent / "link.txt").symlink_to(path.name)
    return path.parent / "link.txt"


def hard_link(path: Path) -> Path:
    """What a case-insensitive file system does as well: another name of one inode."""
    os.link(path, path.parent / "other.txt")
    return path.parent / "other.txt"


NAMINGS = pytest.mark.parametrize("naming", [the_same, relative, symbolic_link, hard_link])


@NAMINGS
def test_a_recording_is_not_replaced_by_its_transcript(
    volcasr: Caller, service: Simulator, wav: Path, naming: Naming, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anything is sent, with both names in the message."""
    monkeypatch.chdir(wav.parent)
    before, sent, target = wav.read_bytes(), service.requests.total(), naming(wav)
    end = volcasr("transcribe", wav, "-o", target)
    readable(end)
    assert end.status == 2
    assert str(target) in end.err
    assert str(wav) in end.err
    assert "an input of this command" in end.err
    assert wav.read_bytes() == before
    assert service.requests.total() == sent


@NAMINGS
@pytest.mark.parametrize("command", ["convert", "wait", "query", "corpus"])
def test_other_files_that_are_read(
    volcasr: Caller, service: Simulator, tmp_path: Path, command: str, naming: Naming, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results, tasks and the files of flags stay as they are."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "read.txt"
    path.write_text('{"hotwords": ["a"]}' if command == "corpus" else KEPT)
    before, sent, target = path.read_bytes(), service.requests.total(), naming(path)
    argv = ["transcribe", "https://h.example/a.mp3", "--corpus", path] if command == "corpus" else [command, path]
    if command in ("wait", "query"):
        path.write_text(volcasr("submit", "https://h.example/a.mp3").out)
        before, sent = path.read_bytes(), service.requests.total()
        argv = [command, f"@{path}"]
    end = volcasr(*argv, "-o", target)
    readable(end)
    assert (end.status, end.out) == (2, "")
    assert "an input of this command" in end.err
    assert path.read_bytes() == before
    assert service.requests.total() == sent


def test_a_result_in_a_directory_that_is_a_recording(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """The name that a result would get is looked at, too, also that of another recording of the call."""
    (tmp_path / "a.txt").write_bytes(make_wav(1.0))
    (tmp_path / "a.wav").write_bytes(make_wav(2.0))
    before, sent = (tmp_path / "a.txt").read_bytes(), service.requests.total()
    end = volcasr("transcribe", tmp_path / "a.wav", tmp_path / "a.txt", "-o", tmp_path)
    readable(end)
    assert end.status == 2
    assert (tmp_path / "a.txt").read_bytes() == before
    assert service.requests.total() == sent


@pytest.mark.parametrize("data", [make_wav(1.0), b"\x01\xff" * 3000, bytes(9000)], ids=["wav", "pcm", "zeros"])
def test_what_is_no_text_is_not_replaced(
    volcasr: Caller, service: Simulator, wav: Path, tmp_path: Path, data: bytes
) -> None:
    """A result is text, so what holds anything else is no older result, whatever it is called."""
    target = tmp_path / "old.txt"
    target.write_bytes(data)
    sent = service.requests.total()
    end = volcasr("transcribe", wav, "-o", target)
    readable(end)
    assert end.status == 2
    assert "is not text, so it is not replaced" in end.err
    assert target.read_bytes() == data
    assert service.requests.total() == sent


@pytest.mark.parametrize("text", ["", "旧的", "\ufeff旧的", "a\tb\r\n", "x" * 4095 + "旧"])
def test_an_older_result_is_replaced(volcasr: Caller, service: Simulator, wav: Path, tmp_path: Path, text: str) -> None:
    target = tmp_path / "old.txt"
    target.write_text(text, "utf-8")
    assert volcasr("transcribe", wav, "-o", target).status == 0
    assert "模拟器" in target.read_text("utf-8")


def test_a_recording_that_comes_later_in_a_list(volcasr: Caller, service: Simulator, wav: Path, tmp_path: Path) -> None:
    """A batch does not replace a recording by the result of another, and goes on when it was moved."""
    (tmp_path / "list.txt").write_text(f"{wav}\n")
    out = tmp_path / "out"
    assert volcasr("batch", tmp_path / "list.txt", "-o", out).status == 0
    [result] = out.glob("talk-*.txt")
    recording = make_wav(1.0)
    result.write_bytes(recording)
    (tmp_path / "list.txt").write_text(f"{wav}\n{result}\n")
    end = volcasr("batch", tmp_path / "list.txt", "-o", out, "--redo")
    assert end.status == 1
    assert f"{result} exists and is not text, so it is not replaced" in end.err
    assert "go on with: volcasr batch" in end.err
    assert result.read_bytes() == recording
    result.rename(tmp_path / "moved.wav")
    assert volcasr("batch", tmp_path / "list.txt", "-o", out).status == 1  # the second line is gone
    assert "模拟器" in result.read_text("utf-8")


def test_a_list_where_a_result_would_go(volcasr: Caller, service: Simulator, wav: Path, tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text(f"{wav}\n")
    assert volcasr("batch", tmp_path / "first.txt", "-o", tmp_path / "out").status == 0
    [result] = (tmp_path / "out").glob("talk-*.txt")
    result.unlink()
    result.write_text(f"{wav}\n")
    end = volcasr("batch", result, "-o", tmp_path / "out", "--redo")
    assert end.status == 1
    assert "an input of this command" in end.err
    assert result.read_text() == f"{wav}\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--journal", "list.txt"], "list.txt is an input"),
        (["--journal", "hard.txt"], "hard.txt is the same file as list.txt"),
        (["--journal", "run.db", "--failures", "run.db"], "belongs to the journal"),
        (["--journal", "run.db", "--failures", "./RUN.db"], "belongs to the journal"),
        (["--journal", "run.db", "--failures", "run.db-wal"], "belongs to the journal"),
        (["--journal", "out/failures.jsonl", "-o", "out"], "belongs to the journal"),
        (["--journal", "run.db", "--failures", "list.txt"], "is no failures file"),
        (["--journal", "run.db", "--failures", "corpus.json", "--corpus", "corpus.json"], "corpus.json is an input"),
    ],
)
def test_journal_and_failures_of_a_batch(
    volcasr: Caller, service: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], said: str
) -> None:
    """Neither is written over what is read, nor over the other."""
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("https://h.example/a.mp3\n")
    os.link("list.txt", "hard.txt")
    Path("corpus.json").write_text("{}")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    sent = service.requests.total()
    end = volcasr("batch", "list.txt", "-f", "json", *argv)
    readable(end)
    assert end.status == 2
    assert said in end.err
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
    assert service.requests.total() == sent


def test_a_failures_file_that_is_read_to_its_middle(
    volcasr: Caller, service: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that stops within a list which is its own failures file leaves that file as it is."""
    path = tmp_path / "out" / "failures.jsonl"
    path.parent.mkdir()
    lines = [{"source": "gone.wav", "error": "InputError"}, {"source": "https://h.example/q.mp3", "error": "E"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = path.read_bytes()
    with Port(Simulator(processing_time=0.1, faults=[Fault("quota-lifetime")])) as spent:
        monkeypatch.setenv("VOLCASR_BASE_URL", spent.url)
        end = volcasr("batch", path, "-o", path.parent)
    assert end.status == 1
    assert "1 missing, such as" in end.err
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.glob(".*")] == []


@pytest.mark.parametrize(
    "argv",
    [
        ["convert", "x.json"],
        ["transcribe", "talk.wav"],
        ["transcribe", "-", "--corpus", "x.json"],
        ["probe", "talk.wav"],
        ["batch", "list.txt", "--journal", "run.db", "-f", "json"],
        ["status", "list.txt"],
        ["simulate", "--audio", "talk.wav", "--port", "0"],
    ],
)
def test_stdout_leads_into_what_is_read(tmp_path: Path, argv: list[str], port: Port) -> None:
    """`>>` into an input is refused; what the shell opened stays as it is."""
    (tmp_path / "x.json").write_text(KEPT)
    (tmp_path / "talk.wav").write_bytes(make_wav(1.0))
    (tmp_path / "list.txt").write_text("talk.wav\n")
    name = next(word for word in reversed(argv) if "." in word and word != "run.db")
    before = (tmp_path / name).read_bytes()
    command = [sys.executable, "-m", "volcasr_async", *argv]
    environ = {n: v for n, v in os.environ.items() if not n.startswith("VOLCASR_")} | {"PYTHONPATH": str(ROOT)}
    with (tmp_path / name).open("ab") as stdout:
        end = subprocess.run(
            command, cwd=tmp_path, env=environ, stdout=stdout, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert end.returncode == 2
    assert f"stdout goes to {name}, an input of this command" in end.stderr.decode()
    assert (tmp_path / name).read_bytes() == before


WRITTEN = frozenset({"output", "output_dir", "failures"})
"""Parameters whose values name files or directories that a command writes to."""


def test_every_parameter_that_names_a_file_is_known() -> None:
    """A new parameter belongs to those that are read or to those that are written."""
    commands: Any = typer.main.get_command(app)
    words = {"FILE", "PATH", "DIR", "LIST", "JOURNAL", "RESULT", "SOURCE", "TASK", "FILE|JSON", "FILE..."}
    named = {
        parameter.name: command
        for command, found in commands.commands.items()
        for parameter in found.params
        if (parameter.metavar or "").strip("[]{}") in words
    }
    assert named.keys() - READ - WRITTEN == set()
    assert named.keys() >= (READ | WRITTEN) - {"files"}
