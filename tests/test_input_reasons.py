"""Why an input was rejected, as a value: a program decides by it what to tell its user, and nothing is sent."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from io_kit import client

from volcasr_async import AudioBytes, AudioUrl, InputError, Job, Standard
from volcasr_async.testing import Simulator, make_wav

pytestmark = pytest.mark.anyio


def _large(folder: Path) -> Path:
    path = folder / "large.wav"
    path.write_bytes(make_wav(1))
    os.truncate(path, 101_000_000)
    return path


def _long(folder: Path) -> Path:
    header = bytearray(make_wav(1, rate=8000)[:44])
    size = 3 * 3600 * 8000
    header[24:28] = header[28:32] = (8000).to_bytes(4, "little")  # eight bits per sample
    header[32:36] = bytes([1, 0, 8, 0])
    header[4:8], header[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
    path = folder / "long.wav"
    path.write_bytes(header)
    os.truncate(path, 44 + size)
    return path


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.wav")
    return folder / "pipe.wav"


def _written(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


CASES: list[tuple[str, str, Callable[[Path], Any]]] = [
    ("missing", "recording_missing", lambda folder: folder / "nowhere.wav"),
    ("missing", "recording_missing", lambda folder: folder / "no" / "such" / "folder.wav"),
    ("directory", "recording_missing", lambda folder: folder),
    ("unreadable", "recording_unreadable", _pipe),
    ("empty", "recording_empty", _written("empty.wav", b"")),
    ("empty", "recording_empty", lambda _: io.BytesIO()),
    ("not-audio", "recording_not_audio", _written("page.mp3", b"<!DOCTYPE html><html><body>404</body></html>" * 9)),
    ("not-audio", "recording_not_audio", lambda _: b"\x89PNG\r\n\x1a\n" + bytes(500)),
    ("not-audio", "recording_not_audio", lambda _: b'{"error": "no such key"}' * 20),
    ("damaged", "recording_damaged", _written("cut.wav", make_wav(9)[:60_000])),
    ("damaged", "recording_damaged", _written("head.wav", make_wav(1)[:44])),
    ("format", "recording_format", lambda _: AudioBytes(b"#!AMR\n" + bytes(range(1, 200)), format="amr")),
    ("too-large", "recording_too_large", _large),
    ("too-long", "recording_too_long", _long),
    ("value", "value_invalid", lambda _: Job(b"RIFF", edition=Standard())),
]


@pytest.mark.parametrize(("reason", "code", "make"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
async def test_each_kind_of_input_has_its_reason(
    reason: str, code: str, make: Callable[[Path], Any], tmp_path: Path
) -> None:
    """By a call and by a batch, with a public message that does not contain the path."""
    simulator = Simulator()
    source = make(tmp_path)
    async with client(simulator) as asr:
        with pytest.raises(InputError) as caught:
            await asr.transcribe(source)
        async with asr.batch([source]) as batch:
            [failed] = [outcome async for outcome in batch]
    assert (caught.value.reason, failed.error.reason) == (reason, reason)  # type: ignore[union-attr]
    assert caught.value.public_code == code
    assert str(tmp_path) not in caught.value.public_message
    assert not simulator.requests


@pytest.mark.parametrize("url", ["ftp://example.com/a.mp3", "no link", "https://", "https://example.com/a b.mp3"])
def test_a_link_that_cannot_be_downloaded_has_its_reason(url: str) -> None:
    """A wrong scheme, no host, blanks."""
    with pytest.raises(InputError) as caught:
        AudioUrl(url)
    assert (caught.value.reason, caught.value.public_code) == ("link", "link_invalid")


async def test_an_incorrect_call_has_its_reason() -> None:
    """The caller of a web service cannot do anything about it."""
    asr = client(Simulator())
    await asr.aclose()
    calls: list[Callable[[], Any]] = [
        lambda: asr.transcribe("https://example.com/a.mp3"),
        lambda: asr.transcribe(5),  # type: ignore[arg-type]  # on purpose
        lambda: asr.submit(b"RIFF", edition="flash"),
    ]
    for call in calls:
        with pytest.raises(InputError) as caught:
            await call()
        assert (caught.value.reason, caught.value.public_code) == ("usage", "internal")
