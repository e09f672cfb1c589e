"""The simulator's clock: that of the event loop that serves, continued when another loop serves next."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any


class Clock:
    """Counts seconds on the event loop in which requests come, so that virtual time works.

    The first loop's time is taken as it is. Loops may differ in where their time begins, as two runs of trio do, therefore
    the time of a later loop is shifted so that it continues where the one before stopped.
    """

    def __init__(self) -> None:
        self._loop: object = None
        self._shift = 0.0
        self._last = 0.0  # the time that was told last, and when that was on `time.monotonic`
        self._told_at = 0.0
        self._lock = threading.Lock()

    def tick(self) -> float:
        """Return the time of the running event loop, which is from now on the one that serves."""
        loop, local = _running_loop()
        with self._lock:
            if loop is not self._loop:
                self._shift = 0.0 if self._loop is None else self._estimate() - local
                self._loop = loop
            self._last, self._told_at = local + self._shift, time.monotonic()
            return self._last

    def read(self) -> float:
        """Return the time for somebody who only looks: from any thread, outside event loops too."""
        try:
            loop, local = _running_loop()
            if loop is self._loop:
                return local + self._shift
        except RuntimeError:
            pass
        with self._lock:
            return self._estimate()

    def _estimate(self) -> float:
        return 0.0 if self._loop is None else self._last + time.monotonic() - self._told_at


def _running_loop() -> tuple[object, float]:
    """Return the running event loop and its time; `RuntimeError` outside any loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        if "trio" not in sys.modules:
            raise
    else:
        return loop, loop.time()
    trio: Any = sys.modules["trio"]
    return trio.lowlevel.current_trio_token(), trio.current_time()
