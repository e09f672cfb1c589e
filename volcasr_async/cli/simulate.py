"""`volcasr simulate`: the simulator on a port, for clients in any language."""

from __future__ import annotations

import shlex
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import quote

import typer

from volcasr_async.cli.connection import read_credentials
from volcasr_async.cli.console import WRONG_USAGE, CommandError, plain, say
from volcasr_async.cli.flags import completing
from volcasr_async.cli.interruptions import interruptions
from volcasr_async.cli.output import write_stdout
from volcasr_async.cli.words import counted
from volcasr_async.credentials import ApiKey, AppKey
from volcasr_async.spelling import RESOURCE_IDS

if TYPE_CHECKING:
    from volcasr_async.testing.config import TaskIds
    from volcasr_async.testing.simulator import Simulator

_MOST_VIOLATIONS = 10
FAULT_FIELDS = {
    "times": "At most so often for each recording.",
    "after": "Not in the first so many requests of a recording.",
    "url": "Only where the link contains this.",
    "seconds": "How long, for stall, slow-body and failover.",
    "retry_after": "The seconds of a Retry-After in a refusal.",
    "status": "The HTTP status, for gateway-page and gateway-page-after.",
}
_READY = """\
export VOLCASR_BASE_URL={url} VOLCASR_API_KEY=any-key
# for v1 instead:
#   unset VOLCASR_API_KEY
#   export VOLCASR_BASE_URL={url} VOLCASR_APP_KEY=any-app VOLCASR_ACCESS_KEY=any-key VOLCASR_CLUSTER=volc_auc_common
"""
_READY_FOR = """\
export VOLCASR_BASE_URL={url}
# with --credentials {file}
"""


def fault_notes() -> tuple[str, list[tuple[str, str]]]:
    """Describe what --fault takes."""
    from volcasr_async.testing.faults import CALLS, KINDS

    grammar = [
        ("KIND", "What goes wrong: see below."),
        (":CALL", f"Only in {', '.join(CALLS[1:-1])} or {CALLS[-1]}."),
        ("=SHARE", "How often, from 0 to 1; without it always."),
        *((f",{name}=...", text) for name, text in FAULT_FIELDS.items()),
    ]
    return "Faults, as in --fault html-502:submit=0.1,times=1", [*grammar, *KINDS.items()]


def _fault_kinds(incomplete: str) -> list[str]:
    from volcasr_async.testing.faults import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


def simulate(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    qps: Annotated[float | None, typer.Option(metavar="N", help="Refuse more requests a second than this.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(metavar="N", help="Refuse more requests at once than this.")
    ] = None,
    processing_time: Annotated[float, typer.Option(metavar="S", help="Seconds that a task takes.")] = 2.0,
    processing_sigma: Annotated[
        float, typer.Option(metavar="SIGMA", help="How far that varies from task to task (log-normal).")
    ] = 0.0,
    queue_time: Annotated[float, typer.Option(metavar="S", help="Seconds that it stands in the queue before.")] = 0.0,
    lag: Annotated[float, typer.Option(metavar="S", help="Seconds in which a new task cannot be found.")] = 0.0,
    task_ids: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="Id that a query has to name: the request id of the submit (request), one that the service makes (own), "
            "or either (both).",
            autocompletion=completing("request", "own", "both"),
        ),
    ] = "request",
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed has other luck and other texts.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:CALL][=SHARE][,NAME=VALUE...]",
            help="What goes wrong, such as lost-answer=0.3; repeatable. The kinds are listed below.",
            autocompletion=_fault_kinds,
        ),
    ] = None,
    credentials: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take only the credentials in this TOML file.")
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Grant only this resource id; repeatable.",
            autocompletion=completing(*RESOURCE_IDS),
        ),
    ] = None,
    callbacks: Annotated[bool, typer.Option("--callbacks", help="Send the callbacks that tasks ask for.")] = False,
    audio: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Host this file, or the files in this directory, as /audio/NAME; repeatable."
        ),
    ] = None,
) -> None:
    """Play the service on a port: nothing is recognised, and only --callbacks leave this machine, to where tasks say.

    Prints the lines that lead a client there, serves until Ctrl-C or SIGTERM, then sums up on stderr and ends with status 0. Any
    well-formed credentials are taken, unless --credentials names the good ones; texts are made up and say so.
    """
    from volcasr_async.testing import Fault, Simulator

    try:
        simulator = Simulator(
            seed=seed,
            qps=qps,
            concurrency=concurrency,
            processing_time=processing_time,
            processing_sigma=processing_sigma,
            queue_time=queue_time,
            lag=lag,
            faults=[Fault.parse(text) for text in fault or ()],
            resources=resource or None,
            task_ids=cast("TaskIds", task_ids),  # the simulator refuses another one
            **_known(credentials),
        )
    except ValueError as error:
        raise CommandError(str(error), status=WRONG_USAGE) from error
    ready = _READY if credentials is None else _READY_FOR.replace("{file}", shlex.quote(str(credentials)))
    files = [found for path in audio or () for found in _files(path)]
    _serve(simulator, host, port, files, ready, callbacks=callbacks)


def _known(path: Path | None) -> dict[str, Any]:
    """Tell the simulator whom to let in."""
    match read_credentials(path) if path is not None else None:
        case ApiKey(key=key):
            return {"api_keys": [key], "app_keys": {}}
        case AppKey(app_key=app, access_key=access, secret_key=secret):
            signed = {"secret_keys": {app: secret}} if secret is not None else {}
            return {"api_keys": [], "app_keys": {app: access}, **signed}
        case None:
            return {}


def _serve(simulator: Simulator, host: str, port: int, files: list[Path], ready: str, *, callbacks: bool) -> None:
    import anyio

    hosted = [simulator.add_audio(quote(path.name), _read(path)) for path in files]

    async def serve() -> None:
        sending = simulator.send_callbacks() if callbacks else nullcontext()
        with interruptions() as signals:  # SIGTERM too, which scripts and containers end it with
            async with simulator.serve(host, port) as url, sending:
                write_stdout(ready.replace("{url}", url) + "".join(f"# {url}{path}\n" for path in hosted))
                say("listening", f" on {url} until Ctrl-C", colour="green")
                if signals is None:
                    await anyio.sleep_forever()
                else:
                    await anext(signals)

    try:
        with suppress(KeyboardInterrupt):
            anyio.run(serve)
        _sum_up(simulator)
    except OSError as error:
        why = error.strerror or str(error)
        message = f"cannot listen on {host} port {port}: {why}"
        raise CommandError(message, "Choose another --port; 0 takes a free one", status=WRONG_USAGE) from error


def _files(path: Path) -> list[Path]:
    try:
        return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    except OSError as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> CommandError:
    return CommandError(f"{path} cannot be read: {error.strerror or error}", status=WRONG_USAGE)


def _sum_up(simulator: Simulator) -> None:
    """Say what came, what it would have cost, and what was against the documents."""
    calls = ", ".join(f"{count} {name}" for name, count in sorted(simulator.requests.items())) or "none"
    say("\nrequests: ", calls)
    if simulator.refused:
        say("over the quota: ", str(simulator.refused))
    audio_s = sum(charge.audio_ms for charge in simulator.charges) / 1000
    tasks, recordings = len(simulator.charges), len(simulator.charges_by_source)
    what = f"{counted(tasks, 'task')} for {counted(recordings, 'recording')}"
    say("would be billed: ", f"{what}, {audio_s:.1f} s of audio")
    say("against the documents: ", str(len(simulator.violations) or "nothing"))
    for violation in simulator.violations[:_MOST_VIOLATIONS]:
        say("  ", plain(f"{violation.path}: {violation.what}"), colour=None)
