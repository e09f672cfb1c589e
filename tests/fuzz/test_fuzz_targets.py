"""The targets of the fuzzer in an ordinary run: what it kept is read once more, and Hypothesis changes that a little."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fuzz_kit import CORPUS
from fuzz_mutations import inputs, mutated
from fuzz_targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_EXAMPLES = {"reply": 400, "journal": 60, "listing": 150, "subtitles": 120, "documents": 200, "probe": 200}
_names = pytest.mark.parametrize("name", TARGETS)


@_names
def test_what_was_kept_is_read(name: str) -> None:
    """Every seed and every file of the corpus keeps the target's promises."""
    assert len(inputs(name)) > 3
    for data in inputs(name):
        TARGETS[name].run(data)


@_names
def test_what_was_changed_is_read(name: str) -> None:
    """So does whatever a few changes make of them."""

    @settings(max_examples=_EXAMPLES[name], deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def hold(data: st.DataObject) -> None:
        TARGETS[name].run(data.draw(mutated(name)))

    hold()


def test_the_corpus_is_small() -> None:
    """It stays something that a checkout can carry, and each file belongs to a target."""
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= set(TARGETS)
    assert len(files) <= 120
    assert sum(path.stat().st_size for path in files) <= 300_000


def test_every_target_is_told_of() -> None:
    """The page has a line for each, and the command knows their names."""
    page = (CORPUS.parent / "README.md").read_text()
    assert [name for name in TARGETS if f"| `{name}` |" not in page] == []
    shown = subprocess.run([sys.executable, CORPUS.parent, "--help"], capture_output=True, text=True, check=True).stdout
    assert [name for name in TARGETS if name not in shown] == []
