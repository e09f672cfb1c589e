"""Text files as editors and shells write them: with a byte order mark, or in UTF-16."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),  # Notepad ("Unicode") and redirection in PowerShell 5
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decoded(data: bytes) -> str:
    """Decode a text file by its byte order mark, else as UTF-8. The mark is left out. Raises `UnicodeDecodeError`."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding)
    return data.decode("utf-8")
