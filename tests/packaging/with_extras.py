"""Run by the Python of an environment that holds the wheel with all extras, of the lowest or the newest versions."""

import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import anyio
from opentelemetry.trace import NoOpTracerProvider

import volcasr_async
from volcasr_async import ApiKey, Done, PollPolicy, Transcript, VolcASR, read_transcript
from volcasr_async.probe import probe
from volcasr_async.subtitles import FORMATS, render
from volcasr_async.telemetry import OpenTelemetry
from volcasr_async.testing import Fault, Simulator

DEMO = files("volcasr_async.cli").joinpath("demo.wav")
POLL = PollPolicy(first=0.1, shortest=0.1)


async def recognises() -> Transcript:
    """By the fast engine, over a socket; a batch with a journal; a watched client; some replies that are no JSON."""
    simulator = Simulator(processing_time=0.1, faults=[Fault("not-json", on="query", share=0.5)])
    watch = OpenTelemetry(tracer_provider=NoOpTracerProvider())
    async with (
        simulator.serve() as base_url,
        VolcASR(ApiKey("any-key"), base_url=base_url, http="aiohttp", observe=watch, poll=POLL) as asr,
    ):
        transcript = await asr.transcribe(DEMO.read_bytes())
        async with asr.batch([f"https://example.com/{n}.mp3" for n in range(5)], journal=f"{os.getpid()}.db") as batch:
            outcomes = [outcome async for outcome in batch]
    assert len(outcomes) == 5
    assert all(isinstance(outcome, Done) for outcome in outcomes)
    assert read_transcript(transcript.to_json()) == transcript
    return transcript


def every_format_is_written(transcript: Transcript) -> None:
    """Also those that come from another library."""
    for name in FORMATS:
        assert render(transcript, name), name


def recordings_are_looked_at() -> None:
    """Also by the library that reads their tags."""
    Path("demo.wav").write_bytes(DEMO.read_bytes())
    assert probe("demo.wav").rate == 16000
    assert probe(b"\xff\xfb\x90\x00" + bytes(413)).container == "mp3"


def command(*words: str, status: int = 0, **environment: str) -> str:
    """Run the command, as the shell would; an error of ours is no traceback."""
    where = Path(sys.executable).parent / "volcasr"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOLCASR_")}
    done = subprocess.run(
        [where, *words], capture_output=True, text=True, timeout=90, check=False, env=clean | environment
    )
    assert done.returncode == status, (words, done.returncode, done.stdout + done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def the_command_works() -> None:
    """Its version, its help, the demo; and the doctor, against a simulator of its own."""
    assert command("--version").strip() == f"volcasr {volcasr_async.__version__}"
    assert "transcribe" in command("--help")
    assert "transcript" in command("demo")
    where = Path(sys.executable).parent / "volcasr"
    serving = [str(where), "simulate", "--port", "0"]
    with subprocess.Popen(serving, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
        assert service.stdout is not None
        line = next(line for line in service.stdout if "http://" in line)
        base_url = re.findall(r"http://[\d.]+:\d+", line)[0]
        said = command("doctor", VOLCASR_BASE_URL=base_url, VOLCASR_API_KEY="any-key")
        service.terminate()
    assert "engine" in said, said
    assert "aiohttp" in said, said


def main() -> None:
    """All of it."""
    assert Path(volcasr_async.__file__).parent.parent.name == "site-packages"
    transcript = anyio.run(recognises)
    every_format_is_written(transcript)
    recordings_are_looked_at()
    the_command_works()


main()
