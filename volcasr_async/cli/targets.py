"""The meaning of `--output`, and the checks of output paths before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from volcasr_async.cli.console import WRONG_USAGE, CommandError
from volcasr_async.cli.formats import SUFFIXES
from volcasr_async.cli.inputs import Inputs
from volcasr_async.cli.output import file_names, is_special, made_directory, refuse_to_replace

_SEPARATORS = tuple(sep for sep in (os.sep, os.altsep) if sep)


class Target(Struct, frozen=True):
    """The value of `--output`. `is_directory` if it ends with a slash or is an existing directory."""

    path: Path
    is_directory: bool = False


def read_target(text: str) -> Target | None:
    """Read the value of `--output`; `None` for `-`, which is stdout."""
    if not text:
        message = "it is empty: name a file, or a directory with a slash at its end"
        raise typer.BadParameter(message)
    if text == "-":
        return None
    path = Path(text)
    return Target(path, text.endswith(_SEPARATORS) or path.is_dir())


Output = Annotated[
    Target | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        parser=read_target,
        help="Write the result to this file; DIR/ writes it into that directory.",
    ),
]


def as_file(output: Target | None, inputs: Inputs, count: int = 1) -> Path | None:
    """Return the file that *output* names for *count* results; `None` for a directory or stdout.

    Raises `CommandError` if that file is one of the *inputs*.
    """
    if output is None or output.is_directory or count > 1:
        return None
    inputs.refuse(output.path)
    return output.path


def planned_files(output: Target | None, sources: list[str], suffix: str, inputs: Inputs) -> list[Path | None]:
    """Return the path of each result. Raises `CommandError` if one cannot be written, or is one of the *inputs*."""
    if output is None:
        return [None] * len(sources)
    if len(sources) == 1 and not output.is_directory:
        planned = [output.path]
    else:
        _refuse_file(output, len(sources))
        planned = [output.path / name for name in file_names(sources, suffix)]
    for path in planned:
        inputs.refuse(path)
        refuse_to_replace(path)
    _check_writable(planned[0], made_directory(planned[0].parent))
    return list(planned)


def refuse_ambiguous(output: Target | None, count: int) -> None:
    """Raise `CommandError` for a missing path that could mean a file or a directory, for a command with several sources."""
    if output is None or output.is_directory or os.path.lexists(output.path):
        return
    path, suffix = output.path, output.path.suffix.lower().removeprefix(".")
    if count == 1 and not suffix:
        raise CommandError(
            f"{path} could be a file or a directory",
            f"Write {path}{os.sep} for a directory, or {path}.txt for a file",
            status=WRONG_USAGE,
        )
    if count > 1 and suffix in SUFFIXES:
        raise CommandError(
            f"{path} names one file, but {count} recordings need a directory",
            f"Name a directory: --output {path.with_suffix('')}{os.sep}",
            status=WRONG_USAGE,
        )


def _refuse_file(output: Target, count: int) -> None:
    if output.path.exists() and not output.path.is_dir():
        why = f", but {count} recordings need a directory" if count > 1 else ", not a directory"
        raise CommandError(f"{output.path} is a file{why}", "Name another directory with --output", status=WRONG_USAGE)


def _check_writable(path: Path, directory: Path) -> None:
    """Raise `CommandError` if no file can be created in *directory*, unless *path* is a pipe or a device."""
    if not is_special(path) and not os.access(directory, os.W_OK | os.X_OK):
        raise CommandError(f"no file can be created in {directory}", "Name another with --output", status=WRONG_USAGE)
