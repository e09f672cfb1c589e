"""Inputs made of good ones by a few changes, for Hypothesis."""

from __future__ import annotations

from functools import cache

from fuzz_kit import Target, corpus
from fuzz_targets import TARGETS
from hypothesis import strategies as st

_CHUNKS = (b"", b"\0", b"\xff", b"\n", b'"', b"[", b"}", b"null", b"-1", b"1e308", b"\\ud83d", b"9" * 25, b"://a?b")


@cache
def inputs(name: str) -> tuple[bytes, ...]:
    """Bring what a target begins with: its seeds, and what the fuzzer kept."""
    return (*TARGETS[name].seeds(), *(data for _, data in corpus(name)))


@st.composite
def mutated(draw: st.DrawFn, name: str) -> bytes:
    """A good input in which a few places were overwritten, left out, doubled or filled in; or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = draw(st.sampled_from(inputs(name)))
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 24))
        kept = draw(st.sampled_from(("none", "once", "twice")))
        middle = data[start : start + length] * ("none", "once", "twice").index(kept)
        data = data[:start] + draw(_chunks(TARGETS[name])) + middle + data[start + length :]
    return data


def _chunks(target: Target) -> st.SearchStrategy[bytes]:
    words = [word.encode().decode("unicode_escape").encode("latin-1") for word in target.dictionary]
    return st.sampled_from([*_CHUNKS, *words]) | st.binary(max_size=6)
