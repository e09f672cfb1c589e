"""Every format by its name, for `render` and the command's `--format`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from msgspec import Struct

from volcasr_async.errors import InputError
from volcasr_async.models import Transcript
from volcasr_async.subtitles.editors import to_other
from volcasr_async.subtitles.layout import Layout
from volcasr_async.subtitles.players import to_lrc, to_srt, to_vtt
from volcasr_async.subtitles.prose import to_markdown, to_speakers, to_text
from volcasr_async.subtitles.speakers import Language
from volcasr_async.subtitles.tables import to_csv, to_jsonl

_Writer = Callable[[Transcript, Layout | None, Language | None], str]


class Format(Struct, frozen=True):
    """A format: the suffix of its files, without the dot; what it is; and the extra that it needs, if any."""

    suffix: str
    about: str
    extra: str | None = None


def _editor(name: str) -> _Writer:
    return lambda transcript, layout, language: to_other(transcript, name, layout, language=language)


_TABLE: dict[str, tuple[Format, _Writer]] = {
    "txt": (Format("txt", "the text, on one line"), lambda t, _layout, _language: to_text(t)),
    "json": (Format("json", "the whole result"), lambda t, _layout, _language: t.to_json() + "\n"),
    "srt": (Format("srt", "subtitles for any player"), lambda t, layout, lang: to_srt(t, layout, language=lang)),
    "vtt": (Format("vtt", "subtitles for web pages"), lambda t, layout, lang: to_vtt(t, layout, language=lang)),
    "lrc": (Format("lrc", "lines for music players"), lambda t, layout, lang: to_lrc(t, layout, language=lang)),
    "speakers": (Format("txt", "who said what"), lambda t, _layout, lang: to_speakers(t, language=lang)),
    "md": (Format("md", "minutes in Markdown"), lambda t, _layout, lang: to_markdown(t, language=lang)),
    "jsonl": (Format("jsonl", "a JSON object for each utterance"), lambda t, _layout, _lang: to_jsonl(t)),
    "words": (Format("jsonl", "a JSON object for each word"), lambda t, _layout, _lang: to_jsonl(t, words=True)),
    "csv": (Format("csv", "a table of the utterances"), lambda t, _layout, _lang: to_csv(t)),
    "words-csv": (Format("csv", "a table of the words"), lambda t, _layout, _lang: to_csv(t, words=True)),
    "ass": (Format("ass", "subtitles to style or burn in", "subtitles"), _editor("ass")),
    "ssa": (Format("ssa", "the older SubStation Alpha", "subtitles"), _editor("ssa")),
    "ttml": (Format("ttml", "timed text in XML", "subtitles"), _editor("ttml")),
    "microdvd": (Format("sub", "MicroDVD, at 25 pictures a second", "subtitles"), _editor("microdvd")),
    "mpl2": (Format("mpl", "MPL2", "subtitles"), _editor("mpl2")),
    "tmp": (Format("tmp", "TMP", "subtitles"), _editor("tmp")),
}

FORMATS: Mapping[str, Format] = MappingProxyType({name: entry[0] for name, entry in _TABLE.items()})
"""What `render` writes, by name."""


def render(
    transcript: Transcript,
    format: str,  # noqa: A002 - the name that the command's flag has
    *,
    layout: Layout | None = None,
    language: Language | None = None,
) -> str:
    """Write a transcript in a format of `FORMATS`: the whole contents of a file, to be encoded as UTF-8.

    *layout* matters for subtitles, *language* ("zh" or "en", by default that of the text) for the names of speakers.
    `InputError` where there is no such format, or where its extra is not installed.
    """
    if format not in _TABLE:
        raise InputError(f"there is no format {format!r}; there are {', '.join(_TABLE)}")
    return _TABLE[format][1](transcript, layout, language)
