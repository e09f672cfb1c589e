"""The header of a WAV, read to the byte: any order and number of chunks, extensible formats, lengths that streams left open."""

from __future__ import annotations

import struct

from msgspec import Struct

from volcasr_async.probe.facts import MOST_BITS, MOST_CHANNELS, MOST_HZ, Header, believable
from volcasr_async.probe.window import Window

_MOST_CHUNKS = 500
_CODECS = {
    0x0001: "pcm", 0x0002: "adpcm", 0x0003: "float", 0x0006: "alaw", 0x0007: "mulaw", 0x0011: "adpcm",
    0x0031: "gsm", 0x0050: "mp2", 0x0055: "mp3", 0x00FF: "aac",
}  # fmt: skip
_USUAL = (b"data", b"fmt ", b"LIST", b"fact", b"id3 ", b"bext")
_BY_SAMPLES = frozenset({"pcm", "float", "alaw", "mulaw"})
_EXTENSIBLE = 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_OPEN_ENDED = 0x7FFF_0000
"""What writes to a pipe cannot know the length and promises 2 GB (sox, espeak-ng) or 4 GB (ffmpeg)."""


class _Format(Struct, frozen=True):
    tag: int
    channels: int
    rate: int
    bytes_per_s: int
    block: int
    bits: int

    @property
    def codec(self) -> str:
        return _CODECS.get(self.tag, f"wav 0x{self.tag:04x}")


class _Chunks(Struct):
    """What the walk over the chunks found."""

    format: _Format | None = None
    data_at: int | None = None
    data_size: int = 0
    long_size: int | None = None
    """The length of the data in 64 bits, as RF64 keeps it."""


def read_wav(window: Window) -> Header | None:
    """Read what a WAV says about itself; `None` where it has no usable header."""
    found = _walk(window)
    form = found.format
    if form is None or found.data_at is None:
        return None
    rate = believable(form.rate, MOST_HZ)
    channels = believable(form.channels, MOST_CHANNELS)
    there, problems = _there(found, window.size - found.data_at)
    if rate is None or channels is None:
        return None
    return Header(
        codec=form.codec,
        duration_s=_duration(form, there),
        channels=channels,
        rate=rate,
        bits=believable(form.bits, MOST_BITS),
        problems=problems,
    )


def _walk(window: Window) -> _Chunks:
    found, at = _Chunks(), 12
    for _ in range(_MOST_CHUNKS):
        head = window.read_at(at, 8)
        if len(head) < 8:
            break
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"fmt " and found.format is None:
            found.format = _format(window.read(min(size, 40)))
        elif name == b"ds64":
            found.long_size = int.from_bytes(window.read(16)[8:], "little")
        elif name == b"data" and found.data_at is None:
            found.data_at, found.data_size = at + 8, size
            if found.format is not None:
                break
        at = _after(window, at + 8 + size, odd=size % 2 == 1)
    return found


def _after(window: Window, end: int, *, odd: bool) -> int:
    """Find the next chunk: one of odd length is padded by a byte, but not by every writer."""
    if not odd:
        return end
    here = window.read_at(end, 5)
    return end if here[1:] not in _USUAL and _is_name(here[:4]) else end + 1


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)


def _format(data: bytes) -> _Format | None:
    if len(data) < 14:
        return None
    tag, channels, rate, bytes_per_s, block = struct.unpack_from("<HHIIH", data)
    bits = int.from_bytes(data[14:16], "little")
    if tag == _EXTENSIBLE and len(data) >= 40 and data[26:40] == _GUID_TAIL:
        tag = int.from_bytes(data[24:26], "little")
        valid = int.from_bytes(data[18:20], "little")
        bits = valid if 0 < valid <= bits else bits
    return _Format(tag, channels, rate, bytes_per_s, block, bits)


def _there(found: _Chunks, rest: int) -> tuple[int, tuple[str, ...]]:
    """Count the bytes of audio: what the header promises, or what is there."""
    promised = found.data_size
    if promised == 0xFFFF_FFFF and found.long_size is not None:
        promised = found.long_size
    if promised <= rest and (promised or not rest):
        return promised, ()
    if promised == 0 or promised >= _OPEN_ENDED:
        return rest, ("its header leaves the length open, as a pipe does; the length told is that of what is there",)
    return rest, (f"it is cut off: {promised - rest} of {promised} bytes of audio are missing",)


def _duration(form: _Format, there: int) -> float | None:
    if form.codec in _BY_SAMPLES:
        frame = form.block or form.channels * -(-form.bits // 8)
        return there // frame / form.rate if frame else None
    return there / form.bytes_per_s if form.bytes_per_s else None
