"""Recognition of text in the usual encodings, and of what a text file is."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import json
import re
from collections import Counter
from typing import Literal

from msgspec import Struct

from volcasr_async.containers import HEAD_BYTES, by_magic
from volcasr_async.errors import in_one_line, without_queries

DETAIL_CHARS = 60
"""The most characters that a message quotes from a text."""

TextKind = Literal["text", "image", "program", "playlist"]


class TextFile(Struct, frozen=True):
    """What a text file is, for a sentence, and the beginning of what it says."""

    name: str
    kind: TextKind = "text"
    detail: str | None = None
    cure: str | None = None


_ANSWERED = (
    "Look at where it was downloaded from: the server answered with an error, or with a page, instead of the recording"
)
_DECODE = "Decode it first: base64.b64decode(data)"
_DECODE_URI = 'Decode what follows the comma: base64.b64decode(uri.partition(",")[2])'

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LAYOUT = frozenset("\t\n\r\f\x1b\x08\x85\ufeff\u2028\u2029\u200b\u200c\u200d\u200e\u200f\u00ad")
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n\r\f\x1b\x08")


def read_text_file(head: bytes) -> TextFile | None:
    """Return what the text in *head* is, or `None` where *head* is not text."""
    text = decode_text(head)
    if text is None or not text.strip("\ufeff \t\r\n\f"):
        return TextFile("blank text") if text and len(text) > 1 else None
    return _kind_of(text)


def decode_text(head: bytes) -> str | None:
    """Decode text in UTF-8, UTF-16, UTF-32 or a common older encoding; `None` for bytes that are not text.

    The last character may be cut off.
    """
    for mark, name in _BOMS:
        if head.startswith(mark):
            return _readable(_decode(head[len(mark) :], name))
    if 0 in head:
        return _decode_wide(head)
    text = _readable(_decode(head, "utf-8"))
    if text is None:
        text = _decode_older(head)
    return head.decode("cp1252", "replace") if text is None and _MARKUP.match(head) else text


_MARKUP = re.compile(rb"\s*<(?:\?xml\s|!doctype\s+html|html\b)", re.IGNORECASE)
"""What begins a page in an encoding that is not known here."""


def _decode(data: bytes, encoding: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return None


def _readable(text: str | None) -> str | None:
    if text is None or not all(c.isprintable() or c.isspace() or c in _LAYOUT for c in text):
        return None
    return text


def _decode_wide(head: bytes) -> str | None:
    """Decode UTF-16 or UTF-32 without a mark: the text has to be ASCII for the most part, so that zeros take turns."""
    if len(head) < 16:
        return None
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        text = _readable(_decode(head, encoding))
        if text and sum(c.isascii() for c in text) >= 0.7 * len(text):
            return text
    return None


# ---- older encodings ----

_LEAST_PAIRS = 4
_COMMON = 0.9


def _decode_older(head: bytes) -> str | None:
    """Decode GBK, Big5, Shift-JIS or Latin-1: any bytes decode in one of them, so the text has to look like a language."""
    if head.translate(None, _CONTROLS) != head:
        return None
    for encoding, common in (("gb18030", _is_common_gbk), ("big5", _is_common_big5), ("shift_jis", _is_common_sjis)):
        text = _readable(_decode(head, encoding))
        if text is None:
            continue
        wide = [c for c in text if not c.isascii()]
        if len(wide) >= _LEAST_PAIRS and _is_varied(wide) and sum(map(common, wide)) >= _COMMON * len(wide):
            return text
    text = _readable(_decode(head, "cp1252"))
    if text and len(text) >= 16 and _is_western(text):
        return text
    return None


def _is_varied(wide: list[str]) -> bool:
    """Tell a language from the few values of quiet samples."""
    counts = Counter(wide)
    return len(counts) >= min(len(wide) // 3, 16) and counts.most_common(1)[0][1] <= max(0.3 * len(wide), 2)


def _is_common_gbk(character: str) -> bool:
    pair = character.encode("gb18030", "ignore")
    return len(pair) == 2 and (0xB0 <= pair[0] <= 0xD7 or 0xA1 <= pair[0] <= 0xA3) and pair[1] >= 0xA1


def _is_common_big5(character: str) -> bool:
    pair = character.encode("big5", "ignore")
    return len(pair) == 2 and 0xA1 <= pair[0] <= 0xC6


def _is_common_sjis(character: str) -> bool:
    return "\u3000" <= character <= "\u30ff" or "\u4e00" <= character <= "\u9fff" or "\uff00" <= character <= "\uff9f"


def _is_western(text: str) -> bool:
    letters = sum(c.isascii() and (c.isalnum() or c.isspace()) for c in text)
    accents = sum(c.isalpha() and not c.isascii() for c in text)
    return letters >= 0.7 * len(text) and letters + accents >= 0.85 * len(text)


# ---- what a text is ----

# A comment may not contain the end of one: with `.*?` many comments in a row take exponential time.
_HTML = re.compile(
    r"(?:<!--(?:(?!-->).)*-->\s*|<\?xml[^>]*\?>\s*)*<(?:!doctype html|html|head|body|title|script|meta|center|h1|div)\b",
    re.IGNORECASE | re.DOTALL,
)
_HIDDEN = re.compile(
    r"<(script|style)\b.*?(?:</\1\s*>|$)|<!--.*?(?:-->|$)|<!\[CDATA\[|\]\]>|<[^>]*(?:>|$)", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_XML = re.compile(r"(?:<\?xml\b|<!--.*?-->\s*<[a-z]|<!DOCTYPE\b|<[a-zA-Z][\w:.-]*(?:\s[^<>]*)?/?>)", re.DOTALL)
_XML_CODE = re.compile(r"<(Code|Message)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_JSON = re.compile(r"[\[{]\s*(?:[\"\[{\d\]}-]|true|false|null)")
_JSON_SAID = re.compile(
    r'"(?:error|error_?msg|error_?message|message|msg|errmsg|detail|title|reason|description)"\s*:\s*"((?:[^"\\]|\\.)*)"',
    re.IGNORECASE,
)
_SUBTITLE = re.compile(r"\d+\s*\n\d\d:\d\d:\d\d[,.]\d\d\d --> ")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]+")
_DATA_URI = re.compile(r"data:[\w.+/-]*[;,]", re.IGNORECASE)
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{24,}")


def _kind_of(text: str) -> TextFile:
    begin = text.lstrip("\ufeff \t\r\n\f")
    if begin.startswith("#!"):
        return TextFile("a script", "program")
    if _HTML.match(begin):
        title = _TITLE.search(begin)
        return TextFile("an HTML page", detail=_quote(_visible(title[2] if title else begin)), cure=_ANSWERED)
    if begin.startswith("<") and _XML.match(begin):
        return _xml(begin)
    if _DATA_URI.match(begin):
        return TextFile("a data URI", cure=_DECODE_URI)
    if (wrapped := decode_base64(begin)) is not None and (container := by_magic(wrapped[:HEAD_BYTES])):
        return TextFile(f"base64 text of a recording ({container})", cure=_DECODE)
    return _plain(begin)


def _plain(text: str) -> TextFile:
    for mark, name in (
        ("#EXTM3U", "an M3U playlist"),
        ("[playlist]", "a PLS playlist"),
    ):
        if text[: len(mark)].lower() == mark.lower():
            return TextFile(name, "playlist")
    if text.startswith("version https://git-lfs.github.com/spec/"):
        return TextFile("a Git LFS pointer", cure="Fetch the file that it stands for: git lfs pull")
    if text.startswith("WEBVTT") or _SUBTITLE.match(text):
        return TextFile("a subtitle file")
    if _JSON.match(text):
        return TextFile("JSON text", detail=_quote(_said_in_json(text)), cure=_ANSWERED)
    return TextFile("text", detail=_quote(text))


def _xml(text: str) -> TextFile:
    if re.search(r"<svg\b", text, re.IGNORECASE):
        return TextFile("an SVG image", "image")
    if re.search(r"<(?:\w+:)?playlist\b|<asx\b", text, re.IGNORECASE):
        return TextFile("an XSPF or ASX playlist", "playlist")
    said = " ".join(found[2] for found in _XML_CODE.finditer(text))
    return TextFile("XML text", detail=_quote(_visible(said or text)), cure=_ANSWERED)


def decode_base64(text: str) -> bytes | None:
    """Decode the beginning of base64 text, in either alphabet, also in lines; `None` where it is none."""
    begin = "".join(text.strip().strip("\"'")[:128].split())
    if len(begin) < 16 or not _BASE64.fullmatch(begin):
        return None
    whole = begin[: len(begin) // 4 * 4].translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(whole, validate=True)
    except binascii.Error:
        return None


def _said_in_json(text: str) -> str:
    """Return the message of an error reply; other values may be secrets."""
    found = _JSON_SAID.search(text)
    try:
        return str(json.loads(f'"{found[1]}"')) if found else ""
    except ValueError:
        return ""


def _visible(markup: str) -> str:
    return html.unescape(_HIDDEN.sub(" ", markup))


def _quote(text: str) -> str | None:
    """Quote the beginning of *text*, without what may be a secret: queries of URLs, and long runs such as keys."""
    line = " ".join(in_one_line(text[: 40 * DETAIL_CHARS]).split())
    line = _LONG.sub("...", without_queries(line))
    if len(line) > DETAIL_CHARS:
        line = line[: DETAIL_CHARS - 3].rstrip() + "..."
    return line or None
