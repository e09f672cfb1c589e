"""What an earlier run means for this one, as a table."""

from typing import Any

import pytest

from volcasr_async import AudioUrl, Idle, Job, Options, Standard
from volcasr_async.batch.resume import fingerprint_of, plan
from volcasr_async.editions import Edition
from volcasr_async.job import prepare
from volcasr_async.journal import STATES, Entry, State

ROWS = [
    # state, delivered, changed, redo, can_ask, may_resend -> course, attempt
    ("planned", 0, 0, 0, 1, 0, "submit", 3),
    ("planned", 0, 1, 0, 1, 0, "submit", 3),
    ("sent", 0, 0, 0, 1, 0, "ask", 3),
    ("sent", 0, 0, 0, 0, 0, "uncertain", 3),
    ("sent", 0, 0, 0, 0, 1, "submit", 4),
    ("sent", 0, 1, 0, 1, 0, "changed", 3),
    ("accepted", 0, 0, 0, 1, 0, "wait", 3),
    ("accepted", 0, 0, 1, 1, 0, "wait", 3),
    ("accepted", 0, 1, 0, 1, 0, "changed", 3),
    ("accepted", 0, 1, 1, 1, 0, "submit", 4),
    ("done", 1, 0, 0, 1, 0, "skip", 3),
    ("done", 0, 0, 0, 1, 0, "deliver", 3),
    ("done", 1, 1, 0, 1, 0, "changed", 3),
    ("done", 1, 0, 1, 1, 0, "submit", 4),
    ("done", 1, 1, 1, 1, 0, "submit", 4),
    ("failed", 0, 0, 0, 1, 0, "submit", 4),
    ("failed", 1, 1, 0, 1, 0, "submit", 4),
    ("uncertain", 0, 0, 0, 0, 0, "uncertain", 3),
    ("uncertain", 0, 0, 0, 0, 1, "submit", 4),
]


def test_a_new_key() -> None:
    """What the journal does not know is submitted."""
    decided = plan(None, fingerprint="f", redo=False, can_ask=True, may_resend=False)
    assert (decided.course, decided.attempt) == ("submit", 0)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_known_keys(row: tuple[State, int, int, int, int, int, str, int]) -> None:
    """Each state has its course; another attempt, and so another charge, only where that is meant."""
    state, delivered, changed, redo, can_ask, may_resend, course, attempt = row
    entry = Entry("k", state, 3, "id", "f", None, bool(delivered))
    decided = plan(
        entry, fingerprint="g" if changed else "f", redo=bool(redo), can_ask=bool(can_ask), may_resend=bool(may_resend)
    )
    assert (decided.course, decided.attempt) == (course, attempt)


def test_the_table_is_complete() -> None:
    """Every state stands in it."""
    assert {row[0] for row in ROWS} == set(STATES)


def test_fingerprints() -> None:
    """Edition, options and declared audio count; links, ids and callbacks do not."""

    def one(link: str = "https://example.com/a.mp3", edition: Edition | None = None, **more: Any) -> str:
        options = more.pop("options", None)
        source = AudioUrl(link, **{name: more.pop(name) for name in ("format", "language") if name in more})
        return fingerprint_of(
            prepare(Job(source, **more), edition=edition or Standard(), options=options, cluster=None)
        )

    assert one() == one("https://example.com/b.wav", key="x", callback="https://example.com/") == one(options=Options())
    others = [one(edition=Idle()), one(options=Options(enable_itn=False)), one(format="mp3"), one(language="en-US")]
    assert len({one(), *others}) == 5


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (None, "79bc768c5ef63b80"),
        (Options(enable_itn=False, extra={"a": 2, "b": 1}), "51ff031cdef9bb69"),
        (Options(enable_itn=False, extra={"b": 1, "a": 2}), "51ff031cdef9bb69"),
    ],
)
def test_fingerprints_stay(options: Options | None, kept: str) -> None:
    """Journals hold them: were one to change with a release, or with an order of words, every list would be refused."""
    order = prepare(Job("https://example.com/a.mp3"), edition=Standard(), options=options, cluster=None)
    assert fingerprint_of(order) == kept
