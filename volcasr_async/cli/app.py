"""The list of commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from volcasr_async import __version__
from volcasr_async.cli.batch import batch
from volcasr_async.cli.console import GIVEN, INPUTS, reported, still
from volcasr_async.cli.convert import convert
from volcasr_async.cli.demo import demo
from volcasr_async.cli.doctor import doctor
from volcasr_async.cli.examples import EXAMPLES
from volcasr_async.cli.inputs import inputs_of
from volcasr_async.cli.probe import probe
from volcasr_async.cli.simulate import fault_notes, simulate
from volcasr_async.cli.status import status
from volcasr_async.cli.tasks import query, submit, wait
from volcasr_async.cli.transcribe import transcribe
from volcasr_async.errors import without_queries

app: typer.Typer = typer.Typer(
    name="volcasr",
    no_args_is_help=True,
    rich_markup_mode=None,  # in the tables that rich draws, 80 columns cut the longer flags
    pretty_exceptions_enable=False,  # they may show local variables, and those may be credentials
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: tuple[Callable[..., Any], ...] = (
    transcribe,
    batch,
    status,
    submit,
    query,
    wait,
    convert,
    probe,
    doctor,
    simulate,
    demo,
)


def unwrapped(text: str | None) -> str:
    """Join the lines of each paragraph: the terminal's width is not the source's."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(text or ""))


_NOTES: dict[str, Callable[[], tuple[str, list[tuple[str, str]]]]] = {"simulate": fault_notes}
"""Sections that only the help of one command has."""


_USAGE_ERROR: Any = typer.BadParameter.__base__  # click's, wherever typer keeps click


@contextmanager
def _discreet() -> Iterator[None]:
    """Let no complaint about the command line repeat the query of a link, or move the cursor."""
    try:
        yield
    except _USAGE_ERROR as error:
        error.message = still(without_queries(error.message))
        raise


class Discreet(TyperGroup):
    """The list of commands; what they complain about is shown as everything else is."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before the command."""
        with _discreet():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Read the rest, and run the command."""
        with _discreet():
            return super().invoke(ctx)


class Grouped(TyperCommand):
    """A command whose help has the flags in groups, for there are many, and examples at its end."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the words as they were given: a line to go on with repeats them."""
        ctx.meta[GIVEN] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, unless stdout is a file that the command reads."""
        inputs = ctx.meta[INPUTS] = inputs_of(ctx.params)
        reported(inputs.refuse_stdout)()
        return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Write arguments as everybody does: newer typer puts required ones in braces."""
        return [re.sub(r"[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            if record := parameter.get_help_record(ctx):
                name = re.sub(r" <[^>]*>", "", record[0])  # typer's name of a type
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append((name, record[1]))
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=28)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - click's signature
        """Write what else there is to say, and the examples, whose lines are not broken: they are copied."""
        if notes := _NOTES.get(self.name or ""):
            title, records = notes()
            with formatter.section(title):
                formatter.write_dl(records, col_max=28)
        if examples := EXAMPLES.get(self.name or ""):
            formatter.write("\nExamples:\n" + "".join(f"  # {what}\n  {line}\n" for what, line in examples))


def _add(command: Callable[..., None]) -> None:
    text = unwrapped(command.__doc__)
    app.command(cls=Grouped, help=text, short_help=text.partition("\n")[0])(reported(command))


for _command in COMMANDS:
    _add(_command)


def _version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"volcasr {__version__}")
        raise typer.Exit


_INTRODUCTION = """\
Transcribe recordings with Volcengine's (Doubao) speech recognition.

Results go to stdout or files, everything else to stderr. Exit status: 0 all well, 1 some recording failed, 2 nothing was
sent because the request cannot be served (usage, credentials, input), 130 interrupted.
"""


@app.callback(cls=Discreet, help=unwrapped(_INTRODUCTION))
def _volcasr(
    *,
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and end.", is_eager=True, callback=lambda v: _version(asked=v)
        ),
    ] = False,
) -> None:
    """Take what stands before the command."""
