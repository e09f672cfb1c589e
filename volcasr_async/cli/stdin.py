"""Texts and recordings from stdin and other pipes. Recordings are copied to a private temporary file first."""

from __future__ import annotations

import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from volcasr_async.cli.console import WRONG_USAGE, CommandError, plain, say
from volcasr_async.cli.inputs import STDIN
from volcasr_async.editions import MB, Flash

_AT_ONCE = 1 << 20
_MOST = Flash.largest_bytes


def shown_source(text: str) -> str:
    """Return the name of an argument for messages and for the names of results."""
    return "stdin" if text in STDIN else text


def read_stdin() -> bytes:
    """Read a short text from stdin to its end. On a terminal, print first what is expected."""
    file = _stdin()
    if file.isatty():
        say("reading from the terminal; end with Ctrl-D", wrap=True)
    return file.read()


def is_pipe(text: str) -> bool:
    """Return whether an argument is stdin, a named pipe or a device, so that its size is not known."""
    if text in STDIN:
        return True
    try:
        mode = Path(text).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def refuse_twice(sources: list[str]) -> None:
    """Raise `CommandError` if stdin is named twice, because it can be read once."""
    if sum(source in STDIN for source in sources) > 1:
        raise CommandError("stdin is named twice, but can be read once", "Name it once", status=WRONG_USAGE)


@contextmanager
def spooled(text: str) -> Generator[BinaryIO]:
    """Copy the bytes of a pipe to a temporary file, and yield the file at its start.

    Where the system allows it the file has no name, so that it disappears even if the process is killed. Raises
    `CommandError` for a terminal, for an empty pipe, and for more bytes than flash takes.
    """
    name = plain(shown_source(text))
    with ExitStack() as stack:
        try:
            source = _stdin() if text in STDIN else stack.enter_context(Path(text).open("rb"))
            if source.isatty():
                raise CommandError(
                    f"{name} is a terminal, but a recording has to come through a pipe",
                    "For example: volcasr transcribe - < talk.wav",
                    status=WRONG_USAGE,
                )
            copy = stack.enter_context(tempfile.TemporaryFile(prefix="volcasr-"))
            size = _copy(source, copy, name)
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror or error}", status=WRONG_USAGE) from error
        if not size:
            raise CommandError(f"nothing came from {name}: there is nothing to recognise", status=WRONG_USAGE)
        copy.seek(0)
        yield copy


def _copy(source: BinaryIO, copy: BinaryIO, name: str) -> int:
    size = 0
    while chunk := source.read(_AT_ONCE):
        size += len(chunk)
        if size > _MOST:
            raise CommandError(
                f"more than {_MOST // MB} MB came from {name}, but the flash edition takes {_MOST // MB} MB",
                "Compress the recording, for example to OGG Opus, or put it behind a link for the standard edition",
                status=WRONG_USAGE,
            )
        _append(copy, chunk, name)
    return size


def _append(copy: BinaryIO, chunk: bytes, name: str) -> None:
    try:
        copy.write(chunk)
        copy.flush()
    except OSError as error:
        message = f"{name} cannot be copied to {tempfile.gettempdir()}: {error.strerror or error}"
        raise CommandError(message, "Free space there, or set TMPDIR", status=WRONG_USAGE) from error


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise CommandError("stdin is closed", status=WRONG_USAGE)
    return sys.stdin.buffer
