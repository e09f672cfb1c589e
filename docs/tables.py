"""The tables of the pages that are printed from the code: `python docs/tables.py --write` puts them there anew.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""
# ruff: noqa: INP001 - no package, like the pages beside it

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from volcasr_async.errors import ServerError
from volcasr_async.protocol.messages import Phase
from volcasr_async.protocol.status import CODES, RANGES, Rule, rule_of
from volcasr_async.testing import KINDS, MARKERS

DOCS = Path(__file__).parent
PAGES = ("errors.md", "testing.md")
_PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_V3: tuple[Phase, ...] = ("submit", "query", "flash")
_V1: tuple[Phase, ...] = ("submit", "query")
_FIRST_V3 = 10_000  # v1's codes have four digits


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    lines = [list(columns), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def verdict_of(rule: Rule, phase: Phase) -> str:
    """Write a verdict; what failed inside flash may have been billed, so it takes a leave to be sent again."""
    verdict = rule.verdict(phase)
    asks_leave = phase == "flash" and verdict == "back-off" and issubclass(rule.error, ServerError)
    return "back-off, if allowed" if asks_leave else verdict


def row_of(said: str, rule: Rule, phases: Iterable[Phase]) -> list[str]:
    """Write what an answer means, the error that it may become, and its verdict in each phase."""
    verdicts = [verdict_of(rule, phase) for phase in phases]
    good = all(verdict in {"accepted", "pending", "done", "silent", "unreadable"} for verdict in verdicts)
    return [said, rule.meaning, "" if good else f"`{rule.error.__name__}`", *verdicts]


def codes_of(phases: tuple[Phase, ...], *, v1: bool) -> str:
    """Write the codes of one family, and of the ranges that unlisted ones fall into."""
    listed = [row_of(str(code), rule, phases) for code, rule in sorted(CODES.items()) if (code < _FIRST_V3) == v1]
    others = [
        row_of(f"other {low} to {high}", rule, phases)
        for low, high, rule in reversed(RANGES)
        if (low < _FIRST_V3) == v1
    ]
    return table(["code", "meaning", "error", *(f"at {phase}" for phase in phases)], listed + others)


def by_message() -> str:
    """Write the codes that mean different things by their message."""
    cases = [
        (45000000, "cannot find task"),
        (45000292, "... lifetime"),
        (45000292, "qps"),
        (45000292, "concurrency"),
        (1022, "requested resource not granted"),
    ]
    rows = [[str(code), f"`{said}`", *row_of("", rule_of(code, said, 200), _V3)[1:]] for code, said in cases]
    return table(["code", "its message holds", "meaning", "error", *(f"at {phase}" for phase in _V3)], rows)


def without_code() -> str:
    """Write what an HTTP status means where no code is found anywhere."""
    statuses = {"2xx, 3xx": 200, "401": 401, "403": 403, "429": 429, "other 4xx": 418, "5xx": 500}
    rows = [row_of(said, rule_of(None, "", status), _V3) for said, status in statuses.items()]
    return table(["HTTP status", "meaning", "error", *(f"at {phase}" for phase in _V3)], rows)


def faults() -> str:
    """Write the kinds of faults of the simulator."""
    return table(["kind", "what happens"], ([f"`{kind}`", what] for kind, what in KINDS.items()))


def markers() -> str:
    """Write what a path segment of a link chooses."""
    return table(["begins with", "the task ends as"], ([f"`{name}`", f"`{kind}`"] for name, kind in MARKERS.items()))


TABLES: dict[str, Callable[[], str]] = {
    "codes-v3": lambda: codes_of(_V3, v1=False),
    "codes-v1": lambda: codes_of(_V1, v1=True),
    "by-message": by_message,
    "without-code": without_code,
    "faults": faults,
    "markers": markers,
}


def printed(text: str) -> str:
    """Put each table of a page into its place anew."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]]()}\n{place[3]}", text)


def stale() -> Iterator[tuple[Path, str]]:
    """Bring the pages that differ from the code, each with what it should hold."""
    for page in (DOCS / name for name in PAGES):
        text = page.read_text("utf-8")
        if (wanted := printed(text)) != text:
            yield page, wanted


if __name__ == "__main__":
    found = list(stale())
    if "--write" in sys.argv:
        for page, wanted in found:
            page.write_text(wanted, "utf-8")
    sys.exit(bool(found) and "--write" not in sys.argv)
