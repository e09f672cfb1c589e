"""Files of a list or a directory that are skipped because they are not recordings."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from pathlib import Path, PurePath
from typing import Protocol

from volcasr_async.cli.listing import Item
from volcasr_async.cli.words import counted
from volcasr_async.containers import by_magic, by_name
from volcasr_async.job import Job
from volcasr_async.journal import BESIDE
from volcasr_async.probe.signatures import SIGNATURE_BYTES, find_signature
from volcasr_async.sources import AudioFile

_EXAMPLES = 3
_MEDIA = frozenset(
    {".3gp", ".3gpp", ".aifc", ".asf", ".avi", ".awb", ".dts", ".f4v", ".flv", ".m2ts"}
    | {".m4r", ".m4v", ".mov", ".mp2", ".mpeg", ".mpg", ".mpga", ".mts", ".ogv", ".ogx", ".qcp", ".ra"}
    | {".rm", ".rmvb", ".silk", ".slk", ".ts", ".vob", ".wmv"}
)
"""Suffixes of recordings and videos that `containers` does not know."""
_ALSO_TEXT = frozenset({".mts", ".ts", ".slk", ".ra"})
"""Suffixes that other programs use for text, such as TypeScript."""
_OF_SYSTEMS = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})
_BESIDE_DATABASE = re.compile(rf".+\.(?:db|sqlite3?)(?:{'|'.join(BESIDE)})+")
_SQLITE = b"SQLite format 3\0"
_NOUNS = {
    "image": ("image", "images"),
    "document": ("document", "documents"),
    "text": ("text", "texts"),
    "archive": ("archive", "archives"),
    "program": ("program", "programs"),
    "database": ("database", "databases"),
    "playlist": ("playlist", "playlists"),
    "video": ("video", "videos"),
    "voice": ("voice message", "voice messages"),
    "zeros": ("file of zero bytes", "files of zero bytes"),
    "empty": ("empty file", "empty files"),
    "hidden": ("hidden file", "hidden files"),
    "system": ("file of the system", "files of the system"),
    "special": ("pipe or device", "pipes and devices"),
    "directory": ("directory", "directories"),
}


class Skipped:
    """Counts of the files that one run skipped, by kind, with the first names of each kind."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._names: dict[str, list[str]] = {}

    @property
    def count(self) -> int:
        """The number of skipped files and directories."""
        return self._counts.total()

    @property
    def directories(self) -> int:
        """The number of skipped directories."""
        return self._counts["directory"]

    def add(self, path: str | PurePath, kind: str) -> None:
        """Count a file of *kind*, a `Signature.kind` or one of "empty", "hidden", "special", "directory"."""
        self._counts[kind] += 1
        names = self._names.setdefault(kind, [])
        if len(names) < _EXAMPLES:
            names.append(PurePath(path).name or str(path))

    def sentence(self) -> str:
        """Return the counts as a sentence with a few names, empty if nothing was skipped."""
        if not self.count:
            return ""
        kinds = sorted(self._counts, key=lambda kind: (-self._counts[kind], list(_NOUNS).index(kind)))
        parts = ", ".join(counted(self._counts[kind], *_NOUNS[kind]) for kind in kinds)
        names = [name for kind in _NOUNS for name in self._names.get(kind, ())][:_EXAMPLES]
        more = self.count - len(names)
        examples = ", ".join(names) + (f", and {more:,} more" if more else "")
        one, more_than_one = ("a recording", "recordings") if self.directories else ("audio", "audio")
        what = f"that is not {one}" if self.count == 1 else f"that are not {more_than_one}"
        return f"{self.count:,} {what}: {parts} ({examples})"


class Items(Protocol):
    """A source of the items of a batch."""

    @property
    def usual_format(self) -> str | None:
        """The container that the flags give for each item."""
        ...

    def items(self) -> Iterator[Item] | AsyncGenerator[Item, None]:
        """Yield the items."""
        ...

    def count(self) -> int | None:
        """Return the number of items, where it can be known before they are read."""
        ...

    def is_file(self, path: Path) -> bool:
        """Return whether the items are read from the file *path*."""
        ...

    def remarks(self, *, is_empty: bool, directories: int) -> list[tuple[str, str]]:
        """Return what the summary says about the source, as pairs of a title and a text.

        *is_empty* tells that no item was read, *directories* how many directories were skipped.
        """
        ...


async def without_others(items: Items, skipped: Skipped) -> AsyncGenerator[Item, None]:
    """Yield *items* without the local files that are skipped.

    A file is opened only if its name is not that of a recording. This happens in a thread, when its turn has come.
    """
    found, usual_format = items.items(), items.usual_format
    async with aclosing(_asynchronous(found) if isinstance(found, Iterator) else found) as each:
        async for item in each:
            if not await _skips(item, skipped, usual_format):
                yield item


async def _asynchronous(items: Iterator[Item]) -> AsyncGenerator[Item, None]:
    for item in items:
        yield item


async def _skips(item: Item, skipped: Skipped, usual_format: str | None) -> bool:
    import anyio.to_thread

    source = item.source if isinstance(item, Job) else item
    if not isinstance(source, AudioFile):
        return False
    kind = kind_by_name(source.path.name)
    if kind is None and not _claims_audio(source, usual_format):
        kind = await anyio.to_thread.run_sync(_kind_inside, source, abandon_on_cancel=True)
    if kind is not None:
        skipped.add(source.path, kind)
    return kind is not None


def kind_by_name(name: str) -> str | None:
    """Return the kind of a file that is skipped by its name: hidden, of the system, or a part of a database."""
    if name.startswith("."):
        return "hidden"
    if name.lower() in _OF_SYSTEMS:
        return "system"
    return "database" if _BESIDE_DATABASE.fullmatch(name) else None


def _claims_audio(source: AudioFile, usual_format: str | None) -> bool:
    """Return whether the suffix, or the format in the line, says that the file is a recording. If not audio, it is a failure."""
    if source.format != usual_format:
        return True
    suffix = source.path.suffix.lower()
    return by_name(source.path.name) is not None or (suffix in _MEDIA and suffix not in _ALSO_TEXT)


def _kind_inside(source: AudioFile) -> str | None:
    """Return the kind of a known file that is not audio; `None` for audio, unknown and unreadable files."""
    try:
        mode = source.path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
            return "directory" if stat.S_ISDIR(mode) else "special"
        head = _head(source.path)
    except (OSError, ValueError):
        return None
    if not head:
        return "empty"
    signature = find_signature(head)
    if signature is None and by_magic(head) is None and _is_beside_database(source.path):
        return "database"
    if signature is None or (signature.kind == "zeros" and source.format is not None):  # raw samples may begin so
        return None
    if source.path.suffix.lower() in _ALSO_TEXT and signature.kind != "text":
        return None
    return signature.kind


def _is_beside_database(path: Path) -> bool:
    """Return whether the file belongs to an SQLite database, of any name, in the same directory."""
    name = path.name
    while (end := next((end for end in BESIDE if name.endswith(end)), None)) and name != end:
        name = name.removesuffix(end)
        with suppress(OSError):
            beside = path.with_name(name)
            if beside.is_file() and _head(beside).startswith(_SQLITE):
                return True
    return False


def _head(path: Path) -> bytes:
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        return os.read(number, SIGNATURE_BYTES)
    finally:
        os.close(number)
