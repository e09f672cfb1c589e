"""What each turn of a job's life does to the journal."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from volcasr_async import AppKey, AucV1, Idle, Job, Standard
from volcasr_async.batch.flight import Flight
from volcasr_async.batch.recorder import Recorder
from volcasr_async.editions import Edition
from volcasr_async.errors import (
    AuthenticationFailed,
    EmptyAudio,
    InputError,
    InvalidRequest,
    ServerError,
    SubmitUncertain,
    TaskNotFound,
    TransportError,
    VolcASRError,
    WaitTimeout,
)
from volcasr_async.job import prepare
from volcasr_async.journal import Change, Condition, Entry, request_id_of
from volcasr_async.models import Task, Transcript
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access
from volcasr_async.protocol.progress import Progress

pytestmark = pytest.mark.anyio
ID = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"
TASK = Task(id="t", edition=Idle(), request_id="r", submitted_at=1.0)

UNUSED: Any = None


class Notes:
    """A journal that only remembers."""

    def __init__(self, kept: tuple[bytes, str | None, bool] | None = None) -> None:
        self.id, self.kept, self.settled = ID, kept, 0
        self.changes: list[Any] = []

    async def bind(self, host: str, account: str) -> Condition:
        return Condition()

    def note_own_task_ids(self) -> None:
        self.changes.append("own task ids")

    def note(self, change: Change) -> None:
        self.changes.append(change)

    def delivered(self, key: str) -> None:
        self.changes.append(key)

    async def settle(self) -> None:
        self.settled = len(self.changes)

    async def look_up(self, keys: Sequence[str]) -> dict[str, Entry]:
        found: dict[str, Any] = dict.fromkeys(keys)
        return found

    async def aclose(self) -> None:
        raise AssertionError("who opened it closes it")

    async def transcript(self, key: str) -> tuple[bytes, str | None, bool] | None:
        return self.kept if key == "a" else None


def flight(dialect: Any = UNUSED, **more: Any) -> Flight:
    progress = Progress(dialect, UNUSED, **more) if more else None
    return Flight(Job("https://example.com/a.mp3", request_id=ID), "a", progress=progress, attempt=2)


STANDARD, V1 = Standard(), AucV1("c")
UNANSWERED = TransportError("x", sent="yes")


@pytest.mark.parametrize(
    ("error", "edition", "progress", "state"),
    [
        # not charged: refused, or nothing was sent
        (EmptyAudio("x"), STANDARD, {}, "failed"),
        (InvalidRequest("x"), STANDARD, {}, "failed"),
        (InputError("x"), STANDARD, {}, "failed"),
        (TransportError("x", sent="no"), STANDARD, {}, "planned"),
        (WaitTimeout("x"), STANDARD, {}, "planned"),
        # perhaps charged: queried by the next run, or uncertain where no query can tell
        (UNANSWERED, STANDARD, {"charged": "maybe"}, "sent"),
        (WaitTimeout("x"), STANDARD, {"charged": "maybe"}, "sent"),
        (InvalidRequest("x"), STANDARD, {"charged": "maybe"}, "sent"),
        (SubmitUncertain("x"), STANDARD, {"charged": "maybe"}, "uncertain"),
        (UNANSWERED, V1, {"charged": "maybe"}, "uncertain"),
        (WaitTimeout("x"), V1, {"charged": "maybe"}, "uncertain"),
        (SubmitUncertain("x"), V1, {"charged": "maybe"}, "uncertain"),
        # charged: only a listed final code ends the task
        (EmptyAudio("x"), STANDARD, {"charged": "yes", "ended": True, "task": TASK}, "failed"),
        (EmptyAudio("x"), V1, {"charged": "yes", "ended": True, "task": TASK}, "failed"),
        (TaskNotFound("x"), STANDARD, {"charged": "yes", "task": TASK}, "missing"),
        (WaitTimeout("x"), STANDARD, {"charged": "yes", "task": TASK}, "accepted"),
        (ServerError("x"), STANDARD, {"charged": "yes", "task": TASK}, "accepted"),
        (AuthenticationFailed("x"), STANDARD, {"charged": "yes", "task": TASK}, "accepted"),
    ],
)
async def test_failures(error: VolcASRError, edition: Edition, progress: dict[str, Any], state: str) -> None:
    """The charge state and the way in which a job ended decide its state; the row has the charge state, too."""
    notes = Notes()
    order = prepare(Job("https://example.com/a.wav", request_id=ID), edition=edition, options=None, cluster=None)
    one = flight(order=order, dialect=dialect_of(edition, Access(AppKey("app", "key"))), **progress)
    Recorder(notes).failed(one, error)
    [change] = notes.changes
    assert (change.state, change.charged) == (state, progress.get("charged", "no"))
    assert (change.task is not None) == (change.charged == "yes" or (change.charged == "maybe" and edition is STANDARD))


async def test_a_job_that_could_not_be_prepared() -> None:
    """It failed before anything was sent."""
    notes = Notes()
    Recorder(notes).failed(flight(), InputError("x"))
    assert [(change.state, change.charged) for change in notes.changes] == [("failed", "no")]


async def test_ids() -> None:
    """With a journal the id is derived, or what an earlier run left; without one it is the job's."""
    one = flight()
    assert Recorder(None).request_id(one) == ID
    assert Recorder(Notes()).request_id(one) == request_id_of(ID, "a", 2)
    one.request_id = "left"
    assert Recorder(Notes()).request_id(one) == "left"


async def test_without_a_journal_nothing_happens() -> None:
    """Every note goes nowhere."""
    recorder = Recorder(None)
    assert not recorder.records
    recorder.planned(flight())
    recorder.own_task_ids()
    recorder.delivered("a")
    await recorder.settle()
    assert await recorder.look_up(["a"]) == {}
    assert await recorder.transcript(Entry("a", "done", 0, ID, "", None, False)) is None


async def test_what_was_told_is_written_before_it_is_looked_up() -> None:
    """A look never misses what this run has told."""
    notes = Notes()
    recorder = Recorder(notes)
    recorder.delivered("a")
    looked: dict[str, Any] = {"a": None}
    assert await recorder.look_up(["a"]) == looked
    assert notes.settled == 1
    assert await recorder.look_up([]) == {}


@pytest.mark.parametrize("kept", [None, (b"no json", None, False)])
async def test_transcripts_that_were_lost(kept: tuple[bytes, str | None, bool] | None) -> None:
    """A missing or broken transcript is none."""
    entry = Entry("a", "done", 0, ID, "", None, False)
    assert await Recorder(Notes(kept)).transcript(entry) is None


async def test_a_kept_transcript() -> None:
    """A good one comes back, silent or not."""
    entry = Entry("a", "done", 0, ID, "", TASK, False)
    found = await Recorder(Notes((b'{"result":{"text":"good"}}', "log", False))).transcript(entry)
    assert found is not None
    assert (found.text, found.log_id, found.silent, found.task) == ("good", "log", False, TASK)


async def test_what_each_note_says() -> None:
    """Edition and id are those of what was sent; a task, a transcript and an error stand where there are any."""
    job = Job("https://example.com/a.mp3", request_id=ID)
    order = prepare(job, edition=Standard(), options=None, cluster=None)
    dialect = dialect_of(Standard(), Access(AppKey("app", "key")))
    one = Flight(job, "a", fingerprint="f", progress=Progress(dialect, UNUSED, order=order), attempt=2)
    notes, transcript, error = Notes(), Transcript(text="good", task=TASK), EmptyAudio("x")
    recorder = Recorder(notes, account="me")
    recorder.sent(one)
    recorder.accepted(one, TASK)
    recorder.done(one, transcript)
    one.under_way.task, one.under_way.charged, one.under_way.ended = TASK, "yes", True
    recorder.failed(one, error)
    one.under_way.order = None  # it waits: the task says all that is needed
    recorder.failed(one, error)
    assert {(change.key, change.attempt, change.fingerprint) for change in notes.changes} == {("a", 2, "f")}
    assert {change.account for change in notes.changes} == {"me"}
    presumed = notes.changes[0].task
    assert (presumed.id, presumed.request_id, presumed.edition) == (ID, ID, Standard())
    assert abs(presumed.submitted_at - time.time()) < 60
    assert [change.charged for change in notes.changes] == ["maybe", "yes", "yes", "yes", "yes"]
    assert [(change.state, change.task, change.transcript, change.error) for change in notes.changes] == [
        ("sent", presumed, None, None),
        ("accepted", TASK, None, None),
        ("done", TASK, transcript, None),
        ("failed", TASK, None, error),
        ("failed", TASK, None, error),
    ]
    assert {change.request_id for change in notes.changes[:4]} == {ID}
    assert all(Standard().resource_id in change.edition for change in notes.changes[:4])
    assert notes.changes[4].request_id == "r"
    assert Idle().resource_id in notes.changes[4].edition


async def test_a_progress_without_an_order_is_noted_under_its_key() -> None:
    """A followed task has no order; its changes have all they need."""
    notes = Notes()
    Recorder(notes).planned(flight())
    (change,) = notes.changes
    assert (change.key, change.edition, change.attempt) == ("a", "null", 2)
    assert Standard().name not in change.edition
