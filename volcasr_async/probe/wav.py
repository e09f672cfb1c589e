"""The header of a WAV, read to the byte: any order and number of chunks, extensible formats, lengths that streams left open."""

from __future__ import annotations

import struct

from msgspec import Struct

from volcasr_async.containers import by_magic
from volcasr_async.probe.facts import MOST_BITS, MOST_CHANNELS, MOST_HZ, Header, believable
from volcasr_async.probe.mpeg import begins_with_frames
from volcasr_async.probe.window import Window

_MOST_CHUNKS = 500
_CODECS = {
    0x0001: "pcm", 0x0002: "adpcm", 0x0003: "float", 0x0006: "alaw", 0x0007: "mulaw", 0x0011: "adpcm",
    0x0010: "adpcm", 0x0017: "adpcm", 0x0020: "adpcm", 0x0031: "gsm", 0x0050: "mp2", 0x0055: "mp3", 0x00FF: "aac",
}  # fmt: skip
_WRAPPED = {
    0x0050: "mp2",
    0x0055: "mp3",
    0x00FF: "aac",
    0x1610: "aac",
    0x674F: "vorbis",
    0x566F: "vorbis",
    0xF1AC: "flac",
}
"""Formats that are recordings of their own, for which a WAV is only a wrapping."""
_USUAL = (b"data", b"fmt ", b"LIST", b"fact", b"id3 ", b"bext")
_BY_SAMPLES = frozenset({"pcm", "float", "alaw", "mulaw"})
_MS_ADPCM, _IMA_ADPCM, _GSM = 0x0002, 0x0011, 0x0031
_NIBBLES = frozenset({0x0010, 0x0017, 0x0020})
"""ADPCM without blocks: OKI, Dialogic, Yamaha. A sample has four bits."""
_INSIDE_BYTES = 8192
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
    block_samples: int = 0
    """Samples per channel in a block of compressed audio, as the header says; 0 where it does not."""

    @property
    def codec(self) -> str:
        return _CODECS.get(self.tag, f"wav 0x{self.tag:04x}")


class _Chunks(Struct):
    """What the walk over the chunks found."""

    format: _Format | None = None
    data_at: int | None = None
    data_size: int = 0
    samples: int | None = None
    """Samples per channel, as the fact chunk says."""
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
    there, missing, problems = _there(found, found.data_at, window)
    if rate is None or channels is None:
        return None
    return Header(
        codec=form.codec,
        duration_s=_duration(form, there, found.samples),
        channels=channels,
        rate=rate,
        bits=believable(form.bits, MOST_BITS),
        problems=problems,
        warnings=problems if missing else (),
        missing=missing,
        wrapped=_wrapped(window, form, found.data_at),
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
        elif name == b"fact" and size >= 4:
            found.samples = int.from_bytes(window.read(4), "little")
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
    block_samples = int.from_bytes(data[18:20], "little") if tag in (_MS_ADPCM, _IMA_ADPCM, _GSM) else 0
    return _Format(tag, channels, rate, bytes_per_s, block, bits, block_samples)


def _there(found: _Chunks, data_at: int, window: Window) -> tuple[int, float, tuple[str, ...]]:
    """Count the bytes of audio that the header promises, or that are there; and the share that is missing."""
    rest = window.size - data_at
    promised = found.data_size
    if promised == 0xFFFF_FFFF and found.long_size is not None:
        promised = found.long_size
    if promised <= rest and (promised or not rest or _has_chunk(window, data_at)):
        return promised, 0.0, ()
    if promised == 0 or promised >= _OPEN_ENDED:
        return (
            rest,
            0.0,
            ("its header leaves the length open, as a pipe does; the length told is that of what is there",),
        )
    lost = promised - rest
    if not rest:
        return 0, 1.0, ()
    return rest, lost / promised, (f"it is cut off: {lost} of {promised} bytes of audio are missing",)


def _has_chunk(window: Window, at: int) -> bool:
    """Return whether a chunk begins at *at*: behind data of length 0, it means that there are no samples."""
    head = window.read_at(at, 8)
    return head[:4] in _USUAL and int.from_bytes(head[4:], "little") <= window.size - at - 8


def _wrapped(window: Window, form: _Format, data_at: int) -> str | None:
    """Return the recording that stands in the place of samples."""
    if form.tag in _WRAPPED:
        return _WRAPPED[form.tag]
    inside = window.read_at(data_at, _INSIDE_BYTES)
    if begins_with_frames(inside) or (inside[:3] == b"ID3" and inside[3:4] in (b"\2", b"\3", b"\4")):
        return "mp3"
    return found if (found := by_magic(inside[:64])) in ("ogg", "flac", "amr", "spx", "m4a") else None


def _duration(form: _Format, there: int, samples: int | None) -> float | None:
    """Compute the length in seconds; of compressed audio by whole blocks, and by the fact chunk if that fits them."""
    if form.codec in _BY_SAMPLES:
        frame = form.block or form.channels * -(-form.bits // 8)
        return there // frame / form.rate if frame else None
    if form.tag in _NIBBLES:
        return there * 2 / form.channels / form.rate if form.channels else None
    counted = _block_samples(form)
    if not counted or not form.block:
        if not form.bytes_per_s:
            return samples / form.rate if samples else None
        return there / form.bytes_per_s
    most = there // form.block * counted + _last_samples(form, there % form.block)
    # The last block is filled up with silence: the fact chunk tells where the recording ends.
    return (samples if samples and most - counted < samples <= most else most) / form.rate


def _block_samples(form: _Format) -> int:
    """Return the samples per channel of a whole block (Multimedia Programming Interface 1.0; RIFF new media types, 1994)."""
    if not form.channels:
        return 0
    match form.tag:
        case 0x0011 if form.block > 4 * form.channels:  # 4 bytes of state per channel, which hold the first sample
            computed = (form.block // form.channels - 4) * 8 // (form.bits if form.bits in (3, 4) else 4) + 1
        case 0x0002 if form.block > 7 * form.channels:  # 7 bytes of state per channel, which hold two samples
            computed = (form.block // form.channels - 7) * 2 + 2
        case 0x0031:  # two frames of GSM 06.10 in 65 bytes
            computed = form.block // 65 * 320
        case _:
            return 0
    return form.block_samples if 0 < form.block_samples <= computed else computed


def _last_samples(form: _Format, rest: int) -> int:
    """Return the samples per channel of a last block that is shorter."""
    match form.tag:
        case 0x0011 if rest > 4 * form.channels:
            return (rest // form.channels - 4) * 8 // (form.bits if form.bits in (3, 4) else 4) + 1
        case 0x0002 if rest > 7 * form.channels:
            return (rest // form.channels - 7) * 2 + 2
        case _:
            return 0
