"""Prints the lowest versions that pyproject.toml allows for the core and every extra, as constraints for pip."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NOT_FOR_USERS = {"dev", "docs", "bench"}


def minima() -> Iterator[str]:
    """Give `name==version` for each dependency; its own extras are no dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [wants for name, wants in project["optional-dependencies"].items() if name not in NOT_FOR_USERS]
    for wanted in [*project["dependencies"], *(wanted for wants in extras for wanted in wants)]:
        if wanted.startswith("volcasr-async["):
            continue
        found = re.match(r"([\w.-]+)>=([\d.]+)", wanted)
        if found is None:
            raise SystemExit(f"{wanted} in pyproject.toml has no lowest version")
        yield f"{found[1]}=={found[2]}"


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in minima()))
