"""The `--format` of commands that report: for people, or for programs."""

from __future__ import annotations

from typing import Annotated

import typer

from volcasr_async.cli.flags import completing

_NAMES = ("txt", "json")


def _report_format(text: str) -> str:
    if text not in _NAMES:
        message = f"there is no format {text!r}; there are {', '.join(_NAMES)}"
        raise typer.BadParameter(message)
    return text


ReportFormat = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        metavar="|".join(_NAMES),
        parser=_report_format,
        autocompletion=completing(*_NAMES),
        help="For people, or for programs.",
    ),
]
