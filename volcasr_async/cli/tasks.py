"""`volcasr submit`, `query` and `wait`: the steps of a transcription, each in its own process if need be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer
from msgspec.structs import replace

from volcasr_async.cli.connection import CONNECTION, Connection
from volcasr_async.cli.console import INPUTS, INTERRUPTED, WRONG_USAGE, CommandError, complain, say, status_of
from volcasr_async.cli.flags import taking
from volcasr_async.cli.formats import LAYOUT, FormatName, LayoutFlags, Writing
from volcasr_async.cli.inputs import Inputs
from volcasr_async.cli.options import AUDIO, JOB, AudioFlags, EditionName, JobFlags, Timeout
from volcasr_async.cli.output import write_file, write_stdout
from volcasr_async.cli.progress import Board
from volcasr_async.cli.recognition import RECOGNITION
from volcasr_async.cli.stdin import read_stdin
from volcasr_async.cli.targets import Output, as_file, planned_files
from volcasr_async.cli.texts import decoded
from volcasr_async.cli.transcribe import audio_source, display_name, task_left_by
from volcasr_async.errors import SubmitUncertain, WaitTimeout
from volcasr_async.models import Pending, Task, Transcript
from volcasr_async.options import Options

if TYPE_CHECKING:
    from volcasr_async.client import VolcASR

T = TypeVar("T")

TaskText = Annotated[
    str,
    typer.Argument(
        metavar="TASK", help="What submit printed: the JSON itself, @FILE, or - for stdin.", show_default=False
    ),
]


@taking(recognition=RECOGNITION, audio=AUDIO, job=JOB, connection=CONNECTION)
def submit(
    url: Annotated[str, typer.Argument(metavar="URL", help="The link to the recording.")],
    *,
    edition: EditionName = None,
    timeout: Timeout = None,
    recognition: Options,
    audio: AudioFlags,
    job: JobFlags,
    connection: Connection,
) -> None:
    """Submit a recording, and print the task to wait for: one line of JSON without any secret."""

    async def work(asr: VolcASR) -> Task:
        named = job.job(audio_source(url, audio))
        chosen = connection.edition(edition or "standard")
        return await asr.submit(named, edition=chosen, options=recognition, timeout=timeout)

    write_stdout(_run(work, connection, showing=(display_name(url), "submitting")).to_json() + "\n")


@taking(layout=LAYOUT, connection=CONNECTION)
def query(
    shell: typer.Context,
    task: TaskText,
    *,
    format: FormatName = None,  # noqa: A002 - the flag's name
    output: Output = None,
    layout: LayoutFlags,
    connection: Connection,
) -> None:
    """Ask once about a task.

    A finished one is printed as transcribe does. Of one that is not finished, its phase goes to stderr, and with
    --format json to stdout as {"phase": ...}; the exit status is 0.
    """
    inputs: Inputs = shell.meta[INPUTS]
    asked, writing = read_task(task, connection), layout.writing(format, as_file(output, inputs))
    [path] = planned_files(output, [asked.id], writing.suffix, inputs)

    async def work(asr: VolcASR) -> Pending | Transcript:
        return await asr.query(asked)

    found = _run(work, connection, showing=(asked.id, "asking"))
    if isinstance(found, Transcript):
        _finish(found, writing, path)
        return
    say(found.phase, f"; wait for it with: {connection.resume_line(asked)}", colour="yellow")
    if writing.format == "json":
        write_stdout(msgspec.json.encode(found).decode() + "\n")


@taking(layout=LAYOUT, connection=CONNECTION)
def wait(
    shell: typer.Context,
    task: TaskText,
    *,
    format: FormatName = None,  # noqa: A002 - the flag's name
    output: Output = None,
    timeout: Timeout = None,
    layout: LayoutFlags,
    connection: Connection,
) -> None:
    """Wait for a task, and print what was said; it may be as old as the service keeps it."""
    inputs: Inputs = shell.meta[INPUTS]
    awaited, writing = read_task(task, connection), layout.writing(format, as_file(output, inputs))
    [path] = planned_files(output, [awaited.id], writing.suffix, inputs)

    async def work(asr: VolcASR) -> Transcript:
        return await asr.wait(awaited, timeout=timeout)

    _finish(_run(work, connection, showing=(awaited.id, "waiting for the text"), task=awaited), writing, path)


def read_task(text: str, connection: Connection) -> Task:
    """Read a task from the command line, a file or stdin, for the edition that the flags make of it."""
    try:
        if text == "-":
            text = decoded(read_stdin())
        elif text.startswith("@"):
            text = decoded(Path(text[1:]).read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise CommandError(f"the task in {text[1:] or 'stdin'} cannot be read: {why}", status=WRONG_USAGE) from error
    task = Task.from_json(text)
    return replace(task, edition=connection.overriding(task.edition))


def _finish(transcript: Transcript, writing: Writing, path: Path | None) -> None:
    if transcript.silent:
        say("nothing is spoken in it")
    text = writing.render(transcript)
    if path is None:
        write_stdout(text)
        return
    write_file(path, text)
    say(f"{path}", colour="green")


def _run(
    work: Callable[[VolcASR], Awaitable[T]],
    connection: Connection,
    *,
    showing: tuple[str, str],
    task: Task | None = None,
) -> T:
    """Do one thing with the client; say how to go on when it is left unfinished."""
    import anyio

    async def run() -> T:
        board = Board(watched=False if connection.verbose else None)
        async with connection.client() as asr:
            board.show(showing, *showing)
            with board.running():
                return await work(asr)

    try:
        return anyio.run(run)
    except KeyboardInterrupt:
        say("interrupted", "; go on with:" if task else "", colour="yellow")
        if task is not None:
            say("  ", connection.resume_line(task))
        raise typer.Exit(INTERRUPTED) from None
    except (WaitTimeout, SubmitUncertain) as error:
        complain(error, about=showing[0])
        if left := task_left_by(error):
            say("  go on with: ", connection.resume_line(left))
        raise typer.Exit(status_of(error)) from None
