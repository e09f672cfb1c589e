"""How a transcript is written: the formats, what their files are called, and how subtitles are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from volcasr_async.cli.console import WRONG_USAGE, CommandError
from volcasr_async.cli.flags import completing, flags_of
from volcasr_async.containers import by_name
from volcasr_async.models import Transcript
from volcasr_async.subtitles import FORMATS, Language, Layout, render
from volcasr_async.subtitles.layout import SEGMENTERS

_PANEL = "Subtitles and text"
_LANGUAGES: dict[str, Language] = {"zh": "zh", "en": "en"}
_TEMPORARY = "tmp"  # a file of that name is seldom a subtitle
_TABLES = frozenset({"csv", "words-csv"})
BOM = "\ufeff"
SUFFIXES: frozenset[str] = frozenset(one.suffix for one in FORMATS.values())
_OFFICE = frozenset({"doc", "docx", "odt", "pdf", "ppt", "pptx", "rtf", "xls", "xlsx", "zip"})


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
    bom: bool = False

    @property
    def suffix(self) -> str:
        """What its files end with."""
        return FORMATS[self.format].suffix

    def render(self, transcript: Transcript) -> str:
        """Write a transcript."""
        text = render(transcript, self.format, layout=self.layout, language=self.language)
        return BOM + text if self.bom else text


def _language(text: str) -> str:
    if text not in _LANGUAGES:
        message = f"names are written in {' or '.join(_LANGUAGES)}, not {text!r}"
        raise typer.BadParameter(message)
    return text


def _segmenter(text: str) -> str:
    if text not in SEGMENTERS:
        message = f"words are found by {', '.join(SEGMENTERS[:-1])} or {SEGMENTERS[-1]}, not {text!r}"
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
            metavar="|".join(SEGMENTERS),
            parser=_segmenter,
            autocompletion=completing(*SEGMENTERS),
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

    bom: Annotated[
        bool,
        typer.Option(
            "--bom",
            help="csv, words-csv: begin with a byte order mark, by which Excel knows UTF-8.",
            rich_help_panel=_PANEL,
        ),
    ] = False

    def writing(self, format: str | None, output: Path | None = None) -> Writing:  # noqa: A002 - the flag's name
        """Choose the format by the flag or by the suffix of the output file.

        Renders an empty transcript, so that a layout or format that cannot be written is found before anything is sent.
        Raises `InputError` for a layout or format that cannot be written, `CommandError` for a suffix that does not fit.
        """
        fields = {name: getattr(self, name.removesuffix("_s")) for name in Layout.__struct_fields__}
        layout = Layout(**{name: value for name, value in fields.items() if value is not None})
        language = _LANGUAGES.get(self.label_language or "")
        chosen = format or "txt" if output is None else format_of(output, format)
        if self.bom and chosen not in _TABLES:
            raise CommandError(
                f"--bom is for the formats csv and words-csv, not for {chosen}",
                "Give --format csv, or leave --bom out",
                status=WRONG_USAGE,
            )
        writing = Writing(chosen, layout, language, bom=self.bom)
        writing.render(Transcript(text=""))
        return writing


LAYOUT = flags_of(LayoutFlags)


def format_of(output: Path, format: str | None) -> str:  # noqa: A002 - the flag's name
    """Return the format of a file: *format* if given, else the first format of its suffix, else txt if it has no suffix.

    Raises `CommandError` for a suffix that no format has, unless *format* is given. Also raises it for the suffix of
    another format, of a recording or of an office document.
    """
    suffix = output.suffix.lower().removeprefix(".")
    own = [name for name, one in FORMATS.items() if one.suffix == suffix != _TEMPORARY]
    if format is None and (own or not suffix):
        return own[0] if own else "txt"
    if format is None:
        raise CommandError(
            f"{output}: no format has the suffix .{suffix}",
            f"{_known_suffixes()}; give --format for another name",
            status=WRONG_USAGE,
        )
    if (own and format not in own) or suffix in _OFFICE or by_name(output.name) is not None:
        raise CommandError(
            f"{output} cannot hold the format {format}: its suffix is .{suffix}",
            f"Name it {output.stem}.{FORMATS[format].suffix}"
            + (f", or give --format {' or '.join(own)}" if own else ""),
            status=WRONG_USAGE,
        )
    return format


def _known_suffixes() -> str:
    by_suffix: dict[str, list[str]] = {}
    for name, one in FORMATS.items():
        if one.suffix != _TEMPORARY:
            by_suffix.setdefault(one.suffix, []).append(name)
    return "The suffixes are " + ", ".join(
        f".{suffix} ({', '.join(names)})" if names != [suffix] else f".{suffix}" for suffix, names in by_suffix.items()
    )
