"""What the v3 dialects share."""

import pytest
from ground import ID, KEY, PAIR, answer, task_of

from volcasr_async import AppKey, ReplyError
from volcasr_async.protocol import v3
from volcasr_async.protocol.reading import read_status


def test_exactly_one_mode() -> None:
    """A key or a pair, never both; the signing secret stays at home."""
    assert v3.authentication(KEY) == (("X-Api-Key", "api-key"),)
    assert v3.authentication(PAIR) == (("X-Api-App-Key", "app-id"), ("X-Api-Access-Key", "access-token"))
    assert "s3cret" not in repr(v3.authentication(AppKey("a", "b", "s3cret")))


def test_the_sequence_is_asked_for() -> None:
    """-1, and only where it is listed."""
    for sequence in (True, False):
        head = dict(v3.headers((), resource_id="r", request_id=ID, sequence=sequence))
        assert head.get("X-Api-Sequence") == ("-1" if sequence else None)


def test_nonsense_is_not_what_the_service_sends() -> None:
    """The reading's complaint becomes a `ReplyError` with the log id."""
    reply = answer(20000000, "OK", b"<p>")
    with pytest.raises(ReplyError, match="not what the service sends"):
        v3.finished(reply, read_status(reply))
    assert v3.silence(reply, read_status(reply), task_of()).duration_ms is None
