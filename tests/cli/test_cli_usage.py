"""What the command refuses, and how it says so."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_calls import SECRET, Caller, readable

from volcasr_async.testing import Simulator, make_wav

LINK = "https://h.example/a.mp3?sig=hidden"
PYTHON = re.compile(r"\b(?!RUN)[A-Z][a-z]\w*\(|\b\w+=(?=[\w.'\"])|pathlib|error\.task|\b(?:None|True|False)\b")
"""What a shell does not know: calls, keyword arguments, Python's own words."""


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["transcribe"], "Missing argument"),
        (["transcribe", "--edition", "express", LINK], "there is no edition 'express'. The editions are standard"),
        (["transcribe", "--format", "srtx", LINK], "there is no format 'srtx'"),
        (["transcribe", "--timeout", "soon", LINK], "write 90, 90s, 10m or 3h"),
        (["transcribe", "--timeout", "-3", LINK], "write 90, 90s, 10m or 3h"),
        (["transcribe", "--qps", "0", LINK], "above 0"),
        (["transcribe", "--concurrency", "0", LINK], "Invalid value for '--concurrency'"),
        (["transcribe", "--no-such-flag", LINK], "No such option"),
        (["transcribe", "--corpus", "nosuch.json", LINK], "neither a JSON object nor a file"),
        (["transcribe", "--corpus", '{"hotwrods": []}', LINK], "is no field; there are boosting_table_id"),
        (["transcribe", "--corpus", '{"hotwords": 3}', LINK], "Expected `array`"),
        (["transcribe", "--corpus", "{", LINK], "no JSON object"),
        (["transcribe", "--sensitive-words-filter", "{]", LINK], "no JSON object"),
        (["transcribe", "--end-window-size", "20", LINK], "--end-window-size 20 must lie between 300 and 5000"),
        (["transcribe", "--ssd-mode", "1", LINK], '--ssd-mode needs --ssd-version "200"'),
        (["transcribe", "--codec", "mp3", LINK], "--codec 'mp3' must be"),
        (["transcribe", "--context", "{", LINK], "no JSON object"),
        (["transcribe", "--context", "nosuch.json", LINK], "Invalid value for --context"),
        (["transcribe", "-e", "flash", "--callback", "https://h.example/d", LINK], "takes no callback"),
        (["transcribe", "-e", "v1", "--cluster", "c", LINK], "set VOLCASR_APP_KEY and VOLCASR_ACCESS_KEY"),
        (["transcribe", "-e", "v1", "--cluster", "会议", LINK], "--cluster is"),
        (["transcribe", "--resource-id", "a b", LINK], "--resource-id is"),
        (["transcribe", "--columns", "3", LINK], "--columns 3 must be"),
        (["transcribe", "--longest", "0.01", "--shortest", "0", LINK], "--longest"),
        (["transcribe", "--engine", "curl", LINK], "there is no engine 'curl'; there are httpx, aiohttp"),
        (["transcribe", "example.com/talk.mp3"], "https://example.com/talk.mp3"),
        (["transcribe", "https://h.example/a b.mp3"], "the link holds a blank after 19 characters"),
        (["transcribe", "-e", "standard", __file__], "use flash for local audio, or pass a link"),
        (["batch", "LIST", "-o", "out"], "LIST cannot be read"),
        (["doctor", "--edition", "flash"], "flash has no question that costs nothing"),
        (["doctor", "--format", "srt"], "there is no format 'srt'"),
        (
            ["transcribe", "--enable-age-detection", "-e", "flash", LINK],
            "flash edition does not take --enable-age-detection",
        ),
        (["transcribe", "--rate", "0", LINK], "--rate 0 must be a whole number above 0"),
        (["transcribe", "-e", "v1", LINK], "v1 needs the cluster"),
        (["transcribe", "-e", "v1", "--cluster", "c", "--resource-id", "r", LINK], "--cluster instead"),
        (["transcribe", "--cluster", "c", LINK], "--cluster belongs to v1"),
        (["transcribe", "--resource-id", "r", LINK, "talk.wav"], "--resource-id fits one edition"),
        (["transcribe", "--output", "talk.wav/place.txt", LINK], "talk.wav cannot be the directory"),
        (["transcribe", "--base-url", "http://h.example", LINK], "use https"),
        (["transcribe", "ftp://h.example/a.mp3?sig=hidden"], "http:// and https:// links only"),
        (["transcribe", ""], "a source is empty"),
        (["transcribe", "https://"], "http:// and https:// links only"),
        (["submit", "talk.wav"], "takes a link, not local audio"),
        (["submit", "--edition", "flash", LINK], "flash answers at once"),
        (["wait", "{}"], "this is no task"),
        (["query", "@nosuch.json"], "the task in nosuch.json cannot be read"),
        (["convert", "nosuch.json"], "nosuch.json cannot be read"),
        (["simulate", "--fault", "no-such-fault"], "no fault is called 'no-such-fault'"),
        (["simulate", "--qps", "0.1"], "lets no request through"),
        (["simulate", "--audio", "nosuch.wav"], "nosuch.wav cannot be read"),
        (["no-such-command"], "No such command"),
    ],
)
def test_wrong_usage_is_refused(
    volcasr: Caller,
    service: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    said: str,
) -> None:
    """The status is 2, a few lines name the cure, and nothing was sent."""
    monkeypatch.chdir(tmp_path)
    Path("talk.wav").write_bytes(make_wav(1))
    before = service.requests.total()
    end = volcasr(*argv)
    readable(end)
    assert said in end.err
    assert end.status == 2
    assert end.out == ""
    assert "hidden" not in end.err
    assert not PYTHON.search(end.err), end.err
    assert service.requests.total() == before


def test_extra_that_is_no_json(volcasr: Caller, service: Simulator) -> None:
    """A text without its quotes is no JSON; the example shows where they go."""
    end = volcasr("transcribe", "--extra", "a=b", LINK)
    assert end.status == 2
    assert "a text needs its quotes" in end.err


def test_v1_strings_are_spelled_for_the_shell(volcasr: Caller, service: Simulator) -> None:
    """v1 takes strings only; the cure is a flag that can be copied."""
    end = volcasr("transcribe", "-e", "v1", "--cluster", "c", "--extra", "a=true", LINK)
    assert end.status == 2
    assert "--extra 'a=\"True\"'" in end.err


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("nosuch.wav", None, "cannot be read: No such file"),
        ("empty.wav", b"", "is empty"),
        ("song.m4a", b"\0\0\0\x20ftypM4A " + bytes(100), "flash edition takes mp3, ogg, pcm, raw, wav, not m4a"),
    ],
)
def test_bad_recording_is_refused(
    volcasr: Caller, service: Simulator, tmp_path: Path, name: str, data: bytes | None, said: str
) -> None:
    """A recording that cannot be sent is refused with its name."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    end = volcasr("transcribe", tmp_path / name)
    readable(end)
    assert end.status == 2
    assert said in end.err


def test_directory_is_refused(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """A directory is no recording."""
    end = volcasr("transcribe", tmp_path)
    readable(end)
    assert end.status == 2
    assert "is a directory" in end.err


def test_one_bad_recording_does_not_spoil_the_others(
    volcasr: Caller, service: Simulator, wav: Path, tmp_path: Path
) -> None:
    """What can be transcribed is; the status is 1."""
    end = volcasr("transcribe", wav, tmp_path / "nosuch.wav")
    assert end.status == 1
    assert "模拟器" in end.out
    assert "nosuch.wav" in end.err


def test_missing_credentials(volcasr: Caller) -> None:
    """Without credentials the cure is named, --credentials among it."""
    end = volcasr("transcribe", LINK)
    readable(end)
    assert end.status == 2
    assert "VOLCASR_API_KEY" in end.err
    assert "--credentials FILE" in end.err


def test_both_kinds_of_credentials(volcasr: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two kinds of credentials at once are refused."""
    for name in ("VOLCASR_API_KEY", "VOLCASR_APP_KEY", "VOLCASR_ACCESS_KEY"):
        monkeypatch.setenv(name, SECRET)
    end = volcasr("transcribe", LINK)
    readable(end)
    assert end.status == 2
    assert "both kinds of credentials" in end.err
    assert SECRET not in end.err


Writer = Callable[[str], Path]


@pytest.fixture
def kept(tmp_path: Path) -> Writer:
    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "keys.toml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [f'api_key = "{SECRET}"', f'app_key = "a"\naccess_key = "{SECRET}"\nsecret_key = "{SECRET}"'],
)
def test_credentials_file(
    volcasr: Caller, service: Simulator, monkeypatch: pytest.MonkeyPatch, kept: Writer, wav: Path, text: str
) -> None:
    """Either kind of credentials may lie in a file; it goes before the environment."""
    monkeypatch.delenv("VOLCASR_API_KEY")
    end = volcasr("transcribe", "--credentials", kept(text), wav)
    assert end.status == 0, end.err
    assert end.err == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'apikey = "{SECRET}"', "'apikey' that is not known"),
        (f'"{SECRET}" = "api_key"', "holds a key that is not known"),
        (f'api_key = "{SECRET}"\napp_key = "a"', "exactly one kind"),
        ("", "exactly one kind"),
        ("api_key = 5", "double quotes"),
        (SECRET, "is no TOML"),
        ('api_key = ""', "is empty"),
    ],
)
def test_bad_credentials_file(volcasr: Caller, kept: Writer, text: str, said: str) -> None:
    """What does not hold exactly one kind of credentials is refused, without showing any."""
    end = volcasr("transcribe", "--credentials", kept(text), LINK)
    readable(end)
    assert end.status == 2
    assert said in end.err
    assert SECRET not in end.err


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_credentials_file_that_others_can_read(volcasr: Caller, kept: Writer, mode: int) -> None:
    """A file that the group or others can read is refused, and the cure can be copied."""
    path = kept(f'api_key = "{SECRET}"', mode)  # type: ignore[call-arg]
    end = volcasr("transcribe", "--credentials", path, LINK)
    readable(end)
    assert end.status == 2
    assert f"chmod 600 {path}" in end.err


def test_port_in_use(volcasr: Caller, port: object) -> None:
    """A port that is taken is said so."""
    taken = re.search(r":(\d+)$", port.url).group(1)  # type: ignore[attr-defined, union-attr]
    end = volcasr("simulate", "--port", taken)
    readable(end)
    assert end.status == 2
    assert "in use" in end.err
    assert "--port" in end.err


def test_no_service(volcasr: Caller, service: Simulator, wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, the deadline or the last try ends it with a readable message."""
    end = volcasr("query", "--base-url", "http://127.0.0.1:1", _task())
    readable(end)
    assert end.status == 1
    assert "--base-url" in end.err


def test_unknown_task(volcasr: Caller, service: Simulator) -> None:
    """A task that the service does not know is a failure with the service's own words."""
    end = volcasr("query", _task())
    readable(end)
    assert end.status == 1
    assert "45000000" in end.err


def _task() -> str:
    from volcasr_async import Standard, Task

    return Task(
        id="00000000-0000-4000-8000-000000000000", edition=Standard(), request_id="x", submitted_at=1.0
    ).to_json()


def test_alone_it_shows_help(volcasr: Caller) -> None:
    """`volcasr` without anything shows what there is."""
    end = volcasr()
    assert "transcribe" in end.out + end.err
    assert "Traceback" not in end.err


def test_version(volcasr: Caller) -> None:
    """`--version` tells the library's version."""
    from volcasr_async import __version__

    assert volcasr("--version") == (0, f"volcasr {__version__}\n", "")


def test_without_the_extra(volcasr: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without typer the command names what to install."""
    monkeypatch.setattr("volcasr_async.cli.find_spec", lambda name: None)
    end = volcasr("--help")
    assert end.status == 2
    assert 'pip install "volcasr-async[cli]"' in end.err


def test_warnings_are_shown(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """The library's warnings come as lines of our own."""
    path = tmp_path / "talk.mp3"
    path.write_bytes(make_wav(1.0))
    end = volcasr("transcribe", path)
    assert end.status == 0
    assert end.err.startswith("warning: ")
    assert "holds wav" in end.err
