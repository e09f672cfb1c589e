"""The frames of an MP3, as far as they tell damage: whether there are any, and how many bytes the first one promises."""

from __future__ import annotations

from msgspec import Struct

from volcasr_async.containers import tag_bytes
from volcasr_async.probe.window import Window

_SCANNED_BYTES = 1 << 18
_ROW = 3
"""Frames in a row that samples or other bytes do not form by chance."""

# Kilobits per second by the index in the header: MPEG-1 and MPEG-2 (ISO 11172-3, 13818-3), layers III and II.
_KBPS = {
    (3, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (3, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (2, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HZ = (44100, 48000, 32000)
_DIVISORS = {3: 1, 2: 2, 0: 4}  # by version: MPEG-1, 2, 2.5


class MpegAudio(Struct, frozen=True):
    """Where the first frame begins, and how many bytes of audio its header promises, where it does."""

    begin: int
    promised: int | None = None


def read_mpeg(window: Window) -> MpegAudio | None:
    """Find the first frames of an MP3, behind its tag; `None` where there are none in the first 256 KiB."""
    begin = 0
    while begin < window.size and (size := tag_bytes(window.read_at(begin, 10))):  # editors write a second one in front
        begin += size
    at = find_frames(window.read_at(begin, _SCANNED_BYTES))
    if at is None:
        return None
    return MpegAudio(begin + at, _promised(window.read_at(begin + at, 200)))


def begins_with_frames(data: bytes) -> bool:
    """Return whether *data* begins with whole frames in a row."""
    at = 0
    for _ in range(_ROW):
        size = _frame_bytes(data[at : at + 4])
        if size is None:
            return False
        at += size
    return at <= len(data)


def find_frames(data: bytes) -> int | None:
    """Return the offset of the first three frames in a row, or of fewer that reach the end; `None` where there are none."""
    at = data.find(b"\xff")
    while at >= 0:
        if _is_row(data, at):
            return at
        at = data.find(b"\xff", at + 1)
    return None


def _is_row(data: bytes, at: int) -> bool:
    for _ in range(_ROW):
        size = _frame_bytes(data[at : at + 4])
        if size is None:
            return False
        at += size
        if at >= len(data) - 4:
            return True
    return True


def _frame_bytes(head: bytes) -> int | None:
    """Count the bytes of a frame of layer III or II; `None` for what is no header of one."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate, padding = head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer not in (1, 2) or rate == 3 or head[2] >> 4 in (0, 15):
        return None
    bits_per_s = _KBPS[3 if version == 3 else 2, layer][head[2] >> 4] * 1000
    samples = 576 if layer == 1 and version != 3 else 1152
    return samples // 8 * bits_per_s // (_HZ[rate] // _DIVISORS[version]) + padding


def _promised(frame: bytes) -> int | None:
    """Read the length in bytes that an encoder writes into the first frame (Xing, Info or VBRI)."""
    for mark in (b"Xing", b"Info"):
        at = frame.find(mark, 4, 48)
        if at >= 0:
            flags = int.from_bytes(frame[at + 4 : at + 8], "big")
            size_at = at + 8 + (4 if flags & 1 else 0)
            size = int.from_bytes(frame[size_at : size_at + 4], "big")
            return size if flags & 2 and size else None
    at = frame.find(b"VBRI", 36, 40)
    return int.from_bytes(frame[at + 10 : at + 14], "big") or None if at >= 0 else None
