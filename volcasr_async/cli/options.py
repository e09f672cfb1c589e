"""Flags that are made from the library's own structs: nothing is listed twice, nothing can be forgotten."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import fields, replace

from volcasr_async.editions import EDITION_NAMES
from volcasr_async.errors import InputError
from volcasr_async.options import Corpus, Options, field_notes

S = TypeVar("S", bound=Struct)

_RECOGNITION = "Recognition"
_SIMPLE = (bool, int, float, str)
_AS_OBJECT = {"corpus", "sensitive_words_filter"}


class Flags(Struct, frozen=True):
    """Flags that together become one value: what a command takes is one parameter, what the user sees is all of them."""

    parameters: Sequence[inspect.Parameter]
    build: Callable[[dict[str, Any]], Any]


def taking(**groups: Flags) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace each named parameter of a command by the flags of its group."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()
        kept = [parameter for parameter in own if parameter.name not in groups]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            for name, group in groups.items():
                given[name] = group.build({p.name: given.pop(p.name) for p in group.parameters})
            command(**given)

        parameters = [*kept, *(p for group in groups.values() for p in group.parameters)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def flags_of(kind: type[Struct]) -> Flags:
    """Make flags from a struct whose annotations hold `typer.Option`s."""
    hints = get_type_hints(kind, include_extras=True)
    return Flags([_parameter(f.name, hints[f.name], f.default) for f in fields(kind)], lambda given: kind(**given))


def _parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def flag(name: str) -> str:
    """Spell a field as a flag."""
    return "--" + name.replace("_", "-")


# ---- recognition ----


def recognition_flags() -> Flags:
    """Make a flag for each field of `Options`; its help is the field's own note, with the editions that take it."""
    hints = get_type_hints(Options)
    parameters = [_recognition_parameter(name, hints[name]) for name in field_notes()]
    return Flags([*parameters, *_COLLECTED], _options)


def _recognition_parameter(name: str, hint: Any) -> inspect.Parameter:
    note = field_notes()[name]
    preset = " On by default." if getattr(Options(), name) is True else ""
    spelling = f"{flag(name)}/--no-{flag(name)[2:]}" if _kind(hint) is bool else flag(name)
    metavar = "FILE|JSON" if name in _AS_OBJECT else None
    text = f"{note.description}{_takers((note.extra or {})['editions'])}.{preset}"
    option = typer.Option(spelling, help=text[:1].upper() + text[1:], metavar=metavar, rich_help_panel=_RECOGNITION)
    return _parameter(name, Annotated[_kind(hint) | None, option])


def _takers(editions: tuple[str, ...]) -> str:
    """Say which editions take a field, the shorter way."""
    others = [name for name in EDITION_NAMES if name not in editions]
    if not others:
        return ""
    return f" (not {others[0]})" if len(others) == 1 else f" ({', '.join(editions)} only)"


def _kind(hint: Any) -> type:
    """Tell what a flag's value is: the one plain type of an optional field, and text for anything richer."""
    kinds = [kind for kind in get_args(hint) if kind is not types.NoneType]
    return kinds[0] if len(kinds) == 1 and kinds[0] in _SIMPLE else str


def _collected(name: str, metavar: str, text: str) -> inspect.Parameter:
    option = typer.Option(flag(name), metavar=metavar, help=text, rich_help_panel=_RECOGNITION)
    return _parameter(name, Annotated[list[str] | None, option])


_COLLECTED = (
    _collected("hotword", "WORD", "A word to listen for; give it again for more."),
    _collected("extra", "NAME=JSON", "A field that is newer than this command, as it is on the wire; repeatable."),
)


def _options(given: dict[str, Any]) -> Options:
    """Put the flags together; what was not said keeps the library's own default."""
    hotwords, extra = given.pop("hotword") or (), given.pop("extra") or ()
    said = {name: value for name, value in given.items() if value is not None}
    if "corpus" in said:
        said["corpus"] = _corpus(said["corpus"])
    if hotwords:
        corpus = said.get("corpus", Corpus())
        said["corpus"] = replace(corpus, hotwords=(*corpus.hotwords, *hotwords))
    if "sensitive_words_filter" in said:
        said["sensitive_words_filter"] = json_object(said["sensitive_words_filter"], "sensitive_words_filter")
    return Options(**said, extra=dict(_named(item) for item in extra))


def _corpus(text: str) -> Corpus:
    try:
        return converted(json_object(text, "corpus"), Corpus)
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint=flag("corpus")) from None


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
        data = text.encode() if text.lstrip().startswith("{") else Path(text.removeprefix("@")).read_bytes()
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


# ---- audio ----

_AUDIO = "Audio"


class AudioFlags(Struct, frozen=True, kw_only=True):
    """What a source says about its audio, under the wire's names but for `format`, which is the output's."""

    audio_format: Annotated[
        str | None,
        typer.Option(help="Container: wav, mp3, ogg, ... Local audio tells by itself.", rich_help_panel=_AUDIO),
    ] = None
    codec: Annotated[str | None, typer.Option(help='"raw" (PCM) or "opus".', rich_help_panel=_AUDIO)] = None
    rate: Annotated[int | None, typer.Option(help="Samples a second, in Hz.", rich_help_panel=_AUDIO)] = None
    bits: Annotated[int | None, typer.Option(help="Bits of a sample.", rich_help_panel=_AUDIO)] = None
    channel: Annotated[int | None, typer.Option(help="How many channels: 1 or 2.", rich_help_panel=_AUDIO)] = None
    language: Annotated[
        str | None,
        typer.Option(
            help='Such as "en-US"; without it Chinese with its dialects, and English.', rich_help_panel=_AUDIO
        ),
    ] = None

    @property
    def fields(self) -> dict[str, Any]:
        """What `AudioUrl` and `AudioFile` take."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {"format" if name == "audio_format" else name: value for name, value in values.items()}


RECOGNITION = recognition_flags()
AUDIO = flags_of(AudioFlags)


# ---- values that several commands take ----

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read a span of time: 90, 90s, 10m, 3h."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        message = f"{text!r} is no span of time: write 90, 90s, 10m or 3h"
        raise typer.BadParameter(message)
    return value


def edition_name(text: str) -> str:
    """Read the name of an edition."""
    if text not in EDITION_NAMES:
        message = f"there is no edition {text!r}; there are {', '.join(EDITION_NAMES)}"
        raise typer.BadParameter(message)
    return text


def above_zero(value: float | None) -> float | None:
    """Refuse what is no rate."""
    if value is not None and not 0 < value < float("inf"):
        message = "it must be above 0"
        raise typer.BadParameter(message)
    return value


EditionName = Annotated[
    str | None,
    typer.Option(
        "--edition",
        "-e",
        metavar="|".join(EDITION_NAMES),
        parser=edition_name,
        help="By default standard for a link and flash for local audio.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SPAN", parser=seconds, help="How long to wait: 90, 90s, 10m, 3h; by default what the edition promises."
    ),
]
