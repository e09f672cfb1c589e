"""What each edition would say to a recording, by the documents (doc 1354871, 1631584, 1840838, 80820; limits of 2026)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from volcasr_async.editions import HOUR_S, MB, AucV1, Edition, Flash, Idle, Standard
from volcasr_async.probe.facts import EMPTY, HOLDS, Probe

ADVISED_BYTES = 20 * MB
"""Doc 1631584: audio inside a request is best within 20 MB, by the uplink."""

_EDITIONS: tuple[type[Edition], ...] = (Standard, Idle, Flash, AucV1)
_OTHER_NAME = {"m4a": "mp4", "mp4": "m4a", "pcm": "raw"}
_PLAIN = frozenset({"pcm", "mp3", "opus", "speex", "amr-nb", "amr-wb", "aac"})


class Verdict(Struct, frozen=True, kw_only=True):
    """What an edition would say.

    `fits` is False where the documents exclude the recording; `reasons` say why, `cure` what to do. `warnings` are what
    they leave open or advise. `needs_link` where the edition takes links only; `inline_bytes` is the size in base64 where
    the audio itself is sent.
    """

    edition: str
    fits: bool
    reasons: tuple[str, ...] = ()
    cure: str | None = None
    warnings: tuple[str, ...] = ()
    needs_link: bool
    inline_bytes: int | None = None


def verdicts(probe: Probe) -> dict[str, Verdict]:
    """Judge a recording for each edition, by name: standard, idle, flash, v1."""
    return {kind.name: _verdict(probe, kind) for kind in _EDITIONS}


def _verdict(probe: Probe, kind: type[Edition]) -> Verdict:
    links = kind is not Flash
    found = list(_against(probe, kind))
    return Verdict(
        edition=kind.name,
        fits=not found,
        reasons=tuple(reason for reason, _ in found),
        cure="; ".join(dict.fromkeys(cure for _, cure in found)) or None,
        warnings=() if found else tuple(_doubts(probe, kind)),
        needs_link=links,
        inline_bytes=None if links else -(-probe.size // 3) * 4,
    )


def _against(probe: Probe, kind: type[Edition]) -> Iterator[tuple[str, str]]:
    """Yield each reason with its cure."""
    if not probe.size:
        yield EMPTY, "record it again"
        return
    if probe.foreign is not None:
        yield probe.problems[0], str(probe.cure)
        return
    if probe.damage is not None:
        yield probe.damage, str(probe.cure)
    if probe.container is not None and not _takes(kind, probe.container):
        yield f"{probe.container} is not taken", _conversion(probe, kind)
    if is_too_large(probe.size, kind):
        yield f"{probe.size / MB:.1f} MB are too much, {kind.largest_bytes // MB} MB are taken", _smaller(probe, kind)
    if probe.duration_s is not None and is_too_long(probe.duration_s, kind):
        hours = f"{kind.longest_audio_s / HOUR_S:.0f} h"
        yield f"{probe.duration_s / HOUR_S:.2f} h are too long, {hours} are taken", _shorter(probe, kind)


def is_too_large(size: int, kind: type[Edition] | Edition) -> bool:
    """Return whether the edition takes no recording of *size* bytes: flash says "at most", the others say "less than"."""
    return size > kind.largest_bytes if kind.name == Flash.name else size >= kind.largest_bytes


def is_too_long(seconds: float, kind: type[Edition] | Edition) -> bool:
    """Return whether the edition takes no recording of *seconds*: flash says "at most", the others say "less than"."""
    return seconds > kind.longest_audio_s if kind.name == Flash.name else seconds >= kind.longest_audio_s


def _takes(kind: type[Edition], container: str) -> bool:
    return container in kind.formats or (kind is not Flash and _OTHER_NAME.get(container) in kind.formats)


def _conversion(probe: Probe, kind: type[Edition]) -> str:
    cure = "convert it to OGG OPUS, MP3 or WAV"
    if kind is Flash and probe.container is not None and _takes(Standard, probe.container):
        return cure + ", or put it behind a link for standard"
    return cure


def _smaller(probe: Probe, kind: type[Edition]) -> str:
    if kind is Flash and probe.size < Standard.largest_bytes:
        return "compress it, say to OGG OPUS, or put it behind a link for standard"
    return "compress it, say to OGG OPUS, or cut it"


def _shorter(probe: Probe, kind: type[Edition]) -> str:
    if kind is Flash and probe.duration_s is not None and probe.duration_s < Standard.longest_audio_s:
        return "cut it, or put it behind a link for standard"
    return "cut it"


def _doubts(probe: Probe, kind: type[Edition]) -> Iterator[str]:
    """Yield what the documents leave open, or advise."""
    if kind is Flash and probe.size > ADVISED_BYTES:
        yield f"{probe.size / MB:.1f} MB is much inside a request: {ADVISED_BYTES // MB} MB at most are advised"
    yield from (warning for warning in probe.warnings if HOLDS not in warning)  # a wrong name harms nothing
    if probe.container is not None and probe.container not in kind.formats:
        yield f"{probe.container} is known by the name {_OTHER_NAME[probe.container]}: declare that"
    if probe.codec is not None and probe.codec not in _PLAIN:
        yield f"no document names {probe.codec} inside {probe.container}"
    if probe.codec == "pcm" and probe.bits not in (None, 16):
        yield f"its samples have {probe.bits} bits, the documents name 16 only"
    if probe.channels is not None and probe.channels > 2:
        yield f"it has {probe.channels} channels, the documents name 1 and 2 only"
    if probe.duration_s is None:
        yield f"its length is not known; {kind.longest_audio_s / HOUR_S:.0f} h are taken"
