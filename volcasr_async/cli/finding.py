"""What `volcasr doctor` found out about one thing."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

State = Literal["ok", "note", "failed"]


class Finding(Struct, frozen=True, omit_defaults=True):
    """What was looked at, how it stands, and what to do about it.

    A note is worth knowing and stands in nobody's way; what has failed does.
    """

    check: str
    state: State
    said: str
    cure: str = ""
