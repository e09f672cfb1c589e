"""Where results go: stdout, one file, or a directory with a file for each; and what they look like."""

from __future__ import annotations

import hashlib
import os
import re
import select
import stat
import sys
import threading
import time
import unicodedata
from pathlib import Path, PurePath
from secrets import token_hex
from typing import BinaryIO, TextIO
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

from volcasr_async.cli.console import FAILED, WRONG_USAGE, CommandError
from volcasr_async.cli.looks import HEAD, holds_no_text

_UNSAFE = re.compile(r"[^\w.,()+@-]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?:\..*)?", re.IGNORECASE)  # devices, on Windows
_LONGEST_NAME = 80  # letters
_LONGEST_STEM = 60
_MOST_BYTES = 200  # file systems take 255, with the digest, the suffix and what a temporary name has beside
_DIGITS = 16  # of a million keys, two have the same once in forty million lists
_MARK_DIGITS = 8
_ANYBODY, _FOLDER = 0o664, 0o775
"""What the umask may take from; whatever it says, results are not everybody's to change."""
_MOVES_CURSOR = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")

_GLANCE_S = 0.01
_stdout_lock = threading.Lock()
_begun: WeakSet[TextIO] = WeakSet()
"""Streams to which a line was written before."""
_torn: WeakSet[TextIO] = WeakSet()
"""Streams whose last byte does not end a line, because a write failed."""


class StdoutError(CommandError, OSError):
    """Stdout did not take all of a text.

    It is an `OSError` too, so that a command which writes from several tasks handles it like a reader that has gone.
    """


def write_stdout(text: str, *, styled: bool = False, line: bool = False) -> None:
    """Write all of *text* to stdout, or raise.

    Text goes to a file or a pipe as UTF-8. A terminal gets it without control characters, unless it is *styled* by this
    package. With *line*, the text begins on a line of its own: if the bytes before it do not end a line, a line end is
    written first.

    Raises `BrokenPipeError` when the reader of a pipe has gone, and `StdoutError` for any other failure.
    """
    stream = sys.stdout
    terminal = stream.isatty()
    shown = text if styled or not terminal else _MOVES_CURSOR.sub("\N{REPLACEMENT CHARACTER}", text)
    try:
        stream.flush()
        if hasattr(stream, "buffer"):
            encoding = stream.encoding if terminal else "utf-8"
            _write_all(stream, shown.encode(encoding, "replace"), line=line)
        else:
            stream.write(shown)
            stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StdoutError(f"stdout cannot be written: {error.strerror or error}") from error


def _write_all(stream: TextIO, data: bytes, *, line: bool) -> None:
    """Write *data* below the buffer of *stream*: a buffer would write the rest of a failed line later, unasked."""
    raw = getattr(stream.buffer, "raw", stream.buffer)  # with PYTHONUNBUFFERED the buffer is the raw file itself
    with _stdout_lock:
        if line and stream not in _begun:
            _begun.add(stream)
            if _ends_within_line(raw):
                _torn.add(stream)
        if stream in _torn:
            data = b"\n" + data
        view, written = memoryview(data), 0
        try:
            while written < len(data):
                count = raw.write(view[written:])  # a signal or a full disk makes it short
                if count:
                    written += count
                else:  # a pipe that its other users made non-blocking is full
                    _wait_until_writable(raw)
        finally:
            if written == len(data) or data[:written].endswith(b"\n"):
                _torn.discard(stream)
            elif written:
                _torn.add(stream)


def _wait_until_writable(raw: BinaryIO) -> None:
    if os.name == "nt":  # where only sockets can be waited for
        time.sleep(_GLANCE_S)
    else:
        select.select([], [raw.fileno()], [])


def _ends_within_line(raw: BinaryIO) -> bool:
    """Return whether stdout is a regular file in which the next byte continues a line; false where nobody can know."""
    try:
        number = raw.fileno()
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            return False
        end = found.st_size if _appends(number) else os.lseek(number, 0, os.SEEK_CUR)
        if end == 0:
            return False
        reader = os.open(f"/dev/fd/{number}", os.O_RDONLY)  # stdout itself can only be written
        try:
            os.lseek(reader, end - 1, os.SEEK_SET)
            return os.read(reader, 1) not in (b"", b"\n")
        finally:
            os.close(reader)
    except OSError:
        return False


def _appends(number: int) -> bool:
    """Return whether each write goes to the end of the file, as after `>>`."""
    if sys.platform == "win32":
        return False
    import fcntl

    return bool(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND)


def write_file(path: Path, text: str) -> None:
    """Write *path* whole or not at all: under another name first, then renamed. A pipe or a device is written to."""
    if is_special(path):
        _write_into(path, text)
    else:
        _write(path, path.with_name(f".{path.name[:40]}.{token_hex(4)}.part"), text)


def rewrite_file(path: Path, text: str, *, mark: str = "") -> None:
    """Write *path* whole or not at all, over what a killed process may have left of the same attempt.

    *mark* becomes part of the temporary name: writers with different marks never use the same temporary file.
    """
    part = path.with_name(f".{path.name}.{mark}.part" if mark else f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    _write(path, part, text)


def new_file(path: Path, mode: int) -> BinaryIO:
    """Make *path* and open it; never one that is there, nor through a link that somebody laid."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, mode), "wb")


def _write(path: Path, part: Path, text: str) -> None:
    refuse_to_replace(path, status=FAILED)  # again: meanwhile another program may have written there
    try:
        file = new_file(part, _mode_of(path))
        try:
            with file:
                file.write(text.encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def refuse_to_replace(path: Path, *, status: int = WRONG_USAGE) -> None:
    """Raise `CommandError` if *path* is a file that does not hold text.

    Results are text, so such a file is not an older result. It can be a recording, even one that comes later in a list.
    """
    if is_special(path):
        return
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:  # missing, a directory, or unreadable: writing reports it
        return
    if holds_no_text(head):
        message = f"{path} exists and is not text, so it is not replaced"
        raise CommandError(message, "Move it, or name another file", status=status)


def _mode_of(path: Path) -> int:
    """Choose who may read: whom the umask lets, and nobody who may not read the file that is replaced."""
    try:
        found = path.lstat().st_mode
    except OSError:
        return _ANYBODY
    return _ANYBODY & (stat.S_IMODE(found) | stat.S_IWUSR) if stat.S_ISREG(found) else _ANYBODY


def is_special(path: Path) -> bool:
    """Tell a pipe or a device, such as /dev/stdout: a file in its place would be the end of it."""
    try:
        found = path.stat().st_mode
    except OSError:
        return False
    if stat.S_ISREG(found) or stat.S_ISDIR(found):  # /dev/stdout leads to a file where stdout does
        return path.is_symlink() and os.path.realpath(path.parent).startswith(("/dev", "/proc"))
    return True


def _write_into(path: Path, text: str) -> None:
    try:
        with path.open("ab") as file:  # what `>>` goes on with is not cut
            file.write(text.encode("utf-8", "replace"))
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> CommandError:
    return CommandError(f"{path} cannot be written: {error.strerror or error}")


def file_names(sources: list[str], suffix: str) -> list[str]:
    """Name a file for each source after its last part: safe anywhere, and a number where two would be the same."""
    taken: set[str] = set()
    return [_free(_stem(source), suffix, taken) for source in sources]


def stable_name(key: str, suffix: str) -> str:
    """Name the file of a key, the same in every run: after its last part, and a digest that tells it from all others."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{_stem(key, _LONGEST_STEM)}-{digest}.{suffix}"


def mark_of(owner: Path) -> str:
    """Return a short mark of a file, the same in every run and by whatever path the file is named."""
    return hashlib.sha256(os.fsencode(os.path.realpath(owner))).hexdigest()[:_MARK_DIGITS]


def _stem(source: str, longest: int = _LONGEST_NAME) -> str:
    path = unquote(_path_of(source)) if "://" in source else source
    stem = PurePath(path.replace("\\", "/")).stem if path.strip("/.") else ""
    short = _UNSAFE.sub("_", stem)[:longest].encode()[:_MOST_BYTES].decode(errors="ignore")
    name = short.strip("._ ").lstrip("._ -") or "recording"  # what begins with a dash is a flag to many a command
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def _path_of(link: str) -> str:
    try:
        return urlsplit(link).path
    except ValueError:  # a key may look like a link and be none
        return link.partition("://")[2]


def made_directory(path: Path) -> Path:
    """Make the directory of the results where there is none."""
    try:
        for folder in reversed((path, *path.parents)):
            if not folder.is_dir():
                folder.mkdir(_FOLDER, exist_ok=True)
    except OSError as error:
        message = f"{path} cannot be the directory of the results: {error.strerror or error}"
        raise CommandError(message, status=WRONG_USAGE) from error
    return path


def _free(stem: str, suffix: str, taken: set[str]) -> str:
    name, number = f"{stem}.{suffix}", 1
    while _alike(name) in taken:
        number += 1
        name = f"{stem}-{number}.{suffix}"
    taken.add(_alike(name))
    return name


def _alike(name: str) -> str:
    """Write alike what is one file on some systems: a.txt and A.txt, an accent within its letter or after it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
