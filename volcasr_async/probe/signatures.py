"""Signatures of files that are not audio, by their first bytes.

The table errs on the side of audio: a mark of two or three bytes counts only together with the structure behind it, because
raw samples can begin with any bytes.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from volcasr_async.containers import by_magic
from volcasr_async.probe.text import TextFile, read_text_file

SIGNATURE_BYTES = 4096
"""How many of the first bytes `find_signature` needs to see all that it knows. Fewer find less."""

Kind = Literal[
    "text", "image", "archive", "document", "program", "database", "playlist", "video", "voice", "zeros", "system"
]


class Signature(Struct, frozen=True):
    """A type of file that is known, and is no audio that any edition takes.

    `name` fits into a sentence, such as "a JPEG image" or "an HTML page". `cure` is what to do, where that is more than the
    kind says. `detail` is the beginning of a text, or the title
    of a page: one line, at most 60 characters, without control characters, queries of URLs and anything like a key.
    """

    name: str
    kind: Kind
    detail: str | None = None
    cure: str | None = None


_AT_START: dict[bytes, tuple[str, Kind]] = {
    b"\x89PNG\r\n\x1a\n": ("a PNG image", "image"),
    b"GIF87a": ("a GIF image", "image"),
    b"GIF89a": ("a GIF image", "image"),
    b"II*\x00": ("a TIFF image", "image"),
    b"MM\x00*": ("a TIFF image", "image"),
    b"8BPS\x00": ("a Photoshop image", "image"),
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": ("a JPEG XL image", "image"),
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": ("a JPEG 2000 image", "image"),
    b"gimp xcf": ("a GIMP image", "image"),
    b"\xfd7zXZ\x00": ("an xz archive", "archive"),
    b"\x28\xb5\x2f\xfd": ("a Zstandard archive", "archive"),
    b"\x04\x22\x4d\x18": ("an LZ4 archive", "archive"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "archive"),
    b"Rar!\x1a\x07": ("a RAR archive", "archive"),
    b"MSCF\x00\x00\x00\x00": ("a cabinet archive", "archive"),
    b"!<arch>\n": ("an ar archive", "archive"),
    b"\xed\xab\xee\xdb": ("an RPM package", "archive"),
    b"Salted__": ("a file encrypted by OpenSSL", "archive"),
    b"CTENFDAM": ("an encrypted NetEase Cloud Music file", "archive"),
    b"\x7c\xd5\x32\xeb\x86\x02\x7f\x4b": ("an encrypted KuGou file", "archive"),
    b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00": ("a network capture", "archive"),
    b"\xa1\xb2\xc3\xd4\x00\x02\x00\x04": ("a network capture", "archive"),
    b"\x0a\x0d\x0d\x0a": ("a network capture", "archive"),
    b"%PDF-": ("a PDF document", "document"),
    b"%!PS-": ("a PostScript document", "document"),
    b"{\\rtf": ("an RTF document", "document"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an Office document in the format of 1997", "document"),
    b"AT&TFORM": ("a DjVu document", "document"),
    b"ITSF\x03\x00\x00\x00": ("a compiled help file", "document"),
    b"bplist00": ("a property list", "document"),
    b"\x7fELF": ("a program", "program"),
    b"\xfe\xed\xfa\xce": ("a program", "program"),
    b"\xfe\xed\xfa\xcf": ("a program", "program"),
    b"\xce\xfa\xed\xfe": ("a program", "program"),
    b"\xcf\xfa\xed\xfe": ("a program", "program"),
    b"\xca\xfe\xba\xbe": ("a Java class or a program", "program"),
    b"\x00asm\x01\x00\x00\x00": ("a WebAssembly module", "program"),
    b"dex\n03": ("an Android program", "program"),
    b"SQLite format 3\x00": ("an SQLite database", "database"),
    b"\x37\x7f\x06\x82": ("the log of an SQLite database", "database"),
    b"\x37\x7f\x06\x83": ("the log of an SQLite database", "database"),
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7": ("the journal of an SQLite database", "database"),
    b"PAR1": ("a Parquet table", "database"),
    b"ARROW1\x00\x00": ("an Arrow table", "database"),
    b"FEA1": ("a Feather table", "database"),
    b"Obj\x01": ("an Avro table", "database"),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", "database"),
    b"\x93NUMPY": ("a NumPy array", "database"),
    b"REDIS0": ("a Redis dump", "database"),
    b"FLV\x01": ("an FLV video", "video"),
    b".RMF\x00\x00": ("a RealMedia video", "video"),
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01": ("an MXF video", "video"),
    b"YUV4MPEG2": ("a raw video", "video"),
    b"DKIF\x00\x00": ("an IVF video", "video"),
    b"IMKH": ("a Hikvision video", "video"),
    b"DHAV": ("a Dahua video", "video"),
    b"#!SILK_V3": ("a SILK voice message", "voice"),
    b"\x02#!SILK_V3": ("a SILK voice message of WeChat", "voice"),
    b"\x00\x05\x16\x07": ("an AppleDouble file of macOS", "system"),
    b"\x00\x05\x16\x00": ("an AppleSingle file of macOS", "system"),
    b"\x00\x00\x00\x01Bud1": ("a .DS_Store file of macOS", "system"),
    b"\x4c\x00\x00\x00\x01\x14\x02\x00": ("a Windows shortcut", "system"),
}  # fmt: skip

_IMAGE_BRANDS = {
    b"avif": "an AVIF image", b"avis": "an AVIF image", b"heic": "a HEIC image", b"heix": "a HEIC image",
    b"heim": "a HEIC image", b"heis": "a HEIC image", b"hevc": "a HEIC image", b"mif1": "a HEIF image",
    b"msf1": "a HEIF image", b"crx ": "a Canon CR3 image",
}  # fmt: skip
_IN_ZIP: tuple[tuple[bytes, str, Kind], ...] = (
    (b"mimetypeapplication/epub+zip", "an EPUB book", "document"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file", "document"),
    (b"word/", "a Word document", "document"),
    (b"xl/", "an Excel workbook", "document"),
    (b"ppt/", "a PowerPoint presentation", "document"),
    (b"AndroidManifest.xml", "an Android package", "program"),
    (b"META-INF/MANIFEST.MF", "a Java archive", "program"),
)
_ASF = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_MPEG_PACKET_BYTES = (188, 192, 204)
_BITMAP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})


_CURES: dict[Kind, str] = {
    "text": "Pass the recording itself; a list of recordings goes to a batch",
    "image": "Pass the recording itself",
    "archive": "Unpack it, and pass the recording",
    "document": "Pass the recording itself",
    "program": "Pass the recording itself",
    "database": "Pass the recording itself",
    "playlist": "Pass the recordings that it lists",
    "video": "Extract its sound, for example with ffmpeg -i FILE -vn -c:a libopus sound.ogg",
    "voice": "Decode it to WAV first, for example with pilk or silk-v3-decoder",
    "zeros": 'Download or copy it again; for raw samples declare format="pcm"',
    "system": "Leave it out: it belongs to the file system and holds no sound",
}


def cure_of(signature: Signature) -> str:
    """Return what to do about a file that is no audio."""
    return signature.cure or _CURES[signature.kind]


def find_signature(head: bytes) -> Signature | None:
    """Return the signature of *head*, the first `SIGNATURE_BYTES` of a file that is known and no audio.

    Return `None` for audio, also for audio that no edition takes, and for what is unknown.
    """
    if not head:
        return None
    if not any(head):
        return Signature("a run of zero bytes", "zeros")
    if found := _riff(head) or _iso(head) or _film(head):
        return found
    if by_magic(head) is not None:
        return None
    for mark, (name, kind) in _AT_START.items():
        if head.startswith(mark):
            return Signature(name, kind)
    if found := _structured(head):
        return found
    text = read_text_file(head)
    return _signature_of_text(text) if text is not None else None


def _signature_of_text(text: TextFile) -> Signature:
    return Signature(text.name, text.kind, text.detail, text.cure)


def _riff(head: bytes) -> Signature | None:
    if head[:4] != b"RIFF":
        return None
    match head[8:12]:
        case b"AVI ":
            return Signature("an AVI video", "video")
        case b"WEBP":
            return Signature("a WebP image", "image")
        case _:
            return None


def _iso(head: bytes) -> Signature | None:
    """Recognize images and old films in an MP4; what may be audio is left to the container's name."""
    if head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS:
        return Signature(_IMAGE_BRANDS[head[8:12]], "image")
    if head[4:8] in (b"moov", b"mdat", b"wide") and head[0] == 0:
        return Signature("a QuickTime video", "video")
    return None


def _film(head: bytes) -> Signature | None:
    """Tell films in containers that hold sound as well."""
    if head[:4] == b"OggS" and b"\x80theora" in head:
        return Signature("an Ogg video", "video")
    if head.startswith(_ASF) and _ASF_VIDEO in head:
        return Signature("a Windows Media video", "video")
    return None


def _structured(head: bytes) -> Signature | None:
    """Find what needs more than a mark at the beginning."""
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return _zip(head)
    if head[:3] == b"\x1f\x8b\x08" and head[3:4] < b"\x20":
        return Signature("a gzip archive", "archive")
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return Signature("a bzip2 archive", "archive")
    if head[257:262] == b"ustar":
        return Signature("a tar archive", "archive")
    if head[60:68] == b"BOOKMOBI":
        return Signature("a Kindle book", "document")
    if head[128:132] == b"DICM":
        return Signature("a DICOM image", "image")
    if head[:2] == b"MZ" and (b"This program" in head or _is_pe(head)):
        return Signature("a Windows program", "program")
    if head[:2] == b"\x80\x04" and head[2:3] == b"\x95" and head[7:11] == bytes(4):
        return Signature("a Python pickle", "database")
    if head[2:4] == b"\r\n" and head[4:5] < b"\x04" and head[5:8] == bytes(3) and head[16:17] in (b"\xe3", b"\x63"):
        return Signature("a compiled Python module", "program")
    return _image(head) or _video(head)


def _image(head: bytes) -> Signature | None:
    if head[:3] == b"\xff\xd8\xff" and head[3:4] >= b"\xc0":
        return Signature("a JPEG image", "image")
    if head[:2] == b"BM" and head[6:10] == bytes(4) and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return Signature("a BMP image", "image")
    if head[:4] in (b"\x00\x00\x01\x00", b"\x00\x00\x02\x00") and len(head) >= 22:
        count = int.from_bytes(head[4:6], "little")
        if 0 < count < 256 and head[9] == 0 and int.from_bytes(head[18:22], "little") == 6 + 16 * count:
            return Signature("an icon", "image")
    return None


def _video(head: bytes) -> Signature | None:
    if head[:4] == b"\x00\x00\x01\xba" and len(head) > 4 and (head[4] >> 6 == 1 or head[4] >> 4 == 2):
        return Signature("an MPEG video", "video")
    if head[:4] == b"\x00\x00\x01\xb3":
        return Signature("an MPEG video", "video")
    for size in _MPEG_PACKET_BYTES:
        start = 4 if size == 192 else 0
        syncs = head[start::size]
        if len(syncs) >= 3 and set(syncs) == {0x47}:
            return Signature("an MPEG transport stream (video)", "video")
    return None


def _is_pe(head: bytes) -> bool:
    at = int.from_bytes(head[60:64], "little")
    return at >= 64 and head[at : at + 4] == b"PE\x00\x00"


def _zip(head: bytes) -> Signature:
    for mark, name, kind in _IN_ZIP:
        if mark in head:
            return Signature(name, kind)
    return Signature("a ZIP archive", "archive")
