"""Subtitles for players: SRT, WebVTT and LRC."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from volcasr_async.models import Transcript
from volcasr_async.subtitles.clock import lyric_stamp, stamp
from volcasr_async.subtitles.cues import Cue, cues_of
from volcasr_async.subtitles.layout import USUAL, Layout
from volcasr_async.subtitles.plain import widened
from volcasr_async.subtitles.speakers import Language

# SRT has no escape. Players take "<b" for a tag (VLC even "< b"), hide what stands in braces, and break the line at \N;
# a line of times begins a new cue. What begins such a thing is therefore written in its fullwidth form.
_SRT_COMMANDS = re.compile(r"[<{]|\\(?=[NnHh])|(?<=--)>|:(?=\d{1,2}:\d{1,2}[.,]\d)")
_LRC_COMMANDS = re.compile(r"[\[<]")  # both begin a time, which some players find in the middle of a line too
_VTT_COMMANDS = re.compile(r"\\(?=[NnHh])")  # nothing to the standard, a line break to ffmpeg, mpv and pysubs2
_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_srt(transcript: Transcript, layout: Layout | None = None, *, language: Language | None = None) -> str:
    """Write SubRip, the format that every player reads. A silent transcript gives an empty file.

    SRT cannot escape: `<`, `{`, and where a player would act on them the backslash, the arrow and the colons of a time,
    are written in their fullwidth forms (`＜`, `｛`), so that nothing is hidden.
    """
    cues = cues_of(transcript, layout or USUAL, language, _speller(_SRT_COMMANDS))
    return "".join(
        f"{number}\n{stamp(cue.start_ms, ',')} --> {stamp(cue.end_ms, ',')}\n{_text(cue)}\n\n"
        for number, cue in enumerate(cues, start=1)
    )


def to_vtt(transcript: Transcript, layout: Layout | None = None, *, language: Language | None = None) -> str:
    """Write WebVTT, for `<track>` in web pages; `&`, `<` and `>` are escaped. A silent transcript is the header alone.

    With `Layout(labels=True)` a cue also says who speaks in a voice span, `<v Speaker 1>`, for style sheets.
    """
    layout = layout or USUAL
    cues = cues_of(transcript, layout, language, _speller(_VTT_COMMANDS))
    return "WEBVTT\n\n" + "".join(
        f"{stamp(cue.start_ms, '.')} --> {stamp(cue.end_ms, '.')}\n{_spoken(cue, named=layout.labels)}\n\n"
        for cue in cues
    )


def to_lrc(transcript: Transcript, layout: Layout | None = None, *, language: Language | None = None) -> str:
    """Write LRC, for music players: each cue is one line with the time at which it begins.

    `Layout(lines=...)` does not matter here. LRC cannot escape: `[` and `<` are written in their fullwidth forms.
    """
    layout = msgspec.structs.replace(layout or USUAL, lines=1)
    cues = cues_of(transcript, layout, language, _speller(_LRC_COMMANDS))
    return "".join(f"{lyric_stamp(cue.start_ms)}{_text(cue)}\n" for cue in cues)


def _speller(commands: re.Pattern[str]) -> Callable[[str], str]:
    def spell(text: str) -> str:
        return commands.sub(widened, text)

    return spell


def _text(cue: Cue) -> str:
    return "\n".join(cue.lines)


def _spoken(cue: Cue, *, named: bool) -> str:
    name, text = (part.translate(_VTT_ESCAPES) for part in (cue.name, _text(cue)))
    return f"<v {name}>{text}" if named and name else text
