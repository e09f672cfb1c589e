"""A file seen through a window: whatever its headers claim, no more than so much is read or allocated."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from volcasr_async._file_objects import BinaryFile
from volcasr_async.errors import InputError

_MOST_BYTES = 4 << 20
_MOST_STEPS = 50_000


class Exhausted(Exception):
    """The window allows no more: the headers lead nowhere."""


class Window:
    """Reads, seeks and tells like a file; asks for no more bytes than there are, and raises `Exhausted` at its end.

    A plain file allocates what it is asked for, and a header of four bytes can ask for 4 GB. `is_whole` is False where only
    the first bytes can be read, although `size` counts all of them.
    """

    def __init__(self, file: BinaryFile, *, most_bytes: int = _MOST_BYTES, most_steps: int = _MOST_STEPS) -> None:
        self._file = file
        self.size: int = file.seek(0, os.SEEK_END)
        self.is_whole = True
        self._at = 0
        self._bytes_left, self._steps_left = most_bytes, most_steps

    @classmethod
    def of_head(cls, head: bytes, size: int) -> Self:
        """Look at *head*, the first bytes of a stream that will have *size* bytes."""
        window = cls(io.BytesIO(head))
        window.is_whole = size <= len(head)
        window.size = size
        return window

    def read(self, count: int = -1) -> bytes:
        """Read up to *count* bytes, fewer at the end."""
        there = max(self.size - self._at, 0)
        count = there if count < 0 else min(count, there)
        self._steps_left -= 1
        self._bytes_left -= count
        if self._steps_left < 0 or self._bytes_left < 0:
            raise Exhausted
        self._file.seek(self._at)
        data = self._file.read(count)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere within the file; costs nothing before something is read there."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(min(base + offset, self.size), 0)
        return self._at

    def tell(self) -> int:
        """Tell where the next byte is read."""
        return self._at

    def read_at(self, offset: int, count: int) -> bytes:
        """Read up to *count* bytes from *offset*."""
        self.seek(offset)
        return self.read(count)


@contextmanager
def opened(path: Path) -> Generator[BinaryIO]:
    """Open a regular file; `InputError` for anything else, and for what the system refuses while it is read."""
    try:
        _check_regular(path)
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", reason="missing") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", reason="unreadable") from error


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise InputError(f"{str(path)!r} is no path: {error}", reason="value") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} is a directory; name the files in it", reason="directory")
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path} is no regular file, so its size is not known: read it and pass AudioStream or bytes",
            reason="unreadable",
        )
