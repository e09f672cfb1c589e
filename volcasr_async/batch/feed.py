"""The input: any sync or async iterable of sources and jobs, read lazily, in chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Sized

from msgspec.structs import force_setattr

from volcasr_async._file_objects import is_binary_file, is_file_like
from volcasr_async.batch.signals import Signal
from volcasr_async.errors import InputError, without_queries
from volcasr_async.job import Job
from volcasr_async.sources import (
    AudioBytes,
    AudioFileObject,
    AudioStream,
    AudioUrl,
    SourceLike,
    as_source,
    link_label,
)
from volcasr_async.spelling import strip_link

Item = SourceLike | Job
Input = Iterable[Item] | AsyncIterable[Item]

_NAMELESS = {"bytes", "stream"}
_ONE_FILE = (
    "a batch takes an iterable of sources or jobs, and a binary file object is one recording, or a list that has to be "
    'opened in text mode: use [file] or transcribe(file) for a recording, open(path, encoding="utf-8") for a list'
)


class Feed:
    """Brings the input chunk by chunk; never takes more from it than was asked for."""

    def __init__(self, items: Input) -> None:
        self._later: AsyncIterator[Item] | None = None
        self._now: Iterator[Item] = iter(())
        if isinstance(items, AsyncIterable):
            self._later = aiter(items)
        elif is_binary_file(items):
            raise InputError(_ONE_FILE)
        elif isinstance(items, Iterable) and not isinstance(items, str | bytes):
            self._now = iter(items)
        else:
            raise InputError(
                "a batch takes an iterable of sources or jobs, sync or async; for one, use transcribe", reason="usage"
            )
        self.length: int | None = len(items) if isinstance(items, Sized) else None
        self._ready: deque[Item] = deque()
        self._wanted = self._reading = 0
        self._ended = False
        self._asked, self._came = Signal(), Signal()

    async def read_ahead(self) -> None:
        """Read an async input as far as was asked for, while others work; returns at its end."""
        while self._later is not None and not self._ended:
            if self._wanted <= 0:
                await self._asked.wait()
                continue
            self._wanted, self._reading = self._wanted - 1, 1
            try:
                self._ready.append(await anext(self._later))
            except StopAsyncIteration:
                self._ended = True
            self._reading = 0
            self._came.set()

    async def aclose(self) -> None:
        """Close an input that was left early: nobody else will go on with it."""
        if isinstance(self._later, AsyncGenerator):
            await self._later.aclose()

    async def chunk(self, most: int) -> list[Item]:
        """Bring up to *most* items, at least one unless the input has ended."""
        if self._later is None:
            return [item for _, item in zip(range(most), self._now, strict=False)]
        self._wanted = most - len(self._ready) - self._reading
        self._asked.set()
        while not self._ready and not self._ended:
            await self._came.wait()
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]


def key_of(item: Item) -> str:
    """Name an item as cheaply as can be, for most of a resumed list is only looked up; also one that is no audio."""
    try:
        if isinstance(item, str):
            key = link_label(strip_link(item))
        else:
            key = item.name if isinstance(item, Job) else as_source(item).label
    except ValueError:
        key = without_queries(repr(item))[:200]
    return key.encode(errors="backslashreplace").decode()


def is_nameless(item: Item) -> bool:
    """Return whether an item has no key that a later run would find again."""
    if isinstance(item, Job) and item.key is not None:
        return False
    source = item.source if isinstance(item, Job) else item
    if isinstance(source, AudioFileObject):
        return True  # browsers call each of their recordings "blob", and the size is not known without a look
    if isinstance(source, AudioBytes | AudioStream):
        return source.name in _NAMELESS
    return isinstance(source, bytes | bytearray | memoryview) or is_file_like(source)


def job_of(item: Item) -> Job:
    """Make the job that an item stands for."""
    if isinstance(item, Job):
        return item
    return Job(AudioUrl(item) if isinstance(item, str) else as_source(item))


class _StandIn(Job, frozen=True):
    def __reduce__(self) -> tuple[object, ...]:
        """Travel as any job does: without what may be secret."""
        source = self.source
        return stand_in, (without_queries(source).partition("?")[0] if isinstance(source, str) else source, self.name)


def stand_in(item: Item, key: str) -> Job:
    """Make a job that shows an item of which none can be made, and can be sent no more than it."""
    job = _StandIn(b"-", key=key)
    force_setattr(job, "source", item)
    return job
