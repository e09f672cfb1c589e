"""What is planted, and how it is looked for: in text, in bytes, in values, in errors with all that caused them, in the log."""

import base64
import logging
import pickle
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from volcasr_async import ApiKey, AppKey, Job
from volcasr_async.credentials import Credentials

MARK = "S3CRET"
API_KEY = ApiKey(f"{MARK}-api-key")
PAIR = AppKey("app-id", f"{MARK}-access-key", f"{MARK}-secret-key")
WHO: tuple[Credentials, ...] = (API_KEY, PAIR)
HOST_AND_PATH = "tos.example.com/talks/a.mp3"
LINK = f"https://user:{MARK}-password@{HOST_AND_PATH}?X-Tos-Signature={MARK}-signature&n=1#{MARK}-fragment"
CALLBACK = f"https://me.example/done?token={MARK}-token"
DATA = f"{MARK}-callback-data"
PROXY_USER = f"user:{MARK}-proxy-password"

_LOGGERS = ("httpx", "httpcore", "aiohttp", "asyncio", "volcasr_async")
_ENCODED = [
    base64.b64encode(b"\0" * shift + MARK.encode() + b"\0\0").decode()[
        -(-8 * shift // 6) : 8 * (shift + len(MARK)) // 6
    ]
    for shift in range(3)
]
"""How the mark looks inside of base64, which `Authorization: Basic` is, wherever it begins."""


def found_in(text: str | bytes, *, but: str = "\0") -> list[str]:
    """List the secrets in a text, each with what stands around it; *but* is one that may be there."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    plain = plain.replace(but, "")
    spots = [plain.find(sign) for sign in (MARK, *_ENCODED)]
    return [plain[max(spot - 60, 0) : spot + 40] for spot in spots if spot >= 0]


def shown(value: Any) -> str:
    """Show a value in all the ways that there are."""
    rich = list(value.__rich_repr__()) if hasattr(value, "__rich_repr__") else ""
    return f"{value!r} {value} {value:} {rich}"


def chain(error: BaseException) -> Iterator[BaseException]:
    """Go through an error and everything behind it."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def told_by(error: BaseException) -> str:
    """Write down all that an error says, and all that stands behind it: as text, as a value, with its traceback."""
    parts = ["".join(traceback.format_exception(error))]
    for one in chain(error):
        parts.append(f"{one!r} {one} {one.args!r} {getattr(one, '__notes__', '')!r} {vars(one)!r}")
    return "\n".join(parts)


def pickled(value: Any) -> bytes:
    """Pickle it, with every protocol that there is."""
    return b"".join(pickle.dumps(value, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1))


def planted(request_id: str | None = None, **more: Any) -> Job:
    """Make a job with secrets wherever a job can hold one."""
    more = {"callback": CALLBACK, "key": LINK} | more
    if request_id is not None:
        more["request_id"] = request_id
    return Job(LINK, **more)


class Log(logging.Handler):
    """Keeps what anybody logs: the line, its arguments, its fields, its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.printed: list[str] = []
        self.names: set[str] = set()
        self._levels: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write it down; nothing is kept that could keep what it speaks of alive."""
        self.names.add(record.name.partition(".")[0])
        told = told_by(record.exc_info[1]) if record.exc_info and record.exc_info[1] else ""
        self.printed.append(self.format(record) if record.name.startswith("volcasr_async") else "")
        self.lines.append(f"{self.format(record)} {vars(record)!r} {told}")

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._levels = {name: logging.getLogger(name).level for name in ("", *_LOGGERS)}
        for name in self._levels:
            logging.getLogger(name).setLevel(logging.DEBUG)
        root.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)
