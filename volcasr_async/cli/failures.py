"""What failed in a batch: counted by cause, and kept in a file that `volcasr batch` takes as its list."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from volcasr_async.cli.console import WRONG_USAGE, CommandError
from volcasr_async.cli.listing import BadLine, Listed
from volcasr_async.cli.options import JobFlags
from volcasr_async.cli.output import new_file
from volcasr_async.errors import InputError, VolcASRError, without_queries
from volcasr_async.job import Job
from volcasr_async.options import Options
from volcasr_async.outcomes import Failed
from volcasr_async.public_messages import InputReason
from volcasr_async.sources import AudioFile, AudioUrl, as_source

_AUDIO = ("format", "codec", "rate", "bits", "channel", "language")
_OWNER = 0o600  # the data of callbacks may stand in it


Earlier = Literal["replace", "remove", "keep"]


class Tally(Struct):
    """How many failed for one cause, and the first of them."""

    count: int
    about: str
    error: Exception


class Failures:
    """Writes a line for each as it comes, under another name until `close` gives it its own."""

    def __init__(self, path: Path, usual: Options, job: JobFlags = JobFlags()) -> None:  # noqa: B008 - a frozen value
        if not _may_be_replaced(path):
            raise CommandError(
                f"{path} is there and is no failures file of an earlier run: it stays as it is",
                "Name another file with --failures",
                status=WRONG_USAGE,
            )
        self.path = path
        self.count: int = 0
        self.cut: int = 0
        self.bad_lines: int = 0
        self.tallies: dict[str, Tally] = {}
        self._usual, self._job = usual, job
        self._part = path.with_name(f".{path.name}.part")
        self._file: BinaryIO | None = None

    def add(self, outcome: Failed) -> None:
        """Keep a recording that failed."""
        self._keep(listed(outcome.job, self._usual, self._job), outcome.job.name, outcome.error)

    def add_line(self, bad: BadLine) -> None:
        """Keep a line that stands for nothing."""
        self.bad_lines += 1
        self._keep(bad.line, f"line {bad.line.line}" if bad.line.line else str(bad.line.key), bad.error)

    def close(self, earlier: Earlier = "replace") -> None:
        """Publish the complete failures file. Without a failure there is none.

        *earlier* is what becomes of the file of an earlier run. "replace": it is replaced if something failed. "remove":
        it is replaced or removed. "keep": it stays, because it is the list of this run and was not read to its end.
        """
        if self._file is None:
            if earlier == "remove":
                self.path.unlink(missing_ok=True)
            return
        try:
            with self._file:
                pass
            if earlier == "keep":
                self._part.unlink(missing_ok=True)
            else:
                self._part.replace(self.path)
        except OSError as error:
            raise self._refusal(error) from error

    def _keep(self, line: Listed, about: str, error: VolcASRError) -> None:
        name = type(error).__name__
        self.tallies.setdefault(_cause_of(error), Tally(0, about, error)).count += 1
        self.count += 1
        self.cut += line.source is None and line.line is None
        kept = msgspec.structs.replace(line, error=name, message=without_queries(str(error)))
        try:
            if self._file is None:
                self._part.unlink(missing_ok=True)  # what a killed process left
                self._file = new_file(self._part, _OWNER)
            self._file.write(msgspec.json.encode(kept) + b"\n")
        except OSError as failure:
            raise self._refusal(failure) from failure

    def _refusal(self, error: OSError) -> CommandError:
        return CommandError(
            f"{self.path} cannot be written: {error.strerror or error}", "Free space, or --failures FILE"
        )


_CAUSES: dict[InputReason, str] = {
    "missing": "missing",
    "directory": "directories",
    "unreadable": "unreadable",
    "empty": "empty",
    "not-audio": "not audio",
    "format": "in a format that is not accepted",
    "damaged": "damaged",
    "too-large": "too large",
    "too-long": "too long",
    "link": "links that cannot be downloaded",
}


def _cause_of(error: VolcASRError) -> str:
    """Return what the summary counts together: rejected recordings by reason, other failures by class."""
    name = type(error).__name__
    return _CAUSES.get(error.reason, name) if isinstance(error, InputError) else name


def _may_be_replaced(path: Path) -> bool:
    """Tell a file of ours, or none, from one that somebody else wrote."""
    try:
        with path.open("rb") as file:
            line = file.readline(1_000_000)
        return not line or "error" in msgspec.json.decode(line, type=dict[str, Any])
    except FileNotFoundError:
        return True
    except (OSError, ValueError, RecursionError):
        return False


def listed(job: Job, usual: Options, flags: JobFlags = JobFlags()) -> Listed:  # noqa: B008 - a frozen value
    """Write a job as a line of a list: with its source where that holds no secret, else with its key alone.

    What the flags said is not written down: they are given again with the list.
    """
    source = as_source(job.source)
    said: dict[str, Any] = {name: getattr(source, name) for name in _AUDIO}
    said |= {n: getattr(job, n) for n, usually in asdict(flags).items() if getattr(job, n) != usually}
    said["edition"] = job.edition if isinstance(job.edition, str | None) else job.edition.name
    said["options"] = _own_options(job.options, usual) if job.options is not None else {}
    text = str(source.path) if isinstance(source, AudioFile) else source.url if isinstance(source, AudioUrl) else ""
    link = isinstance(source, AudioUrl)
    secret = (
        (link and without_queries(text) != text) or job.key not in (None, job.name) or _is_cut(said.get("callback"))
    )
    if secret or not text:
        return Listed(key=job.name)
    return Listed(source=text, key=job.key, **said)


def _is_cut(callback: str | None) -> bool:
    return callback is not None and without_queries(callback) != callback


def _own_options(options: Options, usual: Options) -> dict[str, Any]:
    """Tell what a job's options say beyond the flags."""
    names = Options.__struct_fields__
    own = {name: getattr(options, name) for name in names if getattr(options, name) != getattr(usual, name)}
    built: dict[str, Any] = msgspec.to_builtins(own)
    return built
