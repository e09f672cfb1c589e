"""What people read on stderr, and what the shell reads: messages, the library's log, exit status."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import ParamSpec

import typer

from volcasr_async.cli.words import in_flags
from volcasr_async.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InputError,
    ResourceNotGranted,
    ServiceError,
    SubmitUncertain,
    TransportError,
    VolcASRError,
    WaitTimeout,
    in_one_line,
    without_queries,
)

P = ParamSpec("P")

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

GIVEN = "volcasr.given"
"""Where the context keeps the words of the command line."""
INPUTS = "volcasr.inputs"
"""Where the context keeps the `Inputs` of the command."""

_LONGEST = 600
_NO_WAY = "Check the network, the proxy and --base-url; `volcasr doctor` looks at them"
_ACCOUNT = "; `volcasr doctor` looks closer"
_NO_CREDENTIALS = "A file with them goes to --credentials FILE; `volcasr demo` shows everything without any"


class CommandError(Exception):
    """Something that the command itself has to refuse or could not do, with its cure."""

    def __init__(self, message: str, cure: str = "", *, status: int = FAILED) -> None:
        super().__init__(message)
        self.cure = cure
        self.status = status


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Let *command* end with a message and an exit status instead of a traceback, for errors that are meant for people."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (VolcASRError, CommandError) as error:
            complain(error)
            raise typer.Exit(status_of(error)) from None
        except BaseExceptionGroup as group:
            if _unread(group):
                raise typer.Exit(FAILED) from None
            raise

    return run


def _unread(group: BaseExceptionGroup[BaseException]) -> bool:
    """Whether all that happened is that nobody reads our output any more, as after `| head`."""
    return group.split((BrokenPipeError, SystemExit))[1] is None


def status_of(error: Exception) -> int:
    """Tell what the shell hears: 2 for what was refused before anything was sent."""
    if isinstance(error, CommandError):
        return error.status
    return WRONG_USAGE if isinstance(error, InputError | ConfigurationError) else FAILED


def complain(error: Exception, *, about: str = "") -> None:
    """Say on one line what went wrong, and on the next what to do about it."""
    message, cure = explained(error)
    say("error: ", (f"{about}: " if about and plain(about) not in message else "") + message, colour="red", wrap=True)
    if cure:
        say("  ", cure)


def explained(error: Exception) -> tuple[str, str]:
    """Divide an error into what happened and its cure."""
    text = in_flags(plain(str(error)))
    match error:
        case CommandError():
            return text, plain(error.cure)
        case WaitTimeout() if error.task is not None:
            known = "it goes on at the service" if error.charged == "yes" else "it may go on at the service"
            reason = f". The last request failed: {plain(str(error.__cause__))}" if error.__cause__ is not None else ""
            return f"task {error.task.id} was not finished in time; {known}{in_flags(reason)}", ""
        case ServiceError() if error.hint:
            more = _ACCOUNT if isinstance(error, AuthenticationFailed | ResourceNotGranted) else ""
            return plain(str(error).removesuffix(error.hint)).rstrip(". "), in_flags(plain(error.hint)) + more
        case TransportError():
            return text, _NO_WAY
        case SubmitUncertain() if ". " in text:
            message, _, cure = text.rpartition(". ")
            return message, cure
        case ConfigurationError() if "no credentials" in text:
            return text, _NO_CREDENTIALS
        case _:
            return text, ""


def plain(text: str) -> str:
    """Make one line of *text* that shows no URL's query and moves no cursor."""
    line = without_queries(in_one_line(text)).strip()
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."


def say(label: str, text: str = "", *, colour: str | None = None, wrap: bool = False) -> None:
    """Write a line to stderr; only its *label* is coloured. *wrap* breaks it between words where somebody watches."""
    label, text = still(label), still(text)
    if wrap and is_terminal():
        whole = _wrapped(label + text)
        label, text = (label, whole.removeprefix(label)) if whole.startswith(label) else (whole, "")
    shown = typer.style(label, fg=colour, bold=True) if colour is not None else label
    # To stderr by name, and at once: what a progress puts in its place writes whole lines above itself.
    typer.echo(shown + text, file=sys.stderr, color=_colour())


def still(text: str) -> str:
    """Take out what moves a cursor, but for the ends of lines."""
    return "\n".join(map(in_one_line, text.split("\n")))


def _wrapped(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    width = max(shutil.get_terminal_size().columns - 1, 20)
    return textwrap.fill(
        line,
        width,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def _colour() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def is_terminal() -> bool:
    """Tell whether somebody watches stderr."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


# ---- the library's log ----


class _ToStderr(logging.Handler):
    """Writes warnings as our own messages, and everything with the time when that was asked for."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(logging.DEBUG if verbose else logging.WARNING)
        self._verbose = verbose
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        if self._verbose:
            label = f"{self.format(record).partition(chr(10))[0]} "  # without the traceback that may follow
            say(label, plain(record.getMessage()))
        else:
            say("warning: ", in_flags(plain(record.getMessage())), colour="yellow")

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what the command says itself, with the line to go on with."""
        said_itself = record.getMessage().startswith("cancelled; task")
        return not said_itself and bool(super().filter(record))


def show_log(*, verbose: bool) -> None:
    """Bring the library's log to stderr: warnings, or with *verbose* all of it."""
    log = logging.getLogger("volcasr_async")
    log.handlers = [_ToStderr(verbose=verbose)]
    log.setLevel(logging.DEBUG if verbose else logging.WARNING)
    log.propagate = False
