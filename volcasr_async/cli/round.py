"""One run of `volcasr batch`: outcomes go to their files one after the other, signals stop it, and in the end it is summed up."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from volcasr_async.cli.console import FAILED, WRONG_USAGE, CommandError, complain, explained, plain, say, status_of
from volcasr_async.cli.failures import Earlier, Failures
from volcasr_async.cli.formats import Writing
from volcasr_async.cli.inputs import Inputs
from volcasr_async.cli.interruptions import interruptions
from volcasr_async.cli.meter import GLANCE_S, Meter, Moment, Pulse, clock
from volcasr_async.cli.output import mark_of, rewrite_file, stable_name, write_stdout
from volcasr_async.cli.skipping import Items, Skipped, without_others
from volcasr_async.cli.words import counted
from volcasr_async.errors import Charged, JournalError, VolcASRError
from volcasr_async.job import Job
from volcasr_async.journal import Journal, State
from volcasr_async.models import Transcript
from volcasr_async.outcomes import BatchStats, Done

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from volcasr_async.batch import Batch
    from volcasr_async.client import VolcASR

_HELD: tuple[tuple[State, Charged | None, str], ...] = (
    ("done", None, "done"),
    ("accepted", None, "accepted and waited for"),
    ("sent", None, "sent without an answer, queried first"),
    ("planned", None, "to send"),
    ("failed", "no", "refused, sent again"),
    ("failed", "yes", "that ended badly, submitted as new tasks (may be charged again)"),
    ("uncertain", None, "uncertain"),
    ("missing", None, "missing, queried first"),
)
"""What the journal held, in the words of what is done about it."""

_NEW_TASKS = "; {} that ended badly will be submitted as new tasks, which may be charged again"


class Sink(Protocol):
    """Where results go."""

    async def put(self, job: Job, transcript: Transcript) -> None:
        """Bring one there for good; `CommandError` where that cannot be."""
        ...

    def lacks(self, name: str) -> bool:
        """Tell whether what was brought of that name before is not there any more."""
        ...


class ToDirectory:
    """A file for each result, whole or not at all.

    Temporary names hold a mark of the *journal*. So two batches may write into one directory, and a run overwrites what a
    killed run of the same journal left.
    """

    def __init__(self, directory: Path, writing: Writing, journal: Path, inputs: Inputs) -> None:
        self._directory, self._writing, self._inputs = directory, writing, inputs
        self._mark = mark_of(journal)
        self._found: set[str] | None = None

    async def put(self, job: Job, transcript: Transcript) -> None:
        """Write the file; a disk that is slow keeps nobody else waiting."""
        import anyio.to_thread

        path = self._directory / stable_name(job.name, self._writing.suffix)
        await anyio.to_thread.run_sync(self._write, path, transcript)

    def lacks(self, name: str) -> bool:
        """Look for the file, as it would be called in this format."""
        if self._found is None:
            self._found = {path.name for path in self._directory.iterdir()}
        return stable_name(name, self._writing.suffix) not in self._found

    def _write(self, path: Path, transcript: Transcript) -> None:
        try:
            text = self._writing.render(transcript)
        except VolcASRError as error:
            raise CommandError(str(error), "The journal keeps it: take another --format") from error
        self._inputs.refuse(path, "--output-dir", status=FAILED)
        rewrite_file(path, text, mark=self._mark)


class ToStdout:
    """A line of JSON for each result, with its key."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    async def put(self, job: Job, transcript: Transcript) -> None:
        """Write the whole line.

        The write is made in a thread, because a pipe that is read slowly would stop the event loop. A cancellation waits
        for the thread, so that two lines are never written at once.
        """
        import anyio.to_thread

        await anyio.to_thread.run_sync(self._write, job.name, transcript)

    def _write(self, name: str, transcript: Transcript) -> None:
        text = msgspec.json.format(self._writing.render(transcript), indent=-1).strip()
        key = msgspec.json.encode(name.encode("utf-8", "replace").decode()).decode()
        try:
            write_stdout(f'{{"key":{key},{text[1:]}\n', line=True)
        except BrokenPipeError as error:
            raise CommandError(f"stdout cannot be written: {error.strerror or error}") from error

    def lacks(self, name: str) -> bool:  # noqa: ARG002 - the others look
        """Nobody knows what became of a line."""
        return False


class Round:
    """One run of a batch."""

    def __init__(
        self,
        listing: Items,
        sink: Sink,
        failures: Failures,
        meter: Meter,
        skipped: Skipped,
        *,
        journal: Path,
        window: int,
        redo: bool,
    ) -> None:
        self._listing, self._sink, self._failures, self._meter = listing, sink, failures, meter
        self._skipped = skipped
        self._journal, self._window, self._redo = journal, window, redo
        self._batch: Batch | None = None
        self._stats: BatchStats | None = None
        self._error: Exception | None = None
        self.interrupted: bool = False

    # ---- running ----

    async def run(self, client: Callable[[], VolcASR]) -> None:
        """Run to the end, to the first Ctrl-C and what is in the air by then, or to the second."""
        import anyio

        async with client() as asr, anyio.create_task_group() as around:
            with interruptions() as signals:
                if signals is not None:
                    around.start_soon(self._heed, signals, around)
                try:
                    await self._run(asr, around)
                except (VolcASRError, CommandError) as error:
                    self._error = error
                around.cancel_scope.cancel()

    async def _run(self, asr: VolcASR, around: TaskGroup) -> None:
        import anyio.to_thread

        from volcasr_async.sqlite_journal import SqliteJournal

        total = await anyio.to_thread.run_sync(self._listing.count)
        journal = await SqliteJournal.open(self._journal)
        try:
            await journal.bring_again(self._sink.lacks)
            await self._through(asr, around, journal, total)
        finally:
            await journal.aclose()

    async def _through(self, asr: VolcASR, around: TaskGroup, journal: Journal, total: int | None) -> None:
        items = without_others(self._listing, self._skipped)
        opened = asr.batch(items, window=self._window, journal=journal, redo=self._redo)
        async with opened as batch:
            self._batch = batch
            self._tell_what_was_held()
            try:
                with self._meter.running():
                    around.start_soon(self._watch, batch, Pulse(total))
                    async for outcome in batch:
                        if isinstance(outcome, Done):
                            await self._sink.put(outcome.job, outcome.transcript)
                        else:
                            self._failures.add(outcome)
            finally:
                self._stats = batch.stats

    def _tell_what_was_held(self) -> None:
        """Say what an earlier run left; before anything moves on, for nothing is awaited since the batch was opened."""
        from volcasr_async.journal_file import summary

        totals = summary(self._journal)
        counts = [
            (sum(t.count for t in totals if t.state == state and charged in (None, t.charged)), words)
            for state, charged, words in _HELD
        ]
        parts = [f"{count:,} {words}" for count, words in counts if count]
        say("journal: ", f"{self._journal}" + (f": {', '.join(parts)}" if parts else ", new"), wrap=True)

    async def _watch(self, batch: Batch, pulse: Pulse) -> None:
        import anyio

        while True:
            self._meter.show(self._moment(batch.stats, pulse))
            await anyio.sleep(GLANCE_S)

    def _moment(self, stats: BatchStats, pulse: Pulse) -> Moment:
        return pulse.at(stats, bad=self._failures.bad_lines, left_out=self._skipped.count, stopping=self.interrupted)

    async def _heed(self, signals: AsyncIterator[signal.Signals], around: TaskGroup) -> None:
        """Stop at the first signal; leave at the second, or where there is nothing yet to stop."""
        async for _ in signals:
            if self.interrupted or self._batch is None:
                self.interrupted = True
                around.cancel_scope.cancel()
                return
            self.interrupted = True
            self._batch.stop()
            self._meter.say_stopping(self._batch.stats.in_air)

    # ---- the end ----

    @property
    def unfinished(self) -> bool:
        """Whether the same line again has something to go on with; a wrong line has not."""
        wrong = isinstance(self._error, CommandError) and self._error.status == WRONG_USAGE
        return self._batch is not None and not wrong and (self.interrupted or self._error is not None)

    def sum_up(self) -> int:
        """Say what has become of the list; tells what the shell hears."""
        stats = self._stats
        ended_well = stats is not None and self._error is None and not self.interrupted
        try:
            is_list = self._listing.is_file(self._failures.path)
            earlier: Earlier = "keep" if is_list else "replace"
            if ended_well:
                earlier = "replace" if is_list else "remove"
            self._failures.close(earlier)
        except CommandError as error:
            self._error = self._error or error
        if stats is not None and (stats.read or self._failures.count or self._error is None):
            self._say_counts(stats)
            self._say_skipped(stats)
            self._say_charged()
            self._say_failures()
            if self.unfinished:
                self._say_left(stats)
        if self._error is not None:
            complain(self._error)
            return self._status(self._error)
        if self.interrupted:
            ended = stats.failed_charged if stats is not None else 0
            failed = _NEW_TASKS.format(counted(ended, "recording")) if ended else ""
            kept = f"; nothing is lost, and what the service has taken is not sent again{failed}"
            say("interrupted", kept if stats else "", colour="yellow", wrap=True)
        return FAILED if self._failures.count else 0

    def _status(self, error: Exception) -> int:
        """Tell usage, where nothing had been begun, from what went wrong on the way."""
        begun = self._batch is not None
        return WRONG_USAGE if isinstance(error, JournalError) and not begun else status_of(error)

    def _say_counts(self, stats: BatchStats) -> None:
        count, s = self._failures.count, stats
        free = count - s.failed_charged - s.uncertain - s.missing  # with the lines of the list that stand for nothing
        failed = f"{free:,} failed (not charged), {s.failed_charged:,} failed (possibly charged)"
        before = f", {s.skipped:,} done before or listed twice" if s.skipped else ""
        rest = f", {failed}, {s.uncertain:,} uncertain, {s.missing:,} missing{before}"
        say(f"{s.done:,} done", rest, colour="green" if not count else "yellow", wrap=True)
        ended = stats.done + stats.failed
        whole = ended and stats.requests and not self.unfinished  # those that go on elsewhere took requests too
        each = f" ({stats.requests / ended:.1f} a recording)" if whole else ""
        refused = f", {stats.rejected:,} refused for the rate" if stats.rejected else ""
        audio = f"{stats.audio_s / 3600:.2f} h of audio"
        say(f"{audio} in {clock(stats.elapsed_s)}; {counted(stats.requests, 'request')}{each}{refused}", wrap=True)

    def _say_charged(self) -> None:
        """Say what the service has charged for in all runs of the journal, as far as the journal knows."""
        from volcasr_async.journal_file import summary

        try:
            totals = summary(self._journal)
        except JournalError:
            return  # it was deleted meanwhile, which the batch reports
        charged = [total for total in totals if total.charged == "yes"]
        maybe = sum(total.count for total in totals if total.charged == "maybe")
        audio = sum(total.audio_ms for total in charged) / 3_600_000
        number = counted(sum(total.count for total in charged), "recording")
        more = f", {maybe:,} more possibly" if maybe else ""
        if again := sum(total.repeats for total in totals):
            more += f", up to {counted(again, 'task')} besides, submitted again for some of them"
        say("charged: ", f"{number} in all runs of this journal{more}; {audio:.2f} h of audio is known", wrap=True)

    def _say_skipped(self, stats: BatchStats) -> None:
        """Print what was skipped, and where more recordings can be."""
        if self._skipped.count:
            say("skipped: ", plain(self._skipped.sentence()), wrap=True)
        for title, text in self._listing.remarks(is_empty=not stats.read, directories=self._skipped.directories):
            say(title, text, wrap=not title.isspace())  # a command line is not broken

    def _say_left(self, stats: BatchStats) -> None:
        """Tell what the line to go on with has before it."""
        left = [(stats.waiting, "at the service"), (stats.sending, "to send")]
        parts = [f"{count:,} {where}" for count, where in left if count]
        parts += [] if stats.exhausted else ["the rest of the list"]
        if parts:
            say("left: ", ", ".join(parts), wrap=True)

    def _say_failures(self) -> None:
        failures = self._failures
        if not failures.count:
            return
        for name, tally in sorted(failures.tallies.items(), key=lambda item: -item[1].count):
            message, cure = explained(tally.error)
            about = "" if plain(tally.about) in message else f"{plain(tally.about)}: "
            say(f"  {tally.count:,} {name}", f", such as {about}{message}", colour="red", wrap=True)
            if cure:
                say("    ", cure, wrap=True)
        say("failed ones: ", f"{failures.path}, which is a list for volcasr batch too", wrap=True)
        if failures.cut:
            some = "one of its links is left out, for its query may be a credential"
            note = (
                some
                if failures.cut == 1
                else f"{failures.cut:,} of its links are left out, for their queries may be credentials"
            )
            say("  ", f"{note}; the original list again takes those that failed, and nothing else", wrap=True)
