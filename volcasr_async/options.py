"""How to recognise: the `request` section of the wire, under its own names (doc 2606791, doc 2608628, doc 80820).

Each field says once, in its annotation, what it does and which editions take it; the command's flags, the check before
sending and the documentation are made from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from volcasr_async.errors import InputError
from volcasr_async.spelling import spell_choice

_ALL = ("standard", "idle", "flash", "v1")
_V3 = ("standard", "idle", "flash")
_POLLED = ("standard", "idle")
_STANDARD = ("standard",)


def _takes(*editions: str) -> dict[str, Any]:
    return {"editions": editions}


_hints = cache(get_type_hints)

DOCUMENTED_VALUES: dict[str, tuple[str, ...]] = {
    "ssd_version": ("200", "300"),
    "ssd_mode": ("0", "1"),
    "output_zh_variant": ("traditional", "tw", "hk"),
    "model_version": ("310", "400"),
}
"""Options that take one of a few values. A newer value goes into `extra`."""
_OTHER_NAMES = {
    "output_zh_variant": {
        "zh-tw": "tw",
        "zh-hant-tw": "tw",
        "zh-hk": "hk",
        "zh-hant-hk": "hk",
        "zh-hant": "traditional",
    }
    | {"繁体": "traditional", "繁體": "traditional", "台湾": "tw", "臺灣": "tw", "台灣": "tw", "香港": "hk"}
}


class WireFields(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plain fields of the `request` section; one that is `None` is not sent."""

    enable_itn: Annotated[bool | None, Meta(description="numbers as digits", extra=_takes(*_ALL))] = None
    enable_punc: Annotated[bool | None, Meta(description="punctuation", extra=_takes(*_ALL))] = None
    enable_ddc: Annotated[
        bool | None, Meta(description="leave out fillers and repetitions; may drop word times", extra=_takes(*_ALL))
    ] = None
    enable_speaker_info: Annotated[
        bool | None, Meta(description="tell speakers apart; Chinese only", extra=_takes(*_ALL))
    ] = None
    ssd_version: Annotated[
        str | None,
        Meta(description='speaker model: "200" up to 5 people, "300" meetings', extra=_takes(*_STANDARD)),
    ] = None
    ssd_mode: Annotated[
        int | None, Meta(description='with ssd_version "200": 0 under 3 min, 1 above', extra=_takes(*_STANDARD))
    ] = None
    enable_channel_split: Annotated[
        bool | None, Meta(description="recognise the two channels apart", extra=_takes(*_ALL))
    ] = None
    show_utterances: Annotated[bool | None, Meta(description="sentences and words with times", extra=_takes(*_ALL))] = (
        None
    )
    show_speech_rate: Annotated[bool | None, Meta(description="tokens per second", extra=_takes(*_POLLED))] = None
    show_volume: Annotated[bool | None, Meta(description="loudness in decibel", extra=_takes(*_POLLED))] = None
    enable_lid: Annotated[bool | None, Meta(description="language of each utterance", extra=_takes(*_V3))] = None
    enable_auto_lang: Annotated[
        bool | None,
        Meta(description="detect the language; not together with corpus, supersedes language", extra=_takes(*_V3)),
    ] = None
    enable_emotion_detection: Annotated[
        bool | None, Meta(description="angry, happy, neutral, sad, surprise", extra=_takes(*_POLLED))
    ] = None
    enable_gender_detection: Annotated[bool | None, Meta(description="male or female", extra=_takes(*_POLLED))] = None
    enable_age_detection: Annotated[bool | None, Meta(description="age of the speaker", extra=_takes(*_STANDARD))] = (
        None
    )
    vad_segment: Annotated[bool | None, Meta(description="cut by pauses instead of by meaning", extra=_takes(*_V3))] = (
        None
    )
    end_window_size: Annotated[
        int | None, Meta(description="pause that ends a sentence, 300 to 5000 ms", extra=_takes(*_V3))
    ] = None
    enable_poi_fc: Annotated[bool | None, Meta(description="names of places", extra=_takes(*_V3))] = None
    enable_music_fc: Annotated[bool | None, Meta(description="names of songs", extra=_takes(*_V3))] = None
    output_zh_variant: Annotated[
        str | None, Meta(description='"traditional", "tw" or "hk"; overseas host', extra=_takes(*_V3))
    ] = None
    model_version: Annotated[
        str | None, Meta(description='"400" for the newer model line of 2025', extra=_takes(*_STANDARD))
    ] = None


class SensitiveWords(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to do about sensitive words: the service's own list, words to delete, words to replace by asterisks."""

    system_reserved_filter: bool | None = None
    filter_with_empty: tuple[str, ...] = ()
    filter_with_signed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_types("SensitiveWords", self)
        _check_lists(self, "filter_with_empty", "filter_with_signed")


class Corpus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hot words, replacements and context. Of a table's id and name the id wins.

    `hotwords` is short for the list of the same name inside `context`; `context` is the object of the documents, which
    goes out serialised as a string, as they ask (a ready string passes through).
    """

    boosting_table_name: str | None = None
    boosting_table_id: str | None = None
    correct_table_name: str | None = None
    correct_table_id: str | None = None
    regex_correct_table_name: str | None = None
    regex_correct_table_id: str | None = None
    context: Mapping[str, Any] | str | None = None
    hotwords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_types("Corpus", self)
        _check_lists(self, "hotwords")
        _check_json("Corpus(context)", self.context)


class Options(WireFields, frozen=True, kw_only=True, omit_defaults=True):
    """Recognition options. An unset (`None`) field is not sent and has the service's default.

    Three are set here, because the service's defaults changed between its documents or hide what everybody asks for:
    `enable_itn`, `enable_punc` and `show_utterances` are on. `extra` goes into the `request` section (v1: `additions`)
    as it is, for a field newer than this library.
    """

    enable_itn: bool | None = True
    enable_punc: bool | None = True
    show_utterances: bool | None = True
    sensitive_words_filter: Annotated[
        SensitiveWords | Mapping[str, Any] | str | None,
        Meta(description="what to do about sensitive words", extra=_takes(*_V3)),
    ] = None
    corpus: Annotated[Corpus | None, Meta(description="hot words, replacements, context", extra=_takes(*_ALL))] = None
    extra: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        _check_types("Options", self)
        self._spell_choices()
        _check_json("Options(extra)", self.extra)
        _check_json("Options(sensitive_words_filter)", self.sensitive_words_filter)
        if self.end_window_size is not None and not 300 <= self.end_window_size <= 5000:
            raise InputError(f"end_window_size={self.end_window_size} must lie between 300 and 5000 ms")
        if self.enable_auto_lang and self.corpus is not None:
            raise InputError("enable_auto_lang does not go together with corpus: leave one of them out")
        if self.ssd_mode is not None and self.ssd_version != "200":
            raise InputError('ssd_mode needs ssd_version="200"')
        if self.enable_speaker_info and self.show_utterances is False:
            raise InputError("enable_speaker_info labels utterances: leave show_utterances on")
        if self.corpus is not None and self.corpus.hotwords and isinstance(self.corpus.context, str):
            raise InputError(
                "hotwords cannot be added to a context that is a string: give them inside the string, or the context as an object"
            )

    def _spell_choices(self) -> None:
        for name, valid in DOCUMENTED_VALUES.items():
            if (given := getattr(self, name)) is None:
                continue
            value = spell_choice(name, str(given), valid, _OTHER_NAMES.get(name))
            if value != str(given):
                force_setattr(self, name, type(given)(value))


@cache
def editions_taking() -> dict[str, tuple[str, ...]]:
    """Tell for each field which editions take it."""
    return {name: meta.extra["editions"] for name, meta in field_notes().items() if meta.extra}


@cache
def field_notes() -> dict[str, Meta]:
    """Collect what each annotation says of its field."""
    hints = get_type_hints(WireFields, include_extras=True) | {
        name: hint
        for name, hint in get_type_hints(Options, include_extras=True).items()
        if hasattr(hint, "__metadata__")
    }
    return {name: note for name, hint in hints.items() for note in getattr(hint, "__metadata__", ()) if note.extra}


def check_options(options: Options, edition: str) -> None:
    """Refuse what *edition* does not take, naming the editions that do."""
    for name, editions in editions_taking().items():
        if getattr(options, name) is None or edition in editions:
            continue
        raise InputError(f"the {edition} edition does not take {name}; {_or(editions)} does")
    if edition == "v1":
        _check_v1(options)


def _check_types(what: str, value: Struct) -> None:
    """Hold every field against its annotation."""
    for name, hint in _hints(type(value)).items():
        given = getattr(value, name)
        if given is None or given == ():
            continue
        if not _fits(given, hint):
            raise InputError(f"{what}({name}) has the wrong type: {type(given).__name__} instead of {_named(hint)}")
        if isinstance(given, str):
            _check_json(f"{what}({name})", given)


def _fits(given: object, hint: Any) -> bool:
    kinds = tuple(get_origin(kind) or kind for kind in (get_args(hint) if isinstance(hint, UnionType) else (hint,)))
    if isinstance(given, bool):
        return bool in kinds
    return isinstance(given, (list, *kinds) if tuple in kinds else kinds)


def _named(hint: Any) -> str:
    return str(hint).removesuffix(" | None") if isinstance(hint, UnionType) else str(getattr(hint, "__name__", hint))


def _check_lists(value: Struct, *names: str) -> None:
    for name in names:
        words = getattr(value, name)
        for word in words:
            if not isinstance(word, str):
                raise InputError(f"{name} takes strings, not {type(word).__name__}: {word!r:.60}")
        _check_json(name, words)
        force_setattr(value, name, tuple(words))


def _check_json(what: str, value: object) -> None:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{what} cannot be written as JSON: {error}") from error


def _check_v1(options: Options) -> None:
    """v1 takes one field of the corpus, and strings only."""
    corpus = options.corpus
    if corpus is not None and corpus != Corpus(boosting_table_name=corpus.boosting_table_name):
        raise InputError("the v1 edition takes corpus.boosting_table_name only; standard takes the rest")
    for name, value in options.extra.items():
        if not isinstance(value, str):
            raise InputError(f'v1 takes strings only: write extra={{"{name}": "True"}} rather than {value!r}')


def _or(editions: tuple[str, ...]) -> str:
    return editions[0] if len(editions) == 1 else ", ".join(editions[:-1]) + " or " + editions[-1]
