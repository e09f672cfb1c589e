"""Looks at a recording: its bytes first, its name second, and only as far as the headers need."""

from __future__ import annotations

import io
from pathlib import Path, PurePath

from msgspec.structs import replace

from volcasr_async.containers import HEAD_BYTES, by_magic, by_name, contradict, tag_bytes
from volcasr_async.errors import ConfigurationError, InputError
from volcasr_async.probe.damage import find_damage
from volcasr_async.probe.facts import EMPTY, HOLDS, Damage, Header, Probe, broken
from volcasr_async.probe.frames import read_aac, read_amr
from volcasr_async.probe.mpeg import begins_with_frames
from volcasr_async.probe.ogg import read_ogg
from volcasr_async.probe.signatures import SIGNATURE_BYTES, Signature, cure_of, find_signature
from volcasr_async.probe.tags import read_tags
from volcasr_async.probe.wav import read_wav
from volcasr_async.probe.window import Exhausted, Window, opened
from volcasr_async.sources import AudioBytes, AudioFile, AudioFileObject, LocalSource

RAW = frozenset({"pcm", "raw"})
_TAGGED = frozenset({"mp3", "m4a", "mp4", "flac", "wma", "aiff"})
_SELF_TOLD = frozenset({"wav", "ogg", "spx", "amr", "aac"})
_LEAST_TEXT_BYTES = 64
"""Fewer bytes than these are text by chance, where the name says that they are raw samples."""
_PLACES, _PLACE_BYTES = 64, 1024
_BY_SYNC = frozenset({"mp3", "aac", "ac3"})
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
        return examine(Window(io.BytesIO(given.data)), given, needs_tags=True)
    with opened(given.path) as file:
        return examine(Window(file), given, needs_tags=True)


def container_of(window: Window) -> str | None:
    """Return the container by its bytes, those behind an ID3 tag where there is one: AAC and FLAC may have one too."""
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


def _given(source: object) -> AudioFile | AudioBytes:
    match source:
        case AudioFile() | AudioBytes():
            return source
        case str() if "://" in source:
            raise InputError(
                "probe looks at local files and fetches no link: download the recording first", reason="value"
            )
        case str() | PurePath():
            return AudioFile(path=Path(source))
        case bytes() | bytearray() | memoryview():
            return AudioBytes(data=bytes(source))
        case _:
            raise InputError(
                f"{type(source).__name__} is nothing to look at: pass a path, bytes, AudioFile or AudioBytes",
                reason="usage",
            )


def examine(window: Window, source: LocalSource, *, needs_tags: bool = False) -> Probe:
    """Find out what *source* is, and whether it is to be sent. The one decision for `probe` and for what is sent.

    *window* shows its bytes, or only the first of them (`Window.of_head`). Where MP3, M4A and the like need the extra
    `[probe]` and it is missing, raise `ConfigurationError` if *needs_tags*, else leave open what it would tell.
    """
    found = Probe(name=_name_of(source), size=window.size)
    if not window.size:
        return replace(found, problems=(EMPTY,))
    head = window.read_at(0, SIGNATURE_BYTES)
    outside = by_name(_name_of(source)) or (
        by_name(source.filename or "") if isinstance(source, AudioFileObject) else None
    )
    foreign = _foreign(window, head, source, outside)
    if foreign is not None:
        return _told_foreign(found, foreign)
    inside = _inside(window, head, source, outside)
    container = source.format or inside or outside
    mismatches = _mismatches(source.format, inside, outside)
    found = replace(found, container=container, problems=mismatches, warnings=mismatches)
    if inside is None and source.format is None and outside not in RAW:
        found = _warned(found, _unknown(outside))
    if container is None:
        return found
    if container in RAW:
        return _told(found, _raw(source, window.size))
    header = _header(window, container, needs_tags=needs_tags)
    damage = find_damage(window, container, header)
    return _damaged(_told(found, header), damage, insists=source.format is not None)


def _inside(window: Window, head: bytes, source: LocalSource, outside: str | None) -> str | None:
    """Return the container by the bytes; a sync word alone does not outweigh the name of raw samples."""
    inside = container_of(window)
    is_raw = (source.format or outside) in RAW
    if is_raw and inside in _BY_SYNC and head[:3] != b"ID3" and not begins_with_frames(head):
        return None
    return "m4a" if (inside, outside) == ("mp4", "m4a") else inside


def _name_of(source: LocalSource) -> str:
    return source.label if isinstance(source, AudioFile | AudioFileObject) else source.name


def _foreign(window: Window, head: bytes, source: LocalSource, outside: str | None) -> Signature | None:
    """Find what is no audio. The caller's word that it is raw samples is last: they may begin with any bytes."""
    said = (source.rate, source.bits, source.channel)
    if source.format in RAW or source.codec is not None:
        return None
    found = find_signature(head)
    if found is None:
        return None
    is_raw = source.format is None and (outside in RAW or any(value is not None for value in said))
    if is_raw and (found.kind == "zeros" or len(head) < _LEAST_TEXT_BYTES):
        return None
    if found.kind == "zeros" and not _is_zeros(window):
        return None
    return found


def _is_zeros(window: Window) -> bool:
    """Look at some places: a recording may begin with a second of zeros, a file that never arrived has nothing else."""
    step = max(window.size // _PLACES, 1)
    return not any(any(window.read_at(at, _PLACE_BYTES)) for at in range(0, window.size, step))


def _told_foreign(found: Probe, foreign: Signature) -> Probe:
    said = f"it is {foreign.name}" + (f": {foreign.detail}" if foreign.detail else "")
    return replace(
        found,
        foreign=foreign.name,
        cure=cure_of(foreign),
        is_text=foreign.kind == "text",
        problems=(said,),
    )


def _unknown(outside: str | None) -> str:
    sent = f"as {outside}, like its name" if outside else "without a format, for the service to find out"
    return f"its first bytes are those of no known audio: it is sent {sent}"


def _damaged(found: Probe, damage: Damage | None, *, insists: bool) -> Probe:
    if damage is None:
        return found
    problems = tuple(dict.fromkeys((*found.problems, damage.what)))
    if insists:
        return replace(found, problems=problems, warnings=(*found.warnings, damage.what))
    cure = f'{damage.cure}, or declare format="{found.container}" to send it as it is'
    return replace(found, problems=problems, damage=damage.what, cure=cure)


def _warned(found: Probe, text: str) -> Probe:
    return replace(found, problems=(*found.problems, text), warnings=(*found.warnings, text))


def _mismatches(said: str | None, inside: str | None, outside: str | None) -> tuple[str, ...]:
    if contradict(inside, said):
        return (f"it is said to be {said}{HOLDS}{inside}",)
    if said is None and contradict(inside, outside):
        return (f"it is named like {outside}{HOLDS}{inside}",)
    return ()


def _header(window: Window, container: str, *, needs_tags: bool) -> Header | None:
    if container not in _TAGGED:
        return read_header(window, container)
    try:
        return read_tags(window, container)
    except Exhausted:
        return None
    except ConfigurationError:
        if needs_tags:
            raise
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
        warnings=(*found.warnings, *header.warnings),
    )


def _raw(given: LocalSource, size: int) -> Header:
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
