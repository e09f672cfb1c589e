"""Where the audio is: at a link, in a file, in memory, in a file object, or on its way from somewhere else."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable
from pathlib import Path, PurePath
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from msgspec import Struct
from msgspec.structs import asdict, force_setattr

from volcasr_async._file_objects import BinaryFile, UploadedFile, binary_file, filename_of, is_file_like
from volcasr_async.errors import InputError, without_queries
from volcasr_async.spelling import INVISIBLE, spell_codec, spell_format, spell_language, strip_link

LEFT_OUT = "?..."
_PICKLED = "a file object does not travel through a pickle: create the AudioFileObject in the process that sends it"
_NOT_ITERABLE = "AudioStream(chunks) takes an async iterable of bytes, such as request.stream() of a web framework"

# Query parameters that sign a link (TOS, OSS, COS, S3, GCS, Azure) and change each time it is signed anew.
_SIGNATURES = frozenset(
    {"signature", "expires", "accesskeyid", "ossaccesskeyid", "awsaccesskeyid", "googleaccessid", "security-token"}
    | {"sig", "se", "st", "sp", "sv", "sr", "skoid", "sktid", "skt", "ske", "sks", "skv", "sign", "token", "auth_key"}
)
_SIGNATURE_PREFIXES = ("x-tos-", "x-oss-", "x-amz-", "x-goog-", "x-cos-", "q-")


class _Audio(Struct, frozen=True, kw_only=True):
    """The `audio` section under its wire names (doc 2606791, 4.2).

    `format` is the container: a name ("mp3", also "MP3", ".mp3") or a MIME type ("audio/mpeg"). `codec` is "raw" or "opus".
    `rate` is in Hz, `bits` per sample, `channel` 1 or 2. `language` is a code such as "en-US", or a common name of the
    language ("en", "english", "英语"). Without a language the service recognises Chinese with its dialects, and English.
    Unset fields are not sent.
    """

    format: str | None = None
    codec: str | None = None
    rate: int | None = None
    bits: int | None = None
    channel: int | None = None
    language: str | None = None

    def _check(self) -> None:
        for name in ("rate", "bits", "channel"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise InputError(f"{name}={value!r} must be a whole number above 0")
        for name in ("format", "codec", "language"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise InputError(f"{name}={value!r} must be a string, not {type(value).__name__}")
        if self.format is not None:
            force_setattr(self, "format", spell_format(self.format))
        if self.codec is not None:
            force_setattr(self, "codec", spell_codec(self.codec))
        if self.language is not None:
            # Checked only. It stays as the caller wrote it, because fingerprints cover it, and editions spell it differently.
            spell_language(self.language)


class AudioUrl(_Audio, frozen=True, gc=False):
    """A link that the service downloads from: reachable from mainland China, without redirect or login.

    Blanks, line ends, invisible characters, quotes and angle brackets around the link are removed.

    Its query is treated as a secret: it is sent to the service and shown, logged and pickled nowhere.
    """

    url: str

    def __post_init__(self) -> None:
        self._check()
        if not isinstance(self.url, str):
            raise InputError(f"AudioUrl(url) takes a string, not {type(self.url).__name__}", reason="usage")
        if (url := strip_link(self.url)) is not self.url:
            force_setattr(self, "url", url)
        _check_link(url)

    @property
    def is_cut(self) -> bool:
        """Whether the query was left out on the way through a pickle: such a link cannot be sent."""
        return self.url.endswith(LEFT_OUT)

    @property
    def label(self) -> str:
        """Names the recording: the link without user, fragment, and signature; other parameters as a short digest."""
        return link_label(self.url)

    def __repr__(self) -> str:
        return f"AudioUrl({without_queries(self.url)!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", without_queries(self.url))]

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (AudioUrl, asdict(self) | {"url": without_queries(self.url)})


class AudioFile(_Audio, frozen=True):
    """A local file, streamed from disk. Without `format` its first bytes tell, then its suffix."""

    path: Path

    def __post_init__(self) -> None:
        self._check()
        if not isinstance(self.path, str | PurePath):
            raise InputError(f"AudioFile(path) takes a path, not {type(self.path).__name__}", reason="usage")
        force_setattr(self, "path", Path(self.path))

    @property
    def label(self) -> str:
        """The path as it was given."""
        return str(self.path)


class AudioBytes(_Audio, frozen=True):
    """A recording in memory. `name` only names it."""

    data: bytes
    name: str = "bytes"

    def __post_init__(self) -> None:
        self._check()
        if not isinstance(self.data, bytes | bytearray | memoryview):
            raise InputError(f"AudioBytes(data) takes bytes, not {type(self.data).__name__}", reason="usage")
        if not self.data:
            raise InputError("AudioBytes(data) is empty: there is nothing to recognise", reason="empty")

    @property
    def label(self) -> str:
        """The given name and the size."""
        return f"{self.name} ({len(self.data)} bytes)"

    def __repr__(self) -> str:
        return f"AudioBytes({self.label})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("label", self.label)]


class AudioFileObject(_Audio, frozen=True):
    """A recording in a seekable binary file object: an upload of a web framework, `io.BytesIO`, an open file.

    `file` is the object, or an upload that keeps it in `.file`, such as `UploadFile` of FastAPI. The whole file is sent,
    from its first byte, wherever its position is; afterwards the position is undefined. It is read block by block in a
    thread, again for each attempt. Several jobs may share it. It stays open, and has to stay open and unchanged until the
    call returns. `name` names the recording, by default the file's own name without its folder.

    Raises `InputError` for a file object that is closed, asynchronous, in text mode, or cannot seek (use `AudioStream`).
    """

    file: BinaryFile | UploadedFile
    name: str | None = None

    def __post_init__(self) -> None:
        self._check()
        if self.name is not None and not (isinstance(self.name, str) and self.name):
            raise InputError(f"AudioFileObject(name={self.name!r}) must be a string that is not empty")
        binary_file(self.file)

    @property
    def label(self) -> str:
        """The given name, else the file's own."""
        return self.name or self.filename or "file object"

    @property
    def filename(self) -> str | None:
        """The file's own name without its folder; `None` where it has none."""
        return filename_of(self.file)

    def __repr__(self) -> str:
        return f"AudioFileObject({self.label})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("label", self.label)]

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (AudioFileObject, asdict(self) | {"file": _LeftBehind(), "name": self.label})


class AudioStream(_Audio, frozen=True):
    """A recording of *size* bytes that arrives in chunks of any size, say from a web request; never touches the disk.

    Its first 4 KB, or at most 64 KB where a tag or a long WAV header comes first, are read before the call waits for its turn.
    They decide the container, and whether it is audio at all.
    It can be sent once: it is not sent again after its first bytes were read. `name` only names it.
    """

    chunks: AsyncIterable[bytes]
    size: int
    name: str = "stream"

    def __post_init__(self) -> None:
        self._check()
        if not hasattr(self.chunks, "__aiter__"):
            raise InputError(_NOT_ITERABLE, reason="usage")
        if not isinstance(self.size, int) or isinstance(self.size, bool) or self.size < 1:
            raise InputError("AudioStream(size) must be the number of bytes that will come, above 0")

    @property
    def label(self) -> str:
        """The given name and the size."""
        return f"{self.name} ({self.size} bytes)"

    def __repr__(self) -> str:
        return f"AudioStream({self.label})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (AudioStream, asdict(self) | {"chunks": _Spent()})


class _Spent:
    """What is left of a stream on the other side of a pickle."""

    def __aiter__(self) -> _Spent:
        return self

    async def __anext__(self) -> bytes:
        raise InputError(
            "a stream does not travel through a pickle: make the AudioStream where it is sent", reason="usage"
        )


class _LeftBehind:
    """What is left of a file object on the other side of a pickle."""

    closed = False

    def read(self, _: int, /) -> bytes:
        raise InputError(_PICKLED, reason="usage")

    def seek(self, _: int, __: int = 0, /) -> int:
        raise InputError(_PICKLED, reason="usage")

    def tell(self) -> int:
        raise InputError(_PICKLED, reason="usage")


LocalSource = AudioFile | AudioBytes | AudioFileObject | AudioStream
Local = TypeVar("Local", AudioFile, AudioBytes, AudioFileObject, AudioStream)
Source = AudioUrl | LocalSource
SourceLike = Source | str | PurePath | bytes | BinaryFile | UploadedFile


def as_source(value: object) -> Source:
    """Take a source, or what is plainly one: a link, a `Path`, `bytes`, a file object; `InputError` for anything else."""
    match value:
        case AudioUrl() | AudioFile() | AudioBytes() | AudioFileObject() | AudioStream():
            return value
        case str():
            return AudioUrl(value)
        case PurePath():
            return AudioFile(Path(value))
        case bytes() | bytearray() | memoryview():
            return AudioBytes(bytes(value))
        case _ if is_file_like(value):
            return AudioFileObject(value)
        case _:
            raise InputError(
                f"{type(value).__name__} is not a recording: pass a URL (str), a pathlib.Path, bytes, a binary file object, "
                "or AudioUrl, AudioFile, AudioBytes, AudioFileObject, AudioStream",
                reason="usage",
            )


def _check_link(url: str) -> None:
    """Reject what the service cannot download, with what to do instead."""
    if not url:
        raise InputError("AudioUrl(url) is empty. Give a link that begins with https://")
    scheme, colon, _ = url[:_SCHEME].partition(":")
    if colon and (problem := _reject_scheme(scheme.casefold(), url)):
        raise InputError(problem, reason="link")
    if "：" in url[:_SCHEME] or "／" in url[:_SCHEME]:
        raise InputError(
            "AudioUrl(url) holds full-width characters. Type : and / with the input method switched off", reason="link"
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Without a cause: its text may quote the user part.
        raise InputError("AudioUrl(url) is not a URL. Copy the whole link again", reason="link") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(
            f"the service downloads http:// and https:// links only, not {_shown(url)!r:.120}; for a local file "
            "pass pathlib.Path(...)",
            reason="link",
        )
    if " " in url or not url.isprintable():
        raise InputError(_describe_unprintable(url), reason="link")


def _describe_unprintable(url: str) -> str:
    """Return which character cannot be in a link, and where."""
    place, found = next((n, c) for n, c in enumerate(url) if c == " " or not c.isprintable())
    what = "an invisible character" if found in INVISIBLE else "a blank" if found.isspace() else "a control character"
    cure = "Remove it" if found in INVISIBLE else "Percent-encode it, or remove it"
    code = "" if found == " " else f" (U+{ord(found):04X})"
    return f"AudioUrl(url) holds {what}{code} after {place} characters. {cure}"


_SCHEME = 24  # characters, more than the longest known scheme has
_BUCKETS = frozenset(
    {"s3", "s3a", "s3n", "tos", "oss", "cos", "obs", "gs", "gcs", "bos", "kodo", "az", "abfs", "abfss", "hdfs"}
)
_STREAMS = frozenset({"rtmp", "rtmps", "rtsp", "rtsps", "rtp", "srt", "mms", "ws", "wss", "webrtc"})


def _reject_scheme(scheme: str, url: str) -> str | None:
    """Return what is wrong with a link of a known scheme other than http; what a link holds is not shown."""
    if scheme == "file":
        path = unquote(urlsplit(url).path) if url.isprintable() else "..."
        return (
            f"a file: URL names a file on one machine, which the service cannot read. Pass pathlib.Path({path!r:.120})"
        )
    if scheme == "data":
        return (
            'a data: URL holds the recording itself. Decode it and pass bytes: base64.b64decode(url.partition(",")[2])'
        )
    if scheme == "blob":
        return (
            "a blob: URL is known only to the browser page that made it. Have the page upload the recording, and pass its "
            "bytes"
        )
    if scheme in _BUCKETS:
        return f"the service cannot read {scheme}:// URLs. Make a pre-signed https:// link to the object"
    if scheme in _STREAMS:
        return (
            f"{scheme}:// is a live stream, and this service recognises recordings. Record it, or give an https:// link"
        )
    return None


def _shown(text: str) -> str:
    """Cut what is no link as if it were one."""
    return text.partition("?")[0].partition("#")[0].rpartition("@")[2]


def link_label(url: str) -> str:
    """Name a recording by its link: signing it anew does not change the name, nor can the name be used as the link."""
    if "?" not in url and "#" not in url and "@" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # a key may look like a link and be none
        return without_queries(repr(url))[:200]
    if not (parts.scheme and parts.netloc) or len(url.split()) > 1:
        return _label_of_text(url)
    rest = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not is_signature(k)]
    digest = _digest(urlencode(rest)) if rest else ""
    host = parts.netloc.rpartition("@")[2]
    return without_queries(f"{parts.scheme}://{host}{parts.path}") + (f"?sha256={digest}" if digest else "")


def _label_of_text(text: str) -> str:
    """Name by a key that has a link in it and is none: whatever else it says tells it from others."""
    return f"{without_queries(text)} sha256={_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]


def is_signature(parameter: str) -> bool:
    """Return whether a parameter of a link signs it, or belongs to its signature."""
    name = parameter.lower()
    return name in _SIGNATURES or name.startswith(_SIGNATURE_PREFIXES)


def _rebuild(kind: type[Source], fields: dict[str, Any]) -> Source:
    return kind(**fields)
