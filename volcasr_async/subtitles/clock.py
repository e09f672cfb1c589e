"""Times as the formats write them."""

from __future__ import annotations


def stamp(ms: int, mark: str) -> str:
    """Write 3661005 as 01:01:01.005, with *mark* before the milliseconds."""
    seconds, ms = divmod(ms, 1000)
    return f"{clock(seconds)}{mark}{ms:03d}"


def clock(seconds: int) -> str:
    """Write 3661 as 01:01:01."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}"


def lyric_stamp(ms: int) -> str:
    """Write 6001010 as [100:01.01]: minutes go on above 99, and the time is never later than it was."""
    minutes, rest = divmod(ms // 10, 6000)
    return f"[{minutes:02d}:{rest // 100:02d}.{rest % 100:02d}]"
