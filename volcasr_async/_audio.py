"""Local audio: how large it is, what it is in, and its bytes in pieces, never all at once and never on the loop."""

from __future__ import annotations

import io
import logging
import os
import wave
from collections.abc import AsyncGenerator
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
            upload: Upload = await anyio.to_thread.run_sync(_look_at_file, source, edition)
        case AudioBytes():
            upload = _BytesUpload(source)
            _check_duration(_seconds(io.BytesIO(source.data), upload.container), edition)
        case AudioStream():
            upload = _StreamUpload(source)
    _check(upload, source.label, edition)
    return upload


def _check(upload: Upload, label: str, edition: Edition) -> None:
    if upload.size > edition.largest_bytes:
        most = edition.largest_bytes // MB
        raise InputError(
            f"{label} has {upload.size / MB:.1f} MB, the {edition.name} edition takes {most} MB: compress it, say to OGG "
            "OPUS, or put it behind a link for the standard edition, which takes 512 MB"
        )
    check_format(upload.container, edition)
    if upload.size > _ADVISED_BYTES:
        _log.warning("%s has %.1f MB; the service advises at most 20 MB inside a request", label, upload.size / MB)


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
        file = await anyio.to_thread.run_sync(_open, self._path)
        try:
            while left:
                count = await anyio.to_thread.run_sync(_fill, file, block[: min(left, len(block))])
                if not count:
                    raise InputError(
                        f"{self._path} became shorter while it was sent: {left} of {self.size} bytes are gone"
                    )
                for start in range(0, count, PIECE_BYTES):
                    yield block[start : min(start + PIECE_BYTES, count)]
                left -= count
        finally:
            file.close()


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
        async for chunk in self._source.chunks:
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


def _look_at_file(source: AudioFile, edition: Edition) -> Upload:
    """Open it once: size, container, length. In a thread, for a disk may be slow."""
    path = source.path
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory; name the files in it")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            if not size or not head:
                raise InputError(f"{path} is empty: there is nothing to recognise")
            container = source.format or _container(path, head)
            file.seek(0)
            _check_duration(_seconds(file, container), edition)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return _FileUpload(path, size, container)


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
            return min(sound.getnframes(), there) / sound.getframerate()
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


def _open(path: Path) -> io.FileIO:
    try:
        return io.FileIO(path, "rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read any more: {error.strerror or error}") from error


def _fill(file: io.FileIO, block: memoryview) -> int:
    """Fill the block; a short read is no end."""
    count = 0
    while count < len(block):
        read = file.readinto(block[count:])
        if not read:
            break
        count += read
    return count
