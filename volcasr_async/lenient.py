"""Reading values whose type nobody promised: a paid result is not refused for its trimmings."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

_MOST = 10**13
Milliseconds = Annotated[int, Meta(ge=-_MOST, le=_MOST)]
"""A time or length that can be believed: 300 years either way. SQLite and the formats of subtitles hold no larger one."""

_HALVES = re.compile("[\ud800-\udfff]")


def json_of(body: bytes) -> Any:
    """Decode JSON of any shape, also what strict readers refuse; `ValueError` where it is none."""
    try:
        try:
            return msgspec.json.decode(body)
        except ValueError:
            return _odd_json_of(body)
    except RecursionError as error:
        msg = "the body is nested too deeply"
        raise ValueError(msg) from error


def _odd_json_of(body: bytes) -> Any:
    """Take a byte order mark, a wrong charset, bare control characters, NaN, NULs around it, halves of surrogate pairs."""
    text = body.strip(b"\0").decode("utf-8-sig", "replace")
    found = json.loads(text, strict=False)
    # Where a text was cut inside an emoji, half of it is left, which no encoding can write.
    return json.loads(_HALVES.sub("\ufffd", json.dumps(found, ensure_ascii=False))) if "\\u" in text else found


def number(value: Any) -> int | None:
    """Read a whole number from an int, a float or a string of either; `None` for one beyond belief."""
    try:
        found = round(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return found if -_MOST <= found <= _MOST else None


def milliseconds(value: Any) -> int:
    """Read a time; -1, as the service itself writes it, where there is none."""
    found = number(value)
    return -1 if found is None else found


def text_of(value: Any) -> str:
    """Read a text; nothing is an empty one, anything else its JSON."""
    return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()


def objects(value: Any) -> list[dict[str, Any]]:
    """Read a list of objects, leaving out what is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
