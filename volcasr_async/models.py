"""What comes back: transcripts, tasks, and the news that a task is not finished. Times are milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from volcasr_async.editions import AucV1, Edition
from volcasr_async.errors import InputError
from volcasr_async.lenient import Milliseconds, json_of, milliseconds, objects, text_of
from volcasr_async.transcript_data import Column, columns_of, document_of, records_of


class Word(Struct, frozen=True, gc=False, rename={"start_ms": "start_time", "end_ms": "end_time"}):
    """A word, or one character of Chinese, usually without punctuation.

    `start_ms` and `end_ms` are -1 for blank tokens between English words, and a word may have no length: never assume an
    order.
    """

    text: str = ""
    start_ms: Milliseconds = -1
    end_ms: Milliseconds = -1


_WORDS = msgspec.json.Decoder(tuple[Word, ...], strict=False)
_NONE = Raw(b"[]")


class Utterance(
    Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={"start_ms": "start_time", "end_ms": "end_time", "words_json": "words"},
):
    """A sentence.

    `additions` holds what the service adds, all strings: `speaker`, `channel_id`, `emotion`, `gender`, `lid_lang`, ... as
    the options asked. `words` is decoded when asked for: a two-hour transcript has thirty thousand of them.
    """

    text: str = ""
    start_ms: Milliseconds = -1
    end_ms: Milliseconds = -1
    additions: dict[str, str] = {}
    speaker_id: str | None = None
    words_json: Raw = _NONE

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of this utterance, in the service's order."""
        try:
            return _WORDS.decode(self.words_json)
        except (ValueError, RecursionError):
            return _loose_words(bytes(self.words_json))

    @property
    def speaker(self) -> str | None:
        """The speaker's label, "0" or "1" upwards, with `enable_speaker_info`."""
        return self.additions.get("speaker", self.speaker_id)

    @property
    def channel(self) -> str | None:
        """The channel, "1" left or "2" right, with `enable_channel_split`."""
        return self.additions.get("channel_id")

    def __eq__(self, other: object) -> bool:
        """Compare by content; the words' JSON may be spaced otherwise."""
        if not isinstance(other, Utterance):
            return NotImplemented
        mine, theirs = ((u.text, u.start_ms, u.end_ms, u.additions, u.speaker_id, u.words) for u in (self, other))
        return mine == theirs

    def __hash__(self) -> int:
        return hash((self.text, self.start_ms, self.end_ms))

    def __repr__(self) -> str:
        return f"Utterance({self.start_ms}-{self.end_ms} ms, {self.text!r})"


def _without_words(utterance: Utterance) -> dict[str, Any]:
    times = {"start_time": utterance.start_ms, "end_time": utterance.end_ms}
    return {"text": utterance.text, **times, "additions": utterance.additions}


def _as_json(body: bytes) -> Raw | str:
    """Put a body into a document as it is; one that is no JSON object, as its text."""
    try:
        if body.lstrip()[:1] == b"{":
            return msgspec.json.decode(body, type=Raw)
    except (ValueError, RecursionError):
        pass
    return body.decode("utf-8", "replace")


def _loose_words(body: bytes) -> tuple[Word, ...]:
    """Keep what can be read of words whose shape nobody reported."""
    try:
        words = json_of(body)
    except ValueError:
        return ()
    return tuple(
        Word(text_of(item.get("text")), milliseconds(item.get("start_time")), milliseconds(item.get("end_time")))
        for item in objects(words)
    )


class Task(Struct, frozen=True, kw_only=True, gc=False):
    """An accepted job, as a value: it holds no secret, and any process with credentials can wait for it.

    `id` is what the service is asked with: our own request id in v3, the service's in v1. `submitted_at` is seconds since
    1970 on the submitter's clock. `accepted` is false where no answer has shown yet that the service accepted the submit, as
    in `SubmitUncertain.task`.
    """

    id: str
    edition: Edition
    request_id: str
    submitted_at: float
    key: str | None = None
    log_id: str | None = None
    accepted: bool = True

    def to_json(self) -> str:
        """Write it as one line of JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Task:
        """Read what `to_json` wrote; `InputError` for anything else."""
        try:
            task = msgspec.json.decode(text, type=cls)
        except (ValueError, RecursionError) as error:
            raise InputError(f"this is no task as Task.to_json or `volcasr submit` writes it: {error}") from error
        # Ours goes into a header; the one that v1 gives goes into the body and may be any text.
        in_header = not isinstance(task.edition, AucV1)
        if not task.id or (in_header and not (task.id.isascii() and task.id.isprintable())):
            raise InputError(f"this is no task: its id {task.id!r} is none that the service gives")
        return task


class Pending(Struct, frozen=True, kw_only=True):
    """Not finished yet. `phase` is "accepted", "queued" or "processing"."""

    task: Task
    phase: str = "processing"
    log_id: str | None = None


class _WordDocument(Struct, frozen=True):
    text: str
    start_ms: Milliseconds | None = None
    end_ms: Milliseconds | None = None


class _UtteranceDocument(_WordDocument, frozen=True):
    speaker: str | None = None
    channel: str | None = None
    additions: dict[str, str] = {}
    words: tuple[_WordDocument, ...] = ()


class _Document(Struct, frozen=True):
    """The document of `Transcript.to_dict`."""

    text: str
    duration_ms: Milliseconds | None = None
    silent: bool = False
    utterances: tuple[_UtteranceDocument, ...] = ()


def _utterance_of(document: _UtteranceDocument) -> Utterance:
    voice = {"speaker": document.speaker, "channel_id": document.channel}
    return Utterance(
        text=document.text,
        start_ms=_time_of(document.start_ms),
        end_ms=_time_of(document.end_ms),
        additions={name: value for name, value in voice.items() if value is not None} | document.additions,
        words_json=Raw(
            msgspec.json.encode([Word(w.text, _time_of(w.start_ms), _time_of(w.end_ms)) for w in document.words])
        ),
    )


def _time_of(value: int | None) -> int:
    return -1 if value is None else value


class Transcript(Struct, frozen=True, kw_only=True):
    """A finished recognition.

    `silent` says that nothing was spoken: a result like any other, with an empty text. `duration_ms` is the recording's
    length, `None` where the service does not tell (v1). `raw` is the reply's body as it came, so nothing is lost.
    `task` is `None` for flash, which has none.
    """

    text: str
    duration_ms: int | None = None
    utterances: tuple[Utterance, ...] = ()
    silent: bool = False
    task: Task | None = None
    log_id: str | None = None
    raw: bytes = b""

    def to_json(self) -> str:
        """Write it as a JSON document; `volcasr_async.read_transcript` and `volcasr convert` read it again."""
        return msgspec.json.encode(self._document()).decode("utf-8", "replace")

    def to_dict(self, *, words: bool = True) -> dict[str, Any]:
        """Return the result as values that JSON has, for example for the response of a web service or a JSON column.

        The shape is fixed; `None` is what the service did not state, and times are milliseconds:

            {"text": str, "duration_ms": int | None, "silent": bool, "utterances": [
                {"start_ms": int | None, "end_ms": int | None, "speaker": str | None, "channel": str | None, "text": str,
                 "additions": {str: str}, "words": [{"start_ms": int | None, "end_ms": int | None, "text": str}]}]}

        Without *words* the key `words` is left out. The log id, the task and the body of the service are not included;
        `to_json` keeps them. `from_dict` and `volcasr_async.read_transcript` read the document again.
        """
        return document_of(self, words=words)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Transcript:
        """Read what `to_dict` returned; `InputError` for anything else."""
        try:
            found = msgspec.convert(document, _Document)
        except (ValueError, RecursionError) as error:
            raise InputError(f"this is not a document of Transcript.to_dict: {error}") from error
        utterances = tuple(_utterance_of(utterance) for utterance in found.utterances)
        return cls(text=found.text, duration_ms=found.duration_ms, utterances=utterances, silent=found.silent)

    def to_records(self, *, words: bool = False, key: str | None = None) -> list[dict[str, Any]]:
        """Return a flat dict for each utterance, or with *words* for each word, for example for pandas or polars.

        Columns of an utterance: `utterance` (its number, from 0), `start_ms`, `end_ms`, `speaker`, `channel`, `text`,
        `emotion`, `gender`, `language`, `speech_rate` (tokens per second), `volume` (dB). Columns of a word: `utterance`,
        `word` (its number in the utterance), `start_ms`, `end_ms`, `speaker`, `channel`, `text`. Words are the service's
        tokens; blank ones are left out. The columns are always the same; `None` is what the service did not state.

        With *key* each record begins with a column `key`, so that the records of many recordings can be put together.
        `record_columns` has the type of each column.
        """
        return records_of(self, words=words, key=key)

    @staticmethod
    def record_columns(*, words: bool = False, key: bool = False) -> dict[str, Column]:
        """Return the columns of `to_records` and their types: `int`, `float` or `str`, all of them with `None`.

        A table needs them where records cannot tell: no records at all, or a column that contains only `None`.
        """
        return columns_of(words=words, key=key)

    def _document(self) -> dict[str, Any]:
        raw = _as_json(self.raw) if self.raw else None
        return {
            "text": self.text,
            "duration_ms": self.duration_ms,
            "silent": self.silent,
            "log_id": self.log_id,
            "task": self.task,
            # With the service's names; the words, by far the most of it, stand in `raw`.
            "utterances": [_without_words(u) for u in self.utterances] if isinstance(raw, Raw) else self.utterances,
            "raw": raw,
        }

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= 40 else self.text[:40] + "..."
        length = f", {self.duration_ms / 1000:.1f} s" if self.duration_ms is not None else ""
        return f"<Transcript {'silent' if self.silent else repr(text)}{length}, {len(self.utterances)} utterances>"
