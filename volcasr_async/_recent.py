"""The memory of requests that clients made which are closed: the service counts them all the same."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict, deque
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from volcasr_async._loops import listen_for_forks
from volcasr_async.credentials import ApiKey, Credentials

_MOST_KEYS: Final = 256
_MOST_STARTS: Final = 4096
_MOST_ADDED: Final = 1024
_MEMORY_S: Final = 2.1
"""No rate looks further back than two seconds and its guard, but for one below a request a second."""


class Trace(Struct):
    """What closed clients leave behind. All moments are on `time.monotonic`."""

    starts: list[float]
    held_until: float = float("-inf")
    submits_at: float = float("-inf")


class RecentStarts:
    """Keeps, for each key, when requests of closed clients started."""

    def __init__(self) -> None:
        self._traces: OrderedDict[bytes, Trace] = OrderedDict()
        self._added: deque[tuple[bytes, Trace]] = deque(maxlen=_MOST_ADDED)
        self._salt = secrets.token_bytes(32)  # so that no digest tells a key to who reads the memory
        self._lock = threading.RLock()
        listen_for_forks(self)

    def key_of(self, host: str, credentials: Credentials) -> bytes:
        """Return the digest that stands for a host and credentials."""
        parts = (credentials.key,) if isinstance(credentials, ApiKey) else (credentials.app_key, credentials.access_key)
        said = "\0".join((host, type(credentials).__name__, *parts))
        return blake2b(said.encode(), key=self._salt, digest_size=16).digest()

    def add(self, key: bytes, trace: Trace) -> None:
        """Keep what a client leaves behind. The garbage collector may call this at any moment, so it takes no lock."""
        self._added.append((key, trace))

    def of(self, key: bytes) -> Trace:
        """Return what closed clients left behind."""
        with self._lock:
            while self._added:
                self._merge(*self._added.popleft())
            return self._traces.get(key) or Trace([])

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._added.clear()
            self._traces.clear()

    def after_fork(self) -> None:
        """Make a new lock. Another thread may have held it during the fork."""
        self._lock = threading.RLock()

    def _merge(self, key: bytes, trace: Trace) -> None:
        known = self._traces.pop(key, Trace([]))
        starts = sorted((*known.starts, *trace.starts))
        newest = starts[-1] if starts else 0.0
        self._traces[key] = Trace(
            [at for at in starts if at > newest - _MEMORY_S][-_MOST_STARTS:],
            max(known.held_until, trace.held_until),
            max(known.submits_at, trace.submits_at),
        )
        if len(self._traces) > _MOST_KEYS:
            self._traces.popitem(last=False)


RECENT: Final = RecentStarts()
