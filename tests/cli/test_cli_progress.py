"""The lines that somebody watches."""

import io

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
        Console(file=text, width=80).print(board.table())
    assert "1.wav" in text.getvalue()
    assert "uploading" in text.getvalue()
    assert "2 more, 3 requests" in text.getvalue()


def test_long_names_lose_their_middle() -> None:
    """Beginning and end tell recordings apart."""
    name = "https://h.example/" + "x" * 80 + "/last.mp3"
    assert shortened(name).startswith("https://h.ex")
    assert shortened(name).endswith("/last.mp3")
    assert len(shortened(name)) == 40
