"""How a transcript is written: the formats, what their files are called, and how subtitles are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from volcasr_async.cli.flags import completing, flags_of
from volcasr_async.models import Transcript
from volcasr_async.subtitles import FORMATS, Language, Layout, render

_PANEL = "Subtitles and text"
_LANGUAGES: dict[str, Language] = {"zh": "zh", "en": "en"}
_SEGMENTERS = ("auto", "library", "rules")
_TEMPORARY = "tmp"  # a file of that name is seldom a subtitle


def format_name(text: str) -> str:
    """Read the name of a format."""
    if text not in FORMATS:
        message = f"there is no format {text!r}; there are {', '.join(FORMATS)}"
        raise typer.BadParameter(message)
    return text


FormatName = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="NAME",
        parser=format_name,
        autocompletion=completing(*FORMATS),
        help=f"{', '.join(FORMATS)}; by default what the output file's name says, else txt.",
    ),
]


class Writing(Struct, frozen=True):
    """A format with its layout, and the language of the names of speakers."""

    format: str
    layout: Layout
    language: Language | None = None

    @property
    def suffix(self) -> str:
        """What its files end with."""
        return FORMATS[self.format].suffix

    def render(self, transcript: Transcript) -> str:
        """Write a transcript."""
        return render(transcript, self.format, layout=self.layout, language=self.language)


def _language(text: str) -> str:
    if text not in _LANGUAGES:
        message = f"names are written in {' or '.join(_LANGUAGES)}, not {text!r}"
        raise typer.BadParameter(message)
    return text


def _segmenter(text: str) -> str:
    if text not in _SEGMENTERS:
        message = f"words are found by {', '.join(_SEGMENTERS[:-1])} or {_SEGMENTERS[-1]}, not {text!r}"
        raise typer.BadParameter(message)
    return text


class LayoutFlags(Struct, frozen=True, kw_only=True):
    """How subtitles are cut; what is not said is the library's usual."""

    columns: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Widest line; a Chinese character takes two. By default 40 for Chinese, else 42.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    lines: Annotated[
        int | None, typer.Option(metavar="N", help="Lines shown at once; 2 by default.", rich_help_panel=_PANEL)
    ] = None
    shortest: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds that a text stands at least; 1 by default.", rich_help_panel=_PANEL),
    ] = None
    longest: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds that it stands at most; 7 by default.", rich_help_panel=_PANEL),
    ] = None
    labels: Annotated[
        bool | None,
        typer.Option(
            "--labels/--no-labels",
            help="Subtitles: name the speaker, or the channel, where they were told apart.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    segmenter: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(_SEGMENTERS),
            parser=_segmenter,
            autocompletion=completing(*_SEGMENTERS),
            help="What keeps Chinese words whole: the library of the extra [subtitles], or rules; by default the "
            "library where it is installed.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    label_language: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(_LANGUAGES),
            parser=_language,
            autocompletion=completing(*_LANGUAGES),
            help="Language of those names; by default that of the text.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def writing(self, format: str | None, output: Path | None = None) -> Writing:  # noqa: A002 - the flag's name
        """Choose the format, by the flag or by the suffix of the output; `InputError` for what cannot be written.

        Found out by writing an empty transcript, before anything is sent: a result that cannot be written was paid.
        """
        fields = {name: getattr(self, name.removesuffix("_s")) for name in Layout.__struct_fields__}
        layout = Layout(**{name: value for name, value in fields.items() if value is not None})
        language = _LANGUAGES.get(self.label_language or "")
        writing = Writing(format or _by_suffix(output) or "txt", layout, language)
        writing.render(Transcript(text=""))
        return writing


LAYOUT = flags_of(LayoutFlags)


def _by_suffix(output: Path | None) -> str | None:
    """Find the format that a file's name asks for: the first of that suffix."""
    if output is None or output.is_dir():
        return None
    suffix = output.suffix.lower().removeprefix(".")
    return next((name for name, one in FORMATS.items() if one.suffix == suffix != _TEMPORARY), None)
