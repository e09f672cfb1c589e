"""Chooses the corpus: the fewest and smallest inputs that together go every way through the library that is known."""

from __future__ import annotations

import sys
import threading
from hashlib import sha1
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fuzz_kit import CORPUS
from fuzz_targets import TARGETS

import volcasr_async

_HOME = str(Path(volcasr_async.__file__).parent)
_LARGEST = 6_000

Step = tuple[CodeType, int, int]


def keep(name: str, found: Path, most: int) -> str:
    """Write the corpus of a target anew, *most* files at most; tells how much of what is known it reaches."""
    reached = {data: steps_of(name, data) for data in _inputs(found)}
    kept = _cover(reached, most)
    home = CORPUS / name
    home.mkdir(parents=True, exist_ok=True)
    for old in home.iterdir():
        old.unlink()
    for data in kept:
        (home / sha1(data, usedforsecurity=False).hexdigest()[:16]).write_bytes(data)
    there, whole = (len(set().union(*map(reached.__getitem__, part))) for part in (kept, reached))
    return f"{name}: {len(kept)} of {len(reached)} inputs, {sum(map(len, kept))} bytes, {there} of {whole} steps"


def steps_of(name: str, data: bytes) -> set[Step]:
    """Collect the steps from line to line inside the library that one input makes."""
    steps: set[Step] = set()
    trace = _tracer(steps)
    threading.settrace(trace)  # a journal is read in threads
    sys.settrace(trace)
    try:
        TARGETS[name].run(data)
    finally:
        sys.settrace(None)
        threading.settrace(None)
    return steps


def _inputs(found: Path) -> list[bytes]:
    return [data for path in sorted(found.iterdir()) if len(data := path.read_bytes()) <= _LARGEST]


def _cover(reached: dict[bytes, set[Step]], most: int) -> list[bytes]:
    """Take the one that adds most, the smallest of equals, until nothing is added."""
    kept: list[bytes] = []
    seen: set[Step] = set()
    left = dict(reached)
    while left and len(kept) < most:
        best = min(left, key=lambda data: (-len(left[data]), len(data), data))
        if not left[best]:
            break
        kept.append(best)
        seen |= reached[best]
        left = {data: steps - seen for data, steps in left.items() if data != best}
    return kept


def _tracer(steps: set[Step]) -> Any:
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(_HOME):
            return None
        if event == "line":
            steps.add((frame.f_code, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        elif event == "return":
            last.pop(frame, None)
        return trace

    return trace
