"""The floors look down only."""

import subprocess
import sys
from pathlib import Path


def test_import_contracts_are_kept() -> None:
    """import-linter finds every contract of pyproject.toml kept."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
