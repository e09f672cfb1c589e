"""What was given where a list was wanted, by its first bytes."""

from __future__ import annotations

import codecs
import shlex

from volcasr_async.cli.console import WRONG_USAGE, CommandError
from volcasr_async.containers import HEAD_BYTES, by_magic
from volcasr_async.probe.signatures import find_signature

HEAD = 4096
"""How many bytes are looked at."""

_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\f\r\x1b")
_FEW, _SHARE = 8, 0.05  # a single broken line does not make a list something else


def shown_list(list_: str) -> str:
    """Return the name of a list for messages."""
    return "the list on stdin" if list_ == "-" else list_


def refuse_what_is_no_list(list_: str, head: bytes) -> None:
    """Refuse a recording, or another file that is no text, once instead of line by line; *list_* is `-` for stdin."""
    name = shown_list(list_)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CommandError(f"{name} is UTF-16", "Save the list as UTF-8 (in Excel: CSV UTF-8)", status=WRONG_USAGE)
    found = find_signature(head)
    if found is not None and found.kind in ("archive", "document"):
        raise CommandError(
            f"{name} is {found.name}, not a text file",
            "Save a spreadsheet as CSV UTF-8, and name the column with the links or paths: --column NAME",
            status=WRONG_USAGE,
        )
    controls = _count_controls(head)
    container = by_magic(head[:HEAD_BYTES])
    if container is not None and (controls or not _is_text(head[:HEAD_BYTES])):
        raise CommandError(
            f"{name} is a recording ({container}), no list of recordings",
            "For one or a few: volcasr transcribe " + ("FILE..." if list_ == "-" else shlex.quote(name)),
            status=WRONG_USAGE,
        )
    if _are_many(controls, head):
        cure = "A list is a text file with a link or path a line, or JSON lines"
        raise CommandError(f"{name} is no text, so it is no list of recordings", cure, status=WRONG_USAGE)


def holds_no_text(head: bytes) -> bool:
    """Return whether *head*, the first bytes of a file, is neither UTF-8 text nor marked as text in UTF-16."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return by_magic(head[:HEAD_BYTES]) is not None  # MPEG audio may begin with the same two bytes
    return not _is_text(head) or _are_many(_count_controls(head), head)


def _count_controls(head: bytes) -> int:
    return sum(byte in _CONTROLS for byte in head)


def _are_many(controls: int, head: bytes) -> bool:
    return controls > max(_FEW, _SHARE * len(head))


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
