"""Text for people to read: plain, with the speakers' names, or as minutes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from volcasr_async.models import Transcript
from volcasr_async.subtitles.clock import clock
from volcasr_async.subtitles.passages import Passage, full_text, passages_of
from volcasr_async.subtitles.plain import one_line
from volcasr_async.subtitles.speakers import Language, label, language_of, namer

_LONG_PAUSE_MS = 3000
_PARAGRAPH_MS = 60_000  # after this long, the next sentence begins a new paragraph with its own time

_TITLE: dict[Language, str] = {"zh": "文字记录", "en": "Transcript"}
_LENGTH: dict[Language, str] = {"zh": "时长：{}", "en": "Length: {}"}
_NOTHING: dict[Language, str] = {"zh": "（没有说话声）", "en": "(nothing was said)"}
_MARKUP = re.compile(r"[\\`*_\[\]<>&~|$]|^(?:[#+=-]|\d+(?=[.)]))")


def to_text(transcript: Transcript) -> str:
    """Write the whole text as one line; an empty one where nothing was said."""
    return (one_line(transcript.text) or full_text(passages_of(transcript))) + "\n"


def to_speakers(transcript: Transcript, *, language: Language | None = None) -> str:
    """Write who said what: a line for each turn, `说话人 1：...` for Chinese text, otherwise `Speaker 1: ...`.

    A channel stands for the speaker where only channels were told apart; without either, each utterance has a line and
    no name. *language* is that of the names, "zh" or "en". A silent transcript gives an empty file.
    """
    passages = passages_of(transcript)
    spoken = language_of(full_text(passages), language)
    name = namer((passage.voice for passage in passages), spoken)
    return "".join(
        label(name(turn[0].voice), spoken) + full_text(turn) + "\n" for turn in _turns(passages, minutes=False)
    )


def to_markdown(transcript: Transcript, *, title: str | None = None, language: Language | None = None) -> str:
    """Write minutes in Markdown: a title, the recording's length, and each turn with its time and speaker.

    Long turns are divided into paragraphs, each with its own time. *language* is that of the title and the names, "zh"
    or "en"; by default that of the text.
    """
    passages = passages_of(transcript)
    spoken = language_of(full_text(passages), language)
    name = namer((passage.voice for passage in passages), spoken)
    blocks = [f"# {_escaped(one_line(title or '') or _TITLE[spoken])}"]
    if transcript.duration_ms is not None and transcript.duration_ms >= 0:
        blocks.append(_LENGTH[spoken].format(clock(round(transcript.duration_ms / 1000))))
    for turn in _turns(passages, minutes=True):
        who = _escaped(name(turn[0].voice))
        head = f"**{who}** {clock(turn[0].start_ms // 1000)}" if who else f"**{clock(turn[0].start_ms // 1000)}**"
        blocks += [head, _escaped(full_text(turn))]
    if not passages:
        blocks.append(_NOTHING[spoken])
    return "\n\n".join(blocks) + "\n"


def _turns(passages: Iterable[Passage], *, minutes: bool) -> list[Sequence[Passage]]:
    """Gather what one voice says in a row; for minutes, in paragraphs. Otherwise, without names, each stands alone."""
    turns: list[list[Passage]] = []
    for passage in passages:
        last = turns[-1] if turns else None
        if last is None or last[-1].voice != passage.voice or _breaks(last, passage, minutes=minutes):
            turns.append([passage])
        else:
            last.append(passage)
    return [*turns]


def _breaks(paragraph: Sequence[Passage], passage: Passage, *, minutes: bool) -> bool:
    """Return whether the same voice begins a new line."""
    if not minutes:
        return passage.voice == (None, None)
    pause = passage.start_ms - paragraph[-1].end_ms
    return pause >= _LONG_PAUSE_MS or passage.start_ms - paragraph[0].start_ms >= _PARAGRAPH_MS


def _escaped(text: str) -> str:
    """Write text so that Markdown shows it as it is."""
    return _MARKUP.sub(lambda match: _backslashed(match.group()), text)


def _backslashed(found: str) -> str:
    return found + "\\" if found[0].isdigit() else "\\" + found
