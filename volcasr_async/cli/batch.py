"""`volcasr batch`: a list of any length, with a journal that a crash, a Ctrl-C or a second run goes on from."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volcasr_async.cli.connection import CONNECTION, PACE, Connection, Pace
from volcasr_async.cli.console import GIVEN, INTERRUPTED, WRONG_USAGE, CommandError, is_terminal, plain, say
from volcasr_async.cli.directories import Directory
from volcasr_async.cli.failures import Failures
from volcasr_async.cli.flags import taking
from volcasr_async.cli.formats import LAYOUT, FormatName, LayoutFlags, Writing
from volcasr_async.cli.inputs import Inputs, inputs_of
from volcasr_async.cli.listing import Defaults, Listing
from volcasr_async.cli.meter import Meter
from volcasr_async.cli.options import AUDIO, JOB, AudioFlags, EditionName, JobFlags
from volcasr_async.cli.output import made_directory
from volcasr_async.cli.recognition import RECOGNITION
from volcasr_async.cli.round import Round, Sink, ToDirectory, ToStdout
from volcasr_async.cli.skipping import Skipped
from volcasr_async.cli.tables import COLUMNS, Columns
from volcasr_async.editions import Edition
from volcasr_async.errors import without_queries
from volcasr_async.job import prepare
from volcasr_async.journal import BESIDE
from volcasr_async.options import Options
from volcasr_async.policies import RetryPolicy
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access
from volcasr_async.sources import AudioFile, AudioUrl

if TYPE_CHECKING:
    from volcasr_async.client import VolcASR

_JOURNAL = "volcasr-journal.db"
_FAILURES = "failures.jsonl"


@taking(table=COLUMNS, layout=LAYOUT, recognition=RECOGNITION, audio=AUDIO, job=JOB, pace=PACE, connection=CONNECTION)
def batch(
    shell: typer.Context,
    list_: Annotated[
        str,
        typer.Argument(
            metavar="LIST",
            help="A file with a link or path a line, JSON lines, or CSV with --column; - for stdin; or a directory.",
        ),
    ],
    *,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="LIST is a directory: take the recordings of its directories, too.")
    ] = False,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"The record to go on from; by default {_JOURNAL} in the output directory."),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", metavar="DIR", help="A file for each recording goes here; made when missing."
        ),
    ] = None,
    format: FormatName = None,  # noqa: A002 - the flag's name
    edition: EditionName = None,
    window: Annotated[
        int, typer.Option(metavar="N", min=1, help="Recordings under way at most; those that wait cost no connection.")
    ] = 1000,
    redo: Annotated[
        bool, typer.Option("--redo", help="Transcribe again what was done before; it is charged again.")
    ] = False,
    resend_uncertain: Annotated[
        bool,
        typer.Option(
            "--resend-uncertain",
            help="v1 and flash: send again what may have been charged, where the answer was lost.",
        ),
    ] = False,
    pay_again: Annotated[
        bool,
        typer.Option(
            "--pay-again",
            help="Submit again what may be charged again: uncertain and missing recordings, and tasks that ended badly.",
        ),
    ] = False,
    failures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"What failed, as JSON lines; by default {_FAILURES} beside the results."),
    ] = None,
    table: Columns,
    recognition: Options,
    audio: AudioFlags,
    job: JobFlags,
    layout: LayoutFlags,
    pace: Pace,
    connection: Connection,
) -> None:
    """Transcribe a list of recordings, and go on where an earlier run stopped.

    The same line again goes on: what is done is not sent again, what the service has is waited for, the rest is sent. Ctrl-C
    stops after the requests in the air, a second one at once; nothing is lost or paid twice either way.
    """
    import anyio

    is_directory = list_ != "-" and Path(list_).is_dir()
    if recursive and not is_directory:
        raise CommandError(
            f"--recursive needs a directory, and {plain(list_)} is not a directory",
            "Leave --recursive out for a list",
            status=WRONG_USAGE,
        )
    chosen = _checked(edition, recognition, audio, job, connection, local=is_directory)
    who = connection.who()  # once: the file may be a pipe
    if chosen is not None:
        dialect_of(chosen, Access(who))  # refuses credentials that do not fit
    # Without the journal, which this command writes too: it is no input that must not be written.
    inputs = inputs_of({name: value for name, value in shell.params.items() if name != "journal"})
    record, sink, failed = _places(journal, output_dir, failures, layout.writing(format), inputs)
    _refuse_collisions(record, failed, list_, inputs)
    kept = Failures(failed, recognition, job)
    defaults = Defaults(recognition, audio, lambda name: _edition(name, chosen, connection), job)
    skipped = Skipped()
    listing: Listing | Directory
    if is_directory:
        listing = Directory(
            list_, defaults, kept.add_line, skipped, recursive=recursive, output=output_dir, own=(record, failed)
        )
    else:
        listing = Listing(list_, defaults, kept.add_line, table)
        if list_ == "-" and sys.stdin.isatty():
            say("reading the list from the terminal; end with Ctrl-D", wrap=True)

    def client() -> VolcASR:
        retry = RetryPolicy(pay_again=pay_again, resubmit_v1=resend_uncertain, resend_flash=resend_uncertain)
        return connection.client(pace.limits, who=who, edition=chosen, options=recognition, retry=retry)

    seen = is_terminal() and not connection.verbose and not (output_dir is None and sys.stdout.isatty())
    meter = Meter("stdin" if list_ == "-" else Path(list_).name or list_, watched=seen)
    work = Round(listing, sink, kept, meter, skipped, journal=record, window=window, redo=redo)
    try:
        anyio.run(work.run, client)
    except KeyboardInterrupt:
        work.interrupted = True
    finally:
        listing.close()
    _end(work, shell.meta[GIVEN])


def _end(work: Round, given: list[str]) -> None:
    """Sum up, and say how to go on with what is left."""
    status = work.sum_up()
    if work.unfinished:
        line, notes = resume_line(given)
        say("go on with: ", line)
        for note in notes:
            say("  ", note, wrap=True)
    if work.interrupted:
        status = INTERRUPTED
    if status:
        raise typer.Exit(status)


def resume_line(given: list[str]) -> tuple[str, list[str]]:
    """Write the line that goes on, with what has to be said about it."""
    kept = [word for word in given if word != "--redo"]
    words = [without_queries(word) for word in kept]
    notes = []
    if words != kept:
        notes.append("with the query of the link as it was: it may be a credential, so it is not shown")
    if kept != given:
        notes.append("--redo is left out: it would transcribe, and charge, again what this run has done")
    if "-" in words:
        notes.append("with the same list on stdin")
    return shlex.join(["volcasr", "batch", *words]), notes


def _checked(
    name: str | None, options: Options, audio: AudioFlags, job: JobFlags, connection: Connection, *, local: bool
) -> Edition | None:
    """Refuse before the list is opened what would fail with every line of it. *local*: every line is a local file."""
    source = (
        AudioFile(path=Path("a.wav"), **audio.fields)
        if local
        else AudioUrl(url="https://example.com/a.wav", **audio.fields)
    )
    sample = job.job(source)
    if name is None:
        if connection.resource_id is not None:
            message = "--resource-id fits one edition, and a list may go through several"
            raise CommandError(message, "Name the edition too: --edition", status=WRONG_USAGE)
        return None
    edition = connection.edition(name)
    prepare(sample, edition=edition, options=options, cluster=None, takes_private_links=connection.takes_private_links)
    return edition


def _edition(name: str, chosen: Edition | None, connection: Connection) -> Edition:
    """Make the edition that a line names."""
    if chosen is not None and chosen.name == name:
        return chosen
    return connection.named(name)


def _places(
    journal: Path | None,
    directory: Path | None,
    failures: Path | None,
    writing: Writing,
    inputs: Inputs,
) -> tuple[Path, Sink, Path]:
    """Choose where the journal, the results and the failures lie."""
    if directory == Path("-"):
        raise CommandError(
            "--output-dir - is not a directory",
            "For results on stdout, give --journal FILE and --format json",
            status=WRONG_USAGE,
        )
    if directory is not None:
        made_directory(directory)
        record = journal or directory / _JOURNAL
        return record, ToDirectory(directory, writing, record, inputs), failures or directory / _FAILURES
    if journal is None:
        raise CommandError(
            "a batch needs a place for its journal, and for its results",
            "Give --output-dir DIR (the journal lies in it too), or --journal FILE with --format json for stdout",
            status=WRONG_USAGE,
        )
    if writing.format != "json":
        raise CommandError(
            "without --output-dir results go to stdout, and there as JSON lines only",
            "Give --output-dir DIR, or --format json",
            status=WRONG_USAGE,
        )
    return journal, ToStdout(writing), failures or journal.with_name(f"{journal.stem}-{_FAILURES}")


def _refuse_collisions(journal: Path, failures: Path, list_: str, inputs: Inputs) -> None:
    """Raise `CommandError` if the journal or the failures file would replace an input, or each other.

    A failures file of an earlier run may be the list. It is replaced only after the run has read it to its end.
    """
    family = journal_files(journal)
    for path in family:
        inputs.refuse(path, "--journal")
    if not (list_ != "-" and _is_same(failures, Path(list_))):
        inputs.refuse(failures, "--failures")
    inputs.refuse(failures.with_name(f".{failures.name}.part"), "--failures")  # its name until it is complete
    if any(_is_same(failures, path) for path in family):
        raise CommandError(
            f"{failures} cannot be the failures file, because it belongs to the journal {journal}",
            "Name another file with --failures",
            status=WRONG_USAGE,
        )
    made_directory(failures.parent)


def journal_files(journal: Path) -> list[Path]:
    """Return the path of the journal, and those of the files that belong to the journal."""
    return [journal, *(journal.with_name(journal.name + end) for end in BESIDE)]


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths name the same file. Paths of missing files are compared without case."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one).casefold() == os.path.realpath(other).casefold()
