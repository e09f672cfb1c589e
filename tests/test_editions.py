"""The editions and what they promise (reference 11)."""

from typing import Any

import msgspec
import pytest
from ground import EDITIONS

from volcasr_async import AucV1, Edition, Flash, Idle, InputError, Standard
from volcasr_async.editions import EDITION_NAMES


def test_promises() -> None:
    """Names, resources, waiting times and sizes are the documents'."""
    assert [e.name for e in EDITIONS] == list(EDITION_NAMES)
    assert [e.patience_s for e in EDITIONS[:2]] == [3 * 3600, 24 * 3600]
    assert [e.longest_gap_s for e in EDITIONS] == [30, 300, 30, 30]
    assert [e.largest_bytes for e in EDITIONS] == [512_000_000, 512_000_000, 100_000_000, 512_000_000]
    assert [e.longest_audio_s for e in EDITIONS] == [18000, 18000, 7200, 18000]
    assert [e.inline_audio for e in EDITIONS] == [False, False, True, False]
    assert [e.resource_id for e in (Standard(), Idle(), Flash())] == [
        "volc.bigasr.auc", "volc.bigasr.auc_idle", "volc.bigasr.auc_turbo",
    ]  # fmt: skip
    assert AucV1.formats == {"raw", "wav", "ogg", "mp3", "mp4"}


@pytest.mark.parametrize("edition", EDITIONS)
def test_round_trip(edition: Any) -> None:
    """An edition inside a task comes back as itself."""
    assert msgspec.json.decode(msgspec.json.encode(edition), type=Edition) == edition
    assert hash(edition) == hash(type(edition)(edition.cluster if isinstance(edition, AucV1) else edition.resource_id))


@pytest.mark.parametrize("bad", ["", "a b", "a\r\nX-Evil: 1", "中", None, 5])
@pytest.mark.parametrize("kind", [Standard, Idle, Flash, AucV1])
def test_names_that_cannot_stand_in_a_header(kind: Any, bad: Any) -> None:
    """A resource id or cluster is a plain word."""
    with pytest.raises(InputError):
        kind(bad)
