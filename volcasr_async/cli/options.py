"""The flags that several commands take: what the audio is, what the job is, the edition, spans of time."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from msgspec import Struct

from volcasr_async.cli.flags import completing, flags_of
from volcasr_async.containers import V3_FORMATS
from volcasr_async.editions import EDITION_NAMES
from volcasr_async.errors import InputError
from volcasr_async.job import Job
from volcasr_async.sources import SourceLike
from volcasr_async.spelling import LANGUAGES, spell_edition

_AUDIO, _JOB = "Audio", "Job"


class AudioFlags(Struct, frozen=True, kw_only=True):
    """What a source says about its audio, under the wire's names but for `format`, which is the output's."""

    audio_format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Container: wav, mp3, ogg, ... Local audio tells by itself.",
            rich_help_panel=_AUDIO,
            autocompletion=completing(*sorted(V3_FORMATS)),
        ),
    ] = None
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help='"raw" (PCM) or "opus".',
            rich_help_panel=_AUDIO,
            autocompletion=completing("raw", "opus"),
        ),
    ] = None
    rate: Annotated[int | None, typer.Option(metavar="N", help="Samples a second, in Hz.", rich_help_panel=_AUDIO)] = (
        None
    )
    bits: Annotated[int | None, typer.Option(metavar="N", help="Bits of a sample.", rich_help_panel=_AUDIO)] = None
    channel: Annotated[
        int | None, typer.Option(metavar="N", help="How many channels: 1 or 2.", rich_help_panel=_AUDIO)
    ] = None
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help='Such as "en-US"; without it Chinese with its dialects, and English.',
            rich_help_panel=_AUDIO,
            autocompletion=completing(*LANGUAGES),
        ),
    ] = None

    @property
    def fields(self) -> dict[str, Any]:
        """What `AudioUrl` and `AudioFile` take."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {"format" if name == "audio_format" else name: value for name, value in values.items()}


class JobFlags(Struct, frozen=True, kw_only=True):
    """What goes with a recording to the service."""

    callback: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The service calls this when the task has ended (not flash).", rich_help_panel=_JOB
        ),
    ] = None
    callback_data: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="What it passes on with that call (standard, idle only).", rich_help_panel=_JOB
        ),
    ] = None
    uid: Annotated[
        str | None, typer.Option(metavar="ID", help="The end user, to tell requests apart.", rich_help_panel=_JOB)
    ] = None

    @property
    def fields(self) -> dict[str, str]:
        """What `Job` takes: what was said."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not None}

    def job(self, source: SourceLike) -> Job:
        """Make the job of a source."""
        return Job(source, callback=self.callback, callback_data=self.callback_data, uid=self.uid)


AUDIO = flags_of(AudioFlags)
JOB = flags_of(JobFlags)


# ---- values that several commands take ----

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read a span of time: 90, 90s, 10m, 3h."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        message = f"{text!r} is no span of time: write 90, 90s, 10m or 3h"
        raise typer.BadParameter(message)
    return value


def edition_name(text: str) -> str:
    """Read the name of an edition."""
    try:
        return spell_edition(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


def above_zero(value: float | None) -> float | None:
    """Refuse what is no rate."""
    if value is not None and not 0 < value < float("inf"):
        message = "it must be above 0"
        raise typer.BadParameter(message)
    return value


EditionName = Annotated[
    str | None,
    typer.Option(
        "--edition",
        "-e",
        metavar="|".join(EDITION_NAMES),
        parser=edition_name,
        autocompletion=completing(*EDITION_NAMES),
        help="By default standard for a link and flash for local audio.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SPAN", parser=seconds, help="How long to wait: 90, 90s, 10m, 3h; by default what the edition promises."
    ),
]
