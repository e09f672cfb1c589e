"""`volcasr doctor`: what stands between this machine and a transcript."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import msgspec
import typer

from volcasr_async.cli import checkup
from volcasr_async.cli.connection import CONNECTION, Connection
from volcasr_async.cli.console import FAILED, INTERRUPTED, WRONG_USAGE, CommandError, plain, say, show_log
from volcasr_async.cli.finding import Finding, State
from volcasr_async.cli.flags import completing, taking
from volcasr_async.cli.options import edition_name
from volcasr_async.cli.output import write_stdout
from volcasr_async.cli.progress import Board
from volcasr_async.cli.reach import Questioner, clock, verdict
from volcasr_async.cli.report import ReportFormat
from volcasr_async.credentials import AppKey, Credentials
from volcasr_async.editions import EDITION_NAMES
from volcasr_async.errors import ResourceNotGranted

_COLOURS: dict[State, str] = {"ok": "green", "note": "yellow", "failed": "red"}
_STATE, _CHECK = 7, 19  # columns
_NARROW, _ENDLESS = 70, 10_000


@taking(connection=CONNECTION)
def doctor(
    *,
    edition: Annotated[
        str | None,
        typer.Option(
            "--edition",
            "-e",
            metavar="standard|idle|v1",
            parser=edition_name,
            autocompletion=completing(*(name for name in EDITION_NAMES if name != "flash")),
            help="Ask this one; by default standard, and v1 where there is a cluster for it.",
        ),
    ] = None,
    format: ReportFormat = "txt",  # noqa: A002 - the flag's name
    connection: Connection,
) -> None:
    """Look at credentials, network, clock and libraries, and ask the service one question that costs nothing.

    The question is about a task that nobody has: "cannot find task" proves that the credentials work. No key is shown. The
    exit status is 0 when nothing has failed, else 1.
    """
    import anyio

    if edition == "flash":
        message = "flash has no question that costs nothing: each of its requests is a recording"
        raise CommandError(message, "Ask another edition: the credentials are the same", status=WRONG_USAGE)
    show_log(verbose=connection.verbose)
    tell = _print if format == "txt" else None
    try:
        findings = anyio.run(_look, connection, edition, tell)
    except KeyboardInterrupt:
        say("interrupted", colour="yellow")
        raise typer.Exit(INTERRUPTED) from None
    well = all(finding.state != "failed" for finding in findings)
    if format == "json":
        write_stdout(msgspec.json.encode({"ok": well, "findings": findings}).decode() + "\n")
    if not well:
        raise typer.Exit(FAILED)


async def _look(connection: Connection, edition: str | None, tell: Any) -> list[Finding]:
    """Look at one thing after the other, and tell each at once: the network may be slow."""
    findings = []
    async for finding in _findings(connection, edition):
        findings.append(finding)
        if tell is not None:
            tell(finding)
    return findings


async def _findings(connection: Connection, edition: str | None) -> AsyncIterator[Finding]:
    credentials, who = checkup.credentials_of(connection)
    yield credentials
    address, base_url = checkup.base_url_of(connection)
    yield address
    proxy, before = None, [credentials, address]
    if base_url is not None:
        way, proxy = checkup.proxy_of(base_url)
        before.append(way)
        yield way
    before.append(checkup.engine_of(connection))
    yield before[-1]
    if who is not None and base_url is not None and all(one.state != "failed" for one in before):
        questioner = Questioner(base_url, who, connection.engine)
        for finding in await _asked(questioner, connection, who, _named(connection, edition, who), proxy):
            yield finding
    else:
        yield Finding("service", "note", "not asked, for that needs what has failed above")
    yield checkup.python()
    for finding in checkup.extras():
        yield finding


def _named(connection: Connection, edition: str | None, who: Credentials) -> list[str]:
    """Choose whom to ask."""
    if edition is not None:
        return [edition]
    if connection.cluster is not None:
        return ["v1"]
    both = os.environ.get("VOLCASR_CLUSTER") and isinstance(who, AppKey) and connection.resource_id is None
    return ["standard", "v1"] if both else ["standard"]


async def _asked(
    questioner: Questioner, connection: Connection, who: Credentials, names: list[str], proxy: str | None
) -> list[Finding]:
    board, asked, findings = Board(watched=False if connection.verbose else None), [], []
    with board.running():
        for name in names:
            edition = connection.edition(name)
            board.show(name, f"service, {name}", "asking")
            one = await questioner.ask(edition)
            refused = isinstance(one.error, ResourceNotGranted)
            granted = await questioner.granted_instead(edition) if refused and name != "v1" else []
            asked.append(one)
            findings.append(verdict(one, who, granted, proxy))
            board.drop(name)
    return [*findings, clock(asked)]


# ---- for people ----


def _print(finding: Finding) -> None:
    for line in _lines(finding):
        write_stdout(line + "\n", styled=True)


def _lines(finding: Finding) -> Iterator[str]:
    """Write a finding: its state, what was looked at, what was found; broken between words where somebody reads it."""
    seen = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns - 1 if seen else _ENDLESS
    margin = _STATE + _CHECK if width >= _NARROW else 2
    state, head = f"{finding.state:{_STATE}}", f"{finding.check:{_CHECK}}"
    if seen and not os.environ.get("NO_COLOR"):
        state = typer.style(state, fg=_COLOURS[finding.state], bold=finding.state != "ok")
    said = _broken(finding.said, width - margin)
    if width < _NARROW:
        yield state + finding.check
    else:
        yield state + head + said.pop(0)
    yield from (" " * margin + line for line in [*said, *_broken(finding.cure, width - margin)])


def _broken(text: str, width: int) -> list[str]:
    return textwrap.wrap(plain(text), max(width, 20), break_long_words=False, break_on_hyphens=False)
