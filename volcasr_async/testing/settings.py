"""The settings of a simulator as its attributes, and their names for errors."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast, overload

from volcasr_async.testing.faults import Fault

if TYPE_CHECKING:
    from volcasr_async.testing.simulator import Simulator

_T = TypeVar("_T")


class Setting(Generic[_T]):
    """One setting of a simulator, to be read and changed at any time and from any thread.

    A change holds for requests that come from then on; tasks that are accepted already keep what they began with.
    """

    def __set_name__(self, owner: type[Simulator], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[Simulator]) -> Self: ...
    @overload
    def __get__(self, instance: Simulator, owner: type[Simulator]) -> _T: ...
    def __get__(self, instance: Simulator | None, owner: type[Simulator]) -> _T | Self:
        if instance is None:
            return self
        return cast("_T", instance.settings[self._name])

    def __set__(self, instance: Simulator, value: _T) -> None:
        instance.configure(**{self._name: value})


def unknown_setting(name: str, known: Iterable[str]) -> str:
    """Return what is wrong with the name of a setting that there is not, with the closest name."""
    names = sorted(known)
    close = get_close_matches(name, names, 1)
    return f"{name!r} is no setting of a simulator" + (
        f"; did you mean {close[0]!r}?" if close else f". The settings are {', '.join(names)}"
    )


def checked_faults(faults: object) -> tuple[Fault, ...]:
    """Take a sequence of faults; `ValueError` for anything else."""
    kept = tuple(faults) if isinstance(faults, Iterable) else None
    if kept is None or not all(isinstance(fault, Fault) for fault in kept):
        raise ValueError('faults is not a list of Fault values, such as [Fault("lost-answer")]')
    return kept
