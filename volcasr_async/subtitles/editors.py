"""Subtitles for editors and older players, through pysubs2 (extra [subtitles]): ASS, SSA, TTML, MicroDVD, MPL2, TMP."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from volcasr_async.errors import InputError
from volcasr_async.models import Transcript
from volcasr_async.subtitles.cues import Cue, cues_of
from volcasr_async.subtitles.layout import USUAL, Layout
from volcasr_async.subtitles.plain import widened
from volcasr_async.subtitles.speakers import Language

if TYPE_CHECKING:
    from pysubs2 import SSAEvent, SSAFile

# What would not be shown as text; none of these formats has an escape that all of their readers know.
_BRACES = r"[{]|\\(?=[NnHh])"
_COMMANDS = {
    "ass": re.compile(_BRACES),
    "ssa": re.compile(_BRACES),
    "ttml": re.compile(_BRACES),
    "microdvd": re.compile(_BRACES + "|[|]"),
    "mpl2": re.compile(_BRACES + "|[|]|(?<!\\S)/"),
    "tmp": re.compile(_BRACES + "|[|<]"),
}
_REFERENCE = re.compile(r"&#(\d{3,});")  # pysubs2 writes TTML in ASCII, every Chinese character as its number
_SUBSTATION_END_MS = 10 * 3_600_000  # one digit for the hours
_PICTURE = {"PlayResX": "1920", "PlayResY": "1080"}
_SIZE, _OUTLINE, _SHADOW, _MARGIN = 64.0, 3.0, 0.0, 54  # of that picture: 20 Chinese characters take two thirds of it


def to_ass(transcript: Transcript, layout: Layout | None = None, *, language: Language | None = None) -> str:
    """Write Advanced SubStation Alpha, for Aegisub and for burning in; needs the extra [subtitles].

    The speakers' names stand in the field `Name`. ASS counts hundredths of a second, and up to 10 hours; past them it
    is an `InputError`. `{`, and a backslash that would be a command, are written in their fullwidth forms.
    """
    return to_other(transcript, "ass", layout, language=language)


def to_other(
    transcript: Transcript,
    format: str,  # noqa: A002 - the name that it has everywhere here
    layout: Layout | None = None,
    *,
    language: Language | None = None,
    fps: float = 25.0,
) -> str:
    """Write a format of pysubs2 by its name there: ass, ssa, ttml, microdvd, mpl2 or tmp; needs the extra [subtitles].

    *fps*, pictures a second, matters for microdvd, which counts pictures. mpl2 counts tenths of a second, tmp whole
    ones.
    """
    if not (isinstance(fps, int | float) and math.isfinite(fps) and fps > 0):
        raise InputError(f"fps={fps!r} must be a number above 0: the pictures a second of the video")
    file = to_pysubs2(transcript, layout, format=format, language=language)
    if format == "microdvd":
        # pysubs2 1.8 writes the rate at {0}{0}, where neither VLC nor itself looks for it.
        return f"{{1}}{{1}}{float(fps)}\n" + file.to_string(format, fps=float(fps), write_fps_declaration=False)
    if format == "ttml":
        return _REFERENCE.sub(lambda match: chr(int(match.group(1))), file.to_string(format))
    return file.to_string(format, header_notice="") if format in {"ass", "ssa"} else file.to_string(format)


def to_pysubs2(
    transcript: Transcript,
    layout: Layout | None = None,
    *,
    format: str = "ass",  # noqa: A002
    language: Language | None = None,
) -> SSAFile:
    """Make a `pysubs2.SSAFile`, to change styles or times before you save it; needs the extra [subtitles].

    *format* is the one that it will be saved in: text that would be a command there is written in its fullwidth form.
    """
    if format not in _COMMANDS:
        raise InputError(f"pysubs2 does not write {format!r} here; it writes {', '.join(_COMMANDS)}")
    file = _new_file(format)
    cues = cues_of(transcript, layout or USUAL, language, lambda text: _COMMANDS[format].sub(widened, text))
    if format in {"ass", "ssa"} and cues and cues[-1].end_ms >= _SUBSTATION_END_MS:
        raise InputError(f"{format} ends at 10 hours, and this transcript does not; use srt or vtt")
    for cue in cues:
        file.append(_event(cue))
    return file


def _new_file(format: str) -> SSAFile:  # noqa: A002
    try:
        from pysubs2 import SSAFile
    except ImportError as error:
        raise InputError(f'{format} needs the extra [subtitles]: pip install "volcasr-async[subtitles]"') from error
    file = SSAFile()
    file.info.update(_PICTURE)
    style = file.styles["Default"]
    style.fontsize, style.outline, style.shadow, style.marginv = _SIZE, _OUTLINE, _SHADOW, _MARGIN
    return file


def _event(cue: Cue) -> SSAEvent:
    from pysubs2 import SSAEvent

    name = cue.name.replace(",", "，")  # a comma would end the field
    return SSAEvent(start=cue.start_ms, end=cue.end_ms, text=r"\N".join(cue.lines), name=name)
