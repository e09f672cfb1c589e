"""What tinytag (extra `[probe]`) knows of the containers that we do not read ourselves: MP3, M4A, FLAC, WMA, AIFF."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, BinaryIO, cast

from volcasr_async.errors import ConfigurationError
from volcasr_async.probe.atoms import read_atoms
from volcasr_async.probe.facts import LONGEST_S, MOST_BITS, MOST_CHANNELS, MOST_HZ, Header, believable
from volcasr_async.probe.window import Window

if TYPE_CHECKING:
    from tinytag import TinyTag

_ATOMIC = frozenset({"m4a", "mp4"})
_CODECS = {"mp4a.40": "aac", "alac": "alac"}


def read_tags(window: Window, container: str) -> Header | None:
    """Read what tinytag finds; `None` where that is nothing. `ConfigurationError` where the extra is missing."""
    try:
        from tinytag import TinyTag, TinyTagException
    except ImportError:
        raise ConfigurationError(
            f'looking into {container} needs the extra [probe]: pip install "volcasr-async[probe]"'
        ) from None
    window.seek(0)
    try:
        # It reads, seeks and tells, and nothing else.
        tag = TinyTag.get(file_obj=cast("BinaryIO", window), tags=False)
    except TinyTagException:
        tag = TinyTag()
    if container in _ATOMIC:
        return _mp4(window, tag)
    if not tag.samplerate:
        return None
    return Header(
        codec="pcm" if container == "aiff" else container,
        duration_s=_seconds(tag.duration),
        channels=believable(tag.channels, MOST_CHANNELS),
        rate=believable(tag.samplerate, MOST_HZ),
        bits=believable(tag.bitdepth, MOST_BITS),
    )


def _mp4(window: Window, tag: TinyTag) -> Header | None:
    """Read an MP4; without its index, which may stand at its end, it is none."""
    if not read_atoms(window).has_index:
        return None
    mime = (tag.mime_type or "").lower()
    return Header(
        codec=next((name for mark, name in _CODECS.items() if mark in mime), None),
        duration_s=_seconds(tag.duration),
        rate=believable(tag.samplerate, MOST_HZ),
        # No channels: the field says 2 whatever is inside (ISO 14496-12 calls it a template).
    )


def _seconds(found: float | None) -> float | None:
    """Believe a length; what was streamed has 0 there (FLAC, fragmented MP4)."""
    return float(found) if found is not None and math.isfinite(found) and 0 < found < LONGEST_S else None
