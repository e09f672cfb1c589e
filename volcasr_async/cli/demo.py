"""`volcasr demo`: the whole way of a recording, without credentials and without a network.

`demo.wav` is one Chinese and one English sentence, made with a speech synthesiser (espeak-ng 1.51, voices cmn-latn-pinyin
and en-us, joined and brought to 16 kHz mono 16 bit with sox); free of rights.
"""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from volcasr_async.cli.output import write_file
from volcasr_async.cli.progress import Board
from volcasr_async.models import Transcript

if TYPE_CHECKING:
    from rich.console import Console

    from volcasr_async.client import VolcASR
    from volcasr_async.testing.simulator import Simulator

_NAME = "demo.wav"
_PROCESSING_S, _FLASH_S, _POLL_S = 0.9, 0.8, 0.3

_NEXT = """\
export VOLCASR_API_KEY=...                        # from the console
volcasr transcribe https://example.com/talk.mp3   # a link: edition standard
volcasr transcribe talk.wav                       # a file: edition flash
"""
_PYTHON = """\
async with volcasr_async.VolcASR() as asr:
    transcript = await asr.transcribe("https://example.com/talk.mp3")
    print(transcript.text)
"""


def demo() -> None:
    """Transcribe a recording that comes with this package, against a simulator: no credentials, no network.

    First by upload (edition flash), then by link (edition standard). Takes about three seconds. The text is made up.
    """
    import anyio
    from rich.console import Console

    out = Console(highlight=False, soft_wrap=True, emoji=False)
    out.print("[bold]volcasr demo[/]: a simulator on this machine plays the service; nothing leaves it.\n")
    transcript = anyio.run(_both_ways, out)
    _print_transcript(out, transcript)
    _print_next(out)


async def _both_ways(out: Console) -> Transcript:
    from volcasr_async import ApiKey, PollPolicy, VolcASR
    from volcasr_async.testing import Simulator

    simulator = Simulator(processing_time=_PROCESSING_S, flash_time=_FLASH_S)
    poll = PollPolicy(first=_POLL_S, shortest=_POLL_S)
    async with simulator.serve() as url, VolcASR(ApiKey("demo"), base_url=url, poll=poll) as asr:
        return await _Steps(out, asr).run(simulator, url)


class _Steps:
    """The two ways, each with its line: while it runs on stderr, when it is done on stdout."""

    def __init__(self, out: Console, asr: VolcASR) -> None:
        self._out, self._asr, self._board = out, asr, Board()

    async def run(self, simulator: Simulator, url: str) -> Transcript:
        from volcasr_async import AudioBytes

        data = files("volcasr_async.cli").joinpath(_NAME).read_bytes()
        link = url + simulator.add_audio(_NAME, data)
        await self._step("flash", f"{_NAME}, {len(data) / 1000:.0f} kB uploaded", AudioBytes(data=data, name=_NAME))
        return await self._step("standard", link, link)

    async def _step(self, edition: str, what: str, source: object) -> Transcript:
        start = time.monotonic()
        with self._board.running():
            self._board.show(edition, what, f"{edition}: waiting for the text")
            transcript = await self._asr.transcribe(source, edition=edition)  # type: ignore[arg-type]  # checked inside
        self._board.drop(edition)
        took = time.monotonic() - start
        self._out.print(f"[green]✓[/] [bold]{edition:8}[/]  {what:44} [cyan]{took:4.1f} s[/]")
        self._out.print(f"  [dim]log id    {transcript.log_id}[/]")
        return transcript


def _print_transcript(out: Console, transcript: Transcript) -> None:
    length = f"{(transcript.duration_ms or 0) / 1000:.1f}"
    out.print(f"\n[bold]The transcript[/] of these {length} s, by utterance:")
    for utterance in transcript.utterances:
        times = f"{utterance.start_ms / 1000:5.2f} - {utterance.end_ms / 1000:5.2f} s"
        out.print(f"  [cyan]{times}[/]  ", end="")
        out.print(utterance.text, markup=False)
    out.print("  [yellow]These words come from the simulator and were made up: it heard nothing.[/]")
    path = Path(mkdtemp(prefix="volcasr-")) / "volcasr-demo.json"
    write_file(path, transcript.to_json() + "\n")
    out.print(f"\n[bold]The whole result[/]: {path}")


def _print_next(out: Console) -> None:
    out.print("\n[bold]The same against the real service:[/]")
    for line in _NEXT.splitlines():
        out.print(f"  {line}", markup=False)
    out.print("\n[bold]and in Python:[/]")
    for line in _PYTHON.splitlines():
        out.print(f"  {line}", markup=False)
