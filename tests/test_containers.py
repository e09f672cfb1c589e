"""Containers by their first bytes and by their names."""

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async.containers import HEAD_BYTES, by_magic, by_name


def wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(320))
    return out.getvalue()


def ogg(first: bytes) -> bytes:
    return b"OggS" + struct.pack("<BBqIIIBB", 0, 2, 0, 1, 0, 0, 1, len(first)) + first


HEADS = {
    "wav": [wav(), b"RF64\xff\xff\xff\xffWAVEds64"],
    "mp3": [
        b"ID3\x04\x00\x00\x00\x00\x00\x00",
        b"\xff\xfb\x90\x64" + bytes(60),
        b"\xff\xf3\x40\xc4",
        b"\xff\xe3\x18\xc4",
    ],
    "ogg": [ogg(b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"), ogg(b"\x01vorbis" + bytes(23))],
    "spx": [ogg(b"Speex   1.2.0" + bytes(67))],
    "m4a": [b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00", b"\x00\x00\x00\x20ftypM4B \x00\x00\x00\x00"],
    "mp4": [b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"],
    "flac": [b"fLaC\x00\x00\x00\x22"],
    "amr": [b"#!AMR\n", b"#!AMR-WB\n"],
    "webm": [b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81"],
    "aiff": [b"FORM\x00\x00\x00\x00AIFF", b"FORM\x00\x00\x00\x00AIFC"],
    "wma": [b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"],
    "caf": [b"caff\x00\x01"],
    "aac": [b"\xff\xf1\x50\x80\x04\x3f\xfc", b"\xff\xf9\x50\x80\x04\x3f\xfc"],
}
JUNK = [b"", b"\xff", b"\xff\xfb", b"RIFF\x00\x00\x00\x00AVI ", b"<html>", b"\xff\xfea\x00", b"\xff\xff\xff\xff",
        b"\xff\xfb\xff\x00", b"\xff\xfb\x9c\x00", b"\xff\xeb\x90\x00", b"\xff\xf1\xfc\x00", b"\xff\xe1\x50\x80",
        bytes(64), b"PK\x03\x04"]  # fmt: skip


@pytest.mark.parametrize(("name", "head"), [(n, h) for n, heads in HEADS.items() for h in heads])
def test_real_headers(name: str, head: bytes) -> None:
    """Each container is known by the bytes that its files begin with."""
    assert by_magic(head[:HEAD_BYTES]) == name


@pytest.mark.parametrize("head", JUNK)
def test_junk(head: bytes) -> None:
    """Bare samples, UTF-16 text, broken frames and other files are no recording we name."""
    assert by_magic(head) is None


@given(st.binary(max_size=80))
def test_any_bytes(head: bytes) -> None:
    """Nothing raises."""
    assert by_magic(head) in {None, *HEADS}


@pytest.mark.parametrize(
    ("name", "container"),
    [("a.mp3", "mp3"), ("A.MP3", "mp3"), ("x/y.opus", "ogg"), ("https://h/a.wav?x=1.mp3", "wav"), ("a", None),
     ("https://h.mp3/", None), ("a.txt", None), ("https://h/a.raw#b.mp3", "raw"), (".mp3", None), ("a.wave", "wav")],
)  # fmt: skip
def test_names(name: str, container: str | None) -> None:
    """The suffix of the path counts, in any case, and not a query's."""
    assert by_name(name) == container
