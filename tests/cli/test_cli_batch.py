"""`volcasr batch` and `volcasr status` against a simulator; what kills and signals do is in tests/crash."""

import io
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from cli_calls import SECRET, Caller, Port, ended, readable, started

from volcasr_async import read_transcript
from volcasr_async.cli.batch import resume_line
from volcasr_async.testing import Fault, Simulator, make_wav

FAST = ("--qps", 200)


def link(name: str) -> str:
    return f"https://batch.example/{name}"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    path = tmp_path / "list.txt"
    path.write_text(
        "\n".join([link("1.mp3?sig=hidden"), "# no", link("silence.mp3"), link("bad-format.mp3?sig=hidden")])
    )
    return path


def test_files_failures_and_the_second_run(volcasr: Caller, service: Simulator, sources: Path, tmp_path: Path) -> None:
    """A file for each, the failed ones told by class, and the second run sends what has failed and nothing else."""
    out = tmp_path / "deep" / "out"
    end = volcasr("batch", sources, "-o", out, "-f", "json", *FAST)
    assert end.status == 1
    assert end.out == ""
    assert "hidden" not in end.err
    assert SECRET not in end.err
    assert "2 done, 0 failed (not charged), 1 failed (possibly charged), 0 uncertain, 0 missing" in end.err
    assert "1 BadAudioFormat, such as https://batch.example/bad-format.mp3: 45000151" in end.err
    files = {path.name.rpartition("-")[0]: path for path in out.glob("*-*.json")}
    assert read_transcript(files["1"].read_text()).text
    assert read_transcript(files["silence"].read_text()).silent
    [line] = (out / "failures.jsonl").read_text().splitlines()
    assert json.loads(line).items() >= {"key": link("bad-format.mp3"), "error": "BadAudioFormat"}.items()
    assert "hidden" not in line
    charged = len(service.charges)
    end = volcasr("batch", sources, "-o", out, "-f", "json", *FAST)
    assert "journal: " in end.err
    assert "2 done, 1 that ended badly" in end.err
    assert (
        "0 done, 0 failed (not charged), 1 failed (possibly charged), 0 uncertain, 0 missing, 2 done before" in end.err
    )
    assert [charge.source for charge in service.charges[charged:]] == [link("bad-format.mp3")]


def test_failures_are_a_list(
    volcasr: Caller, service: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the reason is gone, the failures file is a list that brings the rest, and then it is gone too."""
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("a.wav\nlater.wav\n")
    Path("a.wav").write_bytes(make_wav(1.0))
    assert volcasr("batch", "list.txt", "-o", "out", *FAST).status == 1
    assert json.loads(Path("out/failures.jsonl").read_text())["source"] == "later.wav"
    Path("later.wav").write_bytes(make_wav(1.0))
    assert volcasr("batch", "out/failures.jsonl", "-o", "out", *FAST).status == 0
    assert len(list(Path("out").glob("*.txt"))) == 2
    end = volcasr("batch", "list.txt", "-o", "out", *FAST)
    assert end.status == 0
    assert (
        "0 done, 0 failed (not charged), 0 failed (possibly charged), 0 uncertain, 0 missing, 2 done before" in end.err
    )
    assert not Path("out/failures.jsonl").exists()


def test_a_file_that_is_gone_is_written_again(
    volcasr: Caller, service: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the journal, without a request; another format as well."""
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("a.wav\nb.wav\n")
    Path("a.wav").write_bytes(make_wav(1.0))
    Path("b.wav").write_bytes(make_wav(2.0))
    assert volcasr("batch", "list.txt", "-o", "out", *FAST).status == 0
    charged = len(service.charges)
    first, second = sorted(Path("out").glob("*.txt"))
    said = first.read_text()
    first.unlink()
    end = volcasr("batch", "list.txt", "-o", "out", *FAST)
    assert (
        "1 done, 0 failed (not charged), 0 failed (possibly charged), 0 uncertain, 0 missing, 1 done before" in end.err
    )
    assert "0 requests" in end.err
    assert first.read_text() == said
    assert volcasr("batch", "list.txt", "-o", "out", "--format", "srt", *FAST).status == 0
    assert len(list(Path("out").glob("*.srt"))) == 2
    assert second.exists()
    assert len(service.charges) == charged


def test_bad_line_is_a_failed_item(volcasr: Caller, service: Simulator, tmp_path: Path, wav: Path) -> None:
    """A bad line fails with its number; the others are transcribed."""
    path = tmp_path / "list.jsonl"
    path.write_text(f'{{"source": "{wav}", "key": "one"}}\n{{"source": 5}}\n')
    end = volcasr("batch", path, "-o", tmp_path / "out", "--failures", tmp_path / "bad.jsonl", *FAST)
    assert end.status == 1
    assert "1 done, 1 failed" in end.err
    assert "1 InputError, such as line 2: this is no JSON object" in end.err
    assert json.loads((tmp_path / "bad.jsonl").read_text())["line"] == 2


def test_rejected_recordings_are_counted_by_reason(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """Each reason has an example in the summary; a single count for all would hide what to do about most of them."""
    files = {
        "page.mp3": b"<!DOCTYPE html><title>404 Not Found</title>" * 9,
        "photo.mp3": b"\xff\xd8\xff\xe0" + bytes(500),
        "cut.wav": make_wav(9)[:60_000],
        "empty.wav": b"",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    path = tmp_path / "list.txt"
    path.write_text("\n".join([*(str(tmp_path / name) for name in files), str(tmp_path / "nowhere.wav")]))
    before = service.requests.total()
    end = volcasr("batch", path, "-o", tmp_path / "out", *FAST)
    assert "5 failed (not charged)" in end.err
    for cause in ("2 not audio, such as", "1 damaged, such as", "1 empty, such as", "1 missing, such as"):
        assert cause in end.err
    assert service.requests.total() == before


def test_stdin_and_stdout(port: Port, tmp_path: Path, wav: Path) -> None:
    """A list from a pipe, results as JSON lines with their keys."""
    environ = {"VOLCASR_BASE_URL": port.url, "VOLCASR_API_KEY": SECRET}
    process = started("batch", "-", "--journal", tmp_path / "run.db", "-f", "json", *FAST, **environ)
    end = ended(process, f'{wav}\n{{"source": "{wav}", "key": "two"}}\n')
    assert end.status == 0, end.err
    lines = [json.loads(line) for line in end.out.splitlines()]
    assert {line["key"] for line in lines} == {str(wav), "two"}
    assert all(read_transcript(line).text for line in end.out.splitlines())


def test_stdin_that_goes_on_is_interrupted(port: Port, tmp_path: Path, wav: Path) -> None:
    """Ctrl-C ends a batch that waits for more of its list; the line to resume with says what it needs."""
    environ = {"VOLCASR_BASE_URL": port.url, "VOLCASR_API_KEY": SECRET}
    process = started("batch", "-", "-o", tmp_path / "out", *FAST, **environ)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(f"{wav}\n")
    process.stdin.flush()
    assert "journal: " in process.stderr.readline()
    os.kill(process.pid, 2)
    process.wait(20)
    end = ended(process)
    assert end.status == 130
    assert "with the same list on stdin" in end.err


def test_account_refusal_keeps_the_jobs(port: Port, tmp_path: Path) -> None:
    """A spent quota stops the batch at once; the line that is printed goes on when there is more."""
    with Port(Simulator(processing_time=0.1, faults=_spent())) as spent:
        path = tmp_path / "list.txt"
        path.write_text("".join(link(f"q{number}.mp3\n") for number in range(50)))
        environ = {"VOLCASR_API_KEY": SECRET}
        end = ended(started("batch", path, "-o", tmp_path / "out", *FAST, VOLCASR_BASE_URL=spent.url, **environ))
    assert end.status == 1
    assert "Traceback" not in end.err
    assert "0 done, 0 failed" in end.err
    assert "error: 45000292" in end.err
    [line] = [line for line in end.err.splitlines() if line.startswith("go on with: ")]
    words = shlex.split(line.removeprefix("go on with: "))[1:]
    end = ended(started(*words, VOLCASR_BASE_URL=port.url, **environ))
    assert end.status == 0, end.err
    assert len(list((tmp_path / "out").glob("q*.txt"))) == 50


def _spent() -> list[Fault]:
    return [Fault("quota-lifetime")]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["LIST"], "--output-dir"),
        (["LIST", "--journal", "run.db"], "JSON lines only"),
        (["nosuch.txt", "-o", "out"], "nosuch.txt cannot be read"),
        (["LIST", "-o", "out", "--recursive"], "--recursive needs a directory"),
        ([".", "-o", "out", "-e", "standard"], "not local audio"),
        (["LIST", "-o", "LIST"], "cannot be the directory of the results"),
        (["LIST", "-o", "out", "--window", "0"], "--window"),
        (["LIST", "-o", "out", "--resource-id", "r"], "--edition"),
        (["LIST", "-o", "out", "-e", "flash", "--show-volume"], "flash edition does not take --show-volume"),
        (["LIST", "-o", "out", "--rate", "0"], "above 0"),
        (["LIST", "-o", "out", "--journal", "LIST"], "an input of this command"),
        (["LIST", "-o", "out", "--journal", "other.txt"], "is no journal"),
        (["LIST", "-o", "-"], "is not a directory"),
        (["LIST", "-o", "out", "--journal", "no/such/run.db"], "is no folder"),
        (["LIST", "-o", "out", "-e", "v1"], "cluster"),
    ],
)
def test_wrong_usage(
    volcasr: Caller,
    service: Simulator,
    sources: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    said: str,
) -> None:
    """What cannot be served at all is refused with status 2, and nothing is sent."""
    monkeypatch.chdir(tmp_path)
    Path("other.txt").write_text("this is no database")
    before = service.requests.total()
    end = volcasr("batch", *(sources if word == "LIST" else word for word in argv))
    readable(end, most=5)
    assert end.status == 2
    assert said in end.err
    assert service.requests.total() == before


def test_without_credentials(volcasr: Caller, sources: Path, tmp_path: Path) -> None:
    """Missing credentials are wrong usage."""
    end = volcasr("batch", sources, "-o", tmp_path / "out")
    assert end.status == 2
    assert "VOLCASR_API_KEY" in end.err


def test_empty_list(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """Nothing to do is done well."""
    path = tmp_path / "list.txt"
    path.write_text("# nothing\n")
    end = volcasr("batch", path, "-o", tmp_path / "out")
    assert end.status == 0
    assert "0 done, 0 failed" in end.err


def test_resume_line() -> None:
    """The words are those that were given, but for what would be charged again."""
    line, notes = resume_line(["my list.txt", "-o", "out put", "--redo", "--qps", "5"])
    assert shlex.split(line) == ["volcasr", "batch", "my list.txt", "-o", "out put", "--qps", "5"]
    assert len(notes) == 1


def test_status(volcasr: Caller, service: Simulator, sources: Path, tmp_path: Path) -> None:
    """The journal's states, what failed, and what would be done; for people and for programs."""
    out = tmp_path / "out"
    volcasr("batch", sources, "-o", out, *FAST)
    journal = out / "volcasr-journal.db"
    end = volcasr("status", journal, "--failed", 5)
    assert end.status == 0
    assert "hidden" not in end.out
    assert "1 BadAudioFormat, such as https://batch.example/bad-format.mp3" in end.out
    assert "is submitted as a new task" in end.out
    report = json.loads(volcasr("status", journal, "--format", "json", "--failed", 5).out)
    assert {state: row["count"] for state, row in report["states"].items()} == {"done": 2, "failed": 1}
    assert report["states"]["done"]["audio_s"] > 0
    assert report["unwritten"] == 0
    assert [one["key"] for one in report["failed"]] == [link("bad-format.mp3")]
    assert report["errors"][0]["count"] == 1


@pytest.mark.parametrize("content", [None, b"", b"no database at all", "sqlite"])
def test_status_of_something_else(volcasr: Caller, tmp_path: Path, content: object) -> None:
    """What is no journal is refused, and left as it is."""
    import sqlite3

    path = tmp_path / "x.db"
    if content == "sqlite":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE job (x)")
        database.close()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    before = path.read_bytes() if path.exists() else None
    end = volcasr("status", path)
    readable(end)
    assert end.status == 2
    assert str(path) in end.err
    assert (path.read_bytes() if path.exists() else None) == before


def test_status_format(volcasr: Caller, tmp_path: Path) -> None:
    """There are two formats."""
    assert volcasr("status", tmp_path, "--format", "srt").status == 2


def test_name_of_a_result_can_be_computed(volcasr: Caller, service: Simulator, wav: Path, tmp_path: Path) -> None:
    """As the page says: the stem, and the first 16 digits of the key's SHA-256."""
    path = tmp_path / "list.txt"
    path.write_text(f"{wav}\n")
    volcasr("batch", path, "-o", tmp_path / "out", *FAST)
    digest = subprocess.run(["sha256sum"], input=str(wav), capture_output=True, text=True, check=True).stdout[:16]
    assert (tmp_path / "out" / f"talk-{digest}.txt").exists()


def test_a_file_of_somebody_else_is_no_failures_file(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """`--failures` naming the list itself, or any other file, is refused before anything is sent; the file stays."""
    urls = tmp_path / "urls.txt"
    urls.write_text(link("a") + "\n")
    before = len(service.charges)
    end = volcasr("batch", urls, "-o", tmp_path / "out", "--failures", urls, *FAST)
    assert end.status == 2
    assert "--failures" in end.err
    assert urls.read_text() == link("a") + "\n"
    assert len(service.charges) == before


def test_recording_on_stdin_is_one_clear_error(port: Port, tmp_path: Path, wav: Path) -> None:
    """A recording where the list should be is refused once, and there is nothing to go on with."""
    environ = {"VOLCASR_BASE_URL": port.url, "VOLCASR_API_KEY": SECRET}
    process = started("batch", "/dev/stdin", "-o", tmp_path / "out", **environ)
    assert isinstance(process.stdin, io.TextIOWrapper)
    process.stdin.buffer.write(wav.read_bytes())
    end = ended(process)
    readable(end)
    assert end.status == 2
    assert "is a recording (wav)" in end.err


def test_lines_for_v1_without_a_cluster_are_one_error(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """What would fail alike with each line is said once, with the flag that cures it."""
    path = tmp_path / "list.jsonl"
    path.write_text("".join(f'{{"source": "{link(str(number))}", "edition": "v1"}}\n' for number in range(9)))
    end = volcasr("batch", path, "-o", tmp_path / "out")
    readable(end)
    assert end.status == 2
    assert "line 1 of the list" in end.err
    assert "give --cluster" in end.err


def test_v1_with_an_api_key_is_refused_before_the_list(volcasr: Caller, service: Simulator, sources: Path) -> None:
    """Credentials that do not fit the edition are wrong usage: no journal is begun."""
    out = sources.parent / "out"
    end = volcasr("batch", sources, "-o", out, "-e", "v1", "--cluster", "c")
    readable(end)
    assert end.status == 2
    assert not (out / "volcasr-journal.db").exists()


def test_query_of_a_callback_is_not_shown() -> None:
    """The line to go on with holds no secret of a callback, and says what it leaves out."""
    line, notes = resume_line(["l.txt", "-o", "out", "--callback", "https://h.example/done?token=hidden"])
    assert "hidden" not in line
    assert len(notes) == 1


def test_summaries_count_in_words(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """One is singular."""
    path = tmp_path / "list.txt"
    path.write_text("nosuch.wav\n")
    end = volcasr("batch", path, "-o", tmp_path / "out")
    assert "0 done, 1 failed" in end.err
    assert not re.search(r"\b1 (requests|recordings|results|links)\b", end.err)
