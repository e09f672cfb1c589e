"""What is known of a recording."""

from __future__ import annotations

from msgspec import Struct


class Header(Struct, frozen=True, kw_only=True):
    """What a recording says about itself; `None` where it says nothing that can be believed."""

    codec: str | None = None
    duration_s: float | None = None
    channels: int | None = None
    rate: int | None = None
    bits: int | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Those of the problems that a caller should know before it is sent."""
    missing: float = 0.0
    """The share of the promised audio that is not there, 0 to 1."""
    wrapped: str | None = None
    """The format of the whole recording that is inside, where the outer header stands for samples."""


class Damage(Struct, frozen=True):
    """Why a recording is not worth sending, and what to do."""

    what: str
    cure: str


class Probe(Struct, frozen=True, kw_only=True):
    """What a look at a recording found.

    `size` in bytes, `duration_s` in seconds, `rate` in Hz, `bits` per sample, `bitrate` in bits per second over the whole
    file. `container` is the service's name for it ("wav", "mp3", "ogg", "m4a", ...), `codec` what is inside ("pcm", "opus",
    "vorbis", "aac", ...). `problems` are sentences about what is odd. What is not known is `None`.
    """

    name: str
    size: int
    container: str | None = None
    codec: str | None = None
    duration_s: float | None = None
    channels: int | None = None
    rate: int | None = None
    bits: int | None = None
    bitrate: int | None = None
    foreign: str | None = None
    """What it is, where it is known and no audio: "a JPEG image", "an HTML page". It is never sent."""
    damage: str | None = None
    """Why it is not sent unless its `format` is declared: it is cut off, has no samples, or its header cannot be read."""
    cure: str | None = None
    """What to do about `foreign` or `damage`."""
    is_text: bool = False
    """Whether it is text and no audio."""
    is_broken: bool = False
    """Whether it bears the name or mark of a container whose header cannot be read."""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Those of the problems that are logged as a warning when it is sent."""


EMPTY = "it is empty"
HOLDS = " but holds "
"""What every sentence about a wrong name or format contains."""


def sentence(text: str) -> str:
    """End *text* with one full stop; a quotation in it may have brought its own."""
    return text if text.endswith((".", "!", "?", "。")) else text + "."


def broken(container: str | None) -> str:
    """Say that a container's header cannot be read."""
    return f"its {container} header cannot be read: it is broken, cut off or something else"


def believable(value: float | None, most: int) -> int | None:
    """Keep a number that a recording can have; headers may say anything."""
    return int(value) if value is not None and 1 <= value <= most else None


MOST_HZ = 1_000_000
MOST_CHANNELS = 64
MOST_BITS = 64
LONGEST_S = 1e7
"""Four months: what lasts longer has a broken header."""
