"""`python -m benchmarks [NAME ...] [--json]`: run them and print tables."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from importlib.metadata import version
from typing import Any

NAMES = ("exchanges", "crowd", "upload", "journal", "flight", "batch")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    results = {}
    for name in chosen.names or NAMES:
        sys.stderr.write(f"{name} ...\n")
        results[name] = importlib.import_module(f"benchmarks.{name}").run()
        if not chosen.json:
            print_table(name, results[name])
    if chosen.json:
        print(json.dumps({"machine": machine(), "results": results}, indent=2))


def machine() -> str:
    """Say what it ran on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("httpx", "anyio", "msgspec"))
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {libraries}"


def print_table(name: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as Markdown, so that they can be pasted."""
    keys = list(rows[0])
    print(f"\n## {name} ({machine()})\n")
    print("| " + " | ".join(keys) + " |")
    print("| " + " | ".join("---" for _ in keys) + " |")
    for row in rows:
        print("| " + " | ".join(str(row.get(key, "")) for key in keys) + " |")


if __name__ == "__main__":
    main()
