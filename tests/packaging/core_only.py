"""Run by the Python of an environment that holds the wheel and no extra: what works, and what says which extra it needs.

`python core_only.py [cli]`: with "cli" the extra [cli] is there as well, and the command is asked for what it lacks.
"""

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import anyio

import volcasr_async
from volcasr_async import ApiKey, ConfigurationError, InputError, PollPolicy, Transcript, VolcASR
from volcasr_async.probe import probe
from volcasr_async.subtitles import to_ass, to_srt
from volcasr_async.testing import Simulator, make_wav

EXTRAS = ("aiohttp", "pybase64", "tinytag", "opentelemetry", "pysubs2", "rjieba", "budoux", "typer", "rich")
NEEDS = {"volcasr_async._transport.express": "aiohttp", "volcasr_async.testing.plugin": "pytest"}
MP3 = b"\xff\xfb\x90\x00" + bytes(413)


def is_installed() -> None:
    """What is imported is the wheel's, typed, in the version that its metadata say."""
    home = Path(volcasr_async.__file__).parent
    assert home.parent.name == "site-packages", home
    assert (home / "py.typed").is_file()
    assert metadata.version("volcasr-async") == volcasr_async.__version__


def all_modules_come() -> None:
    """Each module imports, but for those of an extra."""
    for found in pkgutil.walk_packages(volcasr_async.__path__, "volcasr_async."):
        name = found.name
        if name.startswith("volcasr_async.cli.") or name.endswith((".__main__", ".otel", ".instruments")):
            continue
        if name in NEEDS and find_spec(NEEDS[name]) is None:
            continue
        importlib.import_module(name)


async def recognises() -> Transcript:
    """Both ways of a recording, in process and on a port."""
    simulator = Simulator(processing_time=0.1)
    async with VolcASR(ApiKey("any-key"), http=simulator.transport(), poll=PollPolicy(first=0.1, shortest=0.1)) as asr:
        assert (await asr.transcribe("https://example.com/a.mp3")).text
    async with simulator.serve() as base_url, VolcASR(ApiKey("any-key"), base_url=base_url) as asr:
        transcript = await asr.transcribe(make_wav(1.0))
    assert transcript.text
    assert not simulator.violations
    assert len(simulator.charges) == 2
    return transcript


def says_what_is_missing(transcript: Transcript) -> None:
    """Each error names the extra, in the words for pip."""
    tries = {
        "speed": lambda: VolcASR(ApiKey("any-key"), http="aiohttp"),
        "probe": lambda: probe(MP3),
        "subtitles": lambda: to_ass(transcript),
        "otel": lambda: importlib.import_module("volcasr_async.telemetry").OpenTelemetry,
    }
    for extra, attempt in tries.items():
        assert f'pip install "volcasr-async[{extra}]"' in complaint_of(attempt), extra


def complaint_of(attempt: Callable[[], object]) -> str:
    """What the library says instead of doing it."""
    try:
        attempt()
    except (ConfigurationError, InputError) as error:
        return str(error)
    return "nothing"


def command(*words: str) -> tuple[int, str]:
    """Run the command, as the shell would."""
    where = Path(sys.executable).parent / "volcasr"
    done = subprocess.run([where, *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def the_command_is_missed() -> None:
    """Without [cli] the command says so, and no more."""
    status, said = command("demo")
    assert status == 2, said
    assert said == 'volcasr: the command needs the extra [cli]: pip install "volcasr-async[cli]"'


def the_command_says_what_is_missing(transcript: Transcript) -> None:
    """With [cli] alone, its flags name the other extras."""
    Path("result.json").write_text(transcript.to_json(), "utf-8")
    Path("a.mp3").write_bytes(MP3)
    for extra, words in {
        "subtitles": ("convert", "result.json", "--format", "ass"),
        "probe": ("probe", "a.mp3"),
    }.items():
        status, said = command(*words)
        assert status in {1, 2}, said
        assert f"volcasr-async[{extra}]" in said, said
        assert "Traceback" not in said, said
    status, said = command("--version")
    assert (status, said) == (0, f"volcasr {volcasr_async.__version__}")


def main() -> None:
    """All of it."""
    with_cli = sys.argv[1:] == ["cli"]
    there = [name for name in EXTRAS if find_spec(name) is not None]
    assert there == (["typer", "rich"] if with_cli else []), there
    is_installed()
    transcript = anyio.run(recognises)
    assert to_srt(transcript)
    if with_cli:
        the_command_says_what_is_missing(transcript)
    else:
        all_modules_come()
        says_what_is_missing(transcript)
        the_command_is_missed()


main()
