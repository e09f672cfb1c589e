"""Which container a recording is in, by its first bytes and by its name."""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import urlsplit

HEAD_BYTES = 64
"""How many of the first bytes `by_magic` wants to see."""

SUFFIXES = {
    ".wav": "wav", ".wave": "wav", ".mp3": "mp3", ".ogg": "ogg", ".oga": "ogg", ".opus": "ogg", ".pcm": "pcm",
    ".raw": "raw", ".spx": "spx", ".amr": "amr", ".aac": "aac", ".m4a": "m4a", ".mp4": "mp4", ".flac": "flac",
    ".webm": "webm", ".weba": "webm", ".wma": "wma", ".aif": "aiff", ".aiff": "aiff", ".caf": "caf", ".m4b": "m4a",
    ".mka": "mkv", ".mkv": "mkv", ".au": "au", ".snd": "au", ".ape": "ape", ".ac3": "ac3", ".eac3": "ac3", ".dsf": "dsf",
    ".dff": "dff", ".wv": "wv", ".tta": "tta", ".voc": "voc", ".w64": "w64", ".mid": "midi", ".midi": "midi", ".sph": "sph",
}  # fmt: skip
"""Containers by suffix. Names are the service's own where it has one (`audio.format`), else the usual one."""

# What the service's tables list for `audio.format` (doc 2606791, 2026-09), and `raw` from doc 1354868.
V3_FORMATS = frozenset({"raw", "wav", "mp3", "ogg", "pcm", "spx", "amr", "aac", "m4a"})
# doc 1631584: PCM, WAV, MP3, OGG OPUS. doc 2608628 lists more values; m4a, flac and webm are reported to fail.
FLASH_FORMATS = frozenset({"raw", "wav", "mp3", "ogg", "pcm"})
V1_FORMATS = frozenset({"raw", "wav", "ogg", "mp3", "mp4"})  # doc 80820

_MARKS = {
    b"fLaC": "flac",
    b"#!AMR": "amr",
    b"\x1a\x45\xdf\xa3": "webm",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "wma",  # any ASF
    b"caff": "caf",
    b".snd": "au",
    b"MAC ": "ape",
    b"DSD ": "dsf",
    b"FRM8": "dff",
    b"wvpk": "wv",
    b"TTA1": "tta",
    b"Creative Voice File": "voc",
    b"riff\x2e\x91\xcf\x11": "w64",
    b"MThd": "midi",
    b".SoX": "sox",
    b"NIST_1A\n": "sph",
    b"ADIF": "aac",
}


def by_magic(head: bytes) -> str | None:
    """Name the container that *head*, the first bytes of a recording, begins; `None` where they tell nothing."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"OggS":
        return "spx" if b"Speex   " in head else "ogg"
    if head[4:8] == b"ftyp":
        return "m4a" if head[8:11] in (b"M4A", b"M4B") else "mp4"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:4] == b"\x1a\x45\xdf\xa3" and b"matroska" in head:
        return "mkv"
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), None) or _mpeg(head) or _ac3(head)


def by_name(name: str) -> str | None:
    """Name the container that a path or URL ends with; `None` where it tells nothing."""
    try:
        path = urlsplit(name).path if "://" in name else name
    except ValueError:  # a file may be named like a link that cannot be one: a://[b.wav
        path = name
    return SUFFIXES.get(PurePath(path).suffix.lower())


def contradict(inside: str | None, outside: str | None) -> bool:
    """Tell whether what the bytes say and what the name says cannot both be true."""
    return bool(inside and outside) and inside != outside and {inside, outside} != {"m4a", "mp4"}


def tag_bytes(head: bytes) -> int:
    """Count the bytes of the ID3 tag that *head* begins: audio of any kind may follow one. 0 where there is none."""
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _ac3(head: bytes) -> str | None:
    """AC-3 and E-AC-3 share a sync word of two bytes; the fields behind it have values that are not used."""
    if head[:2] != b"\x0b\x77" or len(head) < 6 or not 8 <= head[5] >> 3 <= 16:
        return None
    is_extended = head[5] >> 3 > 10
    return "ac3" if is_extended or (head[4] >> 6 != 3 and head[4] & 0x3F < 38) else None


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
