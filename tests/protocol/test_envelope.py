"""Base64 in pieces, its length known in advance, with and without pybase64."""

import base64
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async.protocol.envelope import HOLE, PIECE_BYTES, Base64Feed, encoded_length, split_at_hole

KINDS = (bytes, bytearray, memoryview)


@given(st.lists(st.tuples(st.binary(max_size=50), st.sampled_from(KINDS)), max_size=12))
def test_any_chunking_gives_the_same_text(chunks: list[tuple[bytes, type]]) -> None:
    """However the bytes come, the pieces are the whole's base64, of the length that was promised."""
    feed = Base64Feed()
    got = b"".join([*(feed.feed(kind(chunk)) for chunk, kind in chunks), feed.flush()])
    whole = b"".join(chunk for chunk, _ in chunks)
    assert got == base64.b64encode(whole)
    assert len(got) == encoded_length(len(whole))
    assert feed.flush() == b""


@pytest.mark.parametrize("size", range(12))
def test_encoded_length(size: int) -> None:
    """The length is right for every remainder."""
    assert encoded_length(size) == len(base64.b64encode(bytes(size)))


def test_full_pieces_need_no_carry() -> None:
    """A full piece leaves nothing behind."""
    feed = Base64Feed()
    assert len(feed.feed(bytes(PIECE_BYTES))) == PIECE_BYTES // 3 * 4
    assert feed.flush() == b""


def test_a_hole_is_demanded() -> None:
    """A body without a hole is a mistake of ours."""
    with pytest.raises(ValueError, match=r"^the body has no hole$"):
        split_at_hole(b'{"audio":{"data":""}}')
    assert split_at_hole(b'{"data":' + bytes(HOLE) + b"}") == (b'{"data":"', b'"}')


@pytest.mark.parametrize("blocked", [True, False])
def test_with_and_without_pybase64(blocked: bool) -> None:
    """The extra only makes it faster."""
    code = f"""
import sys
if {blocked}:
    sys.modules["pybase64"] = None
import base64
from volcasr_async.protocol.envelope import Base64Feed
data = bytes(range(256)) * 41
feed = Base64Feed()
got = b"".join(feed.feed(kind(data[i:i + 100])) for kind in (bytes,) for i in range(0, len(data), 100)) + feed.flush()
assert got == base64.b64encode(data)
for kind in (bytearray, memoryview):
    feed = Base64Feed()
    assert feed.feed(kind(data[:7])) + feed.feed(kind(data[7:])) + feed.flush() == got
assert ("pybase64" in sys.modules and sys.modules["pybase64"] is not None) <= (not {blocked})
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
