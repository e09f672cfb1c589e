"""Where results go: stdout, one file, or a directory with a file for each; and what they look like."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import unicodedata
from pathlib import Path, PurePath
from secrets import token_hex
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from volcasr_async.cli.console import WRONG_USAGE, CommandError

_UNSAFE = re.compile(r"[^\w.,()+@-]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?:\..*)?", re.IGNORECASE)  # devices, on Windows
_LONGEST_NAME = 80  # letters
_LONGEST_STEM = 60
_MOST_BYTES = 200  # file systems take 255, with the digest, the suffix and what a temporary name has beside
_DIGITS = 16  # of a million keys, two have the same once in forty million lists
_ANYBODY, _FOLDER = 0o664, 0o775
"""What the umask may take from; whatever it says, results are not everybody's to change."""
_MOVES_CURSOR = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


def write_stdout(text: str, *, styled: bool = False) -> None:
    """Write to stdout, as UTF-8 wherever it leads; to a terminal without control characters, unless *styled* by us."""
    stream = sys.stdout
    if stream.isatty() or not hasattr(stream, "buffer"):
        stream.write(text if styled or not stream.isatty() else _MOVES_CURSOR.sub("\N{REPLACEMENT CHARACTER}", text))
    else:
        stream.flush()
        stream.buffer.write(text.encode("utf-8", "replace"))
    stream.flush()


def write_file(path: Path, text: str) -> None:
    """Write *path* whole or not at all: under another name first, then renamed. A pipe or a device is written to."""
    if _is_special(path):
        _write_into(path, text)
    else:
        _write(path, path.with_name(f".{path.name[:40]}.{token_hex(4)}.part"), text)


def rewrite_file(path: Path, text: str) -> None:
    """Write *path* whole or not at all, over what a killed process may have left of the same attempt."""
    part = path.with_name(f".{path.name}.part")
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


def _mode_of(path: Path) -> int:
    """Choose who may read: whom the umask lets, and nobody who may not read the file that is replaced."""
    try:
        found = path.lstat().st_mode
    except OSError:
        return _ANYBODY
    return _ANYBODY & (stat.S_IMODE(found) | stat.S_IWUSR) if stat.S_ISREG(found) else _ANYBODY


def _is_special(path: Path) -> bool:
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


def planned_files(output: Path | None, sources: list[str], suffix: str) -> list[Path | None]:
    """Choose where each result goes, and find out before anything is sent that it can."""
    if output is None:
        return [None] * len(sources)
    if len(sources) == 1 and not output.is_dir():
        if not output.parent.is_dir():
            raise CommandError(f"{output} cannot be written: there is no directory {output.parent}", status=WRONG_USAGE)
        return [output]
    made_directory(output)
    return [output / name for name in file_names(sources, suffix)]
