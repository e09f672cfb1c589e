"""A transcript as passages: what was said, by whom, and when, with times that can be relied on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from operator import attrgetter

import msgspec
from msgspec import Struct

from volcasr_async.models import Transcript, Utterance, Word
from volcasr_async.subtitles.align import Span, filled, shared
from volcasr_async.subtitles.plain import is_spoken, joined, one_line
from volcasr_async.subtitles.speakers import Voice
from volcasr_async.subtitles.width import columns, is_wide

LATEST_MS = 99 * 3_600_000
"""The latest time that is believed; SRT has two digits for the hours, and the service takes recordings of 5 hours."""

_WIDE_COLUMN_MS, _COLUMN_MS = 110, 70  # how long a column takes to say: four and a half Chinese characters a second


class Passage(Struct, frozen=True):
    """One utterance: its text on one line, when it was said (ms, never backwards for one voice), and by whom."""

    text: str
    start_ms: int
    end_ms: int
    voice: Voice
    utterance: Utterance

    @property
    def words(self) -> tuple[Word, ...]:
        """The service's words, as they came."""
        return self.utterance.words


def passages_of(transcript: Transcript, *, marks: bool = False) -> list[Passage]:
    """Read a transcript into passages in which something is said, in the order in which they begin.

    With *marks*, also those that have only punctuation. Without utterances the whole text is one passage. Times that
    are missing are taken from the words, from the neighbours, from the recording's length, or estimated, in this order.
    Of two passages of one voice that overlap, the earlier one ends when the later one begins.
    """
    told = [
        (text, utterance)
        for utterance in transcript.utterances
        if (text := _text_of(utterance)) and (marks or is_spoken(text))
    ]
    if not told and (text := one_line(transcript.text)) and (marks or is_spoken(text)):
        told = [(text, Utterance(text=text))]
    spans = _spans(told, transcript.duration_ms)
    found = [
        Passage(text, start, end, (utterance.speaker, utterance.channel), utterance)
        for (text, utterance), (start, end) in zip(told, spans, strict=True)
    ]
    by_voice: dict[Voice, list[Passage]] = {}
    for passage in found:
        by_voice.setdefault(passage.voice, []).append(passage)
    settled = [passage for voice in by_voice.values() for passage in _settled(voice)]
    return sorted(settled, key=attrgetter("start_ms"))


def full_text(passages: Iterable[Passage]) -> str:
    """All that was said, in order, on one line."""
    return joined(passage.text for passage in passages)


def _text_of(utterance: Utterance) -> str:
    return one_line(utterance.text) or _text_of_words(utterance.words)


def _text_of_words(words: Sequence[Word]) -> str:
    """Make a text of words that have none: a blank between two words in letters, none in Chinese."""
    parts = [text for word in words if (text := one_line(word.text))]
    gaps = ["", *(" " if _meet(before, after) else "" for before, after in pairwise(parts))]
    return "".join(gap + part for gap, part in zip(gaps, parts, strict=True)) if parts else ""


def _meet(before: str, after: str) -> bool:
    return after[0].isalnum() and columns(before[-1]) < 2 and columns(after[0]) < 2


def _spans(told: Sequence[tuple[str, Utterance]], duration_ms: int | None) -> list[Span]:
    guesses = [_estimate(text) for text, _ in told]
    known = [_own_span(utterance) for _, utterance in told]
    last = max((span[1] for span in known if span), default=0)
    end = duration_ms if duration_ms is not None and duration_ms > last else last + sum(guesses)
    spans = filled(known, guesses, (0, min(end, LATEST_MS)))
    return [(start, end if end > start else start + guess) for (start, end), guess in zip(spans, guesses, strict=True)]


def _own_span(utterance: Utterance) -> Span | None:
    """Find when an utterance was, by its own times or else its words'. Its end may be missing: it is its start then.

    No length at all, or nothing but zeros, is no time.
    """
    start, end = utterance.start_ms, utterance.end_ms
    if start < 0 or end <= start:
        times = [(word.start_ms, word.end_ms) for word in utterance.words if word.start_ms >= 0]
        if not times and (start < 0 or start in (0, end)):
            return None
        start = start if start > 0 or not times else min(first for first, _ in times)
        end = max((max(time) for time in times), default=start)
    return min(start, LATEST_MS), min(max(start, end), LATEST_MS)


def _estimate(text: str) -> int:
    return max(1, columns(text)) * (_WIDE_COLUMN_MS if is_wide(text) else _COLUMN_MS)


def _settled(passages: Sequence[Passage]) -> list[Passage]:
    """Keep the passages of one voice from overlapping; those that begin together share the time."""
    ordered = sorted(passages, key=attrgetter("start_ms"))
    groups = [list(group) for _, group in groupby(ordered, key=attrgetter("start_ms"))]
    settled: list[Passage] = []
    for number, group in enumerate(groups):
        end = max(passage.end_ms for passage in group)
        if number + 1 < len(groups):
            end = min(end, groups[number + 1][0].start_ms)
        spans = shared((group[0].start_ms, end), [columns(passage.text) for passage in group])
        settled += [_moved(passage, span) for passage, span in zip(group, spans, strict=True)]
    return settled


def _moved(passage: Passage, span: Span) -> Passage:
    same = (passage.start_ms, passage.end_ms) == span
    return passage if same else msgspec.structs.replace(passage, start_ms=span[0], end_ms=span[1])
