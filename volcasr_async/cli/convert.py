"""`volcasr convert`: a result that was kept, in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volcasr_async.cli.console import INPUTS, WRONG_USAGE, CommandError, say
from volcasr_async.cli.flags import taking
from volcasr_async.cli.formats import LAYOUT, FormatName, LayoutFlags
from volcasr_async.cli.inputs import Inputs
from volcasr_async.cli.output import write_file, write_stdout
from volcasr_async.cli.stdin import read_stdin, shown_source
from volcasr_async.cli.targets import Output, as_file, planned_files
from volcasr_async.cli.texts import decoded
from volcasr_async.protocol.results import read_transcript


@taking(layout=LAYOUT)
def convert(
    shell: typer.Context,
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="A JSON result, ours or as the service sent it; - for stdin.")
    ],
    *,
    format: FormatName = None,  # noqa: A002 - the flag's name
    output: Output = None,
    layout: LayoutFlags,
) -> None:
    """Write a kept JSON result in another format. Needs no network and no credentials."""
    inputs: Inputs = shell.meta[INPUTS]
    writing = layout.writing(format, as_file(output, inputs))
    [path] = planned_files(output, [shown_source(result)], writing.suffix, inputs)
    text = writing.render(read_transcript(_read(result)))
    if path is None:
        write_stdout(text)
        return
    write_file(path, text)
    say(f"{path}", colour="green")


def _read(name: str) -> str:
    try:
        data = read_stdin() if name == "-" else Path(name).read_bytes()
        return decoded(data)
    except UnicodeDecodeError as error:
        raise CommandError(f"{shown_source(name)} is not UTF-8 text", "Save it as UTF-8", status=WRONG_USAGE) from error
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror or error}", status=WRONG_USAGE) from error
