"""Reads a JSON request body while it streams: inline audio is decoded, hashed and forgotten, the rest is kept.

A flash request may carry 100 MB of audio as base64 inside `audio.data`. `BodyScanner` walks through the JSON text in
whatever chunks it arrives, feeds that one string to an `AudioSink`, and leaves an empty string in its place.
"""

import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

KEPT = 64 * 1024  # bytes of decoded audio kept from either end: enough for any header and for the last ogg page
REST_LIMIT = 1024 * 1024  # JSON beside the audio: 5000 hot words are far below

_OUTSIDE = re.compile(rb'[{}\[\]:,"]')
_STRING_STOP = re.compile(rb'["\\]')
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_OPEN_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


@dataclass(frozen=True, slots=True)
class Clip:
    """What is remembered of audio that passed by."""

    size: int
    sha256: str
    head: bytes
    tail: bytes

    @classmethod
    def of(cls, data: bytes) -> "Clip":
        """The clip of audio that is at hand as a whole."""
        return cls(len(data), hashlib.sha256(data).hexdigest(), data[:KEPT], data[-KEPT:])


class AudioSink:
    """Takes base64 in pieces of any size; never holds more than the two ends of what it decoded."""

    def __init__(self) -> None:
        self.valid: bool = True
        self._carry = b""
        self._padded = False
        self._size = 0
        self._hash = hashlib.sha256()
        self._head = bytearray()
        self._tail = b""

    def feed(self, text: bytes) -> None:
        """Decode as many whole groups of four as there are; line breaks are skipped, as common decoders do."""
        text = self._carry + text.translate(None, b"\r\n")
        whole = len(text) - len(text) % 4
        text, self._carry = text[:whole], text[whole:]
        if not text or not self.valid:
            return
        try:
            audio = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            self.valid = False
            return
        self.valid = not self._padded
        self._padded = text.endswith(b"=")
        self._take(audio)

    def _take(self, audio: bytes) -> None:
        self._size += len(audio)
        self._hash.update(audio)
        if len(self._head) < KEPT:
            self._head += audio[: KEPT - len(self._head)]
        self._tail = audio[-KEPT:] if len(audio) >= KEPT else (self._tail + audio)[-KEPT:]

    def clip(self) -> Clip | None:
        """The audio, or None when it was no base64 (a foreign character, wrong padding, a half group at the end)."""
        if not self.valid or self._carry:
            return None
        return Clip(self._size, self._hash.hexdigest(), bytes(self._head), self._tail)


Step = Callable[["BodyScanner", bytes, int], int]


class BodyScanner:
    """Feed it chunks; then `document()` is the JSON with `audio.data` emptied, and `sink` holds the audio, if any."""

    def __init__(self) -> None:
        self.rest: bytearray = bytearray()
        self.overflow: bool = False
        self.sink: AudioSink | None = None
        self._decode: Callable[[bytes], None]  # the sink's, from the moment there is one
        self._path: list[bytes | None] = []  # one entry per open bracket: the current key, None in an array
        self._expects_key = False
        self._key: bytearray | None = None
        self._step: Step = BodyScanner._outside
        self._escaped = False  # inside a string, the chunk ended behind a backslash
        self._carry = b""  # inside the audio, the chunk ended in the middle of an escape

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body."""
        at = 0
        while at < len(chunk):
            at = self._step(self, chunk, at)

    def document(self) -> object:
        """The JSON value; raises `msgspec.DecodeError` when the text is none."""
        return msgspec.json.decode(self.rest)

    def _keep(self, piece: bytes) -> None:
        if len(self.rest) + len(piece) > REST_LIMIT:
            self.overflow = True
        if not self.overflow:
            self.rest += piece

    def _outside(self, chunk: bytes, at: int) -> int:
        found = _OUTSIDE.search(chunk, at)
        if found is None:
            self._keep(chunk[at:])
            return len(chunk)
        self._keep(chunk[at : found.end()])
        self._mark(found.group())
        return found.end()

    def _mark(self, mark: bytes) -> None:
        match mark:
            case b"{" | b"[":
                self._path.append(b"" if mark == b"{" else None)
                self._expects_key = mark == b"{"
            case b"}" | b"]":
                if self._path:
                    self._path.pop()
                self._expects_key = False
            case b",":
                self._expects_key = bool(self._path) and self._path[-1] is not None
            case b":":
                self._expects_key = False
            case _:
                self._open_string()

    def _open_string(self) -> None:
        self._key = bytearray() if self._expects_key else None
        if self._key is None and self._path == [b"audio", b"data"]:
            self.sink = AudioSink()  # a repeated key: the last one wins, as in every common parser
            self._decode = self.sink.feed
            self._step = BodyScanner._audio
        else:
            self._step = BodyScanner._string

    def _string(self, chunk: bytes, at: int) -> int:
        start = at
        if self._escaped:
            self._escaped, at = False, at + 1
        while True:
            found = _STRING_STOP.search(chunk, at)
            if found is None:
                at = len(chunk)
                break
            at = found.end()
            if found.group() == b'"':
                self._step = BodyScanner._outside
                break
            if at == len(chunk):
                self._escaped = True
                break
            at += 1
        self._keep(chunk[start:at])
        if self._key is not None:
            self._key += chunk[start:at]
            if self._step is BodyScanner._outside:
                self._path[-1] = _plain(bytes(self._key[:-1]))
                self._key = None
        return at

    def _audio(self, chunk: bytes, at: int) -> int:
        end = chunk.find(b'"', at)
        text = self._carry + chunk[at : len(chunk) if end < 0 else end]
        self._carry = b""
        if b"\\" in text:
            text = self._unescaped(text)
        self._decode(text)
        if end < 0:
            return len(chunk)
        if self._carry:  # the quotation mark itself is escaped: no base64, but still inside the string
            self._carry += b'"'
        else:
            self._keep(b'"')
            self._step = BodyScanner._outside
        return end + 1

    def _unescaped(self, text: bytes) -> bytes:
        """JSON writers may escape '/', '=' or '+' (PHP, Gson, System.Text.Json do)."""
        parts: list[bytes] = []
        at = 0
        for found in _ESCAPE.finditer(text):
            if found.group(2) == b"u":  # an escape that goes on in the next chunk, or a wrong one
                break
            parts += (text[at : found.start()], _escape(found))
            at = found.end()
        left = text[at:]
        cut = _OPEN_ESCAPE.search(left)
        if cut:
            left, self._carry = left[: cut.start()], cut.group()
        return b"".join((*parts, left))


def _escape(found: re.Match[bytes]) -> bytes:
    if found.group(1):
        return chr(int(found.group(1), 16)).encode("utf-8", "replace")
    return _CONTROLS.get(found.group(2), found.group(2))


def _plain(key: bytes) -> bytes:
    return _ESCAPE.sub(_escape, key) if b"\\" in key else key
