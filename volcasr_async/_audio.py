"""Local audio: how large it is, what it is in, and its bytes in pieces, never all at once and never on the loop."""

from __future__ import annotations

import io
import logging
import os
import threading
import wave
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import anyio.to_thread

from volcasr_async.containers import HEAD_BYTES, by_magic, by_name
from volcasr_async.editions import MB, Edition
from volcasr_async.errors import InputError
from volcasr_async.job import check_format
from volcasr_async.protocol.envelope import PIECE_BYTES
from volcasr_async.sources import AudioBytes, AudioFile, AudioStream

_log = logging.getLogger("volcasr_async")

_BLOCK_BYTES = 8 * PIECE_BYTES
_ADVISED_BYTES = 20 * MB  # doc 1631584: preferably within 20 MB, by the uplink

Piece = bytes | bytearray | memoryview


class Upload(Protocol):
    """Audio that is ready to be sent: its size and container are known."""

    size: int
    container: str | None
    resendable: bool
    """Whether `pieces` would bring the whole once more."""

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
            _check(stream.size, stream.container, source.label, edition)
            return stream


def _check(size: int, container: str | None, label: str, edition: Edition) -> None:
    if size > edition.largest_bytes:
        most = edition.largest_bytes // MB
        raise InputError(
            f"{label} has {size / MB:.1f} MB, the {edition.name} edition takes {most} MB: compress it, say to OGG "
            "OPUS, or put it behind a link for the standard edition, which takes 512 MB"
        )
    check_format(container, edition)
    if size > _ADVISED_BYTES:
        _log.warning("%s has %.1f MB; the service advises at most 20 MB inside a request", label, size / MB)


def _check_duration(seconds: float | None, edition: Edition) -> None:
    if seconds is not None and seconds > edition.longest_audio_s:
        raise InputError(
            f"the recording lasts {seconds / 3600:.2f} h, the {edition.name} edition takes {edition.longest_audio_s / 3600:.0f} h: "
            "cut it, or put it behind a link for the standard edition, which takes 5 h"
        )


class _FileUpload:
    """A file, read block by block in a thread."""

    resendable = True

    def __init__(self, path: Path, size: int, container: str | None) -> None:
        self._path, self.size, self.container = path, size, container

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        block = memoryview(bytearray(min(_BLOCK_BYTES, self.size)))
        left = self.size
        reader = _Reader(self._path)
        try:
            while left:
                count = await anyio.to_thread.run_sync(reader.fill, block[: min(left, len(block))])
                if not count:
                    raise InputError(
                        f"{self._path} became shorter while it was sent: {left} of {self.size} bytes are gone"
                    )
                for start in range(0, count, PIECE_BYTES):
                    yield block[start : min(start + PIECE_BYTES, count)]
                left -= count
        finally:
            reader.close()


class _BytesUpload:
    """A recording in memory."""

    resendable = True

    def __init__(self, source: AudioBytes) -> None:
        self._data = memoryview(source.data).cast("B")
        self.size = len(self._data)
        self.container = source.format or by_magic(bytes(self._data[:HEAD_BYTES])) or by_name(source.name)

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        for start in range(0, self.size, PIECE_BYTES):
            yield self._data[start : start + PIECE_BYTES]


class _StreamUpload:
    """A recording that passes through once, in chunks of any size."""

    def __init__(self, source: AudioStream) -> None:
        self._source = source
        self.size, self.container = source.size, source.format or by_name(source.name)
        self.resendable = True

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        if not self.resendable:
            raise InputError(f"{self._source.label} was sent before, a stream can be sent once: make a new AudioStream")
        self.resendable = False
        came = 0
        async with _closed_at_the_end(self._source.chunks) as chunks:
            async for chunk in chunks:
                came += len(chunk)
                if came > self.size:
                    break
                for start in range(0, len(chunk), PIECE_BYTES):
                    yield memoryview(chunk)[start : start + PIECE_BYTES]
        if came != self.size:
            more = "more than" if came > self.size else f"only {came} of"
            raise InputError(
                f"{self._source.label} brought {more} the {self.size} bytes it promised; nothing was recognised"
            )


def _look_at_bytes(source: AudioBytes, edition: Edition) -> Upload:
    """Look at a recording in memory; in a thread as well, for tags may be anywhere in it."""
    upload = _BytesUpload(source)
    _check(upload.size, upload.container, source.label, edition)
    _check_duration(_seconds(io.BytesIO(source.data), upload.container), edition)
    return upload


def _look_at_file(source: AudioFile, edition: Edition) -> Upload:
    """Open it once: size, container, length. In a thread, for a disk may be slow."""
    path = source.path
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory; name the files in it")
        if path.exists() and not path.is_file():
            raise InputError(
                f"{path} is no regular file, so its size is not known: read it and pass AudioStream or bytes"
            )
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            if not size or not head:
                raise InputError(f"{path} is empty: there is nothing to recognise")
            container = source.format or _container(path, head)
            if container is None and _is_text(head):
                raise InputError(f"{path} is text and no audio; a list of recordings goes to a batch")
            _check(size, container, source.label, edition)
            file.seek(0)
            _check_duration(_seconds(file, container), edition)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return _FileUpload(path, size, container)


def _is_text(head: bytes) -> bool:
    """Tell a list or a page, given by mistake, from samples."""
    text = head.decode("utf-8", "ignore")  # the last character may be cut
    return len(text.encode()) >= len(head) - 3 and all(c.isprintable() or c.isspace() for c in text)


def _container(path: Path, head: bytes) -> str | None:
    """The bytes know better than the name; a contradiction is worth a line in the log."""
    inside, outside = by_magic(head), by_name(path.name)
    if inside and outside and inside != outside and {inside, outside} != {"m4a", "mp4"}:
        _log.warning("%s is named like %s but holds %s: it is sent as %s", path, outside, inside, inside)
    return inside or outside


def _seconds(file: BinaryIO, container: str | None) -> float | None:
    """Tell how long a recording lasts, where that is known: PCM WAV always, MP3 and OGG with the extra [probe]."""
    if container == "wav":
        return _wav_seconds(file)
    if container in ("mp3", "ogg"):
        return _tag_seconds(file)
    return None


def _wav_seconds(file: BinaryIO) -> float | None:
    """Count the frames that are there: the header of a WAV that was written to a pipe promises 4 GB."""
    try:
        with wave.open(file) as sound:
            begin = file.tell()
            there = (file.seek(0, os.SEEK_END) - begin) // (sound.getsampwidth() * sound.getnchannels())
            return float(min(sound.getnframes(), there) / sound.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return None  # not PCM, or broken: the service will tell


def _tag_seconds(file: BinaryIO) -> float | None:
    try:
        from tinytag import TinyTag, TinyTagException
    except ImportError:
        return None
    try:
        duration = TinyTag.get(file_obj=file, tags=False).duration
    except TinyTagException:
        return None
    return None if duration is None else float(duration)


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

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None
        self._busy = threading.Lock()
        self._closed = False

    def fill(self, block: memoryview) -> int:
        """Fill the block; a short read is no end."""
        try:
            with self._busy:
                return 0 if self._closed else self._fill(block)
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
        count = 0
        while count < len(block):
            read = self._file.readinto(block[count:])
            if not read:
                break
            count += read
        return count
