"""What the request says about local audio: the wire's `format, codec, rate, bits, channel` (doc 2606791, 4.2)."""

from __future__ import annotations

from msgspec.structs import replace

from volcasr_async.probe.facts import Header, Probe
from volcasr_async.sources import Local

_ONLY_BITS = 16  # the table's only value
_CHANNELS = (1, 2)
_FULLEST_HZ = 192_000


def described(source: Local, container: str | None, header: Header | Probe | None) -> Local:
    """Declare what the recording says about itself, where the caller said nothing; the caller's word is last."""
    found = {"format": container, **_fields(container, header)}
    unsaid = {name: value for name, value in found.items() if value is not None and getattr(source, name) is None}
    return replace(source, **unsaid) if unsaid else source


def _fields(container: str | None, header: Header | Probe | None) -> dict[str, str | int | None]:
    """Take what the header says and the service's table knows, and nothing else.

    The service's defaults are raw samples, 16000 Hz, 16 bits, mono: an 8 kHz stereo WAV, or Opus, has to say so. Compressed
    audio gets no rate: its decoder knows it, and Opus has none.
    """
    if header is None:
        return {}
    channel = header.channels if header.channels in _CHANNELS else None
    if container == "wav" and header.codec == "pcm":
        rate = header.rate if header.rate is not None and header.rate <= _FULLEST_HZ else None
        return {"rate": rate, "bits": header.bits if header.bits == _ONLY_BITS else None, "channel": channel}
    if container == "ogg" and header.codec == "opus":
        return {"codec": "opus", "channel": channel}
    return {}
