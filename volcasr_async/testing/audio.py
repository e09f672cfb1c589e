"""How long real audio plays: exact for WAV and PCM, by the last page for Ogg, by frame headers for MP3.

Compressed containers that are only recognised (AMR, AAC, M4A, Speex) get a duration from a usual bit rate.
"""

import struct
import wave
from io import BytesIO
from typing import NamedTuple

from volcasr_async.testing.scanner import Clip

RAW_LABELS = frozenset({"raw", "pcm"})
FORMATS_V3 = frozenset({"wav", "mp3", "ogg", "pcm", "raw", "spx", "amr", "aac", "m4a"})
FORMATS_V1 = frozenset({"wav", "mp3", "ogg", "raw", "mp4"})
_ALIASES = {"spx": "ogg", "opus": "ogg", "mp4": "m4a"}
_USUAL_BITS_PER_SECOND = {"amr": 12_200, "aac": 64_000, "m4a": 64_000}

# MPEG layer III: kbit/s by version (1, 2 and 2.5), sampling rate by version.
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class Label(NamedTuple):
    """What the client said about its audio; the defaults are the service's."""

    format: str = ""
    rate: int = 16000
    bits: int = 16
    channel: int = 1


def measure(clip: Clip, label: Label) -> int | None:
    """Milliseconds of audio, or None where the service would say that the format is wrong.

    A label that contradicts the bytes counts as wrong (the usual cause of 45000151 in the field); no label is fine.
    """
    said = label.format.lower()
    if said in RAW_LABELS:
        return _milliseconds(clip.size, label.rate * label.channel * label.bits / 8)
    found = container(clip.head)
    if found is None or (said and _ALIASES.get(said, said) != found):
        return None
    match found:
        case "wav":
            return _wav(clip)
        case "ogg":
            return _ogg(clip)
        case "mp3":
            return _mp3(clip)
        case _:
            return _milliseconds(clip.size, _USUAL_BITS_PER_SECOND[found] / 8)


def container(head: bytes) -> str | None:
    """The container that the first bytes show."""
    if head[:4] in {b"RIFF", b"RF64", b"BW64"} and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"OggS":
        return "ogg"
    if head[4:8] == b"ftyp":
        return "m4a"
    if head[:5] == b"#!AMR":
        return "amr"
    if head[:2] in {b"\xff\xf1", b"\xff\xf9"}:
        return "aac"
    if head[:3] == b"ID3":  # radios put it before AAC as well
        size = _tag_bytes(head)
        return (container(head[size:]) if size else None) or "mp3"
    return "mp3" if _frame(head, 0) is not None else None


def make_wav(seconds: float, *, rate: int = 16000, channels: int = 1) -> bytes:
    """A well-formed 16-bit WAV file of that length (a quiet sawtooth), for tests that need real audio."""
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        period = b"".join(struct.pack("<h", 200 * step) * channels for step in range(-16, 16))
        size = round(seconds * rate) * 2 * channels
        file.writeframes((period * (size // len(period) + 1))[:size])
    return target.getvalue()


def _milliseconds(size: float, bytes_per_second: float) -> int | None:
    return round(1000 * size / bytes_per_second) if bytes_per_second > 0 else None


def _wav(clip: Clip) -> int | None:
    at, per_second = 12, 0
    while at + 8 <= len(clip.head):
        name, size = clip.head[at : at + 4], int.from_bytes(clip.head[at + 4 : at + 8], "little")
        if name == b"fmt " and at + 20 <= len(clip.head):
            per_second = int.from_bytes(clip.head[at + 16 : at + 20], "little")
        if name == b"data":  # writers that stream put 0 or -1 here: what is there counts
            there = clip.size - at - 8
            return _milliseconds(min(size, there) if 0 < size < 0xFFFFFFFF else there, per_second)
        at += 8 + size + size % 2
    return None


def _ogg(clip: Clip) -> int | None:
    page = clip.tail.rfind(b"OggS")
    if page < 0 or page + 14 > len(clip.tail):
        return None
    granule = int.from_bytes(clip.tail[page + 6 : page + 14], "little", signed=True)
    head = clip.head
    at = head.find(b"OpusHead")
    if at >= 0:  # Opus counts in 48 kHz, with samples to skip at the start
        return max(0, round((granule - int.from_bytes(head[at + 10 : at + 12], "little")) / 48))
    at = head.find(b"\x7fFLAC")
    if at >= 0:
        return _milliseconds(granule, int.from_bytes(head[at + 27 : at + 31]) >> 12)
    for mark, offset in ((b"\x01vorbis", 12), (b"Speex   ", 36)):
        at = head.find(mark)
        if at >= 0:
            rate = int.from_bytes(head[at + offset : at + offset + 4], "little")
            return _milliseconds(granule, rate)
    return None


def _mp3(clip: Clip) -> int | None:
    """By the Xing/Info/VBRI frame count when there is one, else as constant bit rate from the first frame."""
    head, at = clip.head, _tag_bytes(clip.head)
    if at >= len(head):  # a cover picture larger than what is kept
        return _milliseconds(clip.size - at, 16_000) if at < clip.size else None
    while at + 4 <= len(head):
        frame = _frame(head, at)
        if frame is not None:
            bits_per_second, samples, rate = frame
            counted = _counted_frames(head[at : at + 200])
            if counted:
                return round(1000 * counted * samples / rate)
            return _milliseconds(clip.size - at, bits_per_second / 8)
        at += 1
    return None


def _tag_bytes(head: bytes) -> int:
    """Count the bytes of the ID3 tag at the beginning; 0 where there is none."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


def _counted_frames(frame: bytes) -> int:
    for mark, offset in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        at = frame.find(mark)
        if at >= 0 and (mark == b"VBRI" or (len(frame) > at + 7 and frame[at + 7] & 1)):
            return int.from_bytes(frame[at + offset : at + offset + 4])
    return 0


def _frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Bits per second, samples in a frame and sampling rate of a layer III frame header at that place."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, bits, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or bits in {0, 15} or rate == 3:
        return None
    table = _KBITS_1 if version == 3 else _KBITS_2
    return table[bits] * 1000, 1152 if version == 3 else 576, _RATES[version][rate]
