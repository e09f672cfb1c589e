"""The board says whose turn it is, and rooms are held until they are left."""

import anyio
import pytest

from volcasr_async import ApiKey, Job, Limits, PollPolicy, RetryPolicy, Standard
from volcasr_async._budget import KeyBudget
from volcasr_async.batch.board import Board
from volcasr_async.batch.flight import Flight, as_failure
from volcasr_async.batch.rooms import Rooms
from volcasr_async.errors import InputError, TransportError
from volcasr_async.job import prepare
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access
from volcasr_async.protocol.progress import Progress, Rules

RULES = Rules(RetryPolicy(), PollPolicy())
DIALECT = dialect_of(Standard(), Access(ApiKey("0123456789abcdef")))


def flight(name, state="submit", due=0.0, **more):
    job = Job(f"https://example.com/{name}.mp3")
    order = prepare(job, edition=Standard(), options=None, cluster=None)
    return Flight(job, name, progress=Progress(DIALECT, RULES, order=order, state=state, due=due, **more))


def pick(board, now=0.0, submits_at=0.0, left=None):
    found = board.pick(now, submits_at=submits_at, left=left, rate=20.0)
    return found.key if found else None


def test_an_empty_board():
    """There is nothing to do and never will be."""
    board = Board()
    assert board.next_at(0.0, 0.0) is None
    assert pick(board) is None
    assert len(board) == 0


def test_queries_go_by_due_time_and_submits_by_the_list():
    """Each kind keeps its order, nothing is early, and what was refused goes before what is new."""
    board = Board()
    for name, due in (("late", 9.0), ("soon", 3.0), ("now", 1.0)):
        one = flight(name, "wait", due)
        board.plan(one, one.under_way)
    assert (board.next_at(0.0, 0.0), board.waiting) == (1.0, 3)
    assert [pick(board, now) for now in (0.5, 1.0, 2.0, 10.0, 10.0, 10.0)] == [None, "now", None, "soon", "late", None]
    for name in "ab":
        board.arm(flight(name))
    again = flight("again", due=2.0)
    board.plan(again, again.under_way)
    assert board.armed == 2
    assert [pick(board, now) for now in (0.0, 5.0, 5.0)] == ["a", "again", "b"]


def test_paused_submits():
    """No submit, new or again, before the pause ends."""
    board = Board()
    board.arm(flight("a"))
    assert board.next_at(0.0, 50.0) == 50.0
    assert pick(board, 40.0, submits_at=50.0) is None
    assert pick(board, 50.0, submits_at=50.0) == "a"
    again = flight("again", due=2.0)
    board.plan(again, again.under_way)
    assert (board.next_at(0.0, 50.0), board.next_at(0.0, 0.0)) == (50.0, 2.0)


def test_what_the_service_has_nothing_of():
    """Ready ones and refused ones are unsent; doubtful ones and queries are not."""
    board = Board()
    board.arm(flight("ready"))
    doubtful = flight("doubtful", doubt=TransportError("lost"), sends=1)
    for one in (flight("refused", sends=1), doubtful, flight("waits", "wait")):
        board.plan(one, one.under_way)
    assert sorted(one.key for one in board.unsent()) == ["ready", "refused"]


def test_a_flight_that_was_not_prepared():
    """It has no progress, and says so."""
    one = Flight(Job("https://example.com/a.mp3"), "a")
    assert not one.is_prepared
    with pytest.raises(RuntimeError, match="a has not been prepared"):
        _ = one.under_way


def test_failures():
    """An error of ours stays, one of the caller's becomes ours, without signed links."""
    ours = InputError("x")
    assert as_failure("k", ours) is ours
    theirs = as_failure("k", KeyError("https://e.com/a?secret"))
    assert "secret" not in str(theirs)
    assert isinstance(theirs.__cause__, KeyError)


class _Upload:
    size, container, resendable = 10, None, True


@pytest.mark.anyio
async def test_rooms():
    """Room is held until it is left; who gives up waits no longer; closing frees the rest."""
    budget = KeyBudget(Limits(upload_bytes=10))
    rooms = Rooms(budget)
    one, two = flight("one"), flight("two")
    assert await rooms.take(one, _Upload())
    assert rooms.has(one)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 1)

            async def wait():
                assert not await rooms.take(two, _Upload())

            tasks.start_soon(wait)
            await anyio.sleep(1)
            rooms.give_up()
    assert not await rooms.take(two, _Upload())
    assert budget.stats.upload_bytes == 10
    await rooms.leave(two)
    await rooms.close()
    assert budget.stats.upload_bytes == 0
