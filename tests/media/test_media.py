"""Real files by real programs: recordings are taken without a warning, other files are not sent, and `probe` says so before."""

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec
import pytest
from io_kit import client
from media_foreign import DOUBTFUL, FOREIGN, Foreign
from media_kit import Studio, run
from media_recordings import RECORDINGS, TOOLS, Recording

from volcasr_async import AucV1, AudioBytes, AudioFile, AudioStream, Flash, Idle, InputError, Standard
from volcasr_async.editions import Edition
from volcasr_async.probe import Probe, Verdict, probe, verdicts
from volcasr_async.sources import Source
from volcasr_async.testing import Simulator

EDITIONS: tuple[Edition, ...] = (Standard(), Idle(), Flash(), AucV1("cluster"))
DIRECT: tuple[Edition, ...] = (Flash(), Standard(inline_audio=True))
"""The editions that take the audio itself."""
ALIKE = {"m4a": "mp4", "mp4": "m4a", "pcm": "raw"}
"""Two names of one container: an edition lists the one or the other."""
MOST_OFF_S = 0.05

Medium = Recording | Foreign
MEDIA: list[Medium] = [*RECORDINGS, *FOREIGN, *DOUBTFUL]
recorded = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one.name)
foreign = pytest.mark.parametrize("strange", FOREIGN, ids=lambda one: one.name)
doubtful = pytest.mark.parametrize("strange", DOUBTFUL, ids=lambda one: one.name)
every = pytest.mark.parametrize("medium", MEDIA, ids=lambda one: one.name)


class Answer(NamedTuple):
    """What came of one transcription: the refusal, if any, the lines of the log, and what the service saw."""

    refusal: str | None
    warned: list[str]
    charges: int
    requests: int
    sha256: str | None


async def send(source: Source, edition: Edition, caplog: pytest.LogCaptureFixture) -> Answer:
    """Transcribe with a simulator, and tell what came of it."""
    simulator, refusal = Simulator(), None
    caplog.clear()
    async with client(simulator) as asr:
        try:
            await asr.transcribe(source, edition=edition)
        except InputError as error:
            refusal = str(error)
    assert simulator.violations == []
    warned = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("volcasr_async") and record.levelno >= logging.WARNING
    ]
    sent = [upload.sha256 for upload in simulator.uploads]
    return Answer(refusal, warned, len(simulator.charges), sum(simulator.requests.values()), sent[0] if sent else None)


def made(studio: Studio, medium: Medium) -> Path:
    return studio.made(medium.name, medium.maker)


def said(medium: Medium) -> dict[str, Any]:
    return medium.said if isinstance(medium, Recording) else {}


def is_taken(container: str, edition: Edition) -> bool:
    return bool({container, ALIKE.get(container)} & edition.formats)


async def pieces(data: bytes, sizes: Iterable[int]) -> AsyncIterator[bytes]:
    at, size = 0, cycle(sizes)
    while at < len(data):
        step = next(size)
        yield data[at : at + step]
        at += step


def forms(path: Path, declared: dict[str, Any]) -> Iterator[tuple[str, Source]]:
    """Give the same recording as a file, as bytes, and as streams whose first chunks hold less than any header."""
    data, name = path.read_bytes(), path.name
    yield "file", AudioFile(path=path, **declared)
    if data:  # AudioBytes and AudioStream refuse nothing at all by themselves
        yield "bytes", AudioBytes(data=data, name=name, **declared)
        yield "stream", AudioStream(chunks=pieces(data, (1, 3, 1021, 50_000)), size=len(data), name=name, **declared)
        yield "stream", AudioStream(chunks=pieces(data, (len(data),)), size=len(data), name=name, **declared)


# ---- no false alarm ----


def test_forty_recordings_are_made_by_five_programs() -> None:
    """The table holds what it promises."""
    assert len(RECORDINGS) >= 40
    assert {one.tool for one in RECORDINGS} >= TOOLS
    assert len({one.name for one in MEDIA}) == len(MEDIA)


@recorded
@pytest.mark.anyio
async def test_a_valid_recording_is_taken_without_a_warning(
    recording: Recording, studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    """Each edition whose documents list the container takes it, and each other one names the container."""
    source = AudioFile(path=made(studio, recording), **recording.said)
    found = verdicts(probe(source))
    for edition in EDITIONS:
        assert found[edition.name].fits == is_taken(recording.container, edition), found[edition.name]
    for edition in DIRECT:
        answer = await send(source, edition, caplog)
        if is_taken(recording.container, edition):
            assert answer == Answer(None, [], 1, answer.requests, hashlib.sha256(source.path.read_bytes()).hexdigest())
        else:
            names = {recording.container, ALIKE.get(recording.container)}
            assert any(f"not {name}" in str(answer.refusal) for name in names), answer
            assert answer.requests == 0


@pytest.mark.parametrize(
    "recording", [one for one in RECORDINGS if one.container not in ("pcm", "raw")], ids=lambda one: one.name
)
def test_the_length_is_that_of_ffprobe(recording: Recording, studio: Studio) -> None:
    """What `probe` tells of the length is within 50 ms of what ffprobe tells of it, where both can know it."""
    path = made(studio, recording)
    seconds = probe(path).duration_s
    if not recording.is_timed:
        assert seconds is None
        return
    assert seconds == pytest.approx(_ffprobe(path), abs=MOST_OFF_S)


def _ffprobe(path: Path) -> float:
    """Read the length of the sound: the container's word, or the sum of the packets where that is an estimate."""
    entries = "packet=duration_time:format=duration,format_name,bit_rate"
    words = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", entries, "-of", "json", str(path)]
    told = json.loads(run(words))
    if told["format"]["format_name"] in ("aac", "amr", "mp3"):
        return sum(float(packet["duration_time"]) for packet in told["packets"])
    return float(told["format"]["duration"])


# ---- what is no recording ----


@foreign
@pytest.mark.anyio
async def test_what_is_no_recording_is_not_sent(
    strange: Foreign, studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    """No request leaves, and the message names what it is."""
    path, refusals = made(studio, strange), []
    for edition in DIRECT:
        answer = await send(AudioFile(path=path), edition, caplog)
        assert answer.refusal is not None, answer
        assert (answer.charges, answer.requests) == (0, 0)
        refusals.append(answer.refusal.lower())
    # Flash may say first that it takes no M4A at all.
    assert strange.words.lower() in refusals[-1]
    assert not any(verdict.fits for verdict in verdicts(probe(path)).values())


@doubtful
@pytest.mark.anyio
async def test_what_is_doubtful_is_sent_with_one_warning(
    strange: Foreign, studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be a recording, so it is sent; what is odd is said once."""
    path = made(studio, strange)
    answer = await send(AudioFile(path=path), Flash(), caplog)
    assert (answer.refusal, answer.charges) == (None, 1)
    assert len(answer.warned) == 1
    assert strange.words in answer.warned[0]


# ---- one decision ----


@every
@pytest.mark.anyio
async def test_probe_and_transcribe_agree(medium: Medium, studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the form, `transcribe` refuses what `probe` says, for the same reason, and sends and warns of the rest."""
    path, declared = made(studio, medium), said(medium)
    found = probe(AudioFile(path=path, **declared))
    for edition in DIRECT:
        for form, source in forms(path, declared):
            if form == "stream" and not getattr(medium, "seen", True):
                continue
            answer = await send(source, edition, caplog)
            _compare(found, verdicts(found)[edition.name], answer, f"{edition.name}, {form}")


@recorded
@pytest.mark.anyio
async def test_an_edition_that_needs_a_link_takes_no_file(
    recording: Recording, studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    """`needs_link` of a verdict is what `transcribe` says of a file, whatever it holds."""
    source = AudioFile(path=made(studio, recording), **recording.said)
    found = verdicts(probe(source))
    for edition in (Idle(), AucV1("cluster")):
        answer = await send(source, edition, caplog)
        assert found[edition.name].needs_link
        assert "takes a link" in str(answer.refusal)
        assert answer.requests == 0


def _compare(found: Probe, verdict: Verdict, answer: Answer, form: str) -> None:
    if verdict.fits:
        assert answer.refusal is None, (form, answer.refusal)
        assert answer.charges == 1
        assert len(answer.warned) == (1 if found.warnings else 0), (form, answer.warned)
        assert all(warning in answer.warned[0] for warning in found.warnings), (form, answer.warned)
        return
    assert answer.refusal is not None, (form, verdict.reasons)
    assert answer.requests == 0
    # A container that is not taken is said by the names of those that are.
    reasons = [reason.removeprefix("it is ").partition(" is not taken")[0] for reason in verdict.reasons]
    assert any(reason in answer.refusal for reason in reasons), (form, reasons, answer.refusal)


def test_the_command_says_what_the_library_says(studio: Studio) -> None:
    """A line of `volcasr probe --format json` holds the verdicts by which the other tests here judge."""
    paths = [made(studio, medium) for medium in MEDIA if not said(medium)]
    words = [sys.executable, "-m", "volcasr_async", "probe", "--format", "json", *map(str, paths)]
    done = subprocess.run(words, check=False, capture_output=True, timeout=120)
    assert done.returncode == 1, done.stderr.decode()
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(rows) == set(map(str, paths))
    for path in paths:
        assert rows[str(path)]["editions"] == json.loads(msgspec.json.encode(verdicts(probe(path))))


@pytest.mark.anyio
async def test_the_command_sends_what_probe_lets_through(studio: Studio, tmp_path: Path, real_time: None) -> None:
    """`volcasr batch` of all these files sends the bytes of those that fit flash, and of no other."""
    paths = [made(studio, medium) for medium in MEDIA if not said(medium)]
    listed = "\n".join(map(str, paths)).encode()
    simulator = Simulator()
    async with simulator.serve() as url:
        words = [sys.executable, "-m", "volcasr_async", "batch", "-", "--output-dir", str(tmp_path / "texts")]
        env = os.environ | {"VOLCASR_BASE_URL": url, "VOLCASR_API_KEY": "any-key"}
        await anyio.run_process(words, input=listed, check=False, env=env)
    fitting = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if verdicts(probe(path))["flash"].fits}
    assert {charge.source for charge in simulator.charges} == {f"sha256:{digest}" for digest in fitting}
    assert {upload.sha256 for upload in simulator.uploads} == fitting
