"""Flags that are made from structs: nothing is listed twice, nothing can be forgotten."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from msgspec import Struct
from msgspec.structs import fields

_SIMPLE = (bool, int, float, str)

Complete = Callable[[str], list[str]]


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
    return Flags([parameter(f.name, hints[f.name], f.default) for f in fields(kind)], lambda given: kind(**given))


def parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    """Make a parameter as `inspect` describes it."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def made_flag(name: str, hint: Any, text: str, *, panel: str, values: Iterable[str] = ()) -> inspect.Parameter:
    """Make the flag of a struct's field from its annotation: a switch, a number, a text, a repeatable text, or JSON."""
    kind, known = kind_of(hint), tuple(values)
    spelling = f"{flag(name)}/--no-{flag(name)[2:]}" if kind is bool else flag(name)
    option = typer.Option(
        spelling,
        help=text,
        metavar=_metavar(hint, kind),
        rich_help_panel=panel,
        autocompletion=completing(*known) if known else None,
    )
    return parameter(name, Annotated[kind | None, option])


def flag(name: str) -> str:
    """Spell a field as a flag."""
    return "--" + name.replace("_", "-")


def kind_of(hint: Any) -> Any:
    """Tell what a flag's value is: the one plain type of an optional field, a list of texts, or text for anything richer."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not types.NoneType]
    if get_origin(hint) is tuple:
        return list[str]
    return kinds[0] if len(kinds) == 1 and kinds[0] in _SIMPLE else str


def _metavar(hint: Any, kind: Any) -> str | None:
    if kind == list[str]:
        return "WORD"
    richer = kind is str and str not in (get_args(hint) or (hint,))
    return "FILE|JSON" if richer or len(get_args(hint)) > 2 else {int: "N", str: "TEXT"}.get(kind)


def completing(*values: str) -> Complete:
    """Complete one of *values* in the shell."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete
