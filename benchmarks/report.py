"""Results as Markdown, and what was asked beside what was seen. Pure: it runs and reads nothing.

Results are `{benchmark: [row, ...]}`, a row `{column: value}`. Neighbours with the same columns make one table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Results = Mapping[str, Sequence[Row]]

NOT_RUN = "not run"
_INTRODUCTION = """\
Written by `python -m benchmarks --write`; [how it is measured](../benchmarks/README.md). Compare ratios, not seconds: machines
differ, and shared ones are noisy."""
OURS = {"default": "volcasr_async", "[speed]": "volcasr_async[speed]"}
"""How rows name the library, by what is installed of it."""


class Promise(NamedTuple):
    """A figure that is held to: where it is found in the results, and what it may be at most."""

    what: str
    install: str
    most: float
    seen: Callable[[Results], float | None]
    unit: str = ""


def held(results: Results) -> list[dict[str, Any]]:
    """Set what was seen beside what is promised; where a benchmark is not among the results, that it was not run."""
    return [_held(promise, promise.seen(results)) for promise in PROMISES]


def _held(promise: Promise, seen: float | None) -> dict[str, Any]:
    return {
        "what": promise.what,
        "install": promise.install,
        "at most": f"{promise.most:g}{promise.unit}",
        "seen": NOT_RUN if seen is None else f"{_figure(seen)}{promise.unit}",
        "holds": "" if seen is None else "yes" if seen <= promise.most else "no",
    }


def document(
    results: Results, *, about: Mapping[str, str], notes: Mapping[str, str], seconds: Mapping[str, float]
) -> str:
    """Write the page: what was asked and seen, then each benchmark with its note and its tables.

    *about* says what it ran on, *notes* what each benchmark measures, *seconds* how long each took.
    """
    parts = [
        "# Benchmarks",
        _INTRODUCTION,
        "\n".join(f"- {key}: {value}" for key, value in about.items()),
        "## Held to",
        tables(held(results)),
    ]
    for name, rows in results.items():
        took = f" ({seconds[name]:.0f} s)" if name in seconds else ""
        parts += [f"## {name}{took}", notes.get(name, ""), tables(rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def tables(rows: Iterable[Row]) -> str:
    """Write rows as Markdown tables."""
    return "\n\n".join(_table(list(alike)) for _, alike in groupby(rows, key=tuple))


def _table(rows: Sequence[Row]) -> str:
    columns = list(rows[0])
    lines = [columns, [_rule([row[column] for row in rows]) for column in columns]]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rule(values: list[Any]) -> str:
    """Numbers stand to the right."""
    return "--:" if all(value is None or _is_number(value) for value in values) else "---"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return _figure(value)
        case _:
            return str(value).replace("|", "\\|")


def _figure(value: float) -> str:
    """Write about three digits, all of those in front of the point, and no exponent."""
    if not value:
        return "0"
    digits = next((count for limit, count in ((1, 3), (10, 2), (100, 1)) if abs(value) < limit), 0)
    return f"{value:,.{digits}f}"


# ---- where each figure stands ----


def _found(results: Results, benchmark: str, cells: Row) -> list[Row]:
    """Find rows by what stands in their columns."""
    return [row for row in results.get(benchmark, ()) if all(row.get(key) == cell for key, cell in cells.items())]


def _worst(benchmark: str, column: str, **cells: Any) -> Callable[[Results], float | None]:
    """Read the largest figure of a column in the rows that fit; `_` in the name of a cell is a blank in its column's."""
    wanted = {name.replace("_", " "): cell for name, cell in cells.items()}
    return lambda results: max(
        (row[column] for row in _found(results, benchmark, wanted) if column in row), default=None
    )


def _against_the_best(name: str) -> Callable[[Results], float | None]:
    """Compare the total time under a limit with that of the quickest rival that finished all of its jobs."""

    def seen(results: Results) -> float | None:
        rows = _found(results, "jobs", {"setting": "under a limit"})
        done: dict[str, float] = {row["name"]: row["total s"] for row in rows if row["finished"] == row["jobs"]}
        rivals = [total for rival, total in done.items() if rival not in OURS.values()]
        if not rows or not rivals:
            return None
        return done.get(name, math.inf) / min(rivals)

    return seen


def _both(
    what: str, most: tuple[float, float], seen: Callable[[str], Callable[[Results], float | None]], unit: str = ""
) -> list[Promise]:
    """One promise for each install."""
    pairs = zip(OURS.items(), most, strict=True)
    return [Promise(what, install, limit, seen(name), unit) for (install, name), limit in pairs]


PROMISES: list[Promise] = [
    *_both(
        "CPU of a small request at 50 connections, against aiohttp by hand",
        (4.0, 1.8),
        lambda name: _worst("exchanges", "/ aiohttp", name=name, connections=50),
    ),
    *_both(
        "CPU of a job under a limit, against aiohttp by hand asking every 2 s",
        (1.0, 0.5),
        lambda name: _worst("jobs", "CPU / aiohttp", name=name, setting="under a limit"),
    ),
    *_both(
        "CPU of a job with budget to spare, against the same",
        (3.0, 1.3),
        lambda name: _worst("jobs", "CPU / aiohttp", name=name, setting="budget to spare"),
    ),
    *_both("total time under a limit, against the best rival", (0.45, 0.45), _against_the_best),
    *_both(
        "CPU of a 100 MB upload, against the vendor's demo",
        (0.20, 0.10),
        lambda name: _worst("upload", "CPU / demo", name=name, MB=100, at_once=1, way="plain"),
    ),
    *_both(
        "memory above start, 100 MB upload, plain and TLS",
        (6, 6),
        lambda name: _worst("upload", "memory MB", name=name, MB=100, at_once=1),
        " MB",
    ),
    *_both(
        "memory above start, 8 uploads of 100 MB at once, plain and TLS",
        (20, 20),
        lambda name: _worst("upload", "memory MB", name=name, MB=100, at_once=8),
        " MB",
    ),
    *_both(
        "worst stall of the loop, 1 upload of 100 MB, plain and TLS",
        (5, 5),
        lambda name: _worst("upload", "stall ms", name=name, MB=100, at_once=1),
        " ms",
    ),
    *_both(
        "worst stall of the loop, 8 uploads of 100 MB at once, plain and TLS",
        (15, 15),
        lambda name: _worst("upload", "stall ms", name=name, MB=100, at_once=8),
        " ms",
    ),
    Promise("decoding, against json.loads", "either", 0.12, _worst("decode", "/ json.loads", name=OURS["default"])),
    Promise("one of 100,000 jobs in flight", "either", 1.0, _worst("flight", "KB a job", jobs=100_000), " KB"),
]
"""What the project holds itself to, in the order of its table."""
