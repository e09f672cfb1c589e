"""Utterances whose fields have types that nobody reported: whatever can be understood, is."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from volcasr_async.lenient import milliseconds, objects, text_of
from volcasr_async.models import Utterance


def loose_utterances(value: Any) -> tuple[Utterance, ...]:
    """Read a list of utterances, leaving out what is no object."""
    return tuple(map(_utterance, objects(value)))


def _utterance(item: dict[str, Any]) -> Utterance:
    additions, speaker = item.get("additions"), item.get("speaker_id")
    return Utterance(
        text=text_of(item.get("text")),
        start_ms=milliseconds(item.get("start_time")),
        end_ms=milliseconds(item.get("end_time")),
        additions={key: text_of(value) for key, value in additions.items()} if isinstance(additions, dict) else {},
        speaker_id=text_of(speaker) if speaker is not None else None,
        words_json=Raw(msgspec.json.encode(objects(item.get("words")))),
    )
