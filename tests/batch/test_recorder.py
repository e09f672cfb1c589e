"""What each turn of a job's life does to the journal."""

from collections.abc import Sequence
from typing import Any

import pytest

from volcasr_async import Idle, Job, Standard
from volcasr_async.batch.flight import Flight
from volcasr_async.batch.recorder import Recorder
from volcasr_async.errors import EmptyAudio, InputError, SubmitUncertain, TransportError, VolcASRError, WaitTimeout
from volcasr_async.job import prepare
from volcasr_async.journal import Change, Entry, request_id_of
from volcasr_async.models import Task, Transcript
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


def flight(**more: Any) -> Flight:
    progress = Progress(UNUSED, UNUSED, **more) if more else None
    return Flight(Job("https://example.com/a.mp3", request_id=ID), "a", progress=progress, attempt=2)


@pytest.mark.parametrize(
    ("error", "progress", "state"),
    [
        (EmptyAudio("x"), {}, "failed"),
        (InputError("x"), {}, "failed"),
        (SubmitUncertain("x"), {}, "uncertain"),
        (TransportError("x", sent="no"), {"state": "submit"}, "planned"),
        (TransportError("x", sent="no"), {"state": "submit", "doubt": TransportError("y")}, None),
        (TransportError("x", sent="maybe"), {"state": "submit"}, "failed"),
        (WaitTimeout("x"), {"state": "wait"}, None),
        (WaitTimeout("x"), {"state": "submit"}, "planned"),
        (WaitTimeout("x"), {}, "planned"),
    ],
)
async def test_failures(error: VolcASRError, progress: dict[str, Any], state: str | None) -> None:
    """What may go on at the service is left as it is; what was never taken is planned."""
    notes = Notes()
    Recorder(notes).failed(flight(**progress), error)
    assert [change.state for change in notes.changes] == ([state] if state else [])


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
    recorder.sent(flight())
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
    one = Flight(job, "a", fingerprint="f", progress=Progress(UNUSED, UNUSED, order=order), attempt=2)
    notes, transcript, error = Notes(), Transcript(text="good", task=TASK), EmptyAudio("x")
    recorder = Recorder(notes)
    recorder.sent(one)
    recorder.accepted(one, TASK)
    recorder.done(one, transcript)
    one.under_way.task = TASK
    recorder.failed(one, error)
    one.under_way.order = None  # it waits: the task says all that is needed
    recorder.failed(one, error)
    assert {(change.key, change.attempt, change.fingerprint) for change in notes.changes} == {("a", 2, "f")}
    assert [(change.state, change.task, change.transcript, change.error) for change in notes.changes] == [
        ("sent", None, None, None),
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
