"""What an import costs, above an interpreter that has started, and what it brings along.

Each import has an interpreter to itself, several times in turn; milliseconds are medians, read inside. They are those of a plain
install: trio and rich cannot be found, which httpx and httpcore import where they are. What an import brings is asked where
everything is installed. `import volcasr_async` is to bring none of the modules that are looked for; `VolcASR` brings httpx,
and httpx brings rich, for its own command, and h11.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from benchmarks import measure
from benchmarks.report import OURS

STATEMENTS = (
    f"import {OURS['default']}",
    f"from {OURS['default']} import VolcASR",
    f"from {OURS['default']} import read_transcript",
    "import httpx",
    "import aiohttp",
    "import pydantic",
)
LOOKED_FOR = (
    *("typer", "rich", "sqlite3", "h11", "opentelemetry", "httpx", "aiohttp"),
    *("volcasr_async.testing", "volcasr_async.cli", "volcasr_async.sqlite_journal"),
)
_NOT_PLAIN = ("trio", "rich", "click")
_PROGRAM = """
import sys, time
sys.modules.update(dict.fromkeys({without}))
began = time.perf_counter()
{statement}
took = time.perf_counter() - began
import json
print(json.dumps([took * 1000, [name for name in {names} if sys.modules.get(name)]]))
"""


def run(rounds: int = 7) -> list[dict[str, Any]]:
    """Measure all, in turn; the first round, where everything is installed, writes the byte code too."""
    brings = {statement: imported(statement)[1] for statement in STATEMENTS}
    taken = [{statement: imported(statement, _NOT_PLAIN)[0] for statement in STATEMENTS} for _ in range(rounds)]
    return [
        {
            "statement": f"`{statement}`",
            "ms": round(measure.median(turn[statement] for turn in taken), 1),
            "brings, of those looked for": ", ".join(brings[statement]) or "none",
        }
        for statement in STATEMENTS
    ]


def imported(statement: str, without: Iterable[str] = ()) -> tuple[float, list[str]]:
    """Run it in an interpreter of its own: milliseconds, and which of `LOOKED_FOR` it brought."""
    program = _PROGRAM.format(statement=statement, names=LOOKED_FOR, without=list(without))
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    ms, brought = json.loads(found.stdout)
    return ms, brought
