"""The flags of recognition: one for each field of `Options`, of its corpus and of its sensitive words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import fields

from volcasr_async.cli.flags import Flags, flag, made_flag, parameter
from volcasr_async.cli.texts import decoded
from volcasr_async.editions import EDITION_NAMES
from volcasr_async.errors import InputError
from volcasr_async.options import (
    DOCUMENTED_VALUES,
    Corpus,
    Options,
    SensitiveWords,
    editions_taking,
    field_notes,
)

S = TypeVar("S", bound=Struct)

_RECOGNITION, _CORPUS, _SENSITIVE = "Recognition", "Recognition: words and context", "Recognition: sensitive words"
_PANELS = (_RECOGNITION, _CORPUS, _SENSITIVE)

CORPUS_NOTES = {
    "boosting_table_name": "table of hot words, by its name in the console",
    "boosting_table_id": "table of hot words, by its id, which goes before the name",
    "correct_table_name": "table of replacements, by its name",
    "correct_table_id": "table of replacements, by its id",
    "regex_correct_table_name": "table of replacements by regular expressions, by its name",
    "regex_correct_table_id": "table of replacements by regular expressions, by its id",
    "context": "what the recording is about, as the documents write it",
    "hotwords": "a word to listen for; repeatable",
}
SENSITIVE_NOTES = {
    "system_reserved_filter": "replace the words of the service's own list",
    "filter_with_empty": "a word to leave out; repeatable",
    "filter_with_signed": "a word to replace by asterisks; repeatable",
}
_IN_V1 = {"boosting_table_name"}  # the one field of the corpus that v1 takes

_SPELLED = {"hotwords": "hotword"}
"""Fields that hold several have a flag for each of them."""


def recognition_flags() -> Flags:
    """Make a flag for each field; its help is the field's own note, with the editions that take it."""
    hints = get_type_hints(Options)
    own = [_recognition_flag(name, hints[name]) for name in field_notes()]
    flags = [*own, _EXTRA, *_corpus_flags(), *_sensitive_flags()]
    return Flags(sorted(flags, key=lambda p: _PANELS.index(p.annotation.__metadata__[0].rich_help_panel)), _options)


def _recognition_flag(name: str, hint: Any) -> inspect.Parameter:
    note = field_notes()[name]
    preset = " On by default." if getattr(Options(), name) is True else ""
    text = f"{note.description}{_takers((note.extra or {})['editions'])}.{preset}"
    panel = {"corpus": _CORPUS, "sensitive_words_filter": _SENSITIVE}.get(name, _RECOGNITION)
    return made_flag(name, hint, _sentence(text), panel=panel, values=DOCUMENTED_VALUES.get(name, ()))


def _corpus_flags() -> Iterator[inspect.Parameter]:
    hints = get_type_hints(Corpus)
    for name in Corpus.__struct_fields__:
        takers = editions_taking()["corpus"] if name in _IN_V1 else [e for e in EDITION_NAMES if e != "v1"]
        text = _sentence(f"{CORPUS_NOTES[name]}{_takers(tuple(takers))}.")
        yield made_flag(_SPELLED.get(name, name), hints[name], text, panel=_CORPUS)


def _sensitive_flags() -> Iterator[inspect.Parameter]:
    hints, takers = get_type_hints(SensitiveWords), editions_taking()["sensitive_words_filter"]
    for name in SensitiveWords.__struct_fields__:
        yield made_flag(name, hints[name], _sentence(f"{SENSITIVE_NOTES[name]}{_takers(takers)}."), panel=_SENSITIVE)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _takers(editions: tuple[str, ...]) -> str:
    """Say which editions take a field, the shorter way."""
    others = [name for name in EDITION_NAMES if name not in editions]
    if not others:
        return ""
    return f" (not {others[0]})" if len(others) == 1 else f" ({', '.join(editions)} only)"


_EXTRA = parameter(
    "extra",
    Annotated[
        list[str] | None,
        typer.Option(
            "--extra",
            metavar="NAME=JSON",
            help="A field that is newer than this command, as it is on the wire; repeatable.",
            rich_help_panel=_RECOGNITION,
        ),
    ],
)


# ---- the way into options ----


def _options(given: dict[str, Any]) -> Options:
    """Put the flags together; what was not said keeps the library's own default."""
    extra = dict(_named(item) for item in given.pop("extra") or ())
    corpus = _taken(given, Corpus)
    sensitive = _taken(given, SensitiveWords)
    said = {name: value for name, value in given.items() if value is not None}
    if "context" in corpus:
        corpus["context"] = json_object(corpus["context"], "context")
    if corpus or "corpus" in said:
        said["corpus"] = _corpus(said.get("corpus"), corpus)
    if sensitive or "sensitive_words_filter" in said:
        said["sensitive_words_filter"] = _sensitive(said.get("sensitive_words_filter"), sensitive)
    return Options(**said, extra=extra)


def _taken(given: dict[str, Any], kind: type[Struct]) -> dict[str, Any]:
    """Take out what was said of the fields of *kind*."""
    found = {name: given.pop(_SPELLED.get(name, name)) for name in kind.__struct_fields__}
    return {name: value for name, value in found.items() if value not in (None, [])}


def _corpus(text: str | None, flags: dict[str, Any]) -> Corpus:
    try:
        return converted(_over(json_object(text, "corpus") if text is not None else {}, flags), Corpus)
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint=flag("corpus")) from None


def _sensitive(text: str | None, flags: dict[str, Any]) -> SensitiveWords | Mapping[str, Any]:
    if text is None:
        return converted(flags, SensitiveWords)
    return _over(json_object(text, "sensitive_words_filter"), flags)


def _over(found: Mapping[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Put what the flags say over a JSON object; words are added to its words."""
    both = {n: [*found[n], *flags[n]] for n in flags if isinstance(flags[n], list) and isinstance(found.get(n), list)}
    return {**found, **flags, **both}


def converted(found: Mapping[str, Any], kind: type[S]) -> S:
    """Make a struct of what JSON held; `InputError` names a field that there is not."""
    only_known(found, kind)
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from None


def only_known(found: Mapping[str, Any], kind: type[Struct]) -> None:
    """Refuse a name that is no field."""
    known = {field.name for field in fields(kind)}
    if unknown := found.keys() - known:
        raise InputError(f"{min(unknown)!r} is no field; there are {', '.join(sorted(known))}")


def json_object(text: str, name: str) -> Mapping[str, Any]:
    """Read an object that is given as JSON, or in a file."""
    try:
        data = text if text.lstrip().startswith("{") else decoded(Path(text.removeprefix("@")).read_bytes())
        return msgspec.json.decode(data, type=dict[str, Any])
    except OSError as error:
        message = f"{text!r:.80} is neither a JSON object nor a file that can be read: {error.strerror}"
    except (ValueError, RecursionError) as error:
        message = f"this is no JSON object: {error}"
    raise typer.BadParameter(message, param_hint=flag(name))


def _named(item: str) -> tuple[str, Any]:
    name, _, value = item.partition("=")
    found: Any = None
    try:
        found = msgspec.json.decode(value.encode())
    except (ValueError, RecursionError):
        name = ""
    if not name:
        message = f"{item!r:.80} is not NAME=JSON; a text needs its quotes: --extra 'name=\"text\"'"
        raise typer.BadParameter(message, param_hint="--extra")
    return name, found


RECOGNITION = recognition_flags()
