"""The lines that somebody watches."""

import io

import pytest
from rich.console import Console

from volcasr_async.cli.progress import Board, shortened


def test_nothing_is_shown_where_nobody_watches(capfd: object) -> None:
    """Without a terminal the board writes nothing."""
    board = Board()
    with board.running(), board.aside():
        board.show("a", "a.wav", "waiting")
        board.drop("a")
    assert capfd.readouterr() == ("", "")  # type: ignore[attr-defined]


def test_lines_name_what_runs_and_how_long() -> None:
    """Each running recording has its line; more than a screen's worth are counted."""
    board = Board(watched=True)
    board.summary = "3 requests"
    with board.running():
        for number in range(15):
            board.show(number, f"{number}.wav", "uploading")
        board.drop(0)
        with board.aside():
            pass
        text = io.StringIO()
        Console(file=text, width=80).print(board.drawn(77))
    assert "1.wav" in text.getvalue()
    assert "uploading" in text.getvalue()
    assert "2 more, 3 requests" in text.getvalue()


@pytest.mark.parametrize("width", [77, 47, 30])
def test_lines_leave_room_for_the_echo_of_an_interruption(width: int) -> None:
    """No line is wider than it may be: the terminal writes ^C behind the last one, and one that it broke would stay."""
    board = Board(watched=True)
    board.summary = "1,234 requests, 12 waiting for their turn, 3 refused for the rate"
    board.show(
        1, "https://h.example/a-long-name-of-a-recording/number-one-of-them.mp3", "standard: waiting for the text"
    )
    board.show(2, "会议录音之一会议录音之一会议录音之一会议录音之一.wav", "flash: uploading")
    lines = Console(width=width + 3).render_lines(board.drawn(width), pad=False)
    assert len(lines) == 3
    assert max(sum(segment.cell_length for segment in line) for line in lines) <= width


def test_long_names_lose_their_middle() -> None:
    """Beginning and end tell recordings apart."""
    name = "https://h.example/" + "x" * 80 + "/last.mp3"
    assert shortened(name).startswith("https://h.ex")
    assert shortened(name).endswith("/last.mp3")
    assert len(shortened(name)) == 40
