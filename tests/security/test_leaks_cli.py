"""The command: what it prints, draws and writes holds none of the secrets that it is given."""

import json
import os
import pty
import select
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_calls import ROOT, Caller, Ended, Port
from leak_kit import API_KEY, CALLBACK, DATA, HOST_AND_PATH, LINK, MARK, PAIR, PROXY_USER, found_in

from volcasr_async.testing import Simulator, make_wav

BAD = LINK.replace("/talks/", "/bad-format/")
JOB_FLAGS = ("--callback", CALLBACK, "--callback-data", DATA)
STRANGE_KEY = f"{LINK} \x1b]0;title\x07"
LIST = f"""\
{LINK}
{BAD}
{LINK.replace("https://", "tos://")}
{HOST_AND_PATH}?X-Tos-Signature={MARK}-without-scheme
{json.dumps({"source": LINK + "&n=2", "key": STRANGE_KEY, "callback": CALLBACK})}
{json.dumps({"source": "https://example.com/bad-format/1.mp3", "callback_data": DATA})}
{json.dumps({"source": LINK, "bitrate": MARK})}
{{"source": "{LINK}", "broken
"""


@pytest.fixture(scope="module")
def port() -> Iterator[Port]:
    with Port(Simulator(processing_time=0.0)) as port:
        yield port


@pytest.fixture(autouse=True)
def environ(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets in the environment, with a proxy that is not for this machine."""
    monkeypatch.setenv("VOLCASR_BASE_URL", port.url)
    monkeypatch.setenv("VOLCASR_API_KEY", API_KEY.key)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{PROXY_USER}@127.0.0.1:9")


def clean(end: Ended, folder: Path, *, but: str = "\0") -> None:
    """Nothing that was printed, and no file below the folder, holds a secret."""
    assert not found_in(end.out)
    assert not found_in(end.err)
    for path in folder.rglob("*"):
        if path.is_file():
            assert not found_in(path.read_bytes(), but=but), path.name


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(make_wav(0.2))
    return path


@pytest.mark.parametrize(("engine", "form"), [("httpx", "txt"), ("aiohttp", "json")])
def test_transcribe(volcasr: Caller, out: Path, wav: Path, engine: str, form: str) -> None:
    """Links and files, well and badly, with all of the log on stderr, to stdout and to files."""
    usual = ["transcribe", "--verbose", "--engine", engine, "-f", form]
    for edition in ("flash", "standard") if engine == "httpx" else ("flash",):  # which waits two seconds
        end = volcasr(*usual, "-e", edition, "-o", out / edition, LINK, LINK + "&n=3", BAD)
        assert end.status == 1
        clean(end, out)
        assert len(list((out / edition).iterdir())) == 2
    end = volcasr(*usual, "-e", "flash", LINK, wav)
    assert end.status == 0
    clean(end, out)


def test_one_step_after_the_other(volcasr: Caller, out: Path) -> None:
    """`submit`, `query` and `wait`: the task in between holds none either."""
    end = volcasr("submit", "--verbose", *JOB_FLAGS, LINK)
    clean(end, out)
    task = end.out.strip()
    for argv in (
        ["query", task],
        ["wait", "-f", "json", task],
        ["query", _other(task)],
        ["wait", "--timeout", 0.1, task],
    ):
        end = volcasr(argv[0], "--verbose", *argv[1:])
        clean(end, out)
    bad = volcasr("submit", *JOB_FLAGS, BAD).out.strip()
    end = volcasr("query", bad)
    assert end.status == 1
    clean(end, out)


def _other(task: str) -> str:
    return json.dumps(json.loads(task) | {"id": "11111111-2222-4333-8444-555555555555"})


def test_batch(volcasr: Caller, out: Path, tmp_path: Path) -> None:
    """A run with failures: progress, results, journal; what a failures file keeps is for its owner's eyes."""
    (tmp_path / "list.txt").write_text(LIST)
    for _ in range(2):  # the second time from the journal
        end = volcasr("batch", "--verbose", tmp_path / "list.txt", "-o", out, "-f", "json", *JOB_FLAGS[:2])
        assert end.status == 1
        clean(end, out, but=DATA)
    kept = out / "failures.jsonl"
    assert DATA in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE((out / "volcasr-journal.db").stat().st_mode) == 0o600
    assert len(list(out.glob("*.json"))) == 2
    for argv in (["--failed", 9], ["--failed", 9, "-f", "json"]):
        clean(volcasr("status", out / "volcasr-journal.db", *argv), tmp_path / "nothing")
    clean(volcasr("batch", kept, "-e", "flash", "--journal", tmp_path / "run.db", "-f", "json"), tmp_path / "nothing")


def test_batch_on_a_terminal(port: Port, out: Path, tmp_path: Path) -> None:
    """What is drawn for somebody who watches holds no secret, and no escape sequence of a key."""
    (tmp_path / "list.txt").write_text(LIST)
    shown = _watched(["batch", str(tmp_path / "list.txt"), "-o", str(out), *JOB_FLAGS[:2]])
    assert "done" in shown
    assert not found_in(shown)
    assert "\x1b]0;" not in shown
    shown = _watched(["transcribe", "-e", "flash", BAD, LINK, f"{STRANGE_KEY}.wav"])
    assert "failed" in shown
    assert not found_in(shown)
    assert "\x1b]0;" not in shown


def _watched(argv: list[str]) -> str:
    """Run the command on a terminal of its own; gives all that appears there."""
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, "-m", "volcasr_async", *argv]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    data, deadline = b"", time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                data += os.read(ours, 65536)
            elif process.poll() is not None:
                break
    except OSError:  # how Linux says that the other side has closed
        pass
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return data.decode("utf-8", "replace")


@pytest.mark.parametrize("form", ["txt", "json"])
def test_doctor(volcasr: Caller, out: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """It tells of credentials, proxies and refusals, and shows none."""
    clean(volcasr("doctor", "-f", form, "--verbose"), out)
    clean(volcasr("doctor", "-f", form, "--base-url", f"https://{PROXY_USER}@asr.example?{MARK}"), out)
    clean(volcasr("doctor", "-f", form, "--base-url", "https://asr.example"), out)
    monkeypatch.delenv("VOLCASR_API_KEY")
    for name, value in {"APP_KEY": PAIR.app_key, "ACCESS_KEY": PAIR.access_key, "SECRET_KEY": f"{MARK} \n"}.items():
        monkeypatch.setenv(f"VOLCASR_{name}", value)
    clean(volcasr("doctor", "-f", form), out)


def test_credentials_from_a_file(volcasr: Caller, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good file, a broken one, and one of v1."""
    monkeypatch.delenv("VOLCASR_API_KEY")
    path = tmp_path / "credentials.toml"
    pair = f'app_key = "app"\naccess_key = "{PAIR.access_key}"\nsecret_key = "{PAIR.secret_key}"'
    for text in (
        pair,
        f'api_key = "{API_KEY.key}"',
        f'api_key = "{API_KEY.key}',
        f"api_key = {MARK}",
        f"[{MARK}]\na = 1",
    ):
        path.write_text(text)
        path.chmod(0o600)
        for flags in (["flash"], ["v1", "--cluster", "common"]):
            command = "submit" if "v1" in flags else "transcribe"
            clean(volcasr(command, "--verbose", "--credentials", path, "-e", *flags, LINK), out)


MISTAKES = [
    *(
        ["submit", LINK, LINK + "&n=2"],
        [LINK],
        ["transcribe", "--edition", LINK, "a"],
        ["transcribe", f"--{LINK}", "a"],
    ),
    *(["transcribe", "--extra", LINK, "a"], ["transcribe", "--rate", LINK, "a"], ["transcribe", "--format", LINK, "a"]),
    *(["wait", LINK], ["wait", f"@{LINK}"], ["query", LINK], ["status", LINK], ["convert", LINK], ["probe", LINK]),
    *(
        ["batch", LINK, "-o", "out"],
        ["transcribe", "-o", f"{LINK}/x", LINK],
        ["transcribe", "--credentials", LINK, "a"],
    ),
    *(["transcribe", LINK.removeprefix("https://user:")], ["transcribe", LINK.removeprefix("https://")]),
    *(
        ["transcribe", "--base-url", LINK, "a"],
        ["doctor", "--base-url", LINK],
        ["transcribe", LINK.replace("https", "tos")],
    ),
    *(["transcribe", "--callback-data", DATA, "--edition", "flash", LINK], ["transcribe", f"{HOST_AND_PATH}?{MARK}"]),
]


@pytest.mark.parametrize("argv", MISTAKES, ids=lambda argv: " ".join(argv)[:24].replace(MARK, ""))
def test_mistakes(volcasr: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str]) -> None:
    """A link where none belongs is refused without its query and its password."""
    monkeypatch.chdir(tmp_path)
    end = volcasr(*argv)
    assert end.status != 0
    clean(end, tmp_path)
