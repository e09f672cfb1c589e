"""The public surface changes only where somebody has seen it."""

from surface_page import COMMAND, PAGE, page


def test_the_page_is_the_surface() -> None:
    """`docs/surface.md` says what the source says; a change of the one is a change of the other in the same commit."""
    assert PAGE.read_text("utf-8") == page(), f"the public surface has changed; see by how much: {COMMAND} && git diff"
