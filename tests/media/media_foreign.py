"""Files that are no recording, or a damaged one: none is sent. Made by real programs, but for marks that no free program writes."""

import base64
import gzip
import os
import pickle
import py_compile
import sqlite3
import sys
import tarfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio
import httpx
from media_kit import Maker, Studio

from volcasr_async import ApiKey, VolcASR
from volcasr_async.testing import Simulator, make_wav

T = TypeVar("T")


class Foreign(NamedTuple):
    """A file that is not sent. Each message about it holds *words*, in small or capital letters.

    *seen* is False where the first bytes of a stream do not tell: the fault is at the end.
    """

    name: str
    words: str
    maker: Maker
    seen: bool = True


def _bytes(data: bytes) -> Maker:
    def write(studio: Studio, target: Path) -> None:
        target.write_bytes(data)

    return write


def _in_a_thread(ask: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine on a loop of its own, for the test has one that runs already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, ask).result()


# ---- by Python's own libraries ----


def _zip(studio: Studio, target: Path, *members: str) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name in members or ("talk.wav",):
            file.writestr(name, make_wav(0.5))


def _tar(studio: Studio, target: Path, *, mode: str = "w") -> None:
    with tarfile.open(target, mode) as file:  # type: ignore[call-overload]
        file.add(studio.input("speech"), "talk.wav")


def _sqlite(studio: Studio, target: Path) -> None:
    with sqlite3.connect(target) as database:
        database.execute("create table talks(name text)")
    database.close()


def _journal(studio: Studio, target: Path) -> None:
    """Write what lies beside the recordings after a batch."""

    async def batch() -> None:
        async with (
            VolcASR(ApiKey("any-key"), http=Simulator().transport(), base_url="https://simulator") as asr,
            asr.batch([make_wav(1)], journal=target) as outcomes,
        ):
            async for _ in outcomes:
                pass

    _in_a_thread(batch)


def _pyc(studio: Studio, target: Path) -> None:
    py_compile.compile(__file__, str(target), doraise=True)


def _not_found(studio: Studio, target: Path) -> None:
    """Fetch what is not there from a real web server, and keep its page under the recording's name."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(target.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/talk.mp3")
        except urllib.error.HTTPError as error:
            target.write_bytes(error.read())
        finally:
            server.shutdown()


def _refusal(studio: Studio, target: Path) -> None:
    """Keep what the service answers to a bad request."""

    async def ask() -> bytes:
        async with httpx.AsyncClient(transport=Simulator().transport(), base_url="https://simulator") as http:
            return (await http.post("/api/v3/auc/bigmodel/recognize/flash", json={})).content

    target.write_bytes(_in_a_thread(ask))


def _program(studio: Studio, target: Path) -> None:
    with Path(sys.executable).resolve().open("rb") as file:
        target.write_bytes(file.read(100_000))


# ---- recordings, damaged ----


def _cut(name: str, share: float, maker: Maker) -> Maker:
    def write(studio: Studio, target: Path) -> None:
        data = studio.made(f"whole-{name}", maker).read_bytes()
        target.write_bytes(data[: round(len(data) * share)])

    return write


def _speech(change: Callable[[bytes], bytes]) -> Maker:
    def write(studio: Studio, target: Path) -> None:
        target.write_bytes(change(studio.input("speech").read_bytes()))

    return write


_NGINX = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n"
)
_TOS = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired.</Message>'
    b"<RequestId>636a-0b</RequestId></Error>"
)
_PDF = (
    b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\n"
    b"endobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n"
)
_CHINESE = "会议记录：今天上午九点，我们讨论了下一季度的计划，并决定了负责人。\n" * 4
_COLOURS = "ffmpeg -f lavfi -i testsrc=s=64x64:d=1:r=10 -i {speech} -shortest "

IMAGES = [
    Foreign("photo.jpg", "JPEG image", "ffmpeg -f lavfi -i testsrc=s=64x64 -frames:v 1 {out}"),
    Foreign("cover.png", "PNG image", "ffmpeg -f lavfi -i testsrc=s=64x64 -frames:v 1 {out}"),
    Foreign("wave.gif", "GIF image", "ffmpeg -f lavfi -i testsrc=s=64x64:d=1:r=5 {out}"),
    Foreign("sticker.webp", "WebP image", "ffmpeg -f lavfi -i testsrc=s=64x64 -frames:v 1 {out}"),
    Foreign("scan.tiff", "TIFF image", "ffmpeg -f lavfi -i testsrc=s=64x64 -frames:v 1 {out}"),
    Foreign("paint.bmp", "BMP image", "ffmpeg -f lavfi -i testsrc=s=64x64 -frames:v 1 {out}"),
    Foreign("picture-named.mp3", "JPEG image", "ffmpeg -f lavfi -i testsrc=s=64x64 -frames:v 1 -f mjpeg {out}"),
    Foreign("spectrum.wav", "PNG image", "sox {speech} -n spectrogram -o {out}"),
]  # fmt: skip
ARCHIVES = [
    Foreign("talks.zip", "ZIP archive", _zip),
    Foreign("minutes.docx", "Word document", lambda s, t: _zip(s, t, "[Content_Types].xml", "word/document.xml")),
    Foreign("table.xlsx", "Excel workbook", lambda s, t: _zip(s, t, "[Content_Types].xml", "xl/workbook.xml")),
    Foreign("talks.tar", "tar archive", _tar),
    Foreign("talks.tar.gz", "gzip archive", lambda s, t: _tar(s, t, mode="w:gz")),
    Foreign("talks.tar.bz2", "bzip2 archive", lambda s, t: _tar(s, t, mode="w:bz2")),
    Foreign("talks.tar.xz", "xz archive", lambda s, t: _tar(s, t, mode="w:xz")),
    Foreign("talk.wav.gz", "gzip archive", _speech(gzip.compress)),
    Foreign("talks.7z", "7z archive", _bytes(b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(range(256)) * 4)),
]  # fmt: skip
FILES = [
    Foreign("minutes.pdf", "PDF document", _bytes(_PDF)),
    Foreign("talks.db", "SQLite database", _sqlite),
    Foreign("batch.journal", "SQLite database", _journal),
    Foreign("python3", "program", _program),
    Foreign("module.pyc", "Python", _pyc),
    Foreign("table.pickle", "pickle", _bytes(pickle.dumps({"talk.wav": list(range(1000))}))),
    Foreign(".DS_Store", ".DS_Store", _bytes(b"\x00\x00\x00\x01Bud1\x00\x00\x10\x00\x00\x00\x08\x00" + bytes(4080))),
    Foreign(
        "._talk.wav", "AppleDouble",
        _bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02\x00\x00\x00\x09\x00\x00\x00\x32" + bytes(4000)),
    ),
    Foreign("zeros.mp3", "zero bytes", _bytes(bytes(40_000))),
    Foreign("zeros.wav", "zero bytes", _bytes(bytes(40_000))),
    Foreign("empty.wav", "empty", _bytes(b"")),
    Foreign("one-byte.mp3", "mp3", _bytes(b"\n")),
]  # fmt: skip
TEXTS = [
    Foreign("missing.mp3", "HTML page", _not_found),
    Foreign("gateway.wav", "HTML page: 502 Bad Gateway", _bytes(_NGINX)),
    Foreign("expired.m4a", "XML text: AccessDenied", _bytes(_TOS)),
    Foreign("refused.mp3", "JSON text", _refusal),
    Foreign("list.txt", "text", _bytes(b"https://example.com/1.mp3\nhttps://example.com/2.mp3\n")),
    Foreign("windows.txt", "text", _bytes(_CHINESE.encode("utf-16"))),
    Foreign("gbk.wav", "text", _bytes(_CHINESE.encode("gbk"))),
    Foreign("utf8.pcm", "text", _bytes(_CHINESE.encode())),
    Foreign("talk.srt", "subtitle", _bytes(b"1\n00:00:00,000 --> 00:00:01,000\nGood morning.\n\n")),
    Foreign("talks.m3u8", "playlist", _COLOURS + "-hls_segment_filename {folder}/%d.ts {out}"),
    Foreign("base64.wav", "base64", _speech(base64.b64encode)),
    Foreign("base64-lines.mp3", "base64", _speech(base64.encodebytes)),
    Foreign("data-uri.wav", "data URI", _speech(lambda wav: b"data:audio/wav;base64," + base64.b64encode(wav))),
]  # fmt: skip
VIDEOS = [
    Foreign("film.avi", "AVI video", _COLOURS + "{out}"),
    Foreign("film.flv", "FLV video", _COLOURS + "-ar 22050 {out}"),
    Foreign("film.ts", "MPEG transport stream", _COLOURS + "{out}"),
    Foreign("film.m2ts", "MPEG transport stream", _COLOURS + "-f mpegts -mpegts_m2ts_mode 1 {out}"),
    Foreign("film.mpg", "MPEG video", "ffmpeg -f lavfi -i testsrc=s=64x64:d=1:r=25 -i {speech} -shortest {out}"),
    Foreign("film.mp3", "MPEG transport stream", _COLOURS + "-f mpegts {out}"),
    Foreign("film.mkv", "not mkv", _COLOURS + "{out}"),
    Foreign("film.wmv", "Windows Media video", _COLOURS + "{out}"),
    Foreign("browser.webm", "not webm", "ffmpeg -i {speech} -c:a libopus {out}"),
    Foreign("browser-live.webm", "not webm", "ffmpeg -i {speech} -c:a libopus -f webm - > {out}"),
]  # fmt: skip
OTHER_AUDIO = [
    Foreign("talk.flac", "not flac", "ffmpeg -i {speech} {out}"),
    Foreign("talk.aiff", "not aiff", "sox {speech} {out}"),
    Foreign("talk.caf", "not caf", "sox {speech} {out}"),
    Foreign("talk.wma", "not wma", "ffmpeg -i {speech} {out}"),
    Foreign("talk.au", "not au", "sox {speech} {out}"),
    Foreign("talk.w64", "not w64", "sox {speech} {out}"),
    Foreign("talk.voc", "not voc", "sox {speech} {out}"),
    Foreign("talk.sph", "not sph", "sox {speech} {out}"),
    Foreign("talk.wv", "not wv", "ffmpeg -i {speech} {out}"),
    Foreign("talk.tta", "not tta", "ffmpeg -i {speech} {out}"),
    Foreign("talk.ac3", "not ac3", "ffmpeg -i {speech} {out}"),
    Foreign("wechat.amr", "SILK", _bytes(b"\x02#!SILK_V3" + os.urandom(4000))),
    Foreign("silk.slk", "SILK", _bytes(b"#!SILK_V3" + os.urandom(4000))),
]  # fmt: skip
DAMAGED = [
    Foreign("cut.wav", "cut off", _cut("a.wav", 0.25, "sox {speech} {out}")),
    Foreign("cut-8-bit.wav", "cut off", _cut("b.wav", 0.5, "sox {narrow} -b 8 {out}")),
    Foreign("cut.m4a", "cut off", _cut("c.m4a", 0.5, "ffmpeg -i {speech} -c:a aac {out}"), seen=False),
    Foreign("cut-index-first.m4a", "cut off", _cut("d.m4a", 0.5, "ffmpeg -i {speech} -c:a aac -movflags +faststart {out}"), seen=False),
    Foreign("cut.mp3", "cut off", _cut("g.mp3", 0.5, "lame --quiet -b 64 {speech} {out}")),
    Foreign("cut-poster.mp3", "no audio", _cut("h.mp3", 0.4, "ffmpeg -i {speech} -i {poster} -map 0 -map 1 -c:v copy {out}")),
    Foreign("header-only.wav", "no audio", _speech(lambda wav: wav[:40] + bytes(4))),
    Foreign("header-of-more.wav", "no audio", _speech(lambda wav: wav[:44])),
    Foreign("mp3-inside.wav", "MP3 inside a WAV", "ffmpeg -i {speech} -c:a libmp3lame {out}"),
    Foreign("header-only.amr", "amr", _bytes(b"#!AMR\n")),
]  # fmt: skip
# What the first bytes leave open, so that it is sent, and one warning says what is odd.
DOUBTFUL = [
    Foreign("cut.opus", "cut off", _cut("e.opus", 0.5, "opusenc --quiet {speech} {out}"), seen=False),
    Foreign("cut-vorbis.ogg", "cut off", _cut("f.ogg", 0.5, "ffmpeg -i {speech} -c:a libvorbis {out}"), seen=False),
    Foreign("mp3-named.wav", "named like wav but holds mp3", "lame --quiet {speech} {out}"),
    Foreign("wav-named.mp3", "named like mp3 but holds wav", "sox {speech} -t wav {out}"),
]  # fmt: skip
FOREIGN = [*IMAGES, *ARCHIVES, *FILES, *TEXTS, *VIDEOS, *OTHER_AUDIO, *DAMAGED]
