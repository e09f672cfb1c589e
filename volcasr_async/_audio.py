"""Local audio: how large it is, what it is in, and its bytes in pieces, never all at once and never on the loop."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import anyio.to_thread

from volcasr_async.containers import by_name
from volcasr_async.editions import Edition
from volcasr_async.errors import InputError
from volcasr_async.job import check_format
from volcasr_async.probe.admission import admit
from volcasr_async.probe.window import Window, opened
from volcasr_async.probe.wire import described
from volcasr_async.protocol.envelope import PIECE_BYTES
from volcasr_async.sources import AudioBytes, AudioFile, AudioStream

_BLOCK_BYTES = 3 * PIECE_BYTES

Piece = bytes | bytearray | memoryview
Local = TypeVar("Local", AudioFile, AudioBytes, AudioStream)


class Upload(Protocol):
    """Audio that is ready to be sent: its size and container are known."""

    size: int
    resendable: bool
    """Whether `pieces` would bring the whole once more."""

    @property
    def source(self) -> AudioFile | AudioBytes | AudioStream:
        """What is sent, with all that is known of it declared."""
        ...

    @property
    def container(self) -> str | None:
        """What the recording is in."""
        ...

    def pieces(self) -> AsyncGenerator[Piece, None]:
        """Bring the bytes, at most `PIECE_BYTES` at a time; a piece is good until the next is asked for."""
        ...


async def open_audio(source: AudioFile | AudioBytes | AudioStream, edition: Edition) -> Upload:
    """Look at local audio and refuse what *edition* does not take, before anything is sent."""
    match source:
        case AudioFile():
            return await anyio.to_thread.run_sync(_look_at_file, source, edition)
        case AudioBytes():
            return await anyio.to_thread.run_sync(_look_at_bytes, source, edition)
        case AudioStream():
            stream = _StreamUpload(source)
            check_format(stream.source.format, edition)
            return stream


class _Known(Generic[Local]):
    """A source with all that is known of it declared."""

    def __init__(self, source: Local) -> None:
        self.source: Local = source

    @property
    def container(self) -> str | None:
        return self.source.format


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
        "when nothing writes to it any more"
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


class _StreamUpload(_Known[AudioStream]):
    """A recording that passes through once, in chunks of any size."""

    def __init__(self, source: AudioStream) -> None:
        super().__init__(described(source, by_name(source.name), None))
        self.size = source.size
        self.resendable = True

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        if not self.resendable:
            raise InputError(f"{self.source.label} was sent before, a stream can be sent once: make a new AudioStream")
        self.resendable = False
        came = 0
        async with _closed_at_the_end(self.source.chunks) as chunks:
            async for chunk in chunks:
                came += len(chunk)
                if came > self.size:
                    break
                for start in range(0, len(chunk), PIECE_BYTES):
                    yield memoryview(chunk)[start : start + PIECE_BYTES]
        if came != self.size:
            more = "more than" if came > self.size else f"only {came} of"
            raise InputError(
                f"{self.source.label} brought {more} the {self.size} bytes it promised; nothing was recognised"
            )


def _look_at_bytes(source: AudioBytes, edition: Edition) -> Upload:
    """Look at a recording in memory; in a thread as well, for tags may be anywhere in it."""
    return _BytesUpload(admit(Window(io.BytesIO(source.data)), source, edition))


def _look_at_file(source: AudioFile, edition: Edition) -> Upload:
    """Open it once: size, container, length. In a thread, for a disk may be slow."""
    with opened(source.path) as file:
        version = _Version.of(os.fstat(file.fileno()))  # before anything is read
        window = Window(file)
        return _FileUpload(admit(window, source, edition), window.size, version)


@asynccontextmanager
async def _closed_at_the_end(chunks: AsyncIterable[bytes]) -> AsyncIterator[AsyncIterable[bytes]]:
    """Close a caller's generator that was left early: nobody else will go on with it."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


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
            raise InputError(f"{self._path} cannot be read any more: {error.strerror or error}") from error
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
