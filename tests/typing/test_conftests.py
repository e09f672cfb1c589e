"""What type checkers have to be told of by name."""

from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_every_conftest_is_read_by_the_type_checkers() -> None:
    """Each folder's fixtures stand in the list that brings them before the checkers."""
    listed = (TESTS / "typing" / "conftests.py").read_text("utf-8")
    found = {f"import tests.{path.parent.name}.conftest" for path in TESTS.glob("*/conftest.py")}
    assert found
    assert found == {line.partition("  #")[0] for line in listed.splitlines() if line.startswith("import ")}
