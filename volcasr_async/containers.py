"""Which container a recording is in, by its first bytes and by its name."""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import urlsplit

HEAD_BYTES = 64
"""How many of the first bytes `by_magic` wants to see."""

# Names are the service's own where it has one (`audio.format`), else the usual one.
_SUFFIXES = {
    ".wav": "wav", ".wave": "wav", ".mp3": "mp3", ".ogg": "ogg", ".oga": "ogg", ".opus": "ogg", ".pcm": "pcm",
    ".raw": "raw", ".spx": "spx", ".amr": "amr", ".aac": "aac", ".m4a": "m4a", ".mp4": "mp4", ".flac": "flac",
    ".webm": "webm", ".wma": "wma",
}  # fmt: skip


def by_magic(head: bytes) -> str | None:
    """Name the container that *head*, the first bytes of a recording, begins; `None` where they tell nothing."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"OggS":
        return "spx" if b"Speex   " in head else "ogg"
    if head[4:8] == b"ftyp":
        return "m4a" if head[8:11] in (b"M4A", b"M4B") else "mp4"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:5] == b"#!AMR":
        return "amr"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    return _mpeg(head)


def by_name(name: str) -> str | None:
    """Name the container that a path or URL ends with; `None` where it tells nothing."""
    path = urlsplit(name).path if "://" in name else name
    return _SUFFIXES.get(PurePath(path).suffix.lower())


def _mpeg(head: bytes) -> str | None:
    """MP3 and AAC share the sync word; two bits, the layer, tell them apart (0 is AAC's ADTS).

    Reserved values are looked at as well: bare PCM may begin with the same bytes, and so does UTF-16 text.
    """
    if head[:3] == b"ID3":
        return "mp3"
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return "aac" if version >= 2 and head[2] >> 2 & 15 <= 12 else None
    bit_rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    return "mp3" if version != 1 and layer != 3 and bit_rate not in (0, 15) and sample_rate != 3 else None
