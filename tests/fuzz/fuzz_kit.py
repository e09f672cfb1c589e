"""What the fuzzing targets share: their shape, the recorded replies to start from, and what no message may show."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

SAMPLES = Path(__file__).parent.parent / "samples"
CORPUS = Path(__file__).parent / "corpus"
TASK_ID = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"

# What stands behind the ? or # of a link; "?..." is what is left of a query that was cut.
_QUERY = re.compile(r":(?:\\?/){2}[^\s?#]+[?#](?!\.)\S")
_HALVES = re.compile("[\ud800-\udfff]")


class Target(Struct, frozen=True):
    """Something that reads what strangers wrote: *run* raises where a promise is broken, *seeds* are good inputs.

    *dictionary* holds words that a mutation may put in.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    dictionary: tuple[str, ...] = ()


def samples() -> Iterator[tuple[str, int, dict[str, str], bytes]]:
    """Bring the recorded replies: name, HTTP status, headers, body."""
    for path in sorted(SAMPLES.glob("*.json")):
        found = json.loads(path.read_text())
        if "http_status" in found:
            body = found["body"]
            text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
            yield path.stem, found["http_status"], found.get("headers") or {}, text.encode()


def corpus(name: str) -> Iterator[tuple[str, bytes]]:
    """Bring what the fuzzer kept for a target: name and bytes of each file."""
    for path in sorted((CORPUS / name).glob("*")):
        yield path.name, path.read_bytes()


def told(error: Exception) -> str:
    """Read what an error says; it says something."""
    text = str(error)
    assert text
    return text


def shows_no_query(text: str) -> None:
    """Hold a message against the promise that no signed link can be taken from it."""
    assert not _QUERY.search(text), f"a query is shown in {text!r}"


def told_json(body: bytes) -> Any:
    """Read JSON by other means than the library, and more patiently; `None` where it is none."""
    try:
        return json.loads(body.strip(b"\0").decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def whole(text: str) -> str:
    """Replace halves of surrogate pairs, which no file can hold."""
    return _HALVES.sub("\ufffd", text)


@functools.cache
def scratch() -> Path:
    """Make a directory that lasts as long as the process, in memory where there is such a place."""
    memory = Path("/dev/shm")
    held = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
    _held.append(held)
    return Path(held.name)


_held: list[tempfile.TemporaryDirectory[str]] = []
