"""Links as people type them."""

from __future__ import annotations

import re
from pathlib import Path

_HOST_AND_PATH = re.compile(r"(?:[a-z0-9][a-z0-9-]*\.)+[a-z]{2,}(?::\d+)?/", re.IGNORECASE)


def lacks_scheme(text: str) -> bool:
    """Tell whether *text* is a link whose https:// was forgotten, rather than a path: no such file, and a host in front."""
    return _HOST_AND_PATH.match(text) is not None and not Path(text).exists()
