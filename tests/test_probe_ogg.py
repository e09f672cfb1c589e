"""Ogg that is not at hand as a whole, or that holds several recordings in a row."""

import logging
import struct
from collections.abc import AsyncIterator

import pytest
from io_kit import client

from volcasr_async import AudioStream
from volcasr_async.probe import probe
from volcasr_async.probe.signatures import SIGNATURE_BYTES
from volcasr_async.testing import Simulator


def page(packet: bytes, *, granule: int, serial: int, flags: int = 0) -> bytes:
    sizes = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    return b"OggS" + struct.pack("<BBQIIIB", 0, flags, granule, serial, 0, 0, len(sizes)) + sizes + packet


def opus(seconds: int, *, serial: int = 7) -> bytes:
    """Give Opus with a page a second, each of 3,000 bytes."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 16000, 0, 0)
    pages = [page(head, granule=0, serial=serial, flags=2), page(b"OpusTags" + bytes(50), granule=0, serial=serial)]
    for number in range(1, seconds + 1):
        last = 4 if number == seconds else 0
        pages.append(page(bytes(3000), granule=number * 48000, serial=serial, flags=last))
    return b"".join(pages)


async def in_chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [1, 3, 90])
@pytest.mark.parametrize("size", [700, SIGNATURE_BYTES, 1 << 20])
async def test_a_stream_of_ogg_is_not_called_cut_off(seconds: int, size: int, caplog: pytest.LogCaptureFixture) -> None:
    """The first bytes of a stream end within a page; that says nothing about the rest."""
    simulator, data = Simulator(), opus(seconds)
    async with client(simulator) as asr:
        await asr.transcribe(AudioStream(chunks=in_chunks(data, size), size=len(data)))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [charge.audio_ms for charge in simulator.charges] == [seconds * 1000]


@pytest.mark.parametrize("seconds", [1, 30])
def test_the_length_of_recordings_in_a_row_is_not_told(seconds: int) -> None:
    """The last page counts from the beginning of the last recording, also where both are short."""
    found = probe(opus(seconds, serial=1) + opus(seconds, serial=2))
    assert (found.codec, found.duration_s) == ("opus", None)
    assert "it is several recordings in a row, so its length is not known" in found.problems


def test_a_short_recording_of_a_running_stream_is_whole() -> None:
    """Its only page with sound counts from the beginning of the stream: how long it is stands nowhere."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 16000, 0, 0)
    tags = page(b"OpusTags" + bytes(50), granule=0, serial=7)
    sound = page(bytes(3000), granule=100 * 48000, serial=7, flags=4)
    found = probe(page(head, granule=0, serial=7, flags=2) + tags + sound)
    assert (found.duration_s, found.damage) == (None, None)
