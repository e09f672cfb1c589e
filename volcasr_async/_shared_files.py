"""Reading file objects of the caller in threads. Several jobs may read the same object at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakValueDictionary

import anyio.to_thread

from volcasr_async._file_objects import BinaryFile, binary_file
from volcasr_async._loops import listen_for_forks
from volcasr_async.errors import InputError
from volcasr_async.protocol.envelope import PIECE_BYTES
from volcasr_async.sources import AudioFileObject

_BLOCK_BYTES = 3 * PIECE_BYTES


class _Locked:
    """A file object and the lock under which it is moved and read."""

    def __init__(self, file: BinaryFile) -> None:
        self.file = file
        self.lock = threading.Lock()


class _Registry:
    """Finds the lock of a file object, for as long as one of its readers exists.

    Jobs that were given the same object must share a lock: a position that one of them sets is moved by the other.
    """

    def __init__(self) -> None:
        self.after_fork()
        listen_for_forks(self)

    def after_fork(self) -> None:
        """Begin with no locks. Threads of the parent process may have held them during the fork."""
        self._guard = threading.Lock()
        self._known: WeakValueDictionary[int, _Locked] = WeakValueDictionary()

    def locked(self, file: BinaryFile) -> _Locked:
        """Return the entry of *file*; the entry keeps the object, so no other one can have its id."""
        with self._guard:
            entry = self._known.get(id(file))
            if entry is None:
                entry = self._known[id(file)] = _Locked(file)
            return entry


_REGISTRY: Final = _Registry()


class FileObjectReader:
    """Reads a file object from given offsets, like a file of its own. Its methods block: call them in threads."""

    def __init__(self, source: AudioFileObject) -> None:
        self._entry = _REGISTRY.locked(binary_file(source.file))
        self._label = source.label
        self._at = 0
        self.size: int = self._find_size()

    def read(self, count: int, /) -> bytes:
        """Read up to *count* bytes at this reader's own position."""
        block = memoryview(bytearray(min(count, max(self.size - self._at, 0))))
        found = self.fill(block, self._at)
        self._at += found
        return bytes(block[:found])

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set this reader's own position."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    def tell(self) -> int:
        """Return this reader's own position."""
        return self._at

    def fill(self, block: memoryview, offset: int) -> int:
        """Fill *block* from *offset*, and return the number of bytes: fewer only at the end of the file."""
        count = 0
        with self._exclusive() as file:
            file.seek(offset, os.SEEK_SET)
            while count < len(block):
                part: object = file.read(min(len(block) - count, PIECE_BYTES))
                if not isinstance(part, bytes | bytearray | memoryview):
                    raise InputError(self._not_bytes(part), reason="usage")
                if not part:
                    break
                block[count : count + len(part)] = part
                count += len(part)
        return count

    def check_size(self) -> None:
        """Raise `InputError` if the file has another size than at first."""
        if self._find_size() != self.size:
            raise self.changed()

    def changed(self) -> InputError:
        """Return the error of a file that is not what it was at first."""
        return InputError(
            f"{self._label} changed while it was sent, so it was not sent to its end and nothing was recognised: submit it "
            "again when nothing writes to it any more",
            reason="unreadable",
        )

    def _find_size(self) -> int:
        with self._exclusive() as file:
            file.seek(0, os.SEEK_END)  # some return no position
            return file.tell()

    @contextmanager
    def _exclusive(self) -> Iterator[BinaryFile]:
        file = self._entry.file
        try:
            with self._entry.lock:
                yield file
        except InputError:
            raise
        except (OSError, ValueError) as error:
            if getattr(file, "closed", False):
                raise InputError(
                    f"{self._label} was closed before it was sent to its end, and nothing was recognised: keep the file "
                    "object open until the call returns",
                    reason="usage",
                ) from error
            raise InputError(f"{self._label} cannot be read: {error}", reason="unreadable") from error

    def _not_bytes(self, part: object) -> str:
        if isinstance(part, str):
            return f'{self._label} is in text mode and returns str: open it in binary mode, open(path, "rb")'
        return (
            f"{self._label} returned {type(part).__name__} instead of bytes: pass a blocking file object in binary mode"
        )


class FileObjectUpload:
    """A file object, read block by block in a thread. It stays open."""

    resendable = True

    def __init__(self, source: AudioFileObject, reader: FileObjectReader) -> None:
        self.source = source
        self.size = reader.size
        self._reader = reader

    @property
    def container(self) -> str | None:
        """What the recording is in."""
        return self.source.format

    async def pieces(self) -> AsyncGenerator[memoryview, None]:
        """Yield the bytes from the first, at most `PIECE_BYTES` at a time."""
        reader, left = self._reader, self.size
        block = memoryview(bytearray(min(_BLOCK_BYTES, left)))
        while left:
            wanted = min(len(block), left)
            if await anyio.to_thread.run_sync(reader.fill, block[:wanted], self.size - left) != wanted:
                raise reader.changed()
            for start in range(0, wanted, PIECE_BYTES):
                end = min(start + PIECE_BYTES, wanted)
                if end == left:  # the last piece; without it the service has no recording, and charges nothing
                    await anyio.to_thread.run_sync(reader.check_size)
                yield block[start:end]
            left -= wanted

    async def aclose(self) -> None:
        """Do nothing: the file object is the caller's."""
