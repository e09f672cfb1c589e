"""`volcasr transcribe`: several recordings at once, their transcripts in the order in which they were given."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec
import typer

from volcasr_async.cli.connection import CONNECTION, PACE, Connection, Pace
from volcasr_async.cli.console import (
    FAILED,
    INPUTS,
    INTERRUPTED,
    WRONG_USAGE,
    CommandError,
    complain,
    plain,
    say,
    status_of,
)
from volcasr_async.cli.flags import taking
from volcasr_async.cli.formats import BOM, LAYOUT, FormatName, LayoutFlags, Writing
from volcasr_async.cli.inputs import Inputs
from volcasr_async.cli.links import is_link, lacks_scheme, shown_link
from volcasr_async.cli.options import AUDIO, JOB, AudioFlags, EditionName, JobFlags, Timeout
from volcasr_async.cli.output import write_file, write_stdout
from volcasr_async.cli.progress import Board
from volcasr_async.cli.recognition import RECOGNITION
from volcasr_async.cli.stdin import is_pipe, refuse_twice, shown_source, spooled
from volcasr_async.cli.targets import Target, as_file, planned_files, read_target, refuse_ambiguous
from volcasr_async.cli.words import counted
from volcasr_async.editions import Flash
from volcasr_async.errors import SubmitUncertain, VolcASRError, WaitTimeout
from volcasr_async.models import Task, Transcript
from volcasr_async.options import Options
from volcasr_async.sources import AudioFile, AudioFileObject, AudioUrl

if TYPE_CHECKING:
    from volcasr_async.client import VolcASR

_GLANCE_S = 0.2


@taking(layout=LAYOUT, recognition=RECOGNITION, audio=AUDIO, job=JOB, pace=PACE, connection=CONNECTION)
def transcribe(
    shell: typer.Context,
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="Links (http, https) and local files; - for stdin.")
    ],
    *,
    edition: EditionName = None,
    format: FormatName = None,  # noqa: A002 - the flag's name
    output: Annotated[
        Target | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            parser=read_target,
            help="A file; DIR/, or any PATH for several sources, is a directory with a file for each.",
        ),
    ] = None,
    timeout: Timeout = None,
    recognition: Options,
    audio: AudioFlags,
    job: JobFlags,
    layout: LayoutFlags,
    pace: Pace,
    connection: Connection,
) -> None:
    """Transcribe recordings, and print what was said.

    Several are transcribed at once and printed in the order given: with --format json as one line of JSON each, with the
    source's name in it.
    """
    import anyio

    if connection.resource_id and edition is None and len({is_link(source) for source in sources}) > 1:
        message = "--resource-id fits one edition, and links go through standard, local audio through flash"
        raise CommandError(message, "Name the edition too, or give links and files apart", status=WRONG_USAGE)
    refuse_twice(sources)
    refuse_ambiguous(output, len(sources))
    inputs: Inputs = shell.meta[INPUTS]
    writing = layout.writing(format, as_file(output, inputs, len(sources)))
    names = [display_name(source) for source in sources]
    files = planned_files(output, names, writing.suffix, inputs)
    recordings = [Recording(source, path) for source, path in zip(sources, files, strict=True)]
    plan = Plan(edition, recognition, audio, job, timeout, connection)
    work = Round(plan, recordings, Delivery(writing, several=len(recordings) > 1))
    with ExitStack() as stack:
        try:
            for recording in recordings:
                if is_pipe(recording.source):
                    _refuse_links_only(edition, recording.name)
                    recording.copy = stack.enter_context(spooled(recording.source))
            anyio.run(work.run, pace)
        except KeyboardInterrupt:
            work.interrupted()
            raise typer.Exit(INTERRUPTED) from None
    if status := work.status:
        raise typer.Exit(status)


def _refuse_links_only(edition: str | None, name: str) -> None:
    """Raise `CommandError` for a pipe and an edition that downloads recordings, before the pipe is read."""
    # The edition itself would need its cluster or resource id first.
    if edition not in (None, Flash.name):
        raise CommandError(
            f"{name}: the {edition} edition takes a link, not local audio",
            "Leave --edition out, or put the recording behind a link",
            status=WRONG_USAGE,
        )


def audio_source(text: str, audio: AudioFlags, copy: BinaryIO | None = None) -> AudioUrl | AudioFile | AudioFileObject:
    """Take a link for a link and anything else for a local path; *copy* holds what came through a pipe."""
    if copy is not None:
        return AudioFileObject(file=copy, name=shown_source(text), **audio.fields)
    if not text.strip():  # a variable of the shell that is not set; as a path it would be the current directory
        raise CommandError("a source is empty", "Name a link or a file", status=WRONG_USAGE)
    if lacks_scheme(text):
        raise CommandError(
            f"there is no file {shown_link(text)}",
            f"A link begins with https://: https://{shown_link(text)}",
            status=WRONG_USAGE,
        )
    return AudioUrl(url=text, **audio.fields) if is_link(text) else AudioFile(path=Path(text), **audio.fields)


def display_name(text: str) -> str:
    """Name a source so that no query of a link is shown."""
    try:
        return AudioUrl(url=text).label if is_link(text) else plain(shown_link(shown_source(text)))
    except VolcASRError:
        return plain(shown_link(text))


class Recording:
    """One source, and what has become of it."""

    def __init__(self, source: str, path: Path | None = None) -> None:
        self.source = source
        self.path = path
        self.copy: BinaryIO | None = None
        self.name: str = display_name(source)
        self.task: Task | None = None
        self.transcript: Transcript | None = None
        self.error: VolcASRError | CommandError | None = None

    @property
    def ended(self) -> bool:
        """Whether there is something to tell."""
        return self.transcript is not None or self.error is not None


class Plan(msgspec.Struct, frozen=True):
    """How each recording is transcribed."""

    edition: str | None
    options: Options
    audio: AudioFlags
    job: JobFlags
    timeout: float | None
    connection: Connection

    async def transcribe(self, asr: VolcASR, recording: Recording, tell: Callable[[str], None]) -> Transcript:
        """Bring the transcript; the task is noted as soon as there is one, so that an interruption does not lose it."""
        source = audio_source(recording.source, self.audio, recording.copy)
        name = self.edition or ("standard" if isinstance(source, AudioUrl) else "flash")
        edition, job = self.connection.edition(name), self.job.job(source)
        if isinstance(edition, Flash):
            tell("flash: sent" if isinstance(source, AudioUrl) else "flash: uploading")
            return await asr.transcribe(job, edition=edition, options=self.options, timeout=self.timeout)
        patience, start = self.timeout or edition.patience_s, time.monotonic()
        tell(f"{name}: submitting")
        recording.task = await asr.submit(job, edition=edition, options=self.options, timeout=patience)
        tell(f"{name}: waiting for the text")
        left = max(patience - (time.monotonic() - start), 0.0)
        return await asr.wait(recording.task, timeout=left)


class Delivery:
    """Brings results to where they were asked for."""

    def __init__(self, writing: Writing, *, several: bool) -> None:
        self._writing, self._several = writing, several
        self._printed = False

    def deliver(self, recording: Recording, transcript: Transcript) -> None:
        """Write one result; what cannot be written to its file goes to stdout, for it has been paid."""
        try:
            text = self._writing.render(transcript)
        except Exception as error:  # noqa: BLE001 - whatever a format minds, the result has been paid
            recording.error = CommandError(str(error), "The whole result is printed as JSON, so that it is not lost")
            write_stdout(transcript.to_json() + "\n")
            return
        if recording.path is None:
            self._print(recording, text)
            return
        try:
            write_file(recording.path, text)
        except CommandError as error:
            recording.error = CommandError(str(error), "The result is printed instead, so that it is not lost")
            self._print(recording, text)
        else:
            say(f"{recording.path}", f" ({recording.name})" if self._several else "", colour="green")

    def _print(self, recording: Recording, text: str) -> None:
        if self._several and self._writing.format == "json":
            one_line = msgspec.json.format(text, indent=-1)
            name = msgspec.json.encode(recording.name.encode("utf-8", "replace").decode()).decode()
            text = f'{{"source":{name},{one_line[1:]}\n'
        elif self._several:
            say(recording.name, colour="cyan")
        write_stdout(text.removeprefix(BOM) if self._printed else text)
        self._printed = True


class Round:
    """The recordings of one call, all on their way at once."""

    def __init__(self, plan: Plan, recordings: list[Recording], delivery: Delivery) -> None:
        self._plan, self._all, self._delivery = plan, recordings, delivery
        self._waiting = list(recordings)
        self._board = Board(watched=False if plan.connection.verbose else None)
        self._broken: OSError | None = None

    async def run(self, pace: Pace) -> None:
        """Transcribe them all, and deliver each when its turn has come."""
        import anyio

        async with self._plan.connection.client(pace.limits) as asr, anyio.create_task_group() as around:
            around.start_soon(self._watch, asr)
            with self._board.running():
                async with anyio.create_task_group() as tasks:
                    for recording in self._all:
                        tasks.start_soon(self._one, asr, recording, tasks.cancel_scope.cancel)
            around.cancel_scope.cancel()
        if self._broken is not None:
            raise self._broken

    async def _watch(self, asr: VolcASR) -> None:
        """Keep the board's last line true; in the event loop, for its clock is part of the answer."""
        import anyio

        while True:
            self._board.summary = _summary(asr)
            await anyio.sleep(_GLANCE_S)

    async def _one(self, asr: VolcASR, recording: Recording, stop: Callable[[], None]) -> None:
        tell = partial(self._board.show, recording, recording.name.partition("?")[0])
        try:
            recording.transcript = await self._plan.transcribe(asr, recording, tell)
        except (VolcASRError, CommandError) as error:
            recording.error = error
        finally:
            self._board.drop(recording)
        try:
            with self._board.aside():
                self._deliver()
        except OSError as error:  # whoever read stdout has gone
            self._broken = error
            stop()

    def _deliver(self) -> None:
        """Deliver what has ended: to stdout in the order given, to files at once."""
        for recording in list(self._waiting):
            if recording.ended:
                self._waiting.remove(recording)
                self._tell(recording)
            elif recording.path is None:
                return

    def _tell(self, recording: Recording) -> None:
        if recording.transcript is not None:
            self._delivery.deliver(recording, recording.transcript)
            if recording.transcript.silent:
                say(f"{recording.name}: ", "nothing is spoken in it")
        if recording.error is not None:
            complain(recording.error, about=recording.name)
            if task := task_left_by(recording.error):
                say("  go on with: ", self._plan.connection.resume_line(task))

    def interrupted(self) -> None:
        """Deliver what is there, and say how to go on with what is not."""
        for recording in self._waiting:
            if recording.ended:
                self._tell(recording)
        tasks = [r.task for r in self._waiting if r.task is not None and not r.ended]
        say("interrupted", "; these go on at the service, wait for them with:" if tasks else "", colour="yellow")
        for task in tasks:
            say("  ", self._plan.connection.resume_line(task))

    @property
    def status(self) -> int:
        """Tell what the shell hears: 2 only when nothing at all was sent."""
        errors = [r.error for r in self._all if r.error is not None]
        if not errors:
            return 0
        if len(errors) > 1 or len(self._all) > 1:
            say(f"{len(errors)} of {len(self._all)} failed", colour="red")
        refused = len(errors) == len(self._all) and all(status_of(error) == WRONG_USAGE for error in errors)
        return WRONG_USAGE if refused else FAILED


def task_left_by(error: Exception) -> Task | None:
    """Find the task that can still be waited for."""
    return error.task if isinstance(error, WaitTimeout | SubmitUncertain) else None


def _summary(asr: VolcASR) -> str:
    stats = asr.stats
    rejected = f", {stats.rejected} refused for the rate" if stats.rejected else ""
    queue = f", {stats.waiting} waiting for their turn" if stats.waiting else ""
    return f"{counted(stats.started, 'request')}{queue}{rejected}"
