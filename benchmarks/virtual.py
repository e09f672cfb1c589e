"""A loop whose time jumps to the next timer when all is quiet, so that hours of waiting pass in seconds."""

from __future__ import annotations

import asyncio
from typing import Any


class JumpingLoop(asyncio.SelectorEventLoop):
    """For measurements in one process without threads."""

    def __init__(self) -> None:
        super().__init__()
        self._skipped = 0.0
        select = self._selector.select  # type: ignore[attr-defined]

        def jump(timeout: float | None = None) -> Any:
            if not timeout:
                return select(timeout)
            events = select(0)
            if not events:
                self._skipped += timeout
            return events

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return super().time() + self._skipped
