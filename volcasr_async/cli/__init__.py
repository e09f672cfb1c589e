"""The command `volcasr`: everything of it is imported when it is run, and what a command needs when that one is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

_EXTRA = 'volcasr: the command needs the extra [cli]: pip install "volcasr-async[cli]"'


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command with *argv*, by default the process's own; ends with its exit status."""
    if any(find_spec(name) is None for name in ("typer", "rich")):
        sys.stderr.write(_EXTRA + "\n")
        sys.exit(2)
    from volcasr_async.cli.app import app

    sys.exit(app(args=None if argv is None else list(argv), prog_name="volcasr"))
