"""Where results go: stdout, one file, or a directory with a file for each; and what they look like."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path, PurePath
from typing import Literal
from urllib.parse import unquote, urlsplit

from volcasr_async.cli.console import WRONG_USAGE, CommandError

_UNSAFE = re.compile(r"[^\w.,()+@-]+")
_LONGEST_NAME = 80  # letters; Chinese ones take three bytes each, and file systems take 255
_LONGEST_STEM = 60
_DIGITS = 16  # of a million keys, two have the same once in forty million lists


def write_stdout(text: str) -> None:
    """Write to stdout, as UTF-8 wherever it leads."""
    stream = sys.stdout
    if stream.isatty() or not hasattr(stream, "buffer"):
        stream.write(text)
    else:
        stream.flush()
        stream.buffer.write(text.encode("utf-8", "replace"))
    stream.flush()


def write_file(path: Path, text: str) -> None:
    """Write *path* whole or not at all: under another name first, then renamed."""
    _write(path, path.with_name(f".{path.name[:40]}.{os.getpid()}.part"), text, "xb")


def rewrite_file(path: Path, text: str) -> None:
    """Write *path* whole or not at all, over what a killed process may have left of the same attempt."""
    _write(path, path.with_name(f".{path.name}.part"), text, "wb")


def _write(path: Path, part: Path, text: str, mode: Literal["xb", "wb"]) -> None:
    try:
        try:
            with part.open(mode) as file:
                file.write(text.encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from error


def file_names(sources: list[str], suffix: str) -> list[str]:
    """Name a file for each source after its last part: safe anywhere, and a number where two would be the same."""
    taken: set[str] = set()
    return [_free(_stem(source), suffix, taken) for source in sources]


def stable_name(key: str, suffix: str) -> str:
    """Name the file of a key, the same in every run: after its last part, and a digest that tells it from all others."""
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:_DIGITS]
    return f"{_stem(key)[:_LONGEST_STEM]}-{digest}.{suffix}"


def _stem(source: str) -> str:
    path = unquote(urlsplit(source).path) if "://" in source else source
    stem = PurePath(path.replace("\\", "/")).stem if path.strip("/.") else ""
    return _UNSAFE.sub("_", stem)[:_LONGEST_NAME].strip("._ ") or "recording"


def made_directory(path: Path) -> Path:
    """Make the directory of the results where there is none."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{path} cannot be the directory of the results: {error.strerror or error}"
        raise CommandError(message, status=WRONG_USAGE) from error
    return path


def _free(stem: str, suffix: str, taken: set[str]) -> str:
    name, number = f"{stem}.{suffix}", 1
    while name.casefold() in taken:  # a.txt and A.txt are one file on some systems
        number += 1
        name = f"{stem}-{number}.{suffix}"
    taken.add(name.casefold())
    return name


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
