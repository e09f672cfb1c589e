"""The files that a command reads. No command writes to one of them."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from volcasr_async.cli.console import WRONG_USAGE, CommandError, plain

STDIN = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
"""Arguments that mean stdin."""

READ = frozenset(
    {"sources", "files", "list_", "result", "task", "journal", "audio"}
    | {"credentials", "corpus", "context", "sensitive_words_filter"}
)
"""Parameters whose values can name files that a command reads."""

_Identity = tuple[int, int]


class Inputs:
    """The files that one command reads, identified by device and inode, so that every name of a file is known."""

    def __init__(self, names: Iterable[str | Path] = ()) -> None:
        self._names: dict[_Identity, str] = {}
        for name in names:
            self.add(name)

    def add(self, name: str | Path) -> None:
        """Add a file. A name of something else, such as a URL, is ignored."""
        text = str(name)
        shown = "stdin" if text in STDIN else text
        for each in (text, text.removeprefix("@")):
            if (identity := _identity_of(each)) is not None:
                self._names.setdefault(identity, plain(shown))

    def name_of(self, target: Path | int) -> str | None:
        """Return the name under which the command reads *target*, a path or a descriptor, or `None`."""
        identity = _identity(target)
        return None if identity is None else self._names.get(identity)

    def refuse(self, target: Path, flag: str = "--output", *, status: int = WRONG_USAGE) -> None:
        """Raise `CommandError` if *target* is one of the files."""
        if (name := self.name_of(target)) is None:
            return
        same = "is" if plain(str(target)) == name else f"is the same file as {name},"
        message = f"{target} {same} an input of this command, and would be overwritten"
        raise CommandError(message, f"Name another path with {flag}", status=status)

    def refuse_stdout(self) -> None:
        """Raise `CommandError` if stdout is one of the files."""
        try:
            name = self.name_of(sys.stdout.fileno())
        except (AttributeError, OSError, ValueError):  # closed, or replaced by something without a descriptor
            return
        if name is not None:
            raise CommandError(
                f"stdout goes to {name}, an input of this command",
                "Send the output to another file",
                status=WRONG_USAGE,
            )


def inputs_of(parameters: Mapping[str, Any]) -> Inputs:
    """Return the files that a command with these parameters reads."""
    return Inputs(name for key in READ & parameters.keys() for name in _names(parameters[key]))


def _names(value: object) -> Iterator[str | Path]:
    match value:
        case str() | Path():
            yield value
        case list() | tuple():
            for each in value:
                yield from _names(each)
        case _:
            return


def _identity_of(name: str) -> _Identity | None:
    if name != "-":
        return _identity(Path(name))
    try:
        return _identity(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):
        return None


def _identity(target: Path | int) -> _Identity | None:
    """Return the device and inode of a file or pipe; `None` for directories, terminals and missing files."""
    try:
        found = os.fstat(target) if isinstance(target, int) else target.stat()
    except (OSError, ValueError):
        return None
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)) or not found.st_ino:
        return None
    return found.st_dev, found.st_ino
