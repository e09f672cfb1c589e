"""`volcasr convert`: a result that was kept, in another format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from volcasr_async.cli.console import WRONG_USAGE, CommandError, say
from volcasr_async.cli.flags import taking
from volcasr_async.cli.formats import LAYOUT, FormatName, LayoutFlags
from volcasr_async.cli.output import planned_files, write_file, write_stdout
from volcasr_async.protocol.results import read_transcript


@taking(layout=LAYOUT)
def convert(
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="A JSON result, ours or as the service sent it; - for stdin.")
    ],
    *,
    format: FormatName = None,  # noqa: A002 - the flag's name
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="PATH", help="Write to this file.")] = None,
    layout: LayoutFlags,
) -> None:
    """Write a kept JSON result in another format. Needs no network and no credentials."""
    writing = layout.writing(format, output)
    [path] = planned_files(output, [result], writing.suffix)
    text = writing.render(read_transcript(_read(result)))
    if path is None:
        write_stdout(text)
        return
    write_file(path, text)
    say(f"{path}", colour="green")


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror or error}", status=WRONG_USAGE) from error
