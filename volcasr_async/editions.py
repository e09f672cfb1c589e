"""The four editions of the service: which one, and what it promises."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from msgspec import Struct
from msgspec.structs import force_setattr

from volcasr_async._checks import check_bool
from volcasr_async.containers import FLASH_FORMATS, V1_FORMATS, V3_FORMATS
from volcasr_async.errors import InputError
from volcasr_async.spelling import spell_resource

HOUR_S = 3600.0
KEEPS_S = 24 * HOUR_S
"""How long the service keeps a result (v1: doc 80820, 2024-08; standard and idle: reported, 2026-09)."""
MB = 1_000_000


class Standard(Struct, frozen=True, tag="standard", tag_field="name"):
    """Submit, then poll; a result within 3 h (doc 1354868, doc 2606791).

    `resource_id` is `volc.bigasr.auc` (model 1.0) or `volc.seedasr.auc` (model 2.0), as the console grants it.
    `inline_audio=True` insists on sending local audio inside the submit, which no document of this edition lists.
    """

    resource_id: str = "volc.bigasr.auc"
    inline_audio: bool = False

    name: ClassVar[str] = "standard"
    formats: ClassVar[frozenset[str]] = V3_FORMATS
    patience_s: ClassVar[float] = 3 * HOUR_S
    keeps_s: ClassVar[float] = KEEPS_S
    longest_gap_s: ClassVar[float] = 30.0
    largest_bytes: ClassVar[int] = 512 * MB
    longest_audio_s: ClassVar[float] = 5 * HOUR_S

    def __post_init__(self) -> None:
        force_setattr(self, "resource_id", _checked_name("Standard(resource_id)", self.resource_id))
        check_bool("Standard(inline_audio)", self.inline_audio)


class Idle(Struct, frozen=True, tag="idle", tag_field="name"):
    """Submit, then poll, served off-peak; a result within 24 h (doc 1840838, doc 2608618)."""

    resource_id: str = "volc.bigasr.auc_idle"

    name: ClassVar[str] = "idle"
    inline_audio: ClassVar[bool] = False
    formats: ClassVar[frozenset[str]] = V3_FORMATS
    patience_s: ClassVar[float] = 24 * HOUR_S
    keeps_s: ClassVar[float] = KEEPS_S
    longest_gap_s: ClassVar[float] = 300.0
    largest_bytes: ClassVar[int] = 512 * MB
    longest_audio_s: ClassVar[float] = 5 * HOUR_S

    def __post_init__(self) -> None:
        force_setattr(self, "resource_id", _checked_name("Idle(resource_id)", self.resource_id))


class Flash(Struct, frozen=True, tag="flash", tag_field="name"):
    """One request, one answer; by link or with the audio inside; 100 MB and 2 h at most (doc 1631584, doc 2608628)."""

    resource_id: str = "volc.bigasr.auc_turbo"

    name: ClassVar[str] = "flash"
    inline_audio: ClassVar[bool] = True
    formats: ClassVar[frozenset[str]] = FLASH_FORMATS
    patience_s: ClassVar[float] = 0.25 * HOUR_S  # about 10 s of work for 30 min of audio, after an upload of 100 MB
    keeps_s: ClassVar[float] = KEEPS_S
    longest_gap_s: ClassVar[float] = 30.0
    largest_bytes: ClassVar[int] = 100 * MB
    longest_audio_s: ClassVar[float] = 2 * HOUR_S

    def __post_init__(self) -> None:
        force_setattr(self, "resource_id", _checked_name("Flash(resource_id)", self.resource_id))


class AucV1(Struct, frozen=True, tag="v1", tag_field="name"):
    """The older service, submit then poll; `cluster` is what the console shows (doc 80820)."""

    cluster: str

    name: ClassVar[str] = "v1"
    inline_audio: ClassVar[bool] = False
    formats: ClassVar[frozenset[str]] = V1_FORMATS
    patience_s: ClassVar[float] = 3 * HOUR_S
    keeps_s: ClassVar[float] = KEEPS_S
    longest_gap_s: ClassVar[float] = 30.0
    largest_bytes: ClassVar[int] = 512 * MB
    longest_audio_s: ClassVar[float] = 5 * HOUR_S

    def __post_init__(self) -> None:
        force_setattr(self, "cluster", _checked_name("AucV1(cluster)", self.cluster))


Edition = Standard | Idle | Flash | AucV1
EditionName = Literal["standard", "idle", "flash", "v1"]
"""The name of an edition, which is accepted in place of its value. "v1" needs `VOLCASR_CLUSTER`."""
EDITION_NAMES: tuple[EditionName, ...] = get_args(EditionName)


def _checked_name(what: str, value: object) -> str:
    """Return a name that the console shows, as the documents spell it."""
    if not isinstance(value, str):
        raise InputError(f"{what} is {value!r}: give the name that the console shows", reason="usage")
    return spell_resource(value, what)
