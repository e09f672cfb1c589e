"""A transcript as subtitles and text: pure functions that give the contents of a file.

    from volcasr_async.subtitles import Layout, to_srt

    Path("talk.srt").write_text(to_srt(transcript), "utf-8")

General layout, each module looking down only:

    formats                                   every format by its name
    players, editors, prose, tables           the formats
    cues                                      what stands on the screen, from when to when
    passages                                  who said what, and when
    clumps                                    what stays on one line if it fits there
    align, lines, pacing                      times onto text; text into lines; cues one after the other
    units, speakers, segmenters               what stays whole at the end of a line; names; libraries that find words
    costs, bonds                              where a line ends well; what holds together
    boundaries, plain, matching, words,
    layout, clock                             small rules
    width                                     columns and grapheme clusters
"""

from volcasr_async.subtitles.cues import Cue, to_cues
from volcasr_async.subtitles.editors import to_ass, to_other, to_pysubs2
from volcasr_async.subtitles.formats import FORMATS, Format, render
from volcasr_async.subtitles.layout import Layout, Segmenter
from volcasr_async.subtitles.players import to_lrc, to_srt, to_vtt
from volcasr_async.subtitles.prose import to_markdown, to_speakers, to_text
from volcasr_async.subtitles.speakers import Language
from volcasr_async.subtitles.tables import to_csv, to_jsonl

__all__ = [
    "FORMATS",
    "Cue",
    "Format",
    "Language",
    "Layout",
    "Segmenter",
    "render",
    "to_ass",
    "to_csv",
    "to_cues",
    "to_jsonl",
    "to_lrc",
    "to_markdown",
    "to_other",
    "to_pysubs2",
    "to_speakers",
    "to_srt",
    "to_text",
    "to_vtt",
]
