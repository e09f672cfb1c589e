"""The input: names, and never more than was asked for."""

from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import AudioBytes, AudioUrl, Job
from volcasr_async.batch.feed import Feed, is_nameless, job_of, key_of, stand_in
from volcasr_async.errors import InputError

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
def test_keys(item, key):
    """An item is named by what it is, without what signs it, in words that a file can hold."""
    assert key_of(item) == key


@given(st.text() | st.binary(min_size=1) | st.integers() | st.none())
def test_any_item_has_a_key(item):
    """Naming never fails, and a name can be written down."""
    key_of(item).encode()


def test_who_has_no_name():
    """Only audio in memory or passing through that nobody named."""
    assert is_nameless(b"a")
    assert is_nameless(AudioBytes(b"a"))
    assert is_nameless(Job(b"a"))
    assert not is_nameless(Job(b"a", key="k"))
    assert not is_nameless(AudioBytes(b"a", name="x"))
    assert not is_nameless(LINK)


def test_jobs():
    """A job stays itself; what is none is shown by one that cannot be sent."""
    job = Job(LINK)
    assert job_of(job) is job
    assert job_of(Path("x.wav")).name == "x.wav"
    shown = stand_in(7, "7")
    assert (shown.source, shown.name) == (7, "7")
    with pytest.raises(InputError):
        job_of(7)


@pytest.mark.anyio
@pytest.mark.parametrize("later", [False, True])
async def test_chunks(later):
    """A chunk holds what is there, at most what was asked for; nothing more is read; an empty one is the end."""
    read = 0

    def items():
        nonlocal read
        for number in range(10):
            read += 1
            yield str(number)

    async def items_later():
        for item in items():
            await anyio.sleep(0.1)
            yield item

    feed = Feed(items_later() if later else items())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.read_ahead)
        got: list[str] = []
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
