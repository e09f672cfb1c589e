"""Pre-flight: what a recording is by its own headers, what the editions say to it, and what the request then declares."""

import contextlib
import io
import math
import os
import shutil
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from volcasr_async import AudioBytes, AudioFile, ConfigurationError, Flash, InputError
from volcasr_async._audio import open_audio
from volcasr_async.probe import Probe, probe, verdicts
from volcasr_async.probe.look import container_of, read_header
from volcasr_async.probe.tags import read_tags
from volcasr_async.probe.window import Exhausted, Window
from volcasr_async.sources import Source
from volcasr_async.testing import make_wav

MB = 1_000_000
TAIL = bytes.fromhex("000000001000800000aa00389b71")


# ---- recordings, made by hand ----


def chunk(name: bytes, data: bytes, *, pad: bool = True) -> bytes:
    return name + struct.pack("<I", len(data)) + data + (b"\0" if pad and len(data) % 2 else b"")


def fmt(*, rate: int = 16000, channels: int = 1, bits: int = 16, tag: int = 1, extensible: bool = False) -> bytes:
    block = channels * -(-bits // 8)
    plain = struct.pack(
        "<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * block & 0xFFFFFFFF, block, bits
    )
    return plain + (struct.pack("<HHIH", 22, bits, 0, tag) + TAIL if extensible else b"")


def wav(
    data: bytes = bytes(32000),
    *,
    promised: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    mark: bytes = b"RIFF",
    **form: Any,
) -> bytes:
    promised = len(data) if promised is None else promised
    body = before + chunk(b"fmt ", fmt(**form)) + b"data" + struct.pack("<I", promised) + data
    return mark + struct.pack("<I", 0xFFFFFFFF if mark != b"RIFF" else len(body) + 4) + b"WAVE" + body + after


def page(packet: bytes, *, granule: int = 0, serial: int = 7, flags: int = 0) -> bytes:
    sizes = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    return b"OggS" + struct.pack("<BBQIIIB", 0, flags, granule, serial, 0, 0, len(sizes)) + sizes + packet


def opus(
    seconds: float = 3.0,
    *,
    channels: int = 2,
    began: int = 0,
    end: int = 4,
    serial: int = 7,
    last_serial: int | None = None,
) -> bytes:
    skipped = 312
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, skipped, 16000, 0, 0)
    first = page(bytes(300), granule=began + 48000, serial=serial)
    granule = began + (round(seconds * 48000) + skipped if not began else round(seconds * 48000) + 48000)
    return (
        page(head, flags=2, serial=serial)
        + page(b"OpusTags" + bytes(12), serial=serial)
        + first
        + page(bytes(900), granule=granule, flags=end, serial=last_serial or serial)
    )


def vorbis() -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 1, 44100, 0, 64000, 0, 0xB8, 1)
    return page(head, flags=2) + page(bytes(500), granule=88200, flags=4)


def speex() -> bytes:
    head = b"Speex   " + b"1.2".ljust(20, b"\0") + struct.pack("<IIIIIIII", 1, 80, 16000, 1, 4, 1, 0, 320)
    return page(head, flags=2) + page(bytes(500), granule=32000, flags=4)


def ogg_flac() -> bytes:
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + (44100 << 44 | 1 << 41 | 15 << 36).to_bytes(8, "big") + bytes(16)
    head = b"\x7fFLAC\1\0\0\1fLaC\0\0\0\x22" + info
    return page(head, flags=2) + page(bytes(500), granule=88200, flags=4)


def mp3(frames: int = 100, *, counted: int | None = None) -> bytes:
    """Make MPEG-1 layer III at 128 kbit/s, 44.1 kHz, stereo: 417 bytes and 1152 samples a frame."""
    head = b"\xff\xfb\x90\x00"
    first = b""
    if counted:
        first = (head + bytes(32) + b"Xing" + struct.pack(">III", 3, counted, (counted + 1) * 417)).ljust(417, b"\0")
    return first + (head + bytes(413)) * frames


def atom(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + name + data


def m4a(seconds: int = 5, *, brand: bytes = b"M4A ") -> bytes:
    mdhd = atom(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 16000, seconds * 16000, 0, 0))
    mvhd = atom(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, seconds * 1000) + bytes(80))
    config = b"\3\x19" + bytes(3) + b"\4\x11\x40" + bytes(8) + struct.pack(">I", 64000)
    sound = bytes(6) + struct.pack(">HQHHII", 1, 0, 2, 16, 0, 16000 << 16)
    entry = atom(b"mp4a", sound + atom(b"esds", bytes(4) + config))
    stsd = atom(b"stsd", struct.pack(">II", 0, 1) + entry)
    media = atom(b"mdia", mdhd + atom(b"minf", atom(b"stbl", stsd)))
    return atom(b"ftyp", brand + bytes(4)) + atom(b"moov", mvhd + atom(b"trak", media)) + atom(b"mdat", bytes(4000))


def flac(samples: int = 32000) -> bytes:
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + (16000 << 44 | 0 << 41 | 15 << 36 | samples).to_bytes(8, "big")
    return b"fLaC\x80\0\0\x22" + info + bytes(16) + bytes(1000)


def amr(frames: int = 100) -> bytes:
    return b"#!AMR\n" + (b"\x3c" + bytes(31)) * frames


def amr_wb(frames: int = 100) -> bytes:
    return b"#!AMR-WB\n" + (b"\x44" + bytes(60)) * frames


def adts(frames: int = 100) -> bytes:
    """Make AAC at 16 kHz, mono: 100 bytes and 1024 samples a frame."""
    size = 100
    head = bytes([0xFF, 0xF1, 0x40 | 8 << 2, 0x40 | size >> 11, size >> 3 & 255, (size & 7) << 5 | 31, 0xFC])
    return (head + bytes(size - 7)) * frames


def id3(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)


REAL = {
    "wav": (wav(), "wav", "pcm", 1.0, 1, 16000, 16),
    "wav of 24 bits": (wav(bytes(6 * 8000), bits=24, channels=2, extensible=True), "wav", "pcm", 0.5, 2, 16000, 24),
    "wav of floats": (wav(bytes(64000), tag=3, bits=32), "wav", "float", 1.0, 1, 16000, 32),
    "telephone": (wav(bytes(16000), tag=6, rate=8000, bits=8), "wav", "alaw", 2.0, 1, 8000, 8),
    "opus": (opus(), "ogg", "opus", 3.0, 2, 16000, None),
    "opus of a running stream": (opus(began=10**10), "ogg", "opus", 3.0, 2, 16000, None),
    "flac in ogg": (ogg_flac(), "ogg", "flac", 2.0, 2, 44100, None),
    "adpcm": (wav(bytes(32000), tag=17), "wav", "adpcm", 1.0, 1, 16000, 16),
    "unheard-of": (wav(bytes(32000), tag=0x1234), "wav", "wav 0x1234", 1.0, 1, 16000, 16),
    "vorbis": (vorbis(), "ogg", "vorbis", 2.0, 1, 44100, None),
    "speex": (speex(), "spx", "speex", 2.0, 1, 16000, None),
    "mp3": (mp3(), "mp3", "mp3", 100 * 1152 / 44100, 2, 44100, None),
    "mp3 with a count": (mp3(counted=100), "mp3", "mp3", 100 * 1152 / 44100, 2, 44100, None),
    "mp3 with a picture": (id3(300_000) + mp3(), "mp3", "mp3", 100 * 1152 / 44100, 2, 44100, None),
    "m4a": (m4a(), "m4a", "aac", 5.0, None, 16000, None),
    "mp4": (m4a(brand=b"isom"), "mp4", "aac", 5.0, None, 16000, None),
    "flac": (flac(), "flac", "flac", 2.0, 1, 16000, 16),
    "amr": (amr(), "amr", "amr-nb", 2.0, 1, 8000, None),
    "wide amr": (amr_wb(), "amr", "amr-wb", 2.0, 1, 16000, None),
    "aac": (adts(), "aac", "aac", 6.4, 1, 16000, None),
    "aac with a tag": (id3(80) + adts(), "aac", "aac", 6.4, 1, 16000, None),
}


@pytest.mark.parametrize("kind", REAL)
def test_what_a_recording_says_about_itself(kind: str) -> None:
    """Container, codec, length and numbers come from the headers, and nothing is odd about a sound recording."""
    data, container, codec, seconds, channels, rate, bits = REAL[kind]
    found = probe(data)
    assert (found.container, found.codec, found.size) == (container, codec, len(data))
    assert found.duration_s == pytest.approx(seconds, rel=0.011)
    assert (found.channels, found.rate, found.bits) == (channels, rate, bits)
    assert found.bitrate == pytest.approx(len(data) * 8 / seconds, rel=0.011)
    assert found.problems == ()


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes the recordings")
ENCODED = {
    "a.opus": ("ogg", "opus"), "a.ogg": ("ogg", "vorbis"), "a.mp3": ("mp3", "mp3"), "a.m4a": ("m4a", "aac"),
    "a.flac": ("flac", "flac"), "a.aac": ("aac", "aac"), "a.wma": ("wma", "wma"), "a.aiff": ("aiff", "pcm"),
}  # fmt: skip


@needs_ffmpeg
@pytest.mark.parametrize("name", ENCODED)
def test_what_an_encoder_wrote(name: str, tmp_path: Path) -> None:
    """Files of real encoders are told as long as what they were made from."""
    (tmp_path / "in.wav").write_bytes(make_wav(7.5))
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", "in.wav"]
    made = subprocess.run([*command, name], cwd=tmp_path, check=False, capture_output=True)
    if made.returncode:
        pytest.skip("this ffmpeg lacks the encoder")
    found = probe(tmp_path / name)
    assert (found.container, found.codec) == ENCODED[name]
    assert found.duration_s == pytest.approx(7.5, abs=0.2)
    assert found.problems == ()


# ---- the WAV reader ----

NAMES = st.sampled_from([b"LIST", b"bext", b"junk", b"id3 ", b"cue ", b"PEAK"])
BEFORE = st.lists(st.tuples(NAMES, st.binary(max_size=50)), max_size=4)


@given(
    rate=st.integers(1, 1_000_000), channels=st.integers(1, 8), bits=st.sampled_from([8, 16, 24, 32]),
    frames=st.integers(1, 2000), extensible=st.booleans(), before=BEFORE, pad=st.booleans(), rest=st.binary(max_size=40),
)  # fmt: skip
def test_every_well_made_wav(
    rate: int,
    channels: int,
    bits: int,
    frames: int,
    extensible: bool,
    before: list[tuple[bytes, bytes]],
    pad: bool,
    rest: bytes,
) -> None:
    """Whatever stands before and after the samples, and whether odd chunks are padded, the header is read exactly."""
    chunks = b"".join(chunk(name, data, pad=pad) for name, data in before)
    form: dict[str, Any] = {"rate": rate, "channels": channels, "bits": bits, "extensible": extensible}
    data = bytes(frames * channels * bits // 8)
    found = probe(wav(data, before=chunks, after=chunk(b"LIST", rest), **form))
    assert (found.codec, found.rate, found.channels, found.bits) == ("pcm", rate, channels, bits)
    assert found.duration_s == frames / rate
    assert found.problems == ()


@given(frames=st.integers(1, 5000), promised=st.sampled_from([0, 0x7FFFF000, 0xFFFFFFFF, 0xFFFFFFDB]))
def test_a_wav_from_a_pipe(frames: int, promised: int | None) -> None:
    """Where a stream could not write the length, what is there counts, and it is said."""
    found = probe(wav(bytes(2 * frames), promised=promised))
    assert found.duration_s == frames / 16000
    assert ["open, as a pipe does" in problem for problem in found.problems] == [True]
    assert verdicts(found)["flash"].fits


@given(frames=st.integers(1, 5000), lost=st.integers(1, 10_000))
def test_a_wav_that_is_cut_off(frames: int, lost: int) -> None:
    """A header that promises more than there is tells how much is missing."""
    found = probe(wav(bytes(2 * frames), promised=2 * frames + lost))
    assert found.duration_s == frames / 16000
    assert any(f"{lost} of {2 * frames + lost} bytes of audio are missing" in problem for problem in found.problems)


def test_a_wav_of_more_than_4_gb(tmp_path: Path) -> None:
    """RF64 keeps its length in 64 bits; the file is not read for it."""
    size = 5 << 30
    ds64 = chunk(b"ds64", struct.pack("<QQQI", size + 80, size, size // 2, 0))
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(wav(b"", promised=0xFFFFFFFF, before=ds64, mark=b"RF64"))
        file.truncate(file.tell() + size)
    found = probe(path)
    assert found.duration_s == size / 32000
    assert found.problems == ()
    assert not any(verdict.fits for verdict in verdicts(found).values())


@pytest.mark.parametrize(
    "data",
    [wav()[:20], wav()[:36], wav(rate=0), wav(channels=0), wav(mark=b"RIFF", tag=1, rate=2**31)],
    ids=["stub", "no data", "no rate", "no channels", "wild rate"],
)
def test_a_wav_without_a_usable_header(data: bytes) -> None:
    """It is called broken, and no edition takes it."""
    found = probe(data)
    assert found.is_broken
    assert found.duration_s is None
    assert not any(verdict.fits for verdict in verdicts(found).values())


# ---- odd and hostile ----


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (mp3(60, counted=200), "cut off"),
        (m4a()[:-1000], "cut off"),
        (opus(end=0), "no mark of its end"),
        (opus()[:-100], "cut off within a page"),
        (opus(last_serial=9), "several recordings"),
        (page(b"\x80theora" + bytes(35), flags=2, serial=1) + opus(), "video"),
        (m4a()[:40], "header cannot be read"),
        (m4a() + b"\0\0\0\1mdat" + (1 << 40).to_bytes(8, "big"), "cut off"),
        (b"#!AMR_MC1.0\n" + bytes(50), "header cannot be read"),
        (b"#!AMR\n", "header cannot be read"),
        (b"\xff\xf1\x60\x40\0\0\0" + bytes(90), "header cannot be read"),
        (opus()[:60] + bytes(200_000), "its end cannot be read"),
    ],
)
def test_what_is_odd_is_said(data: bytes, why: str) -> None:
    """Cut-off files, chained and video streams have their sentence."""
    assert any(why in problem for problem in probe(data).problems)


@pytest.mark.parametrize(
    "data",
    [
        page(b"\x80theora" + bytes(35), flags=2),
        page(b"\x01vorbis" + bytes(30), flags=2) + page(b"", granule=88200, flags=4),
        opus(1e9),
        b"#!AMR\n" + b"\x3c",
    ],
    ids=["only a video", "no rate", "wild time", "half a frame"],
)
def test_lengths_that_nobody_can_know(data: bytes) -> None:
    """No length rather than a wrong one."""
    seconds = probe(data).duration_s
    assert seconds is None or seconds < 0.1


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (b"FORM\0\0\0\0AIFC", "aiff"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wma"),
        (b"caff\0\1", "caf"),
        (b"\x1a\x45\xdf\xa3\1", "webm"),
        (b"BW64\xff\xff\xff\xffWAVE", "wav"),
        (id3(20) + flac(), "flac"),
        (id3(20), "mp3"),
    ],
)
def test_containers_that_nobody_takes_are_known_as_well(data: bytes, container: str) -> None:
    """Their first bytes tell, also behind a tag, so that they are refused by name."""
    assert probe(data).container == container


def test_the_name_against_the_bytes(tmp_path: Path) -> None:
    """A mismatch between suffix and content is named, and the bytes win."""
    path = tmp_path / "a.mp3"
    path.write_bytes(m4a())
    found = probe(path)
    assert found.container == "m4a"
    assert found.problems == ("it is named like mp3 but holds m4a",)
    assert not verdicts(found)["flash"].fits


def test_the_callers_word_against_the_bytes(tmp_path: Path) -> None:
    """So is one between what the caller says and the content."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    assert "it is said to be mp3 but holds wav" in probe(AudioFile(path=path, format="mp3")).problems


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.wav", b"", "empty"),
        ("a.txt", b"https://example.com/a.mp3\n", "text"),
        ("a.html", "<html>会议".encode(), "HTML page"),
        ("a.bin", bytes(range(256)), "no known audio"),
    ],
)
def test_what_is_no_audio(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    """Empty, text and unknown files are told, without an error."""
    (tmp_path / name).write_bytes(data)
    found = probe(tmp_path / name)
    assert why in found.problems[0]
    assert all(verdict.fits == (why == "no known audio") for verdict in verdicts(found).values())


MARKS = [
    b"RIFF\0\0\0\0WAVE",
    b"RIFF\0\0\0\0WAVEfmt ",
    b"RF64\xff\xff\xff\xffWAVEds64",
    b"OggS\0\2",
    b"ID3\4\0\0\0\0\0\0",
]
MARKS += [
    b"\xff\xfb\x90\x00",
    b"\0\0\0\x10ftypM4A \0\0\0\0",
    b"fLaC",
    b"#!AMR\n",
    b"#!AMR-WB\n",
    b"\xff\xf1\x60\x40",
    b"",
]
MARKS += [b"FORM\0\0\0\0AIFF", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"caff", b"\x1a\x45\xdf\xa3"]


@given(mark=st.sampled_from(MARKS), rest=st.binary(max_size=600))
@example(mark=b"fLaC", rest=b"\0\xff\xff\xff")
@settings(max_examples=400)
def test_hostile_bytes(mark: bytes, rest: bytes) -> None:
    """No bytes raise, and no number is beyond belief."""
    found = probe(mark + rest + b"\0")
    assert found.duration_s is None or 0 <= found.duration_s < math.inf
    assert found.rate is None or 1 <= found.rate <= 1_000_000
    assert len(verdicts(found)) == 4


@given(data=st.sampled_from([real[0] for real in REAL.values()]), changes=st.data())
@settings(max_examples=400)
def test_damaged_recordings(data: bytes, changes: st.DataObject) -> None:
    """Neither do recordings with any bytes of their headers changed, or cut anywhere."""
    damaged = bytearray(data[: changes.draw(st.integers(1, len(data)))])
    spots = st.tuples(st.integers(0, min(len(damaged), 400) - 1), st.integers(0, 255))
    for at, value in changes.draw(st.lists(spots, max_size=6)):
        damaged[at] = value
    found = probe(bytes(damaged))
    assert found.duration_s is None or 0 <= found.duration_s < math.inf


class Counting(io.BytesIO):
    """Counts what is asked for."""

    asked = largest = calls = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        self.asked, self.largest, self.calls = self.asked + size, max(self.largest, size), self.calls + 1
        return super().read(size)


GREEDY = {
    "chunks of nothing": b"RIFF\0\0\0\0WAVE" + bytes(8_000_000),
    "a format of 4 GB": b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff" + bytes(8_000_000),
    "pages of nothing": page(b"") * 250_000,
    "a tag and no frame": id3(10) + bytes(8_000_000),
    "an atom of 4 GB": b"\0\0\0\x10ftypM4A \0\0\0\0" + b"\xff\xff\xff\xffmoov\xff\xff\xff\xefmvhd" + bytes(8_000_000),
    "a block of 16 MB": b"fLaC\0\xff\xff\xff" + bytes(8_000_000),
    "frames of one byte": b"#!AMR\n" + b"\x7c" * 8_000_000,
}


@pytest.mark.parametrize("kind", GREEDY)
def test_headers_cannot_make_it_read_much(kind: str) -> None:
    """Of 8 MB of lies no more than half is read, in a bounded number of steps."""
    file = Counting(GREEDY[kind])
    window = Window(file)
    container = container_of(window)
    read_header(window, container)
    with contextlib.suppress(Exhausted):
        read_tags(window, str(container))
    assert file.asked <= 1 << 22
    assert file.calls <= 50_000


def test_no_more_is_asked_of_a_file_than_it_has() -> None:
    """A plain file would allocate 4 GB for a header that says so."""
    file = Counting(b"RIFF")
    assert Window(file).read(1 << 32) == b"RIFF"
    assert file.largest == 4


@pytest.mark.parametrize("kind", GREEDY)
def test_headers_cannot_make_it_allocate_much(kind: str, tmp_path: Path) -> None:
    """Nor is much memory taken, whatever the headers ask for."""
    path = tmp_path / "greedy"
    path.write_bytes(GREEDY[kind])
    tracemalloc.start()
    try:
        probe(path)
        assert tracemalloc.get_traced_memory()[1] < 16 * MB
    finally:
        tracemalloc.stop()


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (lambda folder: folder, "directory; name the files"),
        (lambda folder: folder / "no.wav", "cannot be read"),
        (lambda folder: pipe(folder / "p.wav"), "no regular file"),
        (lambda _: "a\0b.wav", "is no path"),
        (lambda _: "https://example.com/a.mp3?token=secret", "download"),
        (lambda _: 7, "int"),
    ],
)
def test_what_cannot_be_looked_at(make: Callable[[Path], Any], cure: str, tmp_path: Path) -> None:
    """The cure is in the error, and no link's query."""
    with pytest.raises(InputError, match=cure) as caught:
        probe(make(tmp_path))
    assert "secret" not in str(caught.value)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """MP3 needs the extra; WAV and OGG do without it."""
    monkeypatch.setitem(sys.modules, "tinytag", None)
    with pytest.raises(ConfigurationError, match=r"volcasr-async\[probe\]"):
        probe(mp3())
    assert probe(wav()).duration_s == 1.0
    assert probe(opus()).duration_s == pytest.approx(3.0)


# ---- raw samples ----


def test_raw_samples_are_what_the_caller_says() -> None:
    """Without a header, rate, bits and channels are the caller's, the service's defaults for what is left out."""
    told = probe(AudioBytes(data=bytes(32000), format="pcm", rate=8000, channel=2))
    assert (told.duration_s, told.rate, told.channels, told.bits) == (1.0, 8000, 2, 16)
    untold = probe(AudioBytes(data=bytes(32000), name="a.pcm"))
    assert (untold.container, untold.duration_s) == ("pcm", None)
    assert "16000 Hz, 16 bits, mono" in untold.problems[0]


def test_bare_opus_has_no_length() -> None:
    """Packets without a container tell nothing, and are not taken for samples."""
    found = probe(AudioBytes(data=bytes(3200), format="raw", codec="opus", rate=16000))
    assert (found.codec, found.duration_s) == ("opus", None)


def test_raw_samples_that_do_not_come_out_even() -> None:
    """A size that is no whole number of samples is suspicious."""
    assert "whole number" in probe(AudioBytes(data=bytes(32001), format="pcm", rate=8000)).problems[0]


# ---- verdicts ----


def sparse(path: Path, size: int, head: bytes) -> Path:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def said(found: Probe) -> dict[str, bool]:
    return {name: verdict.fits for name, verdict in verdicts(found).items()}


ALL, LINKS = dict.fromkeys(("standard", "idle", "flash", "v1"), True), {"standard": True, "idle": True, "v1": True}


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ("wav", ALL),
        ("mp3", ALL),
        ("opus", ALL),
        ("m4a", {**LINKS, "flash": False}),
        ("mp4", {**LINKS, "flash": False}),
        ("amr", {**LINKS, "flash": False, "v1": False}),
        ("aac", {**LINKS, "flash": False, "v1": False}),
        ("speex", {**LINKS, "flash": False, "v1": False}),
        ("flac", dict.fromkeys(ALL, False)),
    ],
)
def test_containers_by_edition(kind: str, fits: dict[str, bool]) -> None:
    """Each edition takes the containers of its own table."""
    assert said(probe(REAL[kind][0])) == fits


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        (100 * MB, ALL),
        (100 * MB + 1, {**ALL, "flash": False}),
        (512 * MB - 1, {**ALL, "flash": False}),
        (512 * MB, dict.fromkeys(ALL, False)),
    ],
)
def test_sizes_by_edition(size: int, fits: dict[str, bool], tmp_path: Path) -> None:
    """100 MB for flash, under 512 MB for links; the cure is a link or less."""
    head = wav(b"", promised=size - 44, rate=192000, channels=8)
    found = probe(sparse(tmp_path / "a.wav", size, head))
    assert found.problems == ()
    assert said(found) == fits
    flash = verdicts(found)["flash"]
    assert flash.fits or "compress" in str(flash.cure)
    assert flash.inline_bytes == (size + 2) // 3 * 4


@pytest.mark.parametrize(
    ("seconds", "fits"),
    [
        (7200, ALL),
        (7201, {**ALL, "flash": False}),
        (17999, {**ALL, "flash": False}),
        (18000, dict.fromkeys(ALL, False)),
    ],
)
def test_lengths_by_edition(seconds: int, fits: dict[str, bool]) -> None:
    """Two hours for flash, under five for links; the cure is a link where that helps."""
    found = probe(opus(seconds, channels=1))
    assert said(found) == fits
    flash = verdicts(found)["flash"]
    assert flash.fits or ("link" in str(flash.cure)) == fits["standard"]


def test_advice_above_20_mb(tmp_path: Path) -> None:
    """Flash takes it, with a warning."""
    found = probe(sparse(tmp_path / "a.wav", 21 * MB, wav(b"", promised=21 * MB - 44)))
    flash = verdicts(found)["flash"]
    assert flash.fits
    assert any("20 MB" in warning for warning in flash.warnings)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("vorbis", "vorbis inside ogg"),
        ("telephone", "alaw inside wav"),
        ("wav of 24 bits", "24 bits"),
    ],
)
def test_what_no_document_names(kind: str, words: str) -> None:
    """It is not refused, and not promised."""
    flash = verdicts(probe(REAL[kind][0]))["flash"]
    assert flash.fits
    assert any(words in warning for warning in flash.warnings)


# ---- what the request declares ----

anyio = pytest.mark.anyio
DECLARED = {
    "wav": (wav(bytes(6400), rate=8000, channels=2), {"format": "wav", "rate": 8000, "bits": 16, "channel": 2}),
    "24 bits": (REAL["wav of 24 bits"][0], {"format": "wav", "rate": 16000, "channel": 2}),
    "six channels": (wav(bytes(9600), channels=6), {"format": "wav", "rate": 16000, "bits": 16}),
    "floats": (REAL["wav of floats"][0], {"format": "wav"}),
    "opus": (opus(), {"format": "ogg", "codec": "opus", "channel": 2}),
    "vorbis": (vorbis(), {"format": "ogg"}),
    "mp3": (mp3(), {"format": "mp3"}),
    "unknown": (bytes(range(256)), {}),
}


def declared(source: Source) -> dict[str, Any]:
    fields = ("format", "codec", "rate", "bits", "channel", "language")
    return {name: getattr(source, name) for name in fields if getattr(source, name) is not None}


@anyio
@pytest.mark.parametrize("kind", DECLARED)
async def test_the_header_fills_in_what_the_caller_left_out(kind: str, tmp_path: Path) -> None:
    """Only what the header says and the service's table knows."""
    data, fields = DECLARED[kind]
    (tmp_path / "a").write_bytes(data)
    for source in (AudioBytes(data=data), AudioFile(path=tmp_path / "a")):
        assert declared((await open_audio(source, Flash())).source) == fields


@anyio
async def test_the_callers_word_is_last() -> None:
    """What the caller said is declared as it was said."""
    source = AudioBytes(data=DECLARED["wav"][0], rate=44100, channel=1, language="en-US")
    fields = {"format": "wav", "rate": 44100, "bits": 16, "channel": 1, "language": "en-US"}
    assert declared((await open_audio(source, Flash())).source) == fields


@anyio
async def test_long_opus_is_refused_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The length of OGG is known without it."""
    monkeypatch.setitem(sys.modules, "tinytag", None)
    with pytest.raises(InputError, match=r"2\.50 h"):
        await open_audio(AudioBytes(data=opus(9000)), Flash())
    assert (await open_audio(AudioBytes(data=mp3()), Flash())).source.format == "mp3"


@anyio
@given(rest=st.binary(max_size=300), mark=st.sampled_from(MARKS))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_hostile_bytes_before_an_upload(mark: bytes, rest: bytes) -> None:
    """They are refused for their container or taken, never a crash."""
    try:
        upload = await open_audio(AudioBytes(data=mark + rest + b"\0"), Flash())
    except InputError:
        return
    assert upload.size == len(mark + rest) + 1
