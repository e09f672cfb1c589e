"""The recordings of a directory, sorted by name."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from msgspec import Struct

from volcasr_async.cli.console import WRONG_USAGE, CommandError, plain
from volcasr_async.cli.formats import SUFFIXES
from volcasr_async.cli.listing import BadLine, Defaults, Item, Listed
from volcasr_async.cli.skipping import Skipped, kind_by_name
from volcasr_async.cli.words import counted
from volcasr_async.errors import InputError
from volcasr_async.journal import BESIDE
from volcasr_async.sources import AudioFile

_BESIDE = re.compile(f"(?:{'|'.join(BESIDE)})*")
"""What the names of files beside a journal end with; a recording may begin like the journal."""
_RESULT = re.compile(rf".*-[0-9a-f]{{16}}\.(?:{'|'.join(map(re.escape, sorted(SUFFIXES)))})")
"""The file name of a result of a batch."""


class _Folder(Struct):
    """The sorted names in one directory."""

    files: list[str]
    folders: list[str]
    hidden: list[str]
    special: list[str]
    left_out: list[str]
    """Directories that are not searched: hidden ones, and symbolic links."""


class Directory:
    """The files of a directory, as the list of a batch.

    Files of the batch are left out and not counted. They are *own*, or beside one of these, or results in *output*.
    Symbolic links to directories are not followed, so loops of links are harmless.
    """

    def __init__(
        self,
        name: str,
        defaults: Defaults,
        bad: Callable[[BadLine], None],
        skipped: Skipped,
        *,
        recursive: bool,
        output: Path | None,
        own: Sequence[Path],
    ) -> None:
        self.name = name
        self._defaults, self._bad, self._skipped, self._recursive = defaults, bad, skipped, recursive
        self._root = Path(name)
        self._output = os.path.realpath(output) if output is not None else None
        self._own = tuple(os.path.realpath(path) for path in own)
        self._unsearched = 0
        try:
            os.scandir(self._root).close()
        except OSError as error:
            message = f"the directory {name} cannot be read: {error.strerror or error}"
            raise CommandError(message, status=WRONG_USAGE) from error

    @property
    def usual_format(self) -> str | None:
        """The container that the flags give for each file."""
        return self._defaults.audio.audio_format

    def is_file(self, path: Path) -> bool:  # noqa: ARG002 - a list may be one
        """Return false, because a directory is not a file."""
        return False

    def close(self) -> None:
        """Do nothing, because no file stays open."""

    def remarks(self, *, is_empty: bool, directories: int) -> list[tuple[str, str]]:  # noqa: ARG002 - for lists
        """Return what the summary says about the directory, as pairs of a title and a text.

        *is_empty* tells that no item was read.
        """
        remarks = []
        if is_empty:
            remarks.append(("empty: ", f"there is no recording in {plain(self.name)}"))
        if self._unsearched:
            number = counted(self._unsearched, "directory", "directories")
            remarks.append(("not searched: ", f"{number} in {plain(self.name)}; --recursive searches them"))
        return remarks

    def count(self) -> int:
        """Count the items of `items`."""
        waiting, total = [self._root], 0
        while waiting:
            path = waiting.pop()
            try:
                found = self._scan(path)
            except OSError:
                continue
            total += len(found.files)
            waiting += [path / name for name in found.folders] if self._recursive else []
        return total

    async def items(self) -> AsyncGenerator[Item, None]:
        """Yield the recordings: first the files of a directory, then those of its subdirectories."""
        import anyio.to_thread

        waiting = [self._root]
        while waiting:
            path = waiting.pop()
            try:
                found = await anyio.to_thread.run_sync(self._scan, path)
            except OSError as error:
                self._bad(BadLine(Listed(source=str(path), key=str(path)), _unreadable(path, error)))
                continue
            self._note(path, found)
            for name in found.files:
                yield self._item(path / name)
            if self._recursive:
                waiting += [path / name for name in reversed(found.folders)]
            else:
                self._unsearched += len(found.folders)

    def _item(self, path: Path) -> Item:
        source = AudioFile(path=path, **self._defaults.audio.fields)
        return self._defaults.job.job(source) if self._defaults.job.fields else source

    def _note(self, path: Path, found: _Folder) -> None:
        for kind, names in (("special", found.special), ("directory", found.left_out)):
            for name in names:
                self._skipped.add(path / name, kind)
        for name in found.hidden:
            self._skipped.add(path / name, kind_by_name(name) or "hidden")

    def _scan(self, path: Path) -> _Folder:
        found, real = _Folder([], [], [], [], []), os.path.realpath(path)
        with os.scandir(path) as entries:
            for entry in entries:
                self._place(entry, real, found)
        for names in (found.files, found.folders, found.hidden):
            names.sort()
        return found

    def _is_own(self, path: str) -> bool:
        """Return whether a path is the journal, one of the files beside it, or the failures file."""
        return any(path.startswith(own) and _BESIDE.fullmatch(path, len(own)) for own in self._own)

    def _place(self, entry: os.DirEntry[str], real: str, found: _Folder) -> None:
        path = os.path.join(real, entry.name)  # noqa: PTH118 - a Path for each of a hundred thousand takes a second
        if entry.is_dir(follow_symlinks=False):
            if entry.name.startswith("."):
                found.left_out.append(entry.name)
            elif path != self._output:
                found.folders.append(entry.name)
        elif self._is_own(path) or (real == self._output and _RESULT.fullmatch(entry.name)):
            return  # its journal, its failures file, or a result of an earlier run
        elif kind_by_name(entry.name) is not None:
            found.hidden.append(entry.name)
        elif entry.is_dir():
            found.left_out.append(entry.name)
        elif entry.is_file() or entry.is_symlink():  # a dangling link becomes a failure when it is opened
            found.files.append(entry.name)
        else:
            found.special.append(entry.name)


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"the directory {path} cannot be read: {error.strerror or error}")
