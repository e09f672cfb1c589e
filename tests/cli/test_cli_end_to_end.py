"""The command as its users run it: a process of its own, against a simulator on a port."""

import json
import shlex
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cli_calls import ROOT, SECRET, Ended, Port, ended, read_until, started

from volcasr_async import Task, read_transcript

V1 = {"VOLCASR_APP_KEY": "app", "VOLCASR_ACCESS_KEY": SECRET, "VOLCASR_CLUSTER": "volc_auc_common"}
V3 = {"VOLCASR_API_KEY": SECRET}


@pytest.fixture(scope="module")
def polled(port: Port) -> dict[str, Ended]:
    """Transcribe a link through each edition that is polled; all at once, for each takes two seconds."""
    environ = {"VOLCASR_BASE_URL": port.url}
    runs = {
        "standard": ["https://h.example/a.mp3?sig=hidden"],
        "idle": ["--edition", "idle", "https://h.example/b.mp3"],
        "v1": ["--edition", "v1", "https://h.example/c.mp3"],
        "override": ["--resource-id", "volc.seedasr.auc", "-f", "json", "https://h.example/d.mp3"],
        "cluster": ["-e", "v1", "--cluster", "volc_auc_video", "-f", "json", "https://h.example/e.mp3"],
        "timeout": ["--timeout", "1s", "https://h.example/never.mp3?sig=hidden"],
        "several": ["-f", "json", "https://h.example/1.mp3?x=hidden", "https://h.example/bad-format.mp3", "nosuch.wav", "https://h.example/2.mp3"],
    }  # fmt: skip
    started_ones = {
        name: started("transcribe", *argv, **environ, **(V1 if name in ("v1", "cluster") else V3))
        for name, argv in runs.items()
    }
    with ThreadPoolExecutor() as pool:
        return dict(zip(started_ones, pool.map(ended, started_ones.values()), strict=True))


@pytest.mark.parametrize("name", ["standard", "idle", "v1"])
def test_link_is_transcribed(polled: dict[str, Ended], name: str) -> None:
    """The text goes to stdout, and nothing to stderr where nobody watches."""
    assert polled[name].status == 0, polled[name].err
    assert "模拟器" in polled[name].out
    assert polled[name].err == ""


def test_flags_go_before_the_environment(polled: dict[str, Ended]) -> None:
    """The resource id and the cluster of the flags are those that are used."""
    assert json.loads(polled["override"].out)["task"]["edition"]["resource_id"] == "volc.seedasr.auc"
    assert json.loads(polled["cluster"].out)["task"]["edition"]["cluster"] == "volc_auc_video"


def test_deadline_tells_how_to_go_on(polled: dict[str, Ended]) -> None:
    """After the deadline the status is 1, and the line that goes on with the task can be copied."""
    end = polled["timeout"]
    assert end.status == 1
    assert end.out == ""
    command = end.err.strip().splitlines()[-1].partition("go on with: ")[2]
    words = shlex.split(command)
    assert words[:2] == ["volcasr", "wait"]
    assert Task.from_json(words[2]).edition.name == "standard"


def test_several_are_json_lines_in_the_order_given(polled: dict[str, Ended]) -> None:
    """Each transcript is one line with its source; failures are on stderr, and the status is 1."""
    end = polled["several"]
    assert end.status == 1
    lines = [json.loads(line) for line in end.out.splitlines()]
    assert lines[0]["source"].startswith("https://h.example/1.mp3")
    assert lines[1]["source"] == "https://h.example/2.mp3"
    assert read_transcript(end.out.splitlines()[1]).text
    assert "45000151" in end.err
    assert "nosuch.wav" in end.err
    assert "2 of 4 failed" in end.err


def test_no_secret_and_no_query_is_shown(polled: dict[str, Ended]) -> None:
    """Neither stream of any run holds a key or the query of a link."""
    for end in polled.values():
        for text in (end.out, end.err):
            assert SECRET not in text
            assert "hidden" not in text


def test_file_is_uploaded(port: Port, wav: Path) -> None:
    """A local file goes through flash; --verbose shows the log, and no secret in it."""
    end = ended(started("transcribe", wav, "--verbose", VOLCASR_BASE_URL=port.url, **V3))
    assert end.status == 0
    assert "模拟器" in end.out
    assert "answered HTTP 200" in end.err
    assert SECRET not in end.err


def test_steps_go_from_process_to_process(port: Port, tmp_path: Path) -> None:
    """What submit prints is what query and wait take: as it is, from a file, and from stdin."""
    environ = {"VOLCASR_BASE_URL": port.url, **V3}
    submitted = ended(started("submit", "https://h.example/steps.mp3?sig=hidden", **environ))
    assert submitted.status == 0
    assert "hidden" not in submitted.out + submitted.err
    assert len(submitted.out.splitlines()) == 1
    kept = tmp_path / "task.json"
    kept.write_text(submitted.out)
    waiting = started("wait", "-", "--format", "json", **environ)
    asked = ended(started("query", f"@{kept}", "--format", "json", **environ))
    result = ended(waiting, submitted.out)
    assert asked.status == result.status == 0
    assert json.loads(asked.out).keys() & {"phase", "text"}
    assert json.loads(result.out)["task"]["id"] == Task.from_json(submitted.out).id
    finished = ended(started("query", submitted.out, **environ))
    assert finished.out == read_transcript(result.out).text + "\n"


def test_interruption_leaves_the_line_to_go_on_with(port: Port) -> None:
    """Ctrl-C ends with 130; the accepted task is printed and can be waited for."""
    process = started("transcribe", "--verbose", "https://h.example/never-2.mp3", VOLCASR_BASE_URL=port.url, **V3)
    read_until(process, "query 1 of")
    process.send_signal(signal.SIGINT)
    end = ended(process)
    assert end.status == 130
    assert "Traceback" not in end.err
    words = shlex.split(end.err.strip().splitlines()[-1])
    assert words[:2] == ["volcasr", "wait"]
    assert Task.from_json(words[2]).key == "https://h.example/never-2.mp3"


def test_demo_needs_nothing() -> None:
    """The demo ends well without credentials, and says where its result lies and that its text was made up."""
    end = ended(started("demo"))
    assert end.status == 0, end.err
    assert end.err == ""
    assert "模拟器" in end.out
    assert "made up" in end.out
    assert "export VOLCASR_API_KEY" in end.out
    assert "\x1b" not in end.out
    path = Path(next(line for line in end.out.splitlines() if line.endswith("volcasr-demo.json")).split()[-1])
    assert read_transcript(path.read_bytes()).duration_ms == 7154
    path.unlink()
    path.parent.rmdir()


def test_demo_ends_when_nobody_reads() -> None:
    """`volcasr demo | head -1`: the pipe closes while the simulator serves; the end is quiet."""
    process = started("demo")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    end = ended(process)
    assert end.status == 1
    assert end.err == ""


def test_simulator_serves_until_it_is_interrupted(wav: Path) -> None:
    """It prints what a client needs, hosts audio, and sums up at its end with status 0."""
    process = started("simulate", "--port", "0", "--audio", wav, "--fault", "refuse-busy,times=1")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    environ = dict(word.split("=", 1) for word in lines[0].split()[1:])
    end = ended(started("transcribe", wav, **environ))
    assert end.status == 0, end.err
    process.send_signal(signal.SIGINT)
    rest = ended(process)
    assert rest.status == 0
    assert f"{environ['VOLCASR_BASE_URL']}/audio/talk.wav" in lines[-1]
    assert "requests: 2 flash" in rest.err
    assert "would be billed: 1 task for 1 recording, 2.0 s" in rest.err
    assert "against the documents: nothing" in rest.err


def test_simulator_is_ended_as_soon_as_it_is_ready() -> None:
    """A script that waits for the line and then stops it gets status 0, also when it is quick."""
    for _ in range(3):
        processes = [started("simulate", "--port", "0") for _ in range(3)]
        for process in processes:
            assert process.stdout is not None
            assert "http://" in process.stdout.readline()
            process.send_signal(signal.SIGTERM)
        for end in map(ended, processes):
            assert (end.status, "Traceback" in end.err) == (0, False), end.err


def test_simulator_in_the_background_of_a_script() -> None:
    """There a shell has Ctrl-C ignored; SIGTERM ends it all the same, and it sums up."""
    script = f"trap '' INT; exec {shlex.quote(sys.executable)} -m volcasr_async simulate --port 0"
    with subprocess.Popen(
        ["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert "http://" in process.stdout.readline()
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "would be billed" in err


def test_help_needs_no_http_library() -> None:
    """`--help` imports neither httpx nor anyio, so that it is quick."""
    process = started("--help", PYTHONPROFILEIMPORTTIME="1")
    end = ended(process)
    assert end.status == 0
    loaded = {line.rpartition("|")[2].strip() for line in end.err.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"httpx", "aiohttp", "h11", "anyio", "asyncio", "rich"}
