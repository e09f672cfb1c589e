"""Ogg: which codec is inside, and how long it plays, by its first and its last pages."""

from __future__ import annotations

from itertools import takewhile

from msgspec import Struct
from msgspec.structs import replace

from volcasr_async.probe.facts import LONGEST_S, MOST_CHANNELS, MOST_HZ, Header, believable
from volcasr_async.probe.window import Window

_MOST_FIRST_PAGES = 16
_TAIL_BYTES = 1 << 17  # a page has at most 65,307 bytes: the last whole one is in it
_NOWHERE = (1 << 64) - 1
_LATE_S = 60.0
"""The first page with sound ends long before this, unless the recording joined a stream that had run for a while."""
_OPUS_HZ = 48_000
_CUT_OFF = "it is cut off within a page: the end of the recording is missing, nobody knows how much"


class _Page(Struct, frozen=True):
    flags: int
    granule: int
    serial: int
    packet: bytes
    length: int


class _Stream(Struct, frozen=True):
    """One logical stream: how its pages count samples, and how many are to be skipped."""

    header: Header
    clock_hz: int | None = None
    skipped: int = 0


def read_ogg(window: Window) -> Header | None:
    """Read what an Ogg file says about its sound; `None` where it has no page at its beginning."""
    pages = _first_pages(window)
    if not pages:
        return None
    streams = {page.serial: _stream(page.packet) for page in takewhile(_begins_stream, pages)}
    serial, stream = next(((s, x) for s, x in streams.items() if x), (None, None))
    problems = ["it holds a video"] if any(b"theora" in page.packet[:8] for page in pages) else []
    if serial is None or stream is None:
        return Header(problems=tuple(problems))
    if not window.is_whole:
        return replace(stream.header, problems=tuple(problems))
    begun = next((p.granule for p in pages if p.serial == serial and p.granule not in (0, _NOWHERE)), 0)
    last, is_cut = _last_page(window)
    if last is None or last.granule == _NOWHERE:
        return replace(stream.header, problems=(*problems, "its end cannot be read"))
    if last.serial not in streams:
        problems.append("it is several recordings in a row, so its length is not known")
        return replace(stream.header, problems=tuple(problems))
    if is_cut:
        problems.append(_CUT_OFF)
    elif not last.flags & 4:
        problems.append("it has no mark of its end: it may be cut off")
    return replace(
        stream.header,
        duration_s=_duration(stream, begun, last.granule),
        problems=tuple(problems),
        warnings=(_CUT_OFF,) if is_cut else (),
    )


def _begins_stream(page: _Page) -> bool:
    """Return whether a logical stream begins. Those of one recording begin before any other page; later ones are the next."""
    return bool(page.flags & 2)


def _duration(stream: _Stream, begun: int, ended: int) -> float | None:
    hz = stream.clock_hz
    if hz is None:
        return None
    is_late = begun > _LATE_S * hz
    if is_late and ended <= begun:  # a single page with sound: nothing says when it began
        return None
    seconds = max(ended - (begun if is_late else stream.skipped), 0) / hz
    return seconds if seconds < LONGEST_S else None


def _first_pages(window: Window) -> list[_Page]:
    pages: list[_Page] = []
    at = 0
    while len(pages) < _MOST_FIRST_PAGES:
        page = _page(window.read_at(at, 27 + 255 + 64))
        if page is None:
            break
        pages.append(page)
        at += page.length
    return pages


def _last_page(window: Window) -> tuple[_Page | None, bool]:
    """Find the last page that says a time, and tell whether the file ends within a page.

    Pages that only carry on a packet say no time.
    """
    tail = window.read_at(max(window.size - _TAIL_BYTES, 0), _TAIL_BYTES)
    at, is_cut = len(tail), False
    while (at := tail.rfind(b"OggS", 0, at)) >= 0:
        page = _page(tail[at : at + 27 + 255 + 64])
        if page is None or at + page.length > len(tail):
            is_cut = True
        if page is not None and page.granule != _NOWHERE:
            return page, is_cut
    return None, is_cut


def _page(data: bytes) -> _Page | None:
    if len(data) < 27 or data[:4] != b"OggS" or data[4] != 0:
        return None
    begin = 27 + data[26]
    return _Page(
        flags=data[5],
        granule=int.from_bytes(data[6:14], "little"),
        serial=int.from_bytes(data[14:18], "little"),
        packet=data[begin : begin + 64],
        length=begin + sum(data[27:begin]),
    )


def _stream(packet: bytes) -> _Stream | None:
    """Read the first packet of a stream; `None` for one that is no sound we know."""
    if packet[:8] == b"OpusHead" and len(packet) >= 19:
        # Opus has no sampling rate of its own: what stands here is that of the recording it was made from.
        rate, skipped = _number(packet, 12), int.from_bytes(packet[10:12], "little")
        return _Stream(_header("opus", packet[9], rate), clock_hz=_OPUS_HZ, skipped=skipped)
    if packet[:7] == b"\x01vorbis" and len(packet) >= 16:
        return _counted(_header("vorbis", packet[11], _number(packet, 12)))
    if packet[:8] == b"Speex   " and len(packet) >= 52:
        return _counted(_header("speex", _number(packet, 48), _number(packet, 36)))
    if packet[:5] == b"\x7fFLAC" and len(packet) >= 31:
        info = int.from_bytes(packet[27:31], "big")
        return _counted(_header("flac", (info >> 9 & 7) + 1, info >> 12))
    return None


def _number(packet: bytes, at: int) -> int:
    return int.from_bytes(packet[at : at + 4], "little")


def _header(codec: str, channels: int, rate: int) -> Header:
    return Header(codec=codec, channels=believable(channels, MOST_CHANNELS), rate=believable(rate, MOST_HZ))


def _counted(header: Header) -> _Stream:
    return _Stream(header, clock_hz=header.rate)
