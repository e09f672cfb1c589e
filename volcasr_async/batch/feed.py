"""The input: any sync or async iterable of sources and jobs, read lazily, in chunks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

import anyio

from volcasr_async.errors import InputError
from volcasr_async.job import Job
from volcasr_async.sources import AudioUrl, SourceLike, as_source, link_label

Item = SourceLike | Job
Input = Iterable[Item] | AsyncIterable[Item]

_AHEAD = 500
"""How far an async input is read ahead, so that it can be taken in chunks."""


class Feed:
    """Brings the input chunk by chunk, never more than was asked for."""

    def __init__(self, items: Input) -> None:
        if isinstance(items, AsyncIterable):
            self._later: AsyncIterator[Item] | None = aiter(items)
            self._now: Iterator[Item] = iter(())
            self._send, self._receive = anyio.create_memory_object_stream[Item](_AHEAD)
        elif isinstance(items, Iterable) and not isinstance(items, str | bytes):
            self._later, self._now = None, iter(items)
        else:
            raise InputError("a batch takes an iterable of sources or jobs, sync or async; for one, use transcribe")

    async def read_ahead(self) -> None:
        """Read an async input into a bounded buffer; returns at its end."""
        if self._later is None:
            return
        async with self._send:
            async for item in self._later:
                await self._send.send(item)

    async def chunk(self, most: int) -> list[Item]:
        """Bring up to *most* items, at least one unless the input has ended."""
        return _some(self._now, most) if self._later is None else await self._received(most)

    def close(self) -> None:
        """Let go of the buffer."""
        if self._later is not None:
            self._send.close()
            self._receive.close()

    async def _received(self, most: int) -> list[Item]:
        items: list[Item] = []
        with contextlib.suppress(anyio.EndOfStream, anyio.WouldBlock):
            items.append(await self._receive.receive())
            while len(items) < most:
                items.append(self._receive.receive_nowait())
        return items


def _some(iterator: Iterator[Item], most: int) -> list[Item]:
    return [item for _, item in zip(range(most), iterator, strict=False)]


def key_of(item: Item) -> str:
    """Name an item as cheaply as can be: most of a resumed list is only looked up."""
    if isinstance(item, str):
        return link_label(item)
    return item.name if isinstance(item, Job) else as_source(item).label


def job_of(item: Item) -> Job:
    """Make the job that an item stands for."""
    if isinstance(item, Job):
        return item
    return Job(AudioUrl(item) if isinstance(item, str) else as_source(item))
