"""What those who speak are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from volcasr_async.errors import InputError
from volcasr_async.subtitles.plain import one_line
from volcasr_async.subtitles.width import is_chinese

Language = Literal["zh", "en"]
Voice = tuple[str | None, str | None]
"""Speaker and channel, as far as the service told them."""

_SPEAKER: dict[Language, str] = {"zh": "说话人", "en": "Speaker"}
_CHANNEL: dict[Language, str] = {"zh": "声道", "en": "Channel"}
_COLON: dict[Language, str] = {"zh": "：", "en": ": "}


def language_of(text: str, wished: Language | None) -> Language:
    """Choose the language of what we add to a text: the one wished for, or that of the text's own script."""
    if wished not in {None, "zh", "en"}:
        raise InputError(f'language={wished!r} is not known here; use "zh", "en" or None for that of the text')
    return wished or ("zh" if is_chinese(text) else "en")


def namer(voices: Iterable[Voice], language: Language) -> Callable[[Voice], str]:
    """Make the function that names a voice: after its speaker, else its channel, or both where one speaker has two."""
    distinct = {voice for voice in voices if voice[0] is not None}
    ambiguous = len({speaker for speaker, _ in distinct}) < len(distinct)

    def name(voice: Voice) -> str:
        speaker, channel = (None if part is None else one_line(part) for part in voice)
        side = f"{_CHANNEL[language]} {channel}" if channel is not None else ""
        if speaker is None:
            return side
        return f"{_SPEAKER[language]} {speaker}" + (f" ({side})" if ambiguous and side else "")

    return name


def label(name: str, language: Language) -> str:
    """Make what stands before somebody's words."""
    return name + _COLON[language] if name else ""
