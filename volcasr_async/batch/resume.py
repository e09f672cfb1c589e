"""What an earlier run means for this one: pure decisions about one key."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec
from msgspec import Struct

from volcasr_async.job import Order
from volcasr_async.journal import Entry

Course = Literal["submit", "ask", "wait", "deliver", "skip", "changed", "uncertain"]


class Plan(Struct, frozen=True):
    """What to do with a key, and under which deliberate attempt."""

    course: Course
    attempt: int


_FRESH = Plan("submit", 0)


def plan(entry: Entry | None, *, fingerprint: str, redo: bool, can_ask: bool, may_resend: bool) -> Plan:
    """Decide about a key.

    *can_ask*: the edition's service can be asked about an id of ours. *may_resend*: the caller accepts that what is
    uncertain may be charged again.
    """
    if entry is None:
        return _FRESH
    if entry.fingerprint != fingerprint and entry.state in ("accepted", "done", "sent"):
        return Plan("submit", entry.attempt + 1) if redo else Plan("changed", entry.attempt)
    if entry.state == "done" and redo:
        return Plan("submit", entry.attempt + 1)
    match entry.state:
        case "done":
            return Plan("skip" if entry.delivered else "deliver", entry.attempt)
        case "accepted":
            return Plan("wait", entry.attempt)
        case "planned":
            return Plan("submit", entry.attempt)
        case "failed":
            # Its id is used up at the service: another try is another task.
            return Plan("submit", entry.attempt + 1)
        case _:
            if can_ask:
                return Plan("ask", entry.attempt)
            return Plan("submit", entry.attempt + 1) if may_resend else Plan("uncertain", entry.attempt)


def fingerprint_of(order: Order) -> str:
    """Sum up what a transcript depends on beside the recording: edition, options, and how the audio was declared."""
    source = order.source
    declared = [source.format, source.codec, source.rate, source.bits, source.channel, source.language]
    said = msgspec.json.encode([order.edition, order.options, declared], order="sorted")
    return hashlib.sha256(said).hexdigest()[:16]
