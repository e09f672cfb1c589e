"""Ctrl-C and SIGTERM, heard in the event loop."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager


@contextmanager
def interruptions() -> Iterator[AsyncIterator[signal.Signals] | None]:
    """Receive Ctrl-C and SIGTERM; `None` where the system lets no event loop do that.

    Also where they were ignored when the process began, as a script's shell does for what it puts into the background.
    """
    import anyio

    if os.name == "nt":
        yield None
        return
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        yield signals
