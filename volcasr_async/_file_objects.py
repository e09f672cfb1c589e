"""File objects that hold a recording: which are taken, and what they are called."""

from __future__ import annotations

from inspect import iscoroutinefunction
from pathlib import PureWindowsPath
from typing import Protocol, TypeGuard

from volcasr_async.errors import InputError, in_one_line

_LONGEST_NAME = 200


class BinaryFile(Protocol):
    """A seekable file object in binary mode, such as `io.BytesIO`, `open(path, "rb")`, `tempfile.SpooledTemporaryFile`."""

    def read(self, size: int, /) -> bytes:
        """Read up to *size* bytes from the current position; no bytes at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


class UploadedFile(Protocol):
    """An upload that keeps its file object in `file`, such as `UploadFile` of FastAPI and Starlette."""

    @property
    def file(self) -> BinaryFile:
        """The file object."""
        ...

    @property
    def filename(self) -> str | None:
        """The name of the file at the sender."""
        ...


def is_file_like(value: object) -> TypeGuard[BinaryFile | UploadedFile]:
    """Return whether *value* can be read like a file, or wraps what can. It may be unusable as a recording."""
    return callable(getattr(value, "read", None)) or (hasattr(value, "filename") and hasattr(value, "file"))


def is_binary_file(value: object) -> bool:
    """Return whether *value* is a file object, and none that returns `str`."""
    return _is_file(value) and not _is_text(value)


def binary_file(value: object) -> BinaryFile:
    """Return the file object of *value*: itself, or that of an upload.

    Raise `InputError` for what cannot be read from the beginning more than once.
    """
    inner = value if _is_file(value) else getattr(value, "file", None)
    name = f"{type(value).__name__} object"
    if not _is_file(inner):
        raise InputError(f"the {name} {_why_not(value)}", reason="usage")
    if _is_text(inner):
        raise InputError(
            f'the {name} is in text mode and returns str: open it in binary mode, open(path, "rb")', reason="usage"
        )
    if getattr(inner, "closed", False) is True:
        raise InputError(
            f"the {name} is closed: pass it open. Web frameworks close an upload when its request has ended, some before "
            "background tasks run",
            reason="usage",
        )
    if not _allows(inner, "readable"):
        raise InputError(f'the {name} is open for writing only: open it for reading, open(path, "rb")', reason="usage")
    if not _allows(inner, "seekable"):
        raise InputError(f"the {name} {_CANNOT_SEEK}", reason="usage")
    return inner


_USE_STREAM = (
    "pass AudioStream(chunks, size=...), or a file object that can seek, such as tempfile.SpooledTemporaryFile"
)
_CANNOT_SEEK = f"cannot seek, as pipes and sockets cannot: {_USE_STREAM}"


def _is_file(value: object) -> TypeGuard[BinaryFile]:
    methods = [getattr(value, name, None) for name in ("read", "seek", "tell")]
    return all(callable(method) and not iscoroutinefunction(method) for method in methods)


def _is_text(file: BinaryFile) -> bool:
    """Return whether it has what `io.TextIOBase` has. Only a read is certain."""
    return hasattr(file, "encoding") and hasattr(file, "errors")


def _allows(file: BinaryFile, method: str) -> bool:
    """Ask the file object; one without the method allows it."""
    ask = getattr(file, method, None)
    return not callable(ask) or bool(ask())


def _why_not(value: object) -> str:
    read = getattr(value, "read", None)
    if iscoroutinefunction(read):
        return f"is asynchronous: pass the file object that it wraps. Otherwise, {_USE_STREAM}"
    if callable(read):
        return _CANNOT_SEEK
    return 'is not a file object: pass io.BytesIO, open(path, "rb"), or an upload of a web framework'


def filename_of(value: object) -> str | None:
    """Return the name of an upload or an open file without its folder; `None` where it has none, or only a number.

    The name may come from a stranger: it is one line of at most 200 characters.
    """
    for attribute in ("filename", "name"):
        name = getattr(value, attribute, None)
        if isinstance(name, str) and (base := PureWindowsPath(name).name):  # both kinds of slashes separate folders
            return in_one_line(base)[:_LONGEST_NAME]
    return None
