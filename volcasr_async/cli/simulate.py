"""`volcasr simulate`: the simulator on a port, for clients in any language."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from volcasr_async.cli.console import WRONG_USAGE, CommandError, plain, say
from volcasr_async.cli.output import write_stdout

if TYPE_CHECKING:
    from volcasr_async.testing.simulator import Simulator

_MOST_VIOLATIONS = 10
_READY = """\
export VOLCASR_BASE_URL={url} VOLCASR_API_KEY=any-key
# for v1 instead:
#   unset VOLCASR_API_KEY
#   export VOLCASR_BASE_URL={url} VOLCASR_APP_KEY=any-app VOLCASR_ACCESS_KEY=any-key VOLCASR_CLUSTER=volc_auc_common
"""


def simulate(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    qps: Annotated[float | None, typer.Option(help="Refuse more requests a second than this.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Refuse more requests at once than this.")] = None,
    processing_time: Annotated[float, typer.Option(metavar="S", help="Seconds that a task takes.")] = 2.0,
    processing_sigma: Annotated[
        float, typer.Option(metavar="SIGMA", help="How far that varies from task to task (log-normal).")
    ] = 0.0,
    queue_time: Annotated[float, typer.Option(metavar="S", help="Seconds that it stands in the queue before.")] = 0.0,
    lag: Annotated[float, typer.Option(metavar="S", help="Seconds in which a new task cannot be found.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed has other luck and other texts.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND[:CALL][=SHARE]", help="What goes wrong, such as lost-answer=0.3; repeatable."),
    ] = None,
    audio: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Host this file, or the files in this directory, as /audio/NAME; repeatable."
        ),
    ] = None,
) -> None:
    """Play the service on a port: nothing is recognised, nothing leaves this machine.

    Prints the lines that lead a client there, serves until Ctrl-C or SIGTERM, then sums up on stderr and ends with status 0. Any
    well-formed credentials are taken; texts are made up and say so.
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
        )
    except ValueError as error:
        raise CommandError(str(error), status=WRONG_USAGE) from error
    _serve(simulator, host, port, [found for path in audio or () for found in _files(path)])


def _serve(simulator: Simulator, host: str, port: int, files: list[Path]) -> None:
    import anyio

    hosted = [simulator.add_audio(quote(path.name), _read(path)) for path in files]

    async def serve() -> None:
        async with simulator.serve(host, port) as url:
            write_stdout(_READY.format(url=url) + "".join(f"# {url}{path}\n" for path in hosted))
            say("listening", f" on {url} until Ctrl-C", colour="green")
            await anyio.sleep_forever()

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what scripts and containers end it with
    try:
        anyio.run(serve)
    except KeyboardInterrupt:
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
    say("would be billed: ", f"{len(simulator.charges)} recordings, {audio_s:.1f} s of audio")
    say("against the documents: ", str(len(simulator.violations) or "nothing"))
    for violation in simulator.violations[:_MOST_VIOLATIONS]:
        say("  ", plain(f"{violation.path}: {violation.what}"), colour=None)
