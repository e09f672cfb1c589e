"""Where the audio is."""

import pickle
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
import pytest

from volcasr_async import AudioBytes, AudioFile, AudioStream, AudioUrl, InputError
from volcasr_async.sources import as_source

URL: Any = AudioUrl  # what is passed here is wrong on purpose
BYTES: Any = AudioBytes
STREAM: Any = AudioStream
FILE: Any = AudioFile
FIELDS: list[dict[str, Any]] = [
    *({"rate": 0}, {"bits": "16"}, {"channel": True}, {"codec": "mp3"}, {"language": 5}, {"format": []}),
]


async def chunks() -> AsyncIterator[bytes]:
    yield b"a"


def test_what_is_plainly_a_source() -> None:
    """A link, a path and bytes are taken as they are."""
    assert as_source("https://e.com/a") == AudioUrl(url="https://e.com/a")
    assert as_source(PurePosixPath("a.wav")) == AudioFile(path=Path("a.wav"))
    for data in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
        assert as_source(data) == AudioBytes(data=b"abc")
    assert as_source(source := AudioUrl("https://e.com/a")) is source


@pytest.mark.parametrize(
    "make",
    [lambda: as_source(5), lambda: as_source("a.mp3"), lambda: as_source(b""), lambda: AudioUrl("http:///a"),
     lambda: AudioUrl("https://e.com/a b"), lambda: URL(b"https://e.com"), lambda: URL(None),
     lambda: FILE(5), lambda: BYTES("a"), lambda: STREAM([b"a"], 1), lambda: STREAM(chunks, 1),
     *(partial(URL, "https://e.com/a", **fields) for fields in FIELDS)],
)  # fmt: skip
def test_refused(make: Any) -> None:
    """What cannot be sent is an `InputError` at once."""
    with pytest.raises(InputError):
        make()


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_a_stream_needs_its_size(size: Any) -> None:
    """The length goes out before the first byte."""

    class Chunks:
        def __aiter__(self) -> Any: ...

    with pytest.raises(InputError):
        AudioStream(Chunks(), size)


def test_labels() -> None:
    """A signature does not change the name, another parameter does."""
    base = AudioUrl("https://e.com/a.mp3").label
    assert base == "https://e.com/a.mp3"
    assert AudioUrl("https://u:p@e.com/a.mp3?X-Amz-Signature=1&Expires=2#x").label == base
    one, two = (AudioUrl(f"https://e.com/a.mp3?id={n}").label for n in (1, 2))
    assert len({base, one, two}) == 3
    assert AudioBytes(b"abc", "n").label == "n (3 bytes)"
    assert AudioFile("a.wav").label == "a.wav"  # type: ignore[arg-type]  # a text will do


def test_a_stream_does_not_travel() -> None:
    """After a pickle a stream says what it is, and that it is spent."""

    class Chunks:
        def __aiter__(self) -> Any: ...

    stream = pickle.loads(pickle.dumps(AudioStream(Chunks(), 5, "n")))
    assert repr(stream) == "AudioStream(n (5 bytes))"

    async def read() -> None:
        async for _ in stream.chunks:
            pass

    with pytest.raises(InputError, match="pickle"):
        anyio.run(read)
