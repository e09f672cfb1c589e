"""What a single call and a batch share: old tasks, claims, and a submit that was cut off."""

import time

import anyio
import pytest
from io_kit import client

from volcasr_async import Job, Standard, TransportError, VolcASR
from volcasr_async._session import Session
from volcasr_async.models import Task
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio
ID = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"


def session_of(asr: VolcASR) -> Session:
    return asr._session


async def test_a_task_keeps_its_age() -> None:
    """A task of yesterday is asked about at once, one of just now after the usual pause."""
    async with client(Simulator()) as asr:
        for age, pause in ((100.0, 0.0), (0.0, 2.0), (-50.0, 2.0)):
            task = Task(id=ID, edition=Standard(), request_id=ID, submitted_at=time.time() - age)
            progress = session_of(asr).follow(task)
            now = anyio.current_time()
            assert progress.due - now == pytest.approx(pause, abs=0.2)
            assert now - progress.since == pytest.approx(max(age, 0), abs=0.2)


async def test_a_submit_that_was_cut_off_may_have_arrived() -> None:
    """Before it is sent nobody claims a task; cut off in the air, it is claimed under its own id."""
    async with client(Simulator(faults=[Fault("stall")])) as asr:
        session = session_of(asr)
        progress = session.begin(session.order(Job("https://example.com/a.mp3", request_id=ID)))
        assert progress.presumed_task(at=0.0) is None
        turn = await session.budget.take()
        with anyio.move_on_after(1):
            await session.request(progress, None, turn)
        session.budget.give_back(turn)
        assert isinstance(progress.doubt, TransportError)
        task = progress.presumed_task(at=0.0)
        assert task is not None
        assert task.id == ID
