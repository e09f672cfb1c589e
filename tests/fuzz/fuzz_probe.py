"""Recordings: their bytes. A look at them tells what can be believed, and never more than that."""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Iterator

from fuzz_kit import Target

from volcasr_async import AudioBytes, Flash, InputError, Standard
from volcasr_async.editions import Edition
from volcasr_async.probe import probe, verdicts
from volcasr_async.probe.admission import admit
from volcasr_async.probe.window import Window


def run(data: bytes) -> None:
    """Look at a recording."""
    if not data:
        return
    found = probe(data)
    assert found.size == len(data)
    assert found.duration_s is None or 0 <= found.duration_s < math.inf
    assert found.rate is None or 1 <= found.rate <= 1_000_000
    assert found.bitrate is None or found.bitrate >= 0
    said = verdicts(found)
    assert len(said) == 4
    for edition in (Flash(), Standard(inline_audio=True)):
        assert said[edition.name].fits == _is_sent(AudioBytes(data), edition)
    assert _is_sent(AudioBytes(data, format="pcm"), Flash())
    assert all(text.isprintable() for text in (*found.problems, found.cure or ""))


def _is_sent(source: AudioBytes, edition: Edition) -> bool:
    try:
        admit(Window(io.BytesIO(source.data)), source, edition)
    except InputError:
        return False
    return True


def seeds() -> Iterator[bytes]:
    """Bring the beginnings of the containers that are known."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(bytes(200))
    yield file.getvalue()
    page = b"OggS\0\2" + bytes(8) + b"\1\0\0\0" + bytes(8) + b"\1\x13"
    yield page + b"OpusHead\1\1\x38\1\x80\xbb\0\0\0\0\0" + page.replace(b"\0\2", b"\0\4", 1) + bytes(19)
    yield page.replace(b"\x13", b"\x1e") + b"\1vorbis" + bytes(4) + b"\1\x80\xbb\0\0" + bytes(14)
    yield b"#!AMR\n" + (b"\x3c" + bytes(31)) * 3
    yield b"\xff\xf1\x60\x40\x02\x7f\xfc" + bytes(12) + b"\xff\xf1\x60\x40\x02\x7f\xfc" + bytes(12)
    yield b"ID3\4\0\0\0\0\0\0" + (b"\xff\xfb\x90\0" + bytes(413)) * 2
    yield b"\0\0\0\x14ftypM4A \0\0\0\0isom\0\0\0\x08moov"
    yield b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x42\xf0\0\0\0\x64" + bytes(16)
    yield b"FORM\0\0\0\x2eAIFFCOMM\0\0\0\x12\0\1\0\0\0\x64\0\x10\x40\x0e\xac\x44" + bytes(6)
    yield b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c" + bytes(14)
    yield b"<!-- x --><!DOCTYPE html><html><title>404 Not Found</title></html>"
    yield b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>It does not exist.</Message></Error>"
    yield b'{"error": {"code": 403, "message": "no \\u6743"}}'
    yield b"data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAA="
    yield b"UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAA="
    yield "会议纪要，第一，讨论了今年的计划".encode("gbk")


TARGET = Target(
    run,
    seeds,
    (
        *(
            "RIFF",
            "RF64",
            "WAVE",
            "fmt ",
            "data",
            "ds64",
            "LIST",
            "OggS",
            "OpusHead",
            "\\x01vorbis",
            "Speex   ",
            "fLaC",
        ),
        *("ftyp", "M4A ", "moov", "mdat", "ID3", "#!AMR-WB\\n", "AIFF", "COMM", "SSND", "Xing", "LAME", "VBRI", "fact"),
        *(
            "<html",
            "<title>",
            "<?xml",
            "<svg",
            "base64,",
            "ftypheic",
            "PK\\x03\\x04",
            "#!SILK_V3",
            "AVI ",
            "\\x47",
            "%PDF-",
        ),
    ),
)
