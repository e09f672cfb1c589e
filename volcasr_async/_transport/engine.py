"""What makes one HTTP exchange, whichever library is underneath."""

from __future__ import annotations

from typing import Final, Protocol

from volcasr_async._transport.body import Body
from volcasr_async.protocol.messages import Reply

Headers = list[tuple[str, str]]

CONNECT_S: Final = 15.0
WRITE_S: Final = 60.0
ANSWER: Final = 2.0
"""A reply may take this many times what its first byte may, and more only while it comes fast: one that drips, or that
is never more than announced, would hold its slot for ever."""
IDLE_S: Final = 30.0
"""Connections are kept for so long without a request; gateways close theirs after 60 s or more."""


def patience(reply_timeout: float) -> dict[str, float]:
    """Bound each step, in seconds: a connection is waited for no longer than an answer is."""
    connect = min(CONNECT_S, reply_timeout)
    return {"connect": connect, "pool": connect, "write": WRITE_S, "read": reply_timeout}


class Engine(Protocol):
    """Posts a body and brings the reply, read to its end; failures of the way are raised as errors of httpx."""

    async def post(self, path: str, headers: Headers, body: Body, *, reply_timeout: float) -> Reply:
        """Make one exchange."""
        ...

    async def aclose(self) -> None:
        """Close what it opened."""
        ...
