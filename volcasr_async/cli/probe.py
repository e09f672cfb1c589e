"""`volcasr probe`: what local recordings are, and what each edition would say to them, before anything is sent."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import asdict

from volcasr_async.cli.console import FAILED, WRONG_USAGE, complain, plain
from volcasr_async.cli.flags import completing
from volcasr_async.cli.links import is_link
from volcasr_async.cli.output import write_stdout
from volcasr_async.cli.report import ReportFormat
from volcasr_async.cli.stdin import is_pipe, refuse_twice, shown_source, spooled
from volcasr_async.cli.words import in_flags
from volcasr_async.editions import EDITION_NAMES, MB
from volcasr_async.errors import InputError
from volcasr_async.probe import Probe, Verdict, verdicts
from volcasr_async.probe import probe as look
from volcasr_async.probe.facts import sentence
from volcasr_async.probe.look import examine
from volcasr_async.probe.window import Window
from volcasr_async.sources import AudioFile, AudioFileObject

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_WIDE = 100
"""Columns of a terminal from which on the table fits; below, each recording gets its lines."""
_PIPED = 200
_NAMED = 3  # examples of a remark that several recordings share
_STYLES = {"yes": "green", "no": "red", "?": "yellow"}


class Looked(Struct, frozen=True):
    """A recording and what the editions say to it."""

    probe: Probe
    verdicts: dict[str, Verdict]


def judge_name(text: str) -> str:
    """Read the name of an edition."""
    if text not in EDITION_NAMES:
        message = f"there is no edition {text!r}; there are {', '.join(EDITION_NAMES)}"
        raise typer.BadParameter(message)
    return text


def probe(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Local recordings; - for stdin.")],
    *,
    edition: Annotated[
        str,
        typer.Option(
            "--edition",
            "-e",
            metavar="|".join(EDITION_NAMES),
            parser=judge_name,
            autocompletion=completing(*EDITION_NAMES),
            help="Whose word the exit status is.",
        ),
    ] = "flash",
    format: ReportFormat = "txt",  # noqa: A002 - the flag's name
    audio_format: Annotated[
        str | None, typer.Option(metavar="NAME", help="Container, where it is known better: pcm for raw samples.")
    ] = None,
    rate: Annotated[int | None, typer.Option(metavar="N", help="Samples a second of raw PCM, in Hz.")] = None,
    bits: Annotated[int | None, typer.Option(metavar="N", help="Bits of a sample of raw PCM.")] = None,
    channel: Annotated[int | None, typer.Option(metavar="N", help="Channels of raw PCM: 1 or 2.")] = None,
) -> None:
    """Tell what local recordings are, and what each edition would say to them. Sends nothing and needs no credentials.

    The exit status is 0 where flash (or --edition) would take all of them, 1 where it would refuse some, 2 where a file
    cannot be looked at. MP3, M4A, FLAC, WMA and AIFF need the extra [probe].
    """
    said = {"format": audio_format, "rate": rate, "bits": bits, "channel": channel}
    refuse_twice(files)
    found: list[Looked] = []
    unread = 0
    for name, one in _looks(files, said):
        if format == "json":
            write_stdout(_json(name, one))
        if isinstance(one, InputError):
            unread += 1
            complain(one, about=plain(name))
        else:
            found.append(one)
    if format == "txt" and found:
        _print(found)
    if unread:
        raise typer.Exit(WRONG_USAGE)
    if not all(one.verdicts[edition].fits for one in found):
        raise typer.Exit(FAILED)


def _looks(files: Iterable[str], said: dict[str, Any]) -> Iterator[tuple[str, Looked | InputError]]:
    for name in files:
        try:
            yield shown_source(name), _look(name, said)
        except InputError as error:
            yield shown_source(name), error


def _look(name: str, said: dict[str, Any]) -> Looked:
    if is_link(name):
        raise InputError("this is a link, and probe looks at local files: download the recording first")
    if is_pipe(name):
        with spooled(name) as copy:
            given = AudioFileObject(file=copy, name=shown_source(name), **said)
            found = examine(Window(copy), given, needs_tags=True)
    else:
        found = look(AudioFile(path=Path(name), **said))
    return Looked(found, verdicts(found))


# ---- for programs ----


def _json(name: str, one: Looked | InputError) -> str:
    """Write a line for each file, also for one that could not be looked at."""
    if isinstance(one, InputError):
        row: dict[str, Any] = {"name": plain(name), "error": plain(str(one))}
    else:
        row = asdict(one.probe) | {"name": _whole(name), "editions": one.verdicts}
    return msgspec.json.encode(row).decode() + "\n"


def _whole(name: str) -> str:
    """Make a name writable: a file system may hold bytes that are no text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


# ---- for people ----


def _print(found: list[Looked]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    piped = not sys.stdout.isatty()
    console = Console(highlight=False, width=_PIPED if piped else None)
    if console.width >= _WIDE:
        _print_table(console, found)
    else:
        _print_blocks(console, found)
    for names, remarks in _remarks(found).items():
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        console.print()
        console.print(f"{', '.join(names[:_NAMED])}{more}", style="bold", markup=False, soft_wrap=piped)
        for remark in remarks:
            console.print(Padding(Text(remark), (0, 0, 0, 2)) if not piped else Text(f"  {remark}"), soft_wrap=piped)
    console.print()
    console.print(_sum(found), markup=False, soft_wrap=piped)


def _print_table(console: Console, found: list[Looked]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("audio", no_wrap=True)
    for name in ("length", "Hz", "ch", "bits", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for edition in EDITION_NAMES:
        table.add_column(edition, justify="center", no_wrap=True)
    for one in found:
        words = (_word(verdict) for verdict in one.verdicts.values())
        table.add_row(
            Text(plain(one.probe.name)), *_facts(one.probe), *(Text(word, style=_STYLES[word]) for word in words)
        )
    console.print(table)


def _print_blocks(console: Console, found: list[Looked]) -> None:
    """Give each recording three short lines."""
    from rich.text import Text

    for number, one in enumerate(found):
        audio, length, rate, channels, bits, size = _facts(one.probe)
        units = ((length, ""), (rate, " Hz"), (channels, " ch"), (bits, " bits"), (size, ""))
        facts = ", ".join([audio, *(value + unit for value, unit in units if value)])
        if number:
            console.print()
        console.print(Text(plain(one.probe.name), style="bold"))
        console.print(Text(f"  {facts}"))
        console.print(Text("  ").append_text(_words(one)))


def _words(one: Looked) -> Text:
    from rich.text import Text

    words = [(name, _word(verdict)) for name, verdict in one.verdicts.items()]
    return Text("  ").join(Text.assemble(f"{name} ", (word, _STYLES[word])) for name, word in words)


def _word(verdict: Verdict) -> str:
    if not verdict.fits:
        return "no"
    return "?" if verdict.warnings else "yes"


def _facts(probe: Probe) -> tuple[str, ...]:
    """Put into words: what it is, length, rate, channels, bits, size."""
    inside = probe.codec if probe.codec != probe.container else None
    kind = " ".join(part for part in (probe.container, inside) if part)
    if probe.foreign is not None:
        kind = probe.foreign.removeprefix("an ").removeprefix("a ")
    numbers = (probe.rate, probe.channels, probe.bits)
    return (
        kind or "unknown",
        _span(probe.duration_s),
        *("" if n is None else str(n) for n in numbers),
        _size(probe.size),
    )


def _span(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds, 1 if seconds < 60 else 0), 60)
    if not minutes:
        return f"{rest:.1f} s"
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{int(rest):02}" if hours else f"{minutes}:{int(rest):02}"


def _size(size: int) -> str:
    return f"{size / MB:.1f} MB" if size >= MB / 10 else f"{size / 1000:.1f} kB"


def _remarks(found: list[Looked]) -> dict[tuple[str, ...], list[str]]:
    """Gather what is to be said: each remark once, under the recordings that it is about."""
    about: dict[str, list[str]] = {}
    for one in found:
        for remark in _said(one):
            about.setdefault(in_flags(plain(remark)), []).append(plain(one.probe.name))
    gathered: dict[tuple[str, ...], list[str]] = {}
    for remark, names in about.items():
        gathered.setdefault(tuple(names), []).append(remark)
    return gathered


def _said(one: Looked) -> Iterator[str]:
    """Bring what is odd, then what the editions say: once what several of them say."""
    later = {text for verdict in one.verdicts.values() for text in (*verdict.reasons, *verdict.warnings)}
    yield from (problem for problem in one.probe.problems if problem not in later)
    editions: dict[str, list[str]] = {}
    for name, verdict in one.verdicts.items():
        for text in (*_refusal(verdict), *verdict.warnings):
            editions.setdefault(text, []).append(name)
    for text, names in editions.items():
        yield text if len(names) == len(EDITION_NAMES) else f"{', '.join(names)}: {text}"


def _refusal(verdict: Verdict) -> Iterator[str]:
    if verdict.cure is not None:
        yield f"{sentence(', and '.join(verdict.reasons))} {verdict.cure[:1].upper()}{verdict.cure[1:]}"


def _sum(found: list[Looked]) -> str:
    size = sum(one.probe.size for one in found)
    known = [one.probe.duration_s for one in found if one.probe.duration_s is not None]
    taken = sum(one.verdicts["flash"].fits for one in found)
    whole = f"{len(found):,} {'file' if len(found) == 1 else 'files'}, {_size(size)}"
    length = f", {_span(sum(known))}" + ("" if len(known) == len(found) else " and more") if known else ""
    return f"{whole}{length}; flash takes {taken:,}. The other editions take links, not files."
