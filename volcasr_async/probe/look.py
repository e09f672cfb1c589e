"""Looks at a recording: its bytes first, its name second, and only as far as the headers need."""

from __future__ import annotations

import io
from pathlib import Path, PurePath

from msgspec.structs import replace

from volcasr_async.containers import HEAD_BYTES, by_magic, by_name, contradict, tag_bytes
from volcasr_async.errors import InputError
from volcasr_async.probe.facts import EMPTY, TEXT, Header, Probe, broken
from volcasr_async.probe.frames import read_aac, read_amr
from volcasr_async.probe.ogg import read_ogg
from volcasr_async.probe.tags import read_tags
from volcasr_async.probe.wav import read_wav
from volcasr_async.probe.window import Exhausted, Window, opened
from volcasr_async.sources import AudioBytes, AudioFile

RAW = frozenset({"pcm", "raw"})
_TAGGED = frozenset({"mp3", "m4a", "mp4", "flac", "wma", "aiff"})
_SELF_TOLD = frozenset({"wav", "ogg", "spx", "amr", "aac"})
_RATE, _BITS, _CHANNELS = 16000, 16, 1  # the service's defaults (doc 2606791, 4.2)


def probe(source: AudioFile | AudioBytes | PurePath | str | bytes) -> Probe:
    """Find out what a recording is, from a few kilobytes of it. It reads the disk: from a coroutine, call it in a thread.

    A path (also as a string), bytes, or an `AudioFile` or `AudioBytes` that says more: raw samples have no header, so only
    their `format`, `rate`, `bits` and `channel` tell how long they last. Odd, broken and hostile files are told in
    `problems`. Raises `InputError` for what is no readable file, `ConfigurationError` where MP3, M4A, FLAC, WMA or AIFF
    need the extra `[probe]`.
    """
    given = _given(source)
    if isinstance(given, AudioBytes):
        return _look(Window(io.BytesIO(given.data)), given)
    with opened(given.path) as file:
        return _look(Window(file), given)


def container_of(window: Window) -> str | None:
    """Name the container by its bytes, those behind an ID3 tag where there is one: AAC and FLAC may have one too."""
    head = window.read_at(0, HEAD_BYTES)
    begin = tag_bytes(head)
    return (begin and by_magic(window.read_at(begin, HEAD_BYTES))) or by_magic(head)


def read_header(window: Window, container: str | None) -> Header | None:
    """Read what can be read without an extra; `None` for the rest, and where there is no usable header."""
    match container:
        case "wav":
            return read_wav(window)
        case "ogg" | "spx":
            return read_ogg(window)
        case "amr":
            return read_amr(window)
        case "aac":
            return read_aac(window, tag_bytes(window.read_at(0, HEAD_BYTES)))
        case _:
            return None


def is_text(head: bytes) -> bool:
    """Tell a list or a page, given by mistake, from samples."""
    text = head.decode("utf-8", "ignore")  # the last character may be cut
    return len(text.encode()) >= len(head) - 3 and all(c.isprintable() or c.isspace() for c in text)


def _given(source: object) -> AudioFile | AudioBytes:
    match source:
        case AudioFile() | AudioBytes():
            return source
        case str() if "://" in source:
            raise InputError("probe looks at local files and fetches no link: download the recording first")
        case str() | PurePath():
            return AudioFile(path=Path(source))
        case bytes() | bytearray() | memoryview():
            return AudioBytes(data=bytes(source))
        case _:
            raise InputError(
                f"{type(source).__name__} is nothing to look at: pass a path, bytes, AudioFile or AudioBytes"
            )


def _look(window: Window, given: AudioFile | AudioBytes) -> Probe:
    name = given.path.name if isinstance(given, AudioFile) else given.name
    found = Probe(name=str(given.path) if isinstance(given, AudioFile) else given.name, size=window.size)
    if not window.size:
        return replace(found, problems=(EMPTY,))
    inside, outside = container_of(window), by_name(name)
    container = given.format or inside or outside
    found = replace(found, container=container, problems=_mismatches(given.format, inside, outside))
    if container is None:
        text = is_text(window.read_at(0, HEAD_BYTES))
        problem = TEXT if text else "neither its bytes nor its name tell what it is"
        return replace(found, is_text=text, problems=(problem,))
    header = _raw(given, window.size) if container in RAW else _header(window, container)
    return _told(found, header)


def _mismatches(said: str | None, inside: str | None, outside: str | None) -> tuple[str, ...]:
    problems = []
    if contradict(inside, outside):
        problems.append(f"it is named like {outside} but holds {inside}")
    if contradict(inside, said):
        problems.append(f"it is said to be {said} but holds {inside}")
    return tuple(problems)


def _header(window: Window, container: str) -> Header | None:
    if container not in _TAGGED:
        return read_header(window, container)
    try:
        return read_tags(window, container)
    except Exhausted:
        return None


def _told(found: Probe, header: Header | None) -> Probe:
    if header is None:
        if found.container in _TAGGED | _SELF_TOLD:
            return replace(found, is_broken=True, problems=(*found.problems, broken(found.container)))
        return found
    seconds = header.duration_s
    return replace(
        found,
        codec=header.codec,
        duration_s=seconds,
        channels=header.channels,
        rate=header.rate,
        bits=header.bits,
        bitrate=round(found.size * 8 / seconds) if seconds else None,
        problems=(*found.problems, *header.problems),
    )


def _raw(given: AudioFile | AudioBytes, size: int) -> Header:
    """Tell what the caller said of bare samples; nothing is guessed unless one of the three was said."""
    if given.codec == "opus":
        return Header(codec="opus", rate=given.rate, channels=given.channel)
    if given.rate is None and given.bits is None and given.channel is None:
        problem = f"bare samples: unless rate, bits and channel are given, the service takes them for {_RATE} Hz, "
        return Header(codec="pcm", problems=(problem + f"{_BITS} bits, mono",))
    rate, bits, channels = given.rate or _RATE, given.bits or _BITS, given.channel or _CHANNELS
    frame = channels * -(-bits // 8)
    odd = ("its size is no whole number of samples: rate, bits or channel is wrong, or it is cut off",)
    return Header(
        codec="pcm",
        duration_s=size // frame / rate,
        channels=channels,
        rate=rate,
        bits=bits,
        problems=odd if size % frame else (),
    )
