"""The input: names, and never more than was asked for."""

import pickle
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volcasr_async import AudioBytes, AudioStream, AudioUrl, Job
from volcasr_async.batch.feed import Feed, is_nameless, job_of, key_of, stand_in
from volcasr_async.errors import InputError
from volcasr_async.sources import SourceLike

LINK = "https://example.com/a.mp3"


@pytest.mark.parametrize(
    ("item", "key"),
    [
        (LINK, LINK),
        (LINK + "?X-Amz-Signature=x", LINK),
        (AudioUrl(LINK + "#part"), LINK),
        (Path("a/b.wav"), "a/b.wav"),
        (Job(LINK, key="mine"), "mine"),
        (AudioBytes(b"abc", name="n"), "n (3 bytes)"),
        (7, "7"),
        ({"url": LINK + "?secret=1"}, "{'url': '" + LINK + "?..."),
        ("\udce9", "\\udce9"),
        ("http://[x?secret", "'http://[x?..."),
    ],
)
def test_keys(item: Any, key: str) -> None:
    """An item is named by what it is, without what signs it, in words that a file can hold."""
    assert key_of(item) == key


@given(st.text() | st.binary(min_size=1) | st.integers() | st.none())
def test_any_item_has_a_key(item: Any) -> None:
    """Naming never fails, and a name can be written down."""
    key_of(item).encode()


async def nothing() -> AsyncIterator[bytes]:
    yield b""


def test_a_name_is_no_longer_than_a_line() -> None:
    """What is no audio may be anything, also a whole table that was read by mistake."""
    table: Any = {"url": "x" * 1000}
    assert key_of(table) == "{'url': '" + "x" * 191


def test_who_has_no_name() -> None:
    """Only audio in memory or passing through that nobody named."""
    assert is_nameless(b"a")
    assert is_nameless(AudioBytes(b"a"))
    assert is_nameless(Job(b"a"))
    assert is_nameless(AudioStream(nothing(), 5))
    assert not is_nameless(AudioStream(nothing(), 5, name="x"))
    assert not is_nameless(Job(b"a", key="k"))
    assert not is_nameless(AudioBytes(b"a", name="x"))
    assert not is_nameless(LINK)


def test_jobs() -> None:
    """A job stays itself; what is none is shown by one that cannot be sent."""
    job = Job(LINK)
    assert job_of(job) is job
    assert job_of(Path("x.wav")).name == "x.wav"
    number: Any = 7
    shown = stand_in(number, "7")
    assert (shown.source, shown.name) == (number, "7")
    with pytest.raises(InputError):
        job_of(number)


@pytest.mark.parametrize(("item", "shown"), [(7, 7), (None, None), ("http://[x?sig=secret", "http://[x")])
def test_what_is_no_job_travels_too(item: Any, shown: int | str | None) -> None:
    """A stand-in comes out of a pickle as it went in, but for what may be secret."""
    packed = pickle.dumps(stand_in(item, "its key"))
    there = pickle.loads(packed)
    assert b"secret" not in packed
    assert (there.source, there.name, there.key) == (shown, "its key", "its key")
    assert pickle.dumps(there) == packed


@pytest.mark.anyio
@pytest.mark.parametrize("later", [False, True])
async def test_chunks(later: bool) -> None:
    """A chunk holds what is there, at most what was asked for; nothing more is read; an empty one is the end."""
    read = 0

    def items() -> Iterator[str]:
        nonlocal read
        for number in range(10):
            read += 1
            yield str(number)

    async def items_later() -> AsyncIterator[str]:
        for item in items():
            await anyio.sleep(0.1)
            yield item

    feed = Feed(items_later() if later else items())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.read_ahead)
        got: list[SourceLike | Job] = []
        for most in (1, 3, 2, 50, 50, 50):
            await anyio.sleep(1)
            assert read <= len(got) + most or not later
            chunk = await feed.chunk(most)
            assert len(chunk) <= most
            got += chunk
            await anyio.sleep(1)
        while chunk := await feed.chunk(50):
            got += chunk
    assert got == [str(number) for number in range(10)]


@pytest.mark.anyio
@given(asks=st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0.0, 0.15, 0.3, 5.0])), min_size=1, max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_an_async_input_is_read_as_far_as_was_asked(
    anyio_backend_name: str, asks: list[tuple[int, float]]
) -> None:
    """Nothing is read before somebody asks, never more than was asked for, and all of that while nobody waits for it."""
    if anyio_backend_name == "trio":
        pytest.skip("the same arithmetic; trio's clock takes 20 ms for each jump")
    read = 0

    async def items_later() -> AsyncIterator[str]:
        nonlocal read
        for number in range(30):
            await anyio.sleep(0.1)
            read += 1
            yield str(number)

    feed, furthest = Feed(items_later()), 0
    got: list[SourceLike | Job] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.read_ahead)
        await anyio.sleep(1)
        assert read == 0
        for most, pause in asks:
            wanted = min(len(got) + most, 30)
            furthest = max(furthest, wanted)
            got += await feed.chunk(most)
            await anyio.sleep(pause)
            assert read <= furthest
        await anyio.sleep(5)
        assert wanted <= read <= furthest
        tasks.cancel_scope.cancel()
    assert got == [str(number) for number in range(len(got))]
