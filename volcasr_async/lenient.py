"""Reading values whose type nobody promised: a paid result is not refused for its trimmings."""

from __future__ import annotations

from typing import Any

import msgspec


def json_of(body: bytes) -> Any:
    """Decode JSON of any shape, in a wrong charset too; `ValueError` where it is none."""
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError:
        return json_of(body.decode("utf-8", "replace").encode())
    except RecursionError as error:
        msg = "the body is nested too deeply"
        raise ValueError(msg) from error


def number(value: Any) -> int | None:
    """Read a whole number from an int, a float or a string of either."""
    try:
        return round(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


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
