"""AMR and bare AAC: frames one after another and no length anywhere, so it is told from the first of them."""

from __future__ import annotations

from volcasr_async.probe.facts import Header
from volcasr_async.probe.window import Window

_SAMPLE_BYTES = 1 << 16
_AMR_FRAME_S = 0.02
# Bytes of a frame with its first byte, by the type in that byte (RFC 4867); 0 for types that are not used.
_AMR_NB = (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1)
_AMR_WB = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1)
_AAC_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def read_amr(window: Window) -> Header | None:
    """Read AMR, narrow or wide; `None` where no frame follows the mark."""
    data = window.read_at(0, _SAMPLE_BYTES)
    codec, rate, begin, sizes = ("amr-nb", 8000, 6, _AMR_NB)
    if data.startswith(b"#!AMR-WB\n"):
        codec, rate, begin, sizes = ("amr-wb", 16000, 9, _AMR_WB)
    elif not data.startswith(b"#!AMR\n"):
        return None
    at, frames = begin, 0
    while at < len(data) and (size := sizes[data[at] >> 3 & 15]):
        at, frames = at + size, frames + 1
    if not frames:
        return None
    seconds = (window.size - begin) * frames * _AMR_FRAME_S / (at - begin)
    return Header(codec=codec, duration_s=seconds, channels=1, rate=rate)


def read_aac(window: Window, begin: int = 0) -> Header | None:
    """Read AAC in ADTS frames from *begin*; `None` where there is no whole frame header."""
    data = window.read_at(begin, _SAMPLE_BYTES)
    if data.startswith(b"ADIF"):  # one header for all frames, without their number
        return Header(codec="aac")
    at, blocks = 0, 0
    while at + 7 <= len(data) and data[at] == 0xFF and data[at + 1] & 0xF6 == 0xF0:
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if size < 7:
            break
        at, blocks = at + size, blocks + (data[at + 6] & 3) + 1
    index = data[2] >> 2 & 15 if blocks else 15
    if index >= len(_AAC_HZ):
        return None
    rate, channels = _AAC_HZ[index], (data[2] & 1) << 2 | data[3] >> 6
    seconds = (window.size - begin) * blocks * 1024 / rate / at
    return Header(codec="aac", duration_s=seconds, channels=channels or None, rate=rate)
