"""`python -m benchmarks [NAME ...] [--json] [--write]`: run them and print tables."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import inspect
import json
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.report import NOT_RUN, document, held, tables

NAMES = ("exchanges", "jobs", "upload", "decode", "flight", "journal", "crowd", "batch", "imports")
MORE = ("web", "segmenters")  # only when asked for by name
LOAD = os.getloadavg()[0]
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_LIBRARIES = (
    *("volcasr-async", "httpx", "httpcore", "anyio", "msgspec", "aiohttp", "httpx-aiohttp", "pybase64", "httpx2"),
    *("requests", "aiolimiter", "aiometer", "pyreqwest", "orjson", "pydantic"),
    *("rjieba", "budoux", "icu4py"),
)


def main() -> None:
    """Run what was asked for."""
    chosen = _arguments()
    results: dict[str, list[dict[str, Any]]] = {}
    seconds: dict[str, float] = {}
    names = chosen.names or NAMES
    for number, name in enumerate(names, 1):
        _say(f"[{number}/{len(names)}] {name} ... ")
        began = time.monotonic()
        results[name] = importlib.import_module(f"benchmarks.{name}").run()
        seconds[name] = time.monotonic() - began
        _say(f"{seconds[name]:.0f} s\n")
        if not chosen.json:
            print(f"\n## {name}\n\n{tables(results[name])}\n", flush=True)
    _say(f"all in {sum(seconds.values()):.0f} s\n")
    if chosen.json:
        print(json.dumps({"about": about(), "seconds": seconds, "held": held(results), "results": results}, indent=2))
    elif found := [row for row in held(results) if row["seen"] != NOT_RUN]:
        print(f"\n## Held to\n\n{tables(found)}")
    if chosen.write:
        page = document(results, about=about(), notes=notes(results), seconds=seconds)
        PAGE.write_text(page, encoding="utf-8")
        _say(f"written: {PAGE}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = f"any of: {', '.join(NAMES)} (default: all of these); {', '.join(MORE)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=known)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - {*NAMES, *MORE}
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES + MORE)}")
    return chosen


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def about() -> dict[str, str]:
    """Say what it ran on, and when."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "load before": f"{LOAD:.2f}, of processes other than these",
        "Python": platform.python_version(),
        "versions": ", ".join(filter(None, map(_version, _LIBRARIES))),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def _version(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return ""


def notes(names: Any) -> dict[str, str]:
    """Bring what each benchmark says of itself."""
    return {name: inspect.getdoc(sys.modules[f"benchmarks.{name}"]) or "" for name in names}


if __name__ == "__main__":
    main()
