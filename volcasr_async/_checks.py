"""Checks of arguments: a value of the wrong type is rejected where it is passed, not where it is used."""

from __future__ import annotations

import math
from typing import Any

from volcasr_async.errors import InputError


def check_type(name: str, value: object, kind: type[Any] | tuple[type[Any], ...], expected: str) -> None:
    """Raise `InputError` unless *value* has this type; *name* is the argument as the caller writes it."""
    if not isinstance(value, kind):
        raise InputError(f"{name} takes {expected}, not {type_of(value)}", reason="usage")


def check_bool(name: str, value: object) -> None:
    """Raise `InputError` unless *value* is True or False: the string "no" would count as true."""
    check_type(name, value, bool, "True or False")


def check_timeout(value: object) -> None:
    """Raise `InputError` unless *value* is `None` or a number of seconds."""
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InputError(f"timeout takes a number of seconds, not {type_of(value)}", reason="usage")
    if math.isnan(value) or value < 0:
        raise InputError(f"timeout={value!r} must be a number of seconds, at least 0", reason="usage")


def type_of(value: object) -> str:
    """Describe the type of a value; a class in place of an instance is a common mistake."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself: write {value.__name__}(...)"
    return type(value).__name__
