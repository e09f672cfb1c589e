"""Whether a list is a table, by its first lines, or one of its lines a row; a link or a path may hold commas too."""

from __future__ import annotations

import codecs
import csv
import os
import re
import shlex

from volcasr_async.cli.console import WRONG_USAGE, CommandError
from volcasr_async.cli.looks import shown_list
from volcasr_async.containers import by_name
from volcasr_async.sources import is_signature
from volcasr_async.spelling import strip_edges

SEPARATORS = ("\t", ";", ",", "|")
SAMPLE = 20
"""How many lines decide whether a list is a table."""
_HEADERS = frozenset(
    {"url", "urls", "uri", "link", "links", "href", "source", "src", "path", "file", "files", "filename", "file_name"}
    | {"filepath", "file_path", "audio", "audio_url", "audiourl", "audio_path", "audio_file", "recording", "media"}
    | {"链接", "地址", "音频", "音频链接", "音频地址", "文件", "文件名", "路径", "录音", "下载链接"}
)
_PARAMETER = re.compile(r"[\w.-]+=")  # x.mp3;jsessionid=5 is a link

_PRIVATE_SIGNATURES = frozenset({"sign", "token", "sig", "auth_key", "st", "se", "sp", "sv", "sr"})
_DIGEST = re.compile(r"(?=[^\s]*[A-Za-z])[\w+/%=.-]{20,}")
_OPTION = re.compile(r"[a-z]{1,3}[_=][\w.:-]+")


def refuse_table(name: str, head: bytes) -> None:
    """Refuse a list whose first lines are those of a table, naming the column to read."""
    lines = head.removeprefix(codecs.BOM_UTF8).split(b"\n")
    texts = [strip_edges(guess_text(as_characters(line))) for line in (lines[:-1] or lines)[:SAMPLE]]
    column = find_column([text for text in texts if text and not is_comment(text)])
    if column is None:
        return
    raise CommandError(
        f"{shown_list(name)} is a table (CSV), not a list with a link or path a line",
        f"Name the column with the links or paths: --column {shlex.quote(column)}. If each line is one link or path, write "
        'it as a JSON line: {"source": "..."}',
        status=WRONG_USAGE,
    )


def is_comment(text: str) -> bool:
    """Return whether a line of a list is a comment. One that names a file is a path: `ls` writes such lines."""
    return text.startswith("#") and not _is_file(text)


def find_column(lines: list[str]) -> str | None:
    """Return the column with the recordings, by name or number, if the lines are those of a table."""
    if not lines or lines[0].startswith("{"):
        return None
    if (said := stated_separator(lines[0].encode("latin-1", "replace"))) is not None:
        return _column_of(lines[1:], said) or "1"
    separator = row_separator(lines[0])
    if separator is not None and (len(lines) == 1 or row_separator(lines[1]) is not None):
        return _column_of(lines, separator)
    return _header_column(lines)


def _header_column(lines: list[str]) -> str | None:
    """Find a header among the usual ones."""
    if len(lines) < 2 or _exists(lines[0]) or lines[1].startswith(f"{lines[0]}/"):
        # `find media` begins with the directory itself; the list may be used from another one.
        return None
    second = row_separator(lines[1])
    for separator in SEPARATORS:
        names, row = (safe_cells(line, separator) for line in lines[:2])
        known = separator == second or _HEADERS.intersection(strip_edges(name).casefold() for name in names)
        if known and len(names) == len(row) and any(map(is_recording, row)) and not any(map(is_recording, names)):
            return _column_of(lines, separator)
    return None


def _column_of(lines: list[str], separator: str) -> str | None:
    """Return the name or number of the column whose cells look like recordings."""
    rows = [cells for line in lines if (cells := safe_cells(line, separator))]
    for row in rows[1:2] + rows[:1]:
        for index, cell in enumerate(row):
            if is_recording(cell):
                header = strip_edges(rows[0][index]) if index < len(rows[0]) else ""
                return header if header and row is not rows[0] and not is_recording(header) else str(index + 1)
    named = [strip_edges(cell) for cell in rows[0] if strip_edges(cell).casefold() in _HEADERS] if rows else []
    return named[0] if named else "1" if rows else None


def row_separator(text: str) -> str | None:
    """Return the separator if a line of a list is a row of a table rather than a link or a path.

    A link may hold commas, and so may the name of a file: only a line that can hardly be either is a row.
    """
    text = text.strip()
    for separator in SEPARATORS:
        if separator in text and len(cells := safe_cells(text, separator)) > 1 and _is_row(text, cells, separator):
            return separator
    return None


def _is_row(text: str, cells: list[str], separator: str) -> bool:
    first, *others = (strip_edges(cell) for cell in cells)
    if _is_file(text):
        return False
    if separator == "\t" or text.startswith('"'):
        return any(map(is_recording, (first, *others)))
    if _is_link(first):
        if by_name(first) is not None and "?" not in first:
            return any(map(_is_link, others)) or (by_name(text) is None and not _PARAMETER.match(others[0]))
        if _ends_with_signature(first):
            return True
        if _ends_with_options(first):
            return any(" " in cell for cell in others)
        return any(" " in cell or _is_link(cell) for cell in others) and (" " in text or "?" not in first)
    if any(map(_is_link, others)):
        return True
    is_suffix_inside = by_name(first) is not None and by_name(text) is None
    return is_suffix_inside or any(map(_is_file, cells))


def _ends_with_signature(link: str) -> bool:
    """Return whether the last parameter of a link signs it: no signature holds a separator.

    The value of a parameter that services name as they like, such as sign or token, may hold one. A digest before the
    separator is a complete value.
    """
    name, equals, value = link.rpartition("?")[2].rpartition("&")[2].partition("=")
    if not equals or "?" not in link or not is_signature(name):
        return False
    return name.lower() not in _PRIVATE_SIGNATURES or _DIGEST.fullmatch(value) is not None


def _ends_with_options(link: str) -> bool:
    """Return whether the path of a link ends with an option such as f_mp3 or w=300, after which another may follow."""
    return "?" not in link and _OPTION.fullmatch(link.rpartition("/")[2]) is not None


def is_recording(cell: str) -> bool:
    """Return whether a cell looks like a link or a path to a recording."""
    text = strip_edges(cell)
    return _is_link(text) or by_name(text) is not None or _is_file(text)


def _is_link(text: str) -> bool:
    return text[:8].lower().startswith(("http://", "https://"))


def _exists(text: str) -> bool:
    try:
        return os.path.lexists(text)
    except ValueError:
        return False


def _is_file(text: str) -> bool:
    try:
        return os.path.isfile(text)  # noqa: PTH113 - Path.is_file() raises for a name that is too long
    except ValueError:
        return False


# ---- cells ----


def split_cells(text: str, separator: str, *, strict: bool = False) -> list[str]:
    """Split a row; `csv.Error` where it cannot be one."""
    return next(csv.reader([text], delimiter=separator, strict=strict), [])


def as_characters(line: bytes) -> str:
    """Decode bytes as Latin-1, so that a cell in another charset does not concern the others."""
    return line.decode("latin-1")


def guess_text(cell: str) -> str:
    """Return the text of a header's cell; spreadsheets in China write GBK."""
    raw = cell.encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("gb18030", "replace")


def stated_separator(line: bytes) -> str | None:
    """Return the separator of the line `sep=;` that Excel writes and reads."""
    text = as_characters(line).strip("\r \"'")
    return text[4] if len(text) == 5 and text[:4].lower() == "sep=" else "\t" if text.lower() == "sep=" else None


def safe_cells(text: str, separator: str) -> list[str]:
    """Split a row; nothing where it cannot be one."""
    try:
        return split_cells(text, separator)
    except csv.Error:
        return []
