"""One dialect per edition."""

import pytest
from ground import CLUSTER, EDITIONS, KEY, PAIR, speak

from volcasr_async import ConfigurationError
from volcasr_async.protocol.auc import AucDialect
from volcasr_async.protocol.flash import FlashDialect
from volcasr_async.protocol.standard import StandardDialect


def test_each_edition_has_its_dialect() -> None:
    """Standard and idle share one."""
    assert [type(speak(edition)) for edition in EDITIONS] == [
        StandardDialect, StandardDialect, FlashDialect, AucDialect,
    ]  # fmt: skip


def test_credentials_have_to_fit() -> None:
    """v1 takes the pair only; everything else takes both."""
    for edition in EDITIONS[:3]:
        assert speak(edition, KEY).phase == speak(edition, PAIR).phase
    with pytest.raises(ConfigurationError):
        speak(CLUSTER, KEY)
