"""Seekable file objects: uploads of web frameworks, files in memory, open files."""

import hashlib
import io
import mmap
import os
import pickle
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeVar

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from io_kit import client, is_idle
from starlette.datastructures import UploadFile

from volcasr_async import AudioFileObject, InputError, Job, RetryPolicy, ServiceError, TransportError
from volcasr_async.protocol.envelope import PIECE_BYTES
from volcasr_async.sources import as_source
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

T = TypeVar("T")
WAV = make_wav(60)  # several blocks
WEBM = b"\x1a\x45\xdf\xa3" + bytes(range(1, 200)) * 5
ANY: Any = AudioFileObject  # what is passed here is wrong on purpose


_OPEN: list[Any] = []


@pytest.fixture(autouse=True)
def _close_all() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def closing(file: T) -> T:
    """Have a file closed after the test: the library does not."""
    _OPEN.append(file)
    return file


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def spooled(mode: str, most: int) -> Any:
    return closing(tempfile.SpooledTemporaryFile(most, mode))


def rolled(data: bytes) -> BinaryIO:
    file: BinaryIO = spooled("w+b", 1)
    file.write(data)
    return file


def in_memory(data: bytes) -> BinaryIO:
    file: BinaryIO = spooled("w+b", 1 << 30)
    file.write(data)
    return file


def opened(data: bytes, folder: Path, buffering: int = -1) -> IO[bytes]:
    (folder / "talk.wav").write_bytes(data)
    return closing((folder / "talk.wav").open("rb", buffering=buffering))


def zipped(data: bytes, folder: Path) -> IO[bytes]:
    with zipfile.ZipFile(folder / "talks.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("talk.wav", data)
    return closing(closing(zipfile.ZipFile(folder / "talks.zip")).open("talk.wav"))


def mapped(data: bytes) -> mmap.mmap:
    file = closing(mmap.mmap(-1, len(data)))
    file.write(data)
    return file


def from_django(kind: str, data: bytes) -> Any:
    """Give an upload as Django's two handlers give it."""
    uploads = pytest.importorskip("django.core.files.uploadedfile")
    file = io.BytesIO(data) if kind == "memory" else rolled(data)
    if kind == "memory":
        return uploads.InMemoryUploadedFile(file, "audio", "talk.wav", "audio/wav", len(data), None)
    return uploads.UploadedFile(file, "talk.wav", "audio/wav", len(data))


class Short(io.BytesIO):
    """Returns fewer bytes than it is asked for, as raw files and network file systems do."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 77_777))


class Minimal:
    """Has the three methods and nothing else; `seek` returns nothing."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, size: int, /) -> bytes:
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0, /) -> Any:
        self._at = offset + (len(self._data) if whence == os.SEEK_END else 0)

    def tell(self) -> int:
        return self._at


KINDS: dict[str, Callable[[bytes, Path], Any]] = {
    "BytesIO": lambda data, _: io.BytesIO(data),
    "spooled, in memory": lambda data, _: in_memory(data),
    "spooled, on disk": lambda data, _: rolled(data),
    "open file": opened,
    "open file, unbuffered": lambda data, folder: opened(data, folder, 0),
    "UploadFile": lambda data, _: UploadFile(rolled(data), filename="talk.wav"),
    "Django, in memory": lambda data, _: from_django("memory", data),
    "Django, on disk": lambda data, _: from_django("disk", data),
    "member of a ZIP": zipped,
    "mmap": lambda data, _: mapped(data),
    "short reads": lambda data, _: Short(data),
    "three methods": lambda data, _: Minimal(data),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrap", [AudioFileObject, lambda file: file], ids=["AudioFileObject", "itself"])
async def test_the_whole_file_arrives_and_stays_open(kind: str, wrap: Callable[[Any], Any], tmp_path: Path) -> None:
    """Each kind is sent to the byte, as WAV, and can be read by its owner afterwards."""
    file = KINDS[kind](WAV, tmp_path)
    simulator = Simulator()
    async with client(simulator) as asr:
        assert (await asr.transcribe(wrap(file))).duration_ms == 60_000
        assert is_idle(asr)
    [upload] = simulator.uploads
    assert (upload.size, upload.sha256) == (len(WAV), digest(WAV))
    assert simulator.violations == []
    inner = file.file if isinstance(file, UploadFile) else file
    inner.seek(0)
    assert inner.read(4) == b"RIFF"


@pytest.mark.parametrize("position", [0, 1, 44, 4096, len(WAV)])
async def test_the_position_does_not_matter(position: int) -> None:
    """A handler may have looked at the first bytes, or read or written all of it before."""
    file = io.BytesIO(WAV)
    file.seek(position)
    simulator = Simulator()
    async with client(simulator) as asr:
        await asr.transcribe(file)
    assert simulator.uploads[0].sha256 == digest(WAV)


@given(
    size=st.sampled_from([1, 2, 3, PIECE_BYTES, 3 * PIECE_BYTES, 6 * PIECE_BYTES]),
    more=st.integers(-2, 2),
    most=st.sampled_from([1000, PIECE_BYTES - 1, PIECE_BYTES + 1, 1 << 30]),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_size_arrives_to_the_byte(size: int, more: int, most: int) -> None:
    """Whatever the size, and however many bytes a read returns."""

    class Some(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, most))

    data = os.urandom(max(size + more, 1))
    simulator = Simulator()
    async with client(simulator) as asr:
        await asr.transcribe(AudioFileObject(Some(data), format="pcm"))
    assert simulator.uploads[0].sha256 == digest(data)
    assert simulator.violations == []


@pytest.mark.parametrize("fault", ["refuse-busy", "drop-upload"])
async def test_each_attempt_reads_it_again(fault: str) -> None:
    """After a refusal, and after a connection that broke during the upload, the whole is sent again."""
    simulator = Simulator(faults=[Fault(fault, on="flash", times=2)])
    async with client(simulator) as asr:
        assert (await asr.transcribe(rolled(WAV))).duration_ms == 60_000
    assert simulator.requests["flash"] == 3
    assert [upload.sha256 for upload in simulator.uploads] == [digest(WAV)]
    assert len(simulator.charges) == 1


class Watched(io.BytesIO):
    """Notices reads at a place that another thread has chosen."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.owner, self.mixed = 0, 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.owner = threading.get_ident()
        time.sleep(0)  # other threads may run now
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        time.sleep(0)
        self.mixed += self.owner != threading.get_ident()
        return super().read(size)


async def test_several_jobs_share_a_file_object() -> None:
    """The same object in eight calls at once, wrapped or not: each sends the whole of it."""
    file, simulator = Watched(WAV), Simulator()
    async with client(simulator) as asr, anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(asr.transcribe, file if number % 2 else AudioFileObject(file))
    assert [upload.sha256 for upload in simulator.uploads] == [digest(WAV)] * 8
    assert file.mixed == 0


@pytest.mark.parametrize("ending", ["closed", "cut", "grown"])
async def test_a_file_that_changes_between_two_attempts(ending: str) -> None:
    """Our error, which says what to do; nothing is charged."""
    file = in_memory(WAV)
    simulator = Simulator(faults=[Fault("refuse-busy", on="flash", times=1)])
    async with client(simulator, retry=RetryPolicy(first=10)) as asr, anyio.create_task_group() as tasks:

        async def change() -> None:
            await anyio.sleep(3)
            if ending == "closed":
                file.close()
            elif ending == "cut":
                file.truncate(len(WAV) - 9)
            else:
                file.seek(0, os.SEEK_END)
                file.write(b"more")

        tasks.start_soon(change)
        what = "was closed before.*keep the file object open" if ending == "closed" else "changed.*submit it again"
        with pytest.raises(InputError, match=what) as caught:
            await asr.transcribe(file)
        assert caught.value.charged == "no"
        assert is_idle(asr)
    assert simulator.charges == []


# ---- refused before anything is sent ----


class Asynchronous:
    filename = "talk.wav"

    async def read(self, size: int = -1) -> bytes:
        return b""

    async def seek(self, offset: int) -> None: ...

    def tell(self) -> int:
        return 0


class Writable(Minimal):
    def readable(self) -> bool:
        return False


def closed() -> io.BytesIO:
    file = io.BytesIO(WAV)
    file.close()
    return file


def reading(*, end: bool = True) -> Iterator[Any]:
    """Give the reading end of a pipe."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as file, os.fdopen(write, "wb"):
        yield file


def text_file(folder: Path) -> IO[str]:
    (folder / "a.wav").write_bytes(WAV)
    return closing((folder / "a.wav").open(encoding="latin-1"))


UNUSABLE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "open(path)": (text_file, r'text mode.*open\(path, "rb"\)'),
    "StringIO": (lambda _: io.StringIO("RIFF"), "StringIO object is in text mode"),
    "spooled text": (lambda _: spooled("w+", 0), "text mode"),
    "closed": (lambda _: closed(), "is closed: pass it open.*background tasks"),
    "closed upload": (lambda _: UploadFile(closed(), filename="a.wav"), "UploadFile object is closed"),
    "asynchronous": (lambda _: Asynchronous(), "asynchronous: pass the file object that it wraps.*AudioStream"),
    "write only": (lambda _: Writable(WAV), "open for writing only"),
    "no seek": (lambda _: type("Socket", (), {"read": lambda self, n: b""})(), r"cannot seek.*AudioStream\(chunks, size=\.\.\.\)"),
    "upload without a file": (lambda _: type("Form", (), {"file": None, "filename": "a"})(), "is not a file object"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
@pytest.mark.parametrize("make", [ANY, as_source, Job], ids=["AudioFileObject", "as_source", "Job"])
def test_unusable_file_objects(case: str, make: Callable[[Any], Any], tmp_path: Path) -> None:
    """Each is refused where it is passed; the message says what to do."""
    create, why = UNUSABLE[case]
    file = create(tmp_path)
    with pytest.raises(InputError, match=why):
        make(file)


@pytest.mark.skipif(not hasattr(os, "pipe"), reason="no pipes")
def test_a_pipe_is_not_a_file() -> None:
    """Its bytes come once: the message names AudioStream."""
    for file in reading():
        with pytest.raises(InputError, match=r"cannot seek, as pipes.*AudioStream\(chunks"):
            AudioFileObject(file)


def test_what_is_no_file_object() -> None:
    """Numbers, paths and names are refused with what to pass."""
    for value in (5, None, "a.wav", Path("a.wav"), b"RIFF"):
        with pytest.raises(InputError, match=r"is not a file object: pass io\.BytesIO"):
            ANY(value)
    for name in ("", 5):
        with pytest.raises(InputError, match="name="):
            ANY(io.BytesIO(WAV), name=name)


class Lying(Minimal):
    """In text mode, which only a read shows."""

    def read(self, size: int, /) -> Any:
        return "RIFF"


class Late(Minimal):
    """Not ready, as a non-blocking file is."""

    def read(self, size: int, /) -> Any:
        return None


REFUSED: dict[str, tuple[Any, str]] = {
    "empty": (io.BytesIO(), "is empty: there is nothing to recognise"),
    "WebM without a name": (io.BytesIO(WEBM), "takes .*not webm; convert"),
    "M4A of a browser": (UploadFile(io.BytesIO(b"\0\0\0\x20ftypM4A " + WEBM), filename="blob"), "m4a.*standard"),
    "an HTML page": (UploadFile(io.BytesIO(b"<!DOCTYPE html><title>502</title>" * 9), filename="a.mp3"), "HTML"),
    "a picture": (io.BytesIO(b"\x89PNG\r\n\x1a\n" + WEBM), "PNG"),
    "str": (Lying(WAV), "returns str: open it in binary mode"),
    "nothing": (Late(WAV), "returned NoneType instead of bytes"),
    "too large": (type("Large", (Minimal,), {"tell": lambda self: 101_000_000})(b"OggS"), "100 MB"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_before_anything_is_sent(case: str) -> None:
    """The bytes decide; no request goes out, and nothing is charged."""
    file, why = REFUSED[case]
    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match=why) as caught:
            await asr.transcribe(file)
        assert caught.value.charged == "no"
        assert asr.stats.started == 0
        assert is_idle(asr)
    assert not simulator.requests


async def test_the_bytes_know_better_than_the_name(caplog: pytest.LogCaptureFixture) -> None:
    """A WAV that a browser calls blob.webm is sent as WAV, and the log says so."""
    simulator = Simulator()
    async with client(simulator) as asr:
        await asr.transcribe(UploadFile(io.BytesIO(WAV), filename="blob.webm"))
    assert simulator.violations == []
    assert "blob.webm: it is named like webm but holds wav" in caplog.text


@pytest.mark.parametrize("ending", ["failure", "broken", "cancelled"])
async def test_it_stays_open_whatever_happens(ending: str) -> None:
    """A failed, broken or cancelled call leaves the object to its owner."""
    file = rolled(WAV)
    faults = {"failure": [Fault("bad-format")], "broken": [Fault("drop-upload", on="flash")]}
    simulator = Simulator(faults=faults.get(ending, []), flash_time=100)
    async with client(simulator, retry=RetryPolicy(attempts=2)) as asr:
        with anyio.move_on_after(50):
            if ending == "cancelled":
                await asr.transcribe(file)
            else:
                with pytest.raises((ServiceError, TransportError)):
                    await asr.transcribe(file)
        assert is_idle(asr)
    file.seek(0)
    assert file.read() == WAV


# ---- names ----


def test_labels() -> None:
    """The given name, else the name of the file without its folder and in one line."""
    assert AudioFileObject(io.BytesIO(b"a")).label == "file object"
    assert AudioFileObject(io.BytesIO(b"a"), "a.wav").label == "a.wav"
    names = {
        "a.wav": "a.wav",
        "C:\\fakepath\\会议.m4a": "会议.m4a",
        "../../etc/a.wav": "a.wav",
        "a\nb\x1b.wav": "a b .wav",
    }
    for name, label in (*names.items(), ("x" * 500, "x" * 200), ("", "file object"), (None, "file object")):
        assert AudioFileObject(UploadFile(io.BytesIO(b"a"), filename=name)).label == label
    assert AudioFileObject(UploadFile(io.BytesIO(b"a"), filename="a"), "b").label == "b"
    assert repr(AudioFileObject(rolled(b"a"))) == "AudioFileObject(file object)"  # its name is a number


def test_it_does_not_travel() -> None:
    """After a pickle it says what it was; what is read of it is an error that says why."""
    job = pickle.loads(pickle.dumps(Job(AudioFileObject(in_memory(WAV), language="en-US"), key="k")))
    source = job.source
    assert (source.label, source.language, job.name) == ("file object", "en-US", "k")

    async def send() -> None:
        async with client(Simulator()) as asr:
            with pytest.raises(InputError, match="does not travel through a pickle"):
                await asr.transcribe(job)

    anyio.run(send)
