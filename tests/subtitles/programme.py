"""Twenty minutes of varied speech as the service sends it, made of `programme.txt`."""

import re
from collections.abc import Iterator
from pathlib import Path

from subtitle_kit import utterance

from volcasr_async import Transcript, Utterance

_TOKEN = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d|[\u3400-\u9fff]|[，。！？,.?!]")
_HAN_MS, _LETTER_MS, _COMMA_MS, _STOP_MS, _PAUSE_MS, _BETWEEN_MS, _SCENE_MS = 210, 62, 180, 300, 1200, 350, 4000
_NUMERALS = "零一二三四五六七八九"


def programme(*, speakers: bool = True) -> Transcript:
    """The whole programme: a word for each Chinese character, numerals for figures, blanks of -1 between letters."""
    found = list(_utterances(speakers=speakers))
    return Transcript(text="".join(u.text for u in found), utterances=tuple(found), duration_ms=found[-1].end_ms + 2000)


def scenes() -> Iterator[tuple[str, str]]:
    """Each line's speaker, or "#" for a new scene, and its text."""
    for line in Path(__file__).with_suffix(".txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            yield "#", line[2:]
        else:
            speaker, text = line.split("\t")
            yield speaker, text


def _utterances(*, speakers: bool) -> Iterator[Utterance]:
    now = 800
    for speaker, text in scenes():
        if speaker == "#":
            now += _SCENE_MS
            continue
        yield _spoken(text, now, **({"speaker": speaker} if speakers else {}))
        now = _spoken(text, now).end_ms + _BETWEEN_MS


def _spoken(text: str, start: int, **additions: str) -> Utterance:
    """Chinese characters take a fifth of a second, other words as long as they are, commas a breath."""
    words: list[tuple[str, int, int]] = []
    now = start
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "，,":
            now += _COMMA_MS
        elif token in "。！？.?!":
            now += _PAUSE_MS if text[match.end() : match.end() + 1] == "/" else _STOP_MS
        else:
            latin = token.isascii() and token.isalpha()
            length = _LETTER_MS * max(3, len(token)) if latin else _HAN_MS
            if latin and words and words[-1][0].isascii():
                words.append((" ", -1, -1))
            words.append((_NUMERALS[int(token)] if token.isdigit() else token, now, now + length))
            now += length
    return utterance(text.replace("。/", "。"), start, max(now, start + 300), words, **additions)
