"""Damage that makes a recording not worth sending."""

from __future__ import annotations

from volcasr_async.containers import tag_bytes
from volcasr_async.probe.atoms import read_atoms
from volcasr_async.probe.facts import Damage, Header, broken
from volcasr_async.probe.mpeg import read_mpeg
from volcasr_async.probe.window import Exhausted, Window

MOST_MISSING = 0.02
"""The share of the promised audio that may be missing: writers differ by a chunk or two."""

_AGAIN = "Download or copy it again"
_EXPORT = "Open it in a player, and export or convert it again"
_OWN = frozenset({"wav", "ogg", "spx", "amr"})
"""Containers whose headers are read here, so that an unreadable one is not for lack of an extra.

AAC is none of them: a recording of a broadcast begins within a frame, or is in LOAS.
"""


def find_damage(window: Window, container: str, header: Header | None) -> Damage | None:
    """Return what makes a recording in *container* not worth sending; *header* is what could be read of it."""
    try:
        match container:
            case "mp3":
                return _damage_of_mp3(window, header)
            case "m4a" | "mp4":
                return _damage_of_mp4(window)
            case _ if header is not None:
                return _damage_told(window, container, header)
            case _:
                return Damage(broken(container), _EXPORT) if container in _OWN and window.is_whole else None
    except Exhausted:
        return None


def _damage_told(window: Window, container: str, header: Header) -> Damage | None:
    if header.wrapped is not None:
        return Damage(
            f"it is {header.wrapped.upper()} inside a {container.upper()}",
            f"Copy the {header.wrapped.upper()} out of it, for example with ffmpeg -i in.wav -c copy out.{header.wrapped}",
        )
    if header.duration_s == 0 and window.is_whole:
        return Damage(f"it has a header ({container}) and no audio", "Record or download it again")
    if header.missing > MOST_MISSING:
        said = (problem for problem in header.problems if "cut off" in problem)
        return Damage(next(said, f"it has a header ({container}) and no audio"), _AGAIN)
    return None


def _damage_of_mp3(window: Window, header: Header | None) -> Damage | None:
    if window.size <= tag_bytes(window.read_at(0, 10)):
        return Damage("it has an ID3 tag and no audio", "Record or download it again")
    found = read_mpeg(window)
    if found is None:
        return Damage(broken("mp3"), _EXPORT) if header is None and window.is_whole else None
    if found.promised is None:
        return None
    missing = found.begin + found.promised - window.size
    if missing <= MOST_MISSING * found.promised:
        return None
    return Damage(f"it is cut off: {missing} of {found.promised} bytes of audio are missing", _AGAIN)


def _damage_of_mp4(window: Window) -> Damage | None:
    if not window.is_whole:
        return None
    atoms = read_atoms(window)
    if not atoms.has_index:
        return Damage("it has no index (moov), so nothing in it can be found: it is cut off", _AGAIN)
    if atoms.missing > MOST_MISSING * window.size:
        return Damage(f"it is cut off: at least {atoms.missing} bytes are missing", _AGAIN)
    return None
