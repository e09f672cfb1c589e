"""Local audio: how large it is, what it is in, and its bytes in pieces, never all at once and never on the loop."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import anyio.to_thread

from volcasr_async._shared_files import FileObjectReader, FileObjectUpload
from volcasr_async._streams import StreamUpload
from volcasr_async.containers import HEAD_BYTES, by_magic, tag_bytes
from volcasr_async.editions import Edition
from volcasr_async.errors import InputError
from volcasr_async.probe.admission import admit, check_size
from volcasr_async.probe.look import read_header
from volcasr_async.probe.signatures import SIGNATURE_BYTES
from volcasr_async.probe.window import Window, opened
from volcasr_async.protocol.envelope import PIECE_BYTES
from volcasr_async.sources import AudioBytes, AudioFile, AudioFileObject, AudioStream, LocalSource

_BLOCK_BYTES = 3 * PIECE_BYTES
_LONGEST_HEADER = 1 << 16
"""How many bytes of a stream are awaited at most before it is judged."""

Piece = bytes | bytearray | memoryview
Reread = TypeVar("Reread", AudioFile, AudioBytes)


class Upload(Protocol):
    """Audio that is ready to be sent: its size and container are known."""

    size: int
    resendable: bool
    """Whether `pieces` would bring the whole once more."""

    @property
    def source(self) -> LocalSource:
        """What is sent, with all that is known of it declared."""
        ...

    @property
    def container(self) -> str | None:
        """What the recording is in."""
        ...

    def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield the bytes, at most `PIECE_BYTES` at a time; a piece is good until the next is asked for."""
        ...

    async def aclose(self) -> None:
        """Release what was opened and not sent."""
        ...


async def open_audio(source: LocalSource, edition: Edition) -> Upload:
    """Look at local audio and refuse what *edition* does not take, before anything is sent.

    The first bytes of a stream are awaited. The caller has to close the upload.
    """
    match source:
        case AudioFile():
            return await anyio.to_thread.run_sync(_look_at_file, source, edition)
        case AudioBytes():
            return await anyio.to_thread.run_sync(_look_at_bytes, source, edition)
        case AudioFileObject():
            return await anyio.to_thread.run_sync(_look_at_file_object, source, edition)
        case AudioStream():
            return await _open_stream(source, edition)


async def _open_stream(source: AudioStream, edition: Edition) -> Upload:
    """Await the first bytes of a stream, and judge it by them."""
    check_size(source.size, source.label, edition)
    upload = StreamUpload(source)
    try:
        head = await upload.read_ahead(SIGNATURE_BYTES)
        if (wanted := _bytes_of_header(head, source.size)) > len(head):
            head = await upload.read_ahead(wanted)
        upload.source = admit(Window.of_head(head, source.size), source, edition)
    except BaseException:
        await upload.aclose()
        raise
    return upload


def _bytes_of_header(head: bytes, size: int) -> int:
    """Return how many of the first bytes say what a stream is, given the first few: a tag or other chunks may come before."""
    if by_magic(head) == "wav" and read_header(Window.of_head(head, size), "wav") is None:
        return _LONGEST_HEADER
    return min(tag_bytes(head) + HEAD_BYTES, _LONGEST_HEADER)


class _Known(Generic[Reread]):
    """A source with all that is known of it declared."""

    def __init__(self, source: Reread) -> None:
        self.source: Reread = source

    @property
    def container(self) -> str | None:
        return self.source.format

    async def aclose(self) -> None:
        """Do nothing: nothing is open before `pieces`."""


class _Version(NamedTuple):
    """What differs between a file and its replacement, or between a file and the same file after a change."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _changed(path: Path) -> InputError:
    return InputError(
        f"{path} changed after it was looked at, so it was not sent to its end and nothing was recognised: submit it again "
        "when nothing writes to it any more",
        reason="unreadable",
    )


class _FileUpload(_Known[AudioFile]):
    """A file, read block by block in a thread."""

    resendable = True

    def __init__(self, source: AudioFile, size: int, version: _Version) -> None:
        super().__init__(source)
        self._path, self.size, self._version = source.path, size, version

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        block = memoryview(bytearray(min(_BLOCK_BYTES, self.size)))
        left = self.size
        reader = _Reader(self._path, self._version)
        try:
            while left:
                count = await anyio.to_thread.run_sync(reader.fill, block[: min(left, len(block))])
                if not count:
                    raise _changed(self._path)
                for start in range(0, count, PIECE_BYTES):
                    end = min(start + PIECE_BYTES, count)
                    if end == left:  # the last piece; without it the service has no recording, and charges nothing
                        await anyio.to_thread.run_sync(reader.check)
                    yield block[start:end]
                left -= count
        finally:
            reader.close()


class _BytesUpload(_Known[AudioBytes]):
    """A recording in memory."""

    resendable = True

    def __init__(self, source: AudioBytes) -> None:
        super().__init__(source)
        self._data = memoryview(source.data).cast("B")
        self.size = len(self._data)

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        for start in range(0, self.size, PIECE_BYTES):
            yield self._data[start : start + PIECE_BYTES]


def _look_at_bytes(source: AudioBytes, edition: Edition) -> Upload:
    """Look at a recording in memory; in a thread as well, for tags may be anywhere in it."""
    return _BytesUpload(admit(Window(io.BytesIO(source.data)), source, edition))


def _look_at_file(source: AudioFile, edition: Edition) -> Upload:
    """Open it once: size, container, length. In a thread, for a disk may be slow."""
    with opened(source.path) as file:
        version = _Version.of(os.fstat(file.fileno()))  # before anything is read
        window = Window(file)
        return _FileUpload(admit(window, source, edition), window.size, version)


def _look_at_file_object(source: AudioFileObject, edition: Edition) -> Upload:
    """Look at a file object of the caller's; in a thread, because it may be on a disk."""
    reader = FileObjectReader(source)
    return FileObjectUpload(admit(Window(reader), source, edition), reader)


class _Reader:
    """Opens and reads a file in threads, and closes it from anywhere.

    asyncio's own `Task.cancel` does not wait for a thread: who closes while one still reads leaves the closing to it, for
    a number that is closed under a reader may name another file a moment later.
    """

    def __init__(self, path: Path, version: _Version) -> None:
        self._path, self._version = path, version
        self._file: io.FileIO | None = None
        self._busy = threading.Lock()
        self._closed = False

    def fill(self, block: memoryview) -> int:
        """Fill the block; a short read is no end."""
        with self._at_work() as closed:
            return 0 if closed else self._fill(block)

    def check(self) -> None:
        """Raise `InputError` if the open file, or the file of that path, is not the one that was looked at.

        A file that was only deleted is still whole for its reader.
        """
        with self._at_work():
            self._check_open()
            with suppress(FileNotFoundError):
                self._compare(self._path.stat())

    @contextmanager
    def _at_work(self) -> Iterator[bool]:
        try:
            with self._busy:
                yield self._closed
        except OSError as error:
            raise InputError(
                f"{self._path} cannot be read any more: {error.strerror or error}", reason="unreadable"
            ) from error
        finally:
            if self._closed:
                self.close()

    def close(self) -> None:
        """Close the file, or have it closed by who reads it now."""
        self._closed = True
        if self._busy.acquire(blocking=False):
            try:
                if self._file is not None:
                    self._file.close()
            finally:
                self._busy.release()

    def _fill(self, block: memoryview) -> int:
        if self._file is None:
            self._file = io.FileIO(self._path, "rb")
            self._check_open()
        count = 0
        while count < len(block):
            read = self._file.readinto(block[count:])
            if not read:
                break
            count += read
        return count

    def _check_open(self) -> None:
        if self._file is not None and not self._file.closed:
            self._compare(os.fstat(self._file.fileno()))

    def _compare(self, found: os.stat_result) -> None:
        if _Version.of(found) != self._version:
            raise _changed(self._path)
