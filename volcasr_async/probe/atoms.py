"""The outermost atoms of an MP4."""

from __future__ import annotations

from msgspec import Struct

from volcasr_async.probe.window import Window

_MOST_ATOMS = 200
_KNOWN = frozenset(
    {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"free", b"skip", b"wide", b"uuid", b"meta", b"sidx"}
    | {b"udta", b"pnot", b"pdin"}
)


class Atoms(Struct, frozen=True):
    """The names of the outermost atoms that are whole, and how many bytes are missing from the last one."""

    names: frozenset[bytes]
    missing: int = 0

    @property
    def has_index(self) -> bool:
        """Whether the index is there: without it, nothing inside can be found."""
        return b"moov" in self.names


def read_atoms(window: Window) -> Atoms:
    """Walk over the outermost atoms of an MP4."""
    names: set[bytes] = set()
    at = 0
    for _ in range(_MOST_ATOMS):
        head = window.read_at(at, 16)
        size = int.from_bytes(head[:4], "big")
        if size == 0 and len(head) >= 8:  # it goes on to the end
            size = window.size - at
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if len(head) < 8 or size < 8:  # the end
            break
        at += size
        if at > window.size and head[4:8] not in _KNOWN:
            break  # not an atom: a tag of another format was written behind the last one
        if at > window.size:
            return Atoms(frozenset(names), at - window.size)
        names.add(head[4:8])
    return Atoms(frozenset(names))
