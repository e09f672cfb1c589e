"""How long audio plays, by its own bytes."""

import struct

import pytest

from volcasr_async.testing import make_wav
from volcasr_async.testing.audio import Label, container, measure
from volcasr_async.testing.scanner import Clip


def ogg_opus(seconds: float) -> bytes:
    def page(granule: int, payload: bytes) -> bytes:
        return b"OggS\0\0" + struct.pack("<qIII", granule, 1, 0, 0) + bytes([1, len(payload)]) + payload

    head = b"OpusHead\x01\x01" + struct.pack("<HIHB", 312, 16000, 0, 0)
    return page(0, head) + page(0, b"OpusTags") + page(312 + round(seconds * 48000), b"x" * 200)


def mp3(frames: int, *, tag: bytes = b"") -> bytes:
    """Version 1 layer III at 128 kbit/s and 44.1 kHz: 417 bytes and 1152 samples a frame."""
    return tag + (b"\xff\xfb\x90\x00" + b"\0" * 413) * frames


def ms(data: bytes, **label: object) -> int | None:
    return measure(Clip.of(data), Label(**label))  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0.0, 0.02, 2.5, 61.0])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_wav_is_exact(seconds: float, rate: int) -> None:
    """A WAV header tells the length to the sample."""
    assert ms(make_wav(seconds, rate=rate)) == round(1000 * seconds)
    assert ms(make_wav(seconds, rate=rate, channels=2), format="wav") == round(1000 * seconds)


def test_wav_written_to_a_pipe_has_the_length_that_is_there() -> None:
    """Writers that cannot seek back put 0 or -1 as the size of the data."""
    wav = make_wav(3)
    for size in (0, 0xFFFFFFFF):
        assert ms(wav[:40] + struct.pack("<I", size) + wav[44:]) == 3000


def test_a_cut_wav_has_the_length_that_is_there() -> None:
    """A header that promises more than came does not count."""
    assert ms(make_wav(4)[: 44 + 32000]) == 1000


def test_raw_audio_is_counted_by_its_label() -> None:
    """PCM has no header: rate, bits and channels of the label count."""
    assert ms(bytes(32000), format="pcm") == 1000
    assert ms(bytes(32000), format="raw", rate=8000, channel=2) == 1000


def test_mp3_of_constant_rate() -> None:
    """The first frame's bit rate and the size give the length, also behind an ID3 tag."""
    expected = round(1000 * 417 * 100 / 16000)
    tag = b"ID3\x03\0\0\0\0\x01\x00" + bytes(128)
    assert ms(mp3(100)) == expected
    assert ms(mp3(100, tag=tag), format="mp3") == expected


def test_mp3_with_a_frame_count() -> None:
    """A Xing header counts the frames, whatever the bit rate of the first one."""
    first = b"\xff\xfb\x90\x00" + bytes(32) + b"Xing\0\0\0\x01" + struct.pack(">I", 1000) + bytes(369)
    assert ms(first + mp3(3)) == round(1000 * 1000 * 1152 / 44100)


def test_ogg_opus_by_its_last_page() -> None:
    """The last granule position less the pre-skip, at 48 kHz."""
    assert ms(ogg_opus(7.25)) == 7250
    assert ms(ogg_opus(7.25), format="ogg") == 7250


def test_other_codecs_in_ogg() -> None:
    """Vorbis and Speex tell their sampling rate; an Ogg stream of something else has no length."""
    page = b"OggS\0\0" + struct.pack("<q", 80_000) + bytes(13)
    assert ms(b"OggS" + bytes(24) + b"\x01vorbis" + bytes(5) + struct.pack("<I", 40_000) + page) == 2000
    assert ms(b"OggS" + bytes(24) + b"Speex   " + bytes(28) + struct.pack("<I", 16_000) + page, format="spx") == 5000
    assert ms(b"OggS" + bytes(24) + b"Theora" + page) is None


def test_mp3_behind_a_large_picture() -> None:
    """A tag longer than what is kept: some usual bit rate; a tag and nothing else: no length."""
    tag = b"ID3\x03\0\0" + bytes([0, 8, 0, 0]) + bytes(8 << 14)
    assert ms(mp3(100, tag=tag)) == round(417 * 100 / 16)
    assert ms(tag) is None
    assert ms(b"ID3\x03\0\0\0\0\0\0" + bytes(500)) is None


@pytest.mark.parametrize("head", [b"\xff\xeb\x90\0", b"\xff\xfb\xf0\0", b"\xff\xfb\x00\0", b"\xff\xfb\x9c\0"])
def test_reserved_values_in_a_frame_header(head: bytes) -> None:
    """A reserved version, bit rate or sampling rate is no MP3."""
    assert container(head + bytes(100)) is None


def test_mp3_of_version_2_with_a_vbri_count() -> None:
    """16 kHz speech files have 576 samples a frame; VBRI counts them elsewhere than Xing."""
    frame = b"\xff\xf3\x48\x00" + bytes(32) + b"VBRI" + bytes(10) + struct.pack(">I", 500) + bytes(100)
    assert ms(frame) == round(1000 * 500 * 576 / 16000)


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"\0\0\0\x20ftypM4A ", "m4a"), (b"#!AMR\n", "amr"), (b"\xff\xf1\x50\x80", "aac"), (b"fLaC", None), (b"", None)],
)
def test_containers_are_told_by_their_first_bytes(head: bytes, name: str | None) -> None:
    """Containers that are only recognised get some length; foreign ones none."""
    assert container(head) == name
    assert (ms(head + bytes(5000)) is None) == (name is None)


def test_a_wrong_label_is_a_wrong_format() -> None:
    """The most frequent cause of 45000151 in the field: the label contradicts the bytes."""
    assert ms(make_wav(1), format="mp3") is None
    assert ms(mp3(10), format="wav") is None
    assert ms(b"hello", format="wav") is None
    assert ms(make_wav(1), format="WAV") == 1000


@pytest.mark.parametrize(
    "data", [b"RIFF\0\0\0\0WAVE", b"OggS", b"OggS" + bytes(30), b"ID3\x03\0\0\0\0\x01\x00", b"RIFF\0\0\0\0WAVEfmt "]
)
def test_broken_containers_have_no_length(data: bytes) -> None:
    """A container that breaks off is a wrong format, not a crash."""
    assert ms(data) is None


def test_a_tag_may_stand_before_aac() -> None:
    """Internet radios put ID3 before AAC; it is no MP3 for that."""
    tag, adts = b"ID3\x04\0\0\0\0\0\x05hello", b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(80)
    assert container(tag + adts) == "aac"
    assert container(tag + mp3(2)) == container(tag) == container(tag[:7]) == "mp3"
    assert ms(tag + adts * 100, format="aac") is not None


@pytest.mark.parametrize("mark", [b"RF64", b"BW64"])
def test_wav_of_64_bits_is_wav(mark: bytes) -> None:
    """The length in the header is -1 in 32 bits; the data are all that is there."""
    wav = make_wav(2)
    data = mark + b"\xff" * 4 + b"WAVEds64" + struct.pack("<I", 28) + bytes(28) + wav[12:40] + b"\xff" * 4 + wav[44:]
    assert ms(data, format="wav") == 2000


def test_flac_in_ogg_counts_by_its_own_rate() -> None:
    """The mapping of FLAC into Ogg keeps STREAMINFO in the first packet."""
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + (22050 << 12 | 15 << 4).to_bytes(4) + bytes(20)
    first = b"\x7fFLAC\x01\x00\x00\x01fLaC\x00\x00\x00\x22" + info
    pages = [(0, first), (2 * 22050, bytes(200))]
    data = b"".join(
        b"OggS\0\0" + struct.pack("<qIII", at, 1, 0, 0) + bytes([1, len(packet)]) + packet for at, packet in pages
    )
    assert ms(data, format="ogg") == 2000
