"""What is checked of local audio before it is sent, and that `probe` says the same."""

import io
import logging
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from io_kit import client
from test_probe import REAL, adts, amr, chunk, flac, id3, m4a, mp3, opus, page, vorbis, wav
from test_signatures import AUDIO, FILES, PAGES, TEXTS

from volcasr_async import AudioBytes, AudioFile, Failed, Flash, InputError, Standard
from volcasr_async._audio import open_audio
from volcasr_async.editions import Edition
from volcasr_async.probe import probe, verdicts
from volcasr_async.probe.admission import admit
from volcasr_async.probe.atoms import read_atoms
from volcasr_async.probe.mpeg import read_mpeg
from volcasr_async.probe.signatures import SIGNATURE_BYTES
from volcasr_async.probe.window import Window
from volcasr_async.testing import Simulator, make_wav

pytestmark = pytest.mark.anyio
LOCAL: list[Edition] = [Flash(), Standard(inline_audio=True)]


def refusal(data: bytes, name: str = "bytes", edition: Edition = LOCAL[1], **said: Any) -> str:
    """Return the message of the refusal; empty where the recording would be sent."""
    source = AudioBytes(data, name, **said)
    try:
        admit(Window(io.BytesIO(data)), source, edition)
    except InputError as error:
        return str(error)
    return ""


# ---- what is not audio ----


async def test_an_error_page_is_not_sent(tmp_path: Path) -> None:
    """Neither as a file, nor as bytes, nor with a declared format; the message says what the page says."""
    page_, _, _ = PAGES["a page behind blanks"]
    path = tmp_path / "talk.mp3"
    path.write_bytes(page_)
    simulator = Simulator()
    async with client(simulator) as asr:
        for source in (path, page_, AudioFile(path, format="mp3"), AudioBytes(page_, format="wav")):
            with pytest.raises(
                InputError, match=r"is not audio but an HTML page: 404 Not Found\. Look at where it was"
            ):
                await asr.transcribe(source)
    assert not simulator.requests


async def test_a_batch_leaves_out_what_is_not_audio(tmp_path: Path) -> None:
    """A page, an image and a SILK message fail with a reason, the recording is transcribed."""
    for name, data in (
        ("a.wav", make_wav(1.0)),
        ("b.mp3", PAGES["nginx"][0]),
        ("c.wav", FILES["a JPEG image"]),
        ("d.amr", FILES["a SILK voice message of WeChat"]),
        ("._a.wav", FILES["an AppleDouble file of macOS"]),
    ):
        (tmp_path / name).write_bytes(data)
    simulator = Simulator()
    async with client(simulator) as asr, asr.batch(sorted(tmp_path.iterdir())) as batch:
        outcomes = [outcome async for outcome in batch]
    errors = sorted(str(outcome.error) for outcome in outcomes if isinstance(outcome, Failed))
    assert len(simulator.charges) == 1
    assert [error.partition(" but ")[2].partition(". ")[0] for error in errors] == [
        "an AppleDouble file of macOS",
        "an HTML page: 502 Bad Gateway",
        "a JPEG image",
        "a SILK voice message of WeChat",
    ]


@pytest.mark.parametrize("name", FILES)
def test_each_known_file_is_refused_under_any_name(name: str) -> None:
    """The name and the declared format of a recording do not help."""
    words: list[dict[str, Any]] = [{}, {"format": "mp3"}, {"format": "wav"}]
    for said in words:
        assert f"is not audio but {name}" in refusal(FILES[name], "talk.mp3", **said)


@pytest.mark.parametrize(
    ("data", "cure"),
    [
        (FILES["a ZIP archive"], "Unpack it"),
        (FILES["an AVI video"], "ffmpeg -i FILE -vn"),
        (FILES["a SILK voice message"], "Decode it to WAV"),
        (FILES["a run of zero bytes"], "again; for raw samples declare format="),
        (FILES["an M3U playlist"], "Pass the recordings that it lists"),
        (PAGES["base64"][0], "base64.b64decode(data)"),
        (PAGES["a data URI"][0], 'base64.b64decode(uri.partition(",")[2])'),
        (PAGES["a Git LFS pointer"][0], "git lfs pull"),
        (PAGES["an error of TOS"][0], "downloaded from"),
        (TEXTS["a list of links"], "a list of recordings goes to a batch"),
    ],
)
def test_the_refusal_says_what_to_do(data: bytes, cure: str) -> None:
    """Each kind has its own way out."""
    assert cure in refusal(data)


@given(
    st.binary(min_size=1, max_size=300)
    | st.text(min_size=1, max_size=99).map(str.encode)
    | st.sampled_from([*FILES.values()])
)
@settings(max_examples=300)
def test_declared_samples_are_never_refused(data: bytes) -> None:
    """Raw samples may begin with any bytes: the caller's word is last."""
    for said in (
        {"format": "pcm"},
        {"format": "raw"},
        {"format": "pcm", "rate": 8000},
        {"codec": "raw", "format": "pcm"},
    ):
        assert refusal(data, "a.txt", Flash(), **said) == ""


@pytest.mark.parametrize(
    "head", [bytes(4096), b"    ", b"\xff\xfb\x90\x64", b"\x0b\x77\1\2\x10\x40", b"\xff\xf1\x50\x80", b"BM"]
)
def test_samples_named_as_such_may_begin_with_silence_or_by_chance(head: bytes) -> None:
    """`.pcm` and `.raw` say it as well."""
    data = head + bytes(i * 7 % 251 for i in range(5000)) if head != b"    " else head
    for name in ("a.pcm", "a.raw"):
        assert refusal(data, name, Flash()) == ""
        assert probe(AudioBytes(data, name)).container == name[2:]


def test_a_page_named_like_samples_is_refused() -> None:
    """A whole page does not come by chance."""
    assert "an HTML page: 404 Not Found" in refusal(PAGES["a page"][0] * 2, "a.pcm")


def test_a_recording_that_begins_with_zeros_is_not_refused() -> None:
    """Only zeros all over are no recording."""
    assert refusal(bytes(100_000) + mp3(), "a.mp3") == ""
    assert "a run of zero bytes" in refusal(bytes(100_000), "a.mp3")


# ---- unknown bytes ----


async def test_one_warning_for_unknown_bytes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files and bytes; none where the format is declared."""
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    simulator = Simulator()
    async with client(simulator) as asr:
        for source in (tmp_path / "a.bin", bytes(range(256))):
            caplog.clear()
            with pytest.raises(Exception, match="45000151"):
                await asr.transcribe(source)
            [record] = [record for record in caplog.records if record.name == "volcasr_async.audio"]
            assert record.levelno == logging.WARNING
            assert "of no known audio: it is sent without a format" in record.getMessage()
        caplog.clear()
        await asr.transcribe(AudioBytes(bytes(range(256)), format="pcm"))
        assert not [record for record in caplog.records if record.name == "volcasr_async.audio"]


# ---- damage ----


def chunked(
    tag: int,
    data: bytes,
    *,
    block: int,
    rate: int = 8000,
    channels: int = 1,
    bits: int = 4,
    more: bytes = b"",
    fact: int | None = None,
) -> bytes:
    """Make a WAV with compressed audio."""
    form = struct.pack("<HHIIHH", tag, channels, rate, rate // 2, block, bits) + struct.pack("<H", len(more)) + more
    body = chunk(b"fmt ", form)
    if fact is not None:
        body += chunk(b"fact", struct.pack("<I", fact))
    body += chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def nested(inside: bytes) -> bytes:
    return wav(inside)


DAMAGED = {
    "a wav cut off after a quarter": (make_wav(10)[:80_000], "a.wav", "it is cut off: 240044 of 320000 bytes"),
    "a wav without its last tenth": (make_wav(10)[:-32_000], "a.wav", "it is cut off: 32000 of 320000 bytes"),
    "a wav that ends with its header": (make_wav(10)[:44], "a.wav", "it has a header (wav) and no audio"),
    "a wav of no samples": (wav(b""), "a.wav", "it has a header (wav) and no audio"),
    "a wav of no samples with a comment": (wav(b"", after=chunk(b"LIST", b"INFO")), "a.wav", "it has a header (wav) and no audio"),
    "a wav from a pipe that broke": (wav(b"", promised=0xFFFFFFFF), "a.wav", "it has a header (wav) and no audio"),
    "a wav without a data chunk": (wav()[:36], "a.wav", "its wav header cannot be read"),
    "samples that are called wav": (bytes(range(1, 255)) * 20, "a.wav", "its wav header cannot be read"),
    "mp3 in a wav": (chunked(0x55, mp3(), block=1, bits=0), "a.wav", "it is MP3 inside a WAV"),
    "mp3 in a wav that says pcm": (nested(mp3(30)), "a.wav", "it is MP3 inside a WAV"),
    "tagged mp3 in a wav that says pcm": (nested(id3(30) + mp3(30)), "a.wav", "it is MP3 inside a WAV"),
    "ogg in a wav": (nested(opus()), "a.wav", "it is OGG inside a WAV"),
    "an mp3 cut off": (mp3(60, counted=200), "a.mp3", "it is cut off: "),
    "an mp3 that is only a tag": (id3(500), "a.mp3", "it has an ID3 tag and no audio"),
    "an mp3 that is only a part of its tag": (id3(5000)[:900], "a.mp3", "it has an ID3 tag and no audio"),
    "a tag and no frames": (id3(500) + bytes(range(1, 250)) * 9, "a.mp3", "its mp3 header cannot be read"),
    "an m4a without its index": (m4a()[:60], "a.m4a", "it has no index (moov)"),
    "an m4a cut off": (m4a()[:-1000], "a.m4a", "it is cut off: at least 1000 bytes"),
    "an amr of no frames": (b"#!AMR\n", "a.amr", "its amr header cannot be read"),
    "an ogg of headers": (page(b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 1, 44100, 0, 64000, 0, 0xB8, 1), flags=2), "a.ogg", "it has a header (ogg) and no audio"),
    "an ogg that is none": (b"OggX" + bytes(range(250)), "a.ogg", "its ogg header cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_refused_unless_the_format_is_declared(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The message says what is missing, and how to send it as it is; then it is sent with a warning."""
    data, name, why = DAMAGED[kind]
    container = name[2:]
    message = refusal(data, name)
    assert f"is not sent: {why}" in message
    assert f'or declare format="{container}" to send it as it is' in message
    caplog.clear()
    assert refusal(data, name, format=container) == ""
    [record] = caplog.records
    assert why in record.getMessage()
    assert verdicts(probe(AudioBytes(data, name)))["standard"].fits is False
    assert verdicts(probe(AudioBytes(data, name, format=container)))["standard"].warnings


WHOLE = {
    "a wav from a pipe": wav(promised=0xFFFFFFFF),
    "a wav from sox into a pipe": wav(promised=0x7FFFF000),
    "a wav whose writer left zeros": wav(promised=0),
    "a wav with a comment behind": wav(after=chunk(b"LIST", b"INFO")),
    "a wav that lost its last bytes": make_wav(10)[:-100],
    "a wav of A-law": wav(bytes(8000), tag=6, rate=8000, bits=8),
    "a wav in 8 bits": wav(b"\x80" * 8000, bits=8),
    "samples that begin like a frame": wav(b"\xff\xfb\x90\x64" + bytes(i % 199 for i in range(9000))),
    "an mp3 without a count": mp3(50),
    "an mp3 cut within a frame": mp3(50)[:-100],
    "an mp3 with a count": mp3(counted=100),
    "an mp3 behind 30 kB of zeros": id3(10) + bytes(30_000) + mp3(),
    "an mp3 with a large picture": id3(6_000_000) + mp3(),
    "an mp3 of one frame": mp3(1),
    "an ogg without a mark of its end": opus(end=0),
    "an ogg of a running stream": opus(began=10**10),
    "amr": amr(),
    "aac": adts(),
    "m4a": m4a(),
    "m4a of a phone": m4a(brand=b"mp42"),
    "3gp of a phone": m4a(brand=b"3gp4"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_no_false_alarm(kind: str) -> None:
    """What pipes, streams and phones write is taken."""
    assert refusal(WHOLE[kind]) == ""


def test_an_ogg_that_ends_within_a_page_is_sent_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody knows how much is missing; a recorder that was switched off leaves the same."""
    assert refusal(opus()[:-100]) == ""
    assert "cut off within a page" in caplog.text


async def test_an_m4a_of_a_phone_is_declared_as_m4a(tmp_path: Path) -> None:
    """Android writes the mark of MP4; the service lists m4a."""
    (tmp_path / "a.m4a").write_bytes(m4a(brand=b"mp42"))
    for source in (AudioFile(tmp_path / "a.m4a"), AudioBytes(m4a(brand=b"isom"))):
        upload = await open_audio(source, Standard(inline_audio=True))
        assert upload.source.format == "m4a"


# ---- compressed audio in WAV ----

IMA, MS, GSM = 0x11, 0x02, 0x31
# Tag, channels, bytes of a block and samples per channel in it, as the definitions of the formats say.
BLOCKS = [(IMA, 1, 256, 505), (IMA, 1, 1024, 2041), (IMA, 2, 512, 505), (IMA, 2, 2048, 2041)]
BLOCKS += [(MS, 1, 256, 500), (MS, 1, 1024, 2036), (MS, 2, 512, 500), (MS, 2, 2048, 2036), (GSM, 1, 65, 320)]


@pytest.mark.parametrize(("tag", "channels", "block", "samples"), BLOCKS)
@given(count=st.integers(1, 40), said=st.booleans(), lost=st.none() | st.integers(0, 319))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_length_follows_from_blocks(
    tag: int, channels: int, block: int, samples: int, count: int, said: bool, lost: int | None
) -> None:
    """Whole blocks count, with or without the header's number of samples; the fact chunk says where the last one ends."""
    fact = None if lost is None else count * samples - lost
    more = struct.pack("<H", samples) if said else b""
    data = chunked(
        tag, bytes(block * count), block=block, channels=channels, bits=0 if tag == GSM else 4, more=more, fact=fact
    )
    assert probe(data).duration_s == (fact or count * samples) / 8000


def test_a_fact_chunk_that_cannot_be_true_is_ignored() -> None:
    """A pipe leaves 0 or the largest number there."""
    for fact in (0, 0xFFFFFFFF, 7):
        assert probe(chunked(IMA, bytes(2560), block=256, fact=fact)).duration_s == 5050 / 8000


def test_a_last_block_that_is_shorter() -> None:
    """It holds as many samples as fit."""
    assert probe(chunked(IMA, bytes(256 + 100), block=256)).duration_s == (505 + 193) / 8000
    assert probe(chunked(MS, bytes(256 + 100), block=256)).duration_s == (500 + 188) / 8000


def test_telephone_codes_have_a_byte_per_sample() -> None:
    """A-law and u-law, also with a fact chunk."""
    for tag in (6, 7):
        assert probe(chunked(tag, bytes(8000), block=1, bits=8, fact=8000)).duration_s == 1.0


@pytest.mark.skipif(shutil.which("sox") is None, reason="sox is not installed")
@pytest.mark.parametrize("code", ["ima-adpcm", "ms-adpcm", "gsm-full-rate", "a-law", "u-law"])
def test_the_length_of_what_sox_wrote(code: str, tmp_path: Path) -> None:
    """The sample count is that of the original."""
    (tmp_path / "a.wav").write_bytes(make_wav(3.21, rate=8000))
    subprocess.run(["sox", "a.wav", "-e", code, "b.wav"], cwd=tmp_path, check=True)
    assert probe(tmp_path / "b.wav").duration_s == pytest.approx(3.21, abs=0.0002 if code != "gsm-full-rate" else 0.04)


# ---- probe and transcribe agree ----

MEDIA: dict[str, bytes] = {
    **{f"real {name}": data[0] for name, data in REAL.items()},
    **{f"damaged {name}": data[0] for name, data in DAMAGED.items()},
    **{f"whole {name}": data for name, data in WHOLE.items()},
    **{f"text {name}": data for name, data in TEXTS.items()},
    **{f"page {name}": data[0] for name, data in PAGES.items()},
    **{f"file {name}": data for name, data in FILES.items()},
    **{f"audio {name}": data for name, data in AUDIO.items() if data},
    "flac": flac(),
    "vorbis": vorbis(),
    "unknown": bytes(range(256)),
}
NAMES = ["bytes", "a.wav", "a.mp3", "a.m4a", "a.mp4", "a.amr", "a.pcm", "a.txt", "a.ogg", "a.flac"]
SAID: list[dict[str, Any]] = [
    {},
    {"format": "wav"},
    {"format": "mp3"},
    {"format": "pcm"},
    {"rate": 8000},
    {"codec": "opus", "format": "ogg"},
]


@pytest.mark.parametrize("kind", MEDIA)
def test_probe_and_transcribe_agree(kind: str) -> None:
    """A recording fits an edition, by `probe`, if and only if it is sent to it."""
    data = MEDIA[kind]
    for name in NAMES:
        for said in SAID:
            found = verdicts(probe(AudioBytes(data, name, **said)))
            for edition in LOCAL:
                message = refusal(data, name, edition, **said)
                assert found[edition.name].fits == (not message), (name, said, edition.name, message)


@given(data=st.sampled_from([*MEDIA.values()]), changes=st.data())
@settings(max_examples=300)
def test_they_agree_on_damaged_bytes(data: bytes, changes: st.DataObject) -> None:
    """Wherever bytes are changed or cut off."""
    damaged = bytearray(data[: changes.draw(st.integers(1, len(data)))])
    spots = st.tuples(st.integers(0, min(len(damaged), 400) - 1), st.integers(0, 255))
    for at, value in changes.draw(st.lists(spots, max_size=6)):
        damaged[at] = value
    found = verdicts(probe(bytes(damaged)))
    for edition in LOCAL:
        assert found[edition.name].fits == (not refusal(bytes(damaged), edition=edition))


# ---- the first bytes of a stream ----


@pytest.mark.parametrize("kind", [kind for kind in MEDIA if kind.startswith(("real", "whole")) and kind != "real flac"])
def test_the_head_of_a_stream_is_enough_for_a_sound_recording(kind: str) -> None:
    """Nothing is taken for damage because it lies behind the head."""
    data = MEDIA[kind]
    admitted = admit(Window.of_head(data[:SIGNATURE_BYTES], len(data)), AudioBytes(data), LOCAL[1])
    assert admitted.format is not None


@pytest.mark.parametrize("kind", [kind for kind in MEDIA if kind.startswith(("page", "file"))])
def test_the_head_of_a_stream_shows_what_is_not_audio(kind: str) -> None:
    """As for the whole."""
    data = MEDIA[kind]
    with pytest.raises(InputError, match="is not audio but"):
        admit(Window.of_head(data[:SIGNATURE_BYTES], len(data)), AudioBytes(data), Flash())


def test_the_head_of_a_stream_shows_a_wav_that_will_be_cut_off() -> None:
    """The size that was promised is compared with that of the header."""
    data = make_wav(10)
    with pytest.raises(InputError, match="it is cut off: 240000 of 320000"):
        admit(Window.of_head(data[:SIGNATURE_BYTES], 80_044), AudioBytes(data), Flash())


def test_a_wav_that_cannot_hold_a_sample_is_damaged() -> None:
    """A header without a block size, and no bytes behind it: it was a ValueError."""
    fmt = (16).to_bytes(4, "little") + bytes([1, 0, 1, 0]) + (16000).to_bytes(4, "little") * 2 + bytes(4)
    data = b"RIFF" + (1036).to_bytes(4, "little") + b"WAVEfmt " + fmt + b"data" + (1000).to_bytes(4, "little")
    assert probe(AudioBytes(data=data)).damage is not None


def test_an_mp4_with_a_tag_behind_it_or_an_atom_without_length_is_whole() -> None:
    """Tags of other formats are no atoms; a length of zero goes on to the end."""

    def atom(name: bytes, body: bytes, *, size: int | None = None) -> bytes:
        return (len(body) + 8 if size is None else size).to_bytes(4, "big") + name + body

    start = atom(b"ftyp", b"M4A \0\0\0\0") + atom(b"mdat", bytes(900))
    for data in (start + atom(b"moov", bytes(90)) + b"TAG" + bytes(125), start + atom(b"moov", bytes(90), size=0)):
        atoms = read_atoms(Window(io.BytesIO(data)))
        assert (atoms.has_index, atoms.missing) == (True, 0)
    assert read_atoms(Window(io.BytesIO(start[:-100]))).missing == 100


def test_aac_of_a_broadcast_is_no_damage() -> None:
    """It begins within a frame, or is in LOAS, and only its name tells what it is."""
    frame = bytes.fromhex("fff15080057ffc") + bytes(36)
    for data in (bytes(range(1, 41)) + frame * 100, b"\x56\xe0\x20" + bytes(range(200)) * 9):
        assert probe(AudioBytes(data=data, name="radio.aac")).damage is None


def test_an_mp3_behind_two_tags_has_frames() -> None:
    """An editor wrote a tag with a picture of half a megabyte in front of the one that was there."""
    picture = b"ID3\x03\x00\x00" + bytes([0, 32, 0, 0]) + bytes(32 << 14)
    small = b"ID3\x03\x00\x00" + bytes([0, 0, 1, 0]) + bytes(128)
    frame = b"\xff\xfb\x90\xc4" + bytes(413)
    found = read_mpeg(Window(io.BytesIO(picture + small + frame * 9)))
    assert found is not None
    assert found.begin == len(picture) + len(small)
