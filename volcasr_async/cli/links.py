"""Links as people type them."""

from __future__ import annotations

import os
import re

from volcasr_async.errors import without_queries

_HOST_AND_PATH = re.compile(r"(?:[^\s/@]*@)?(?:[a-z0-9][a-z0-9-]*\.)+[a-z]{2,}(?::\d+)?/", re.IGNORECASE)


def is_link(text: str) -> bool:
    """Return whether *text* is meant as a link: with a scheme, a data: URL, or typed with full-width characters."""
    start = text[:24].lstrip().casefold()
    return "://" in text or start.startswith(("data:", "http：", "https："))


def shown_link(text: str) -> str:
    """Cut what may be secret from a link, also from one whose https:// was forgotten."""
    if text[:5].casefold() == "data:":
        return f"{text.partition(',')[0][:60]},..."
    link = f"https://{text}" if lacks_scheme(text) else text
    return without_queries(link).removeprefix("" if link == text else "https://")


def lacks_scheme(text: str) -> bool:
    """Tell whether *text* is a link whose https:// was forgotten, rather than a path: no such file, and a host in front."""
    # Path.exists() raises for a name that is too long.
    return _HOST_AND_PATH.match(text) is not None and not os.path.exists(text)  # noqa: PTH110
