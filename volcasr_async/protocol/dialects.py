"""Which dialect an edition speaks: the one place that asks."""

from __future__ import annotations

from volcasr_async.editions import AucV1, Edition, Flash
from volcasr_async.protocol.auc import AucDialect
from volcasr_async.protocol.flash import FlashDialect
from volcasr_async.protocol.messages import Access, Dialect
from volcasr_async.protocol.standard import StandardDialect


def dialect_of(edition: Edition, access: Access) -> Dialect:
    """Make the dialect; `ConfigurationError` where the credentials do not fit the edition."""
    match edition:
        case Flash():
            return FlashDialect(edition, access)
        case AucV1():
            return AucDialect(edition, access)
        case _:
            return StandardDialect(edition, access)
