"""Text that any file can hold: one line, without what players and spreadsheets choke on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import category

from volcasr_async.subtitles.width import columns

_BLANKS = re.compile(r"[^\S\xa0\u2007\u202f]+")  # not those that forbid a line break
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff]+")
_NO_CHARACTERS = re.compile(r"[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def one_line(text: str) -> str:
    """Make *text* one line that every format can carry.

    Line ends and runs of blanks become one blank; control characters and byte order marks go; lone surrogates and
    non-characters, which no encoding can write, become U+FFFD.
    """
    text = _BLANKS.sub(" ", _CONTROLS.sub("", text))
    return _NO_CHARACTERS.sub("\ufffd", text).strip()


_WORD = re.compile(r"[^\W_]")


def is_spoken(text: str) -> bool:
    """Return whether *text* has a letter, a figure or an emoji: more than punctuation, blanks and the invisible."""
    return _WORD.search(text) is not None or any(category(char) in {"So", "Sc", "Co"} for char in text)


def separator(before: str) -> str:
    """Choose what stands between two sentences: nothing after Chinese punctuation, otherwise a blank."""
    last = before.rstrip("”’\"'")[-1:]
    return "" if not last or (not last.isalnum() and columns(last) == 2) else " "


def joined(parts: Iterable[str]) -> str:
    """Put sentences together as their language does."""
    text = ""
    pieces = []
    for part in parts:
        pieces += [separator(text), part]
        text = part
    return "".join(pieces)


def widened(match: re.Match[str]) -> str:
    """Write ASCII in its fullwidth form, for formats that cannot escape; NFKC turns it back."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in match.group())
