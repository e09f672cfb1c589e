"""Files that are not audio are known by their first bytes, and audio is never taken for one of them."""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import sqlite3
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from volcasr_async.probe.signatures import SIGNATURE_BYTES, find_signature
from volcasr_async.testing import make_wav

CHINESE = "会议纪要\n第一，讨论了今年的计划；第二，安排了下一次会议的时间。大家都同意。\n"
TRADITIONAL = "會議紀要\n第一，討論了今年的計畫；第二，安排了下一次會議的時間。大家都同意。\n"
JAPANESE = "会議の記録です。最初に今年の計画について話しました。次の会議は来週です。\n"
FRENCH = "Réunion: le café était fermé, à cause de la grève générale. Voilà.\n"
ENGLISH = "Minutes of the meeting. The plan was discussed, and the next date was set.\n"

TEXTS = {
    "ascii": ENGLISH.encode(),
    "utf-8": CHINESE.encode(),
    "utf-8 with a mark": CHINESE.encode("utf-8-sig"),
    "utf-8 cut in a character": CHINESE.encode()[:-2],
    "utf-16": CHINESE.encode("utf-16"),
    "utf-16, big end first": b"\xfe\xff" + CHINESE.encode("utf-16-be"),
    "utf-16 without a mark": ENGLISH.encode("utf-16-le"),
    "utf-32": CHINESE.encode("utf-32"),
    "utf-32, big end first": b"\0\0\xfe\xff" + CHINESE.encode("utf-32-be"),
    "gbk": CHINESE.encode("gbk"),
    "gbk of one line": "今天的会议改到下午三点".encode("gbk"),
    "big5": TRADITIONAL.encode("big5"),
    "shift-jis": JAPANESE.encode("shift-jis"),
    "latin-1": FRENCH.encode("latin-1"),
    "windows-1252": "He said “no”, and left – that was all of it.".encode("cp1252"),
    "a log in colours": b"\x1b[32mINFO\x1b[0m upload finished\r\n" * 20,
    "a list of links": b"https://example.com/a.mp3\nhttps://example.com/b.mp3\n",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_in_any_encoding(kind: str) -> None:
    """Text is text, with or without a mark of its byte order."""
    found = find_signature(TEXTS[kind])
    assert found is not None
    assert (found.name, found.kind) == ("text", "text")


NOT_FOUND = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"
S3 = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>'
WAV_64 = base64.b64encode(make_wav(0.1))

# What it is, and what the message quotes of it.
PAGES = {
    "a page": (NOT_FOUND.encode(), "an HTML page", "404 Not Found"),
    "a page behind blanks": (b"\r\n\n   <!DOCTYPE html>\n" + NOT_FOUND.encode(), "an HTML page", "404 Not Found"),
    "a page behind a comment": (
        b"\xef\xbb\xbf<!-- a\nb --> <!doctype HTML>" + NOT_FOUND.encode(),
        "an HTML page",
        "404 Not Found",
    ),
    "a page in UTF-16": (NOT_FOUND.encode("utf-16"), "an HTML page", "404 Not Found"),
    "a page in GBK": (
        "<html><title>页面不存在</title>请检查网址是否正确</html>".encode("gbk"),
        "an HTML page",
        "页面不存在",
    ),
    "a page in KOI8-R": (
        b"<html><title>404</title>" + "Страница не найдена".encode("koi8-r"),
        "an HTML page",
        "404",
    ),
    "a page without a title": (
        b"<body><style>p{}</style><p>Access &amp; denied</p>",
        "an HTML page",
        "Access & denied",
    ),
    "nginx": (b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>", "an HTML page", "502 Bad Gateway"),
    "an error of S3": (S3.encode(), "XML text", "NoSuchKey The key does not exist."),
    "an error of OSS": (
        b"<?xml version='1.0'?>\n<Error>\n  <Code>AccessDenied</Code>\n  <Message>Request has expired.</Message>\n</Error>",
        "XML text",
        "AccessDenied Request has expired.",
    ),
    "an error of TOS": (
        b'{"Code":"NoSuchKey","RequestId":"021","HostId":"9f","Message":"The specified key does not exist."}',
        "JSON text",
        "The specified key does not exist.",
    ),
    "an error in JSON": (
        json.dumps({"error": {"code": 403, "message": "no permission"}}).encode(),
        "JSON text",
        "no permission",
    ),
    "an error in a list": (b' [{"errmsg": "\\u6587\\u4ef6\\u4e0d\\u5b58\\u5728"}]', "JSON text", "文件不存在"),
    "JSON without a message": (b'{"token": "abc", "data": []}', "JSON text", None),
    "an error in plain text": (b"404 page not found\n", "text", "404 page not found"),
    "an SVG image": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "an SVG image", None),
    "an SVG image with a declaration": (b'<?xml version="1.0"?><svg width="1"></svg>', "an SVG image", None),
    "base64": (WAV_64, "base64 text of a recording (wav)", None),
    "base64 in lines": (base64.encodebytes(b"ID3\4" + bytes(300)), "base64 text of a recording (mp3)", None),
    "base64 in quotes": (b'"' + base64.b64encode(b"OggS" + bytes(90)) + b'"', "base64 text of a recording (ogg)", None),
    "base64 for URLs": (
        base64.urlsafe_b64encode(b"\xff\xfb\x90\x64" + b"\xff" * 60),
        "base64 text of a recording (mp3)",
        None,
    ),
    "a data URI": (b"data:audio/wav;base64," + WAV_64, "a data URI", None),
    "a data URI with parameters": (b"data:audio/webm;codecs=opus;base64,GkXfow==", "a data URI", None),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12345\n",
        "a Git LFS pointer",
        None,
    ),
    "subtitles": (b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n", "a subtitle file", None),
    "subtitles for the web": (b"\xef\xbb\xbfWEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", "a subtitle file", None),
    "blanks": (b"\n\n  \r\n", "blank text", None),
}


@pytest.mark.parametrize("kind", PAGES)
def test_pages_and_wrapped_audio(kind: str) -> None:
    """The name says which sort of text it is, and what it says is quoted."""
    data, name, detail = PAGES[kind]
    found = find_signature(data)
    assert found is not None
    assert (found.name, found.detail) == (name, detail)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://example.com/a.mp3?X-Tos-Signature=s3cret&x=1\n", "s3cret"),
        ("VOLCASR_API_KEY=0123456789abcdef0123456789abcdef\n", "0123456789abcdef"),
        ('{"access_token": "s3cret"}', "s3cret"),
        ('{"message": "bad key 0123456789abcdef0123456789abcdef"}', "0123456789abcdef"),
        ("<html><title>https://u:s3cret@example.com/?sig=s3cret</title>", "s3cret"),
    ],
)
def test_no_secret_is_quoted(text: str, secret: str) -> None:
    """Queries of URLs and long keys are left out."""
    found = find_signature(text.encode())
    assert found is not None
    assert secret not in str(found)


def test_the_quotation_is_one_short_line() -> None:
    """Nothing in it moves a cursor, and it is cut."""
    found = find_signature(b"line one\r\n\x1b[2Jline two\t" + b"and more of it " * 40)
    assert found is not None
    assert found.detail is not None
    assert found.detail.startswith("line one [2Jline two and more")
    assert len(found.detail) <= 60
    assert found.detail.isprintable()


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else "x" * 50)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.wav"), io.BytesIO())
    return file.getvalue()


def database(path: Path) -> bytes:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    return path.read_bytes()


def packets(size: int, before: int = 0) -> bytes:
    return b"".join(bytes(before) + b"\x47" + bytes(size - 1) for _ in range(6))


FILES = {
    "a JPEG image": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1",
    "a PNG image": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a GIF image": b"GIF89a\1\0\1\0",
    "a WebP image": b"RIFF\x24\0\0\0WEBPVP8 ",
    "a BMP image": b"BM" + struct.pack("<IIII", 1000, 0, 54, 40) + bytes(40),
    "a TIFF image": b"MM\0*\0\0\0\x08",
    "a HEIC image": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "an AVIF image": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
    "an icon": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + struct.pack("<II", 1128, 22) + bytes(40),
    "a Photoshop image": b"8BPS\0\1" + bytes(6),
    "a ZIP archive": zipped("a.wav"),
    "a Word document": zipped("[Content_Types].xml", "word/document.xml"),
    "an Excel workbook": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "a PowerPoint presentation": zipped("[Content_Types].xml", "ppt/presentation.xml"),
    "an EPUB book": zipped("mimetype", "content.opf"),
    "a gzip archive": gzip.compress(b"a" * 100),
    "a bzip2 archive": bz2.compress(b"a" * 100),
    "an xz archive": lzma.compress(b"a" * 100),
    "a Zstandard archive": b"\x28\xb5\x2f\xfd\x04\x58\x21\0",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "a RAR archive": b"Rar!\x1a\x07\1\0",
    "a tar archive": tarred(),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "an RTF document": b"{\\rtf1\\ansi",
    "an Office document in the format of 1997": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16),
    "a program": b"\x7fELF\2\1\1" + bytes(9),
    "a Windows program": b"MZ\x90\0" + bytes(56) + struct.pack("<I", 64) + b"PE\0\0d\x86",
    "a Java class or a program": b"\xca\xfe\xba\xbe\0\0\0\x3d",
    "a WebAssembly module": b"\0asm\1\0\0\0",
    "a script": b"#!/usr/bin/env python3\nprint('x')\n",
    "a Parquet table": b"PAR1\x15\4\x15",
    "an Arrow table": b"ARROW1\0\0\xff\xff\xff\xff",
    "a NumPy array": b"\x93NUMPY\1\0v\0{'descr': '<f4'",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n\0",
    "a Python pickle": pickle.dumps(["a" * 50], protocol=4),
    "an M3U playlist": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\na.ts\n",
    "a PLS playlist": b"[playlist]\nFile1=a.mp3\n",
    "an XSPF or ASX playlist": b'<?xml version="1.0"?>\n<playlist version="1" xmlns="http://xspf.org/ns/0/">',
    "an AVI video": b"RIFF\x24\0\0\0AVI LIST",
    "an FLV video": b"FLV\1\5\0\0\0\x09",
    "an MPEG transport stream (video)": packets(188),
    "an MPEG video": b"\0\0\1\xba\x44\0\4\0",
    "a RealMedia video": b".RMF\0\0\0\x12\0\1",
    "a QuickTime video": b"\0\0\0\x08wide\0\0\1\0mdat",
    "an Ogg video": b"OggS\0\2" + bytes(20) + b"\1\x2a\x80theora\3\2\1",
    "a Windows Media video": bytes.fromhex("3026b2758e66cf11") + bytes(60) + bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b"),
    "a SILK voice message": b"#!SILK_V3\x11\0",
    "a SILK voice message of WeChat": b"\x02#!SILK_V3\x11\0",
    "a run of zero bytes": bytes(4096),
    "an AppleDouble file of macOS": b"\0\5\x16\7\0\2\0\0Mac OS X        ",
    "a .DS_Store file of macOS": b"\0\0\0\1Bud1\0\0\x10\0",
    "a Windows shortcut": b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0",
    "an encrypted NetEase Cloud Music file": b"CTENFDAM\1p",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_known_files(name: str) -> None:
    """Each type has its name."""
    found = find_signature(FILES[name][:SIGNATURE_BYTES])
    assert found is not None
    assert found.name == name


def test_a_database(tmp_path: Path) -> None:
    """A journal of a batch is one."""
    found = find_signature(database(tmp_path / "a.db"))
    assert found is not None
    assert (found.name, found.kind) == ("an SQLite database", "database")


@pytest.mark.parametrize("size", [188, 192, 204])
def test_transport_streams_in_packets_of_any_size(size: int) -> None:
    """Cameras and discs write four bytes before each packet, receivers 16 behind it."""
    found = find_signature(packets(188, 4) if size == 192 else packets(size))
    assert found is not None
    assert found.kind == "video"


AUDIO = {
    "wav": make_wav(0.2),
    "rf64": b"RF64\xff\xff\xff\xffWAVEds64",
    "mp3": b"\xff\xfb\x90\x64" + bytes(400),
    "mp3 with a tag": b"ID3\4\0\0\0\0\0\x0a" + bytes(10),
    "aac": b"\xff\xf1\x60\x40\0\0\0" + bytes(90),
    "ogg": b"OggS\0\2" + bytes(22) + b"OpusHead",
    "amr": b"#!AMR\n\x3c" + bytes(31),
    "wide amr": b"#!AMR-WB\n\x44" + bytes(60),
    "m4a": b"\0\0\0\x20ftypM4A \0\0\0\0",
    "m4a of a phone": b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
    "3gp": b"\0\0\0\x18ftyp3gp4\0\0\0\0isom3gp4",
    "flac": b"fLaC\0\0\0\x22",
    "webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1",
    "aiff": b"FORM\0\0\0\0AIFF",
    "caf": b"caff\0\1",
    "au": b".snd\0\0\0\x18",
    "wma": bytes.fromhex("3026b2758e66cf11") + bytes(60),
    "quiet A-law": bytes([0xD5, 0x55, 0xD4, 0x54, 0xD5, 0xD7]) * 600,
    "silent A-law": b"\xd5" * 4000,
    "silent u-law": b"\xff" * 4000,
    "quiet u-law": bytes([0xFF, 0x7F, 0xFE, 0x7E, 0xFD]) * 700,
    "quiet samples of 8 bits": bytes([0x80, 0x7F, 0x81, 0x80]) * 900,
    "quiet samples": struct.pack("<8h", 0, 1, 0, -1, 2, 0, -2, 1) * 200,
    "nothing": b"",
}


@pytest.mark.parametrize("kind", AUDIO)
def test_audio_is_not_taken_for_something_else(kind: str) -> None:
    """Audio has no signature, also where no edition takes it: its container's name is the answer."""
    assert find_signature(AUDIO[kind]) is None


@given(st.binary(max_size=600))
@example(b"\xff\xfe")
@example(b"BM")
@example(b"PK\x03\x04")
@example(b"<")
@example(b"MZ")
@settings(max_examples=500)
def test_any_bytes(head: bytes) -> None:
    """No bytes raise, and what is quoted stays one short line."""
    found = find_signature(head)
    assert found is None or (found.detail or "x").isprintable()
    assert found is None or len(found.detail or "") <= 60


@given(st.text(max_size=400))
@settings(max_examples=300)
def test_any_text(text: str) -> None:
    """No text raises either, in any encoding."""
    for encoding in ("utf-8", "utf-16", "utf-32-be", "gb18030"):
        find_signature(text.encode(encoding, "replace"))


@pytest.mark.parametrize("volume", [1, 3, 30, 1000, 30000])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_noise_is_not_taken_for_something_else(volume: int, width: int) -> None:
    """Samples of any loudness, and the codes of telephones, begin like none of the files above."""
    chance = random.Random(volume * 10 + width)
    for _ in range(200):
        high = min(volume, (1 << 8 * width - 1) - 1)
        samples = [chance.randint(-high, high) for _ in range(700)]
        if width == 1:
            data = bytes(128 + sample for sample in samples)
        else:
            data = b"".join(sample.to_bytes(width, "little", signed=True) for sample in samples)
        assert find_signature(data) is None


def test_many_comments_before_a_page_take_no_time() -> None:
    """It took exponential time: forty comments, 280 bytes, did not end."""
    assert find_signature(b"<!---->" * 500 + b"<p>") is not None
    found = find_signature(b"<!-- a -->\n" * 50 + b"<html><title>404</title>")
    assert found is not None
    assert found.name == "an HTML page"
