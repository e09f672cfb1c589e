"""The front door."""

import subprocess
import sys

import pytest

import volcasr_async


def test_all() -> None:
    """`__all__` is sorted and everything in it is there."""
    assert volcasr_async.__all__ == sorted(volcasr_async.__all__)
    assert len(set(volcasr_async.__all__)) == len(volcasr_async.__all__)
    for name in volcasr_async.__all__:
        assert getattr(volcasr_async, name) is not None


def test_nothing_public_is_left_out() -> None:
    """Every class that the package brought in, and every error, stands in `__all__`."""
    public = {
        n for n, v in vars(volcasr_async).items() if isinstance(v, type) and v.__module__.startswith("volcasr_async")
    }
    tree = {n for n, v in vars(volcasr_async.errors).items() if isinstance(v, type) and issubclass(v, Exception)}
    assert public | tree <= set(volcasr_async.__all__)


def test_unknown_names() -> None:
    """A name that is not there is an AttributeError."""
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = volcasr_async.nothing_like_it


def test_importing_is_light() -> None:
    """Reading transcripts needs neither an HTTP library nor an event loop."""
    code = (
        "import sys, volcasr_async\n"
        "heavy = {'httpx', 'anyio', 'sqlite3', 'typer', 'rich', 'asyncio', 'h11', 'trio'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
