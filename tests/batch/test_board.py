"""The board says whose turn it is, and rooms are held until they are left."""

from typing import Any

import anyio
import pytest

from volcasr_async import ApiKey, Job, Limits, PollPolicy, RetryPolicy, Standard
from volcasr_async._budget import KeyBudget
from volcasr_async.batch.board import Board
from volcasr_async.batch.flight import Flight, as_failure
from volcasr_async.batch.rooms import Rooms
from volcasr_async.errors import InputError
from volcasr_async.job import prepare
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access
from volcasr_async.protocol.progress import Progress, Rules, State

RULES = Rules(RetryPolicy(), PollPolicy())
DIALECT = dialect_of(Standard(), Access(ApiKey("0123456789abcdef")))


def flight(name: str, state: State = "submit", due: float = 0.0, **more: Any) -> Flight:
    job = Job(f"https://example.com/{name}.mp3")
    order = prepare(job, edition=Standard(), options=None, cluster=None)
    return Flight(job, name, progress=Progress(DIALECT, RULES, order=order, state=state, due=due, **more))


def pick(board: Board, now: float = 0.0, submits_at: float = 0.0, left: int | None = None) -> str | None:
    found = board.pick(now, submits_at=submits_at, left=left, rate=20.0)
    return found.key if found else None


def test_an_empty_board() -> None:
    """There is nothing to do and never will be."""
    board = Board()
    assert board.next_at(0.0, 0.0) is None
    assert pick(board) is None
    assert len(board) == 0


def test_queries_go_by_due_time_and_submits_by_the_list() -> None:
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


def test_paused_submits() -> None:
    """No submit, new or again, before the pause ends."""
    board = Board()
    board.arm(flight("a"))
    assert board.next_at(0.0, 50.0) == 50.0
    assert pick(board, 40.0, submits_at=50.0) is None
    assert pick(board, 50.0, submits_at=50.0) == "a"
    again = flight("again", due=2.0)
    board.plan(again, again.under_way)
    assert (board.next_at(0.0, 50.0), board.next_at(0.0, 0.0)) == (50.0, 2.0)


def test_the_sooner_of_two() -> None:
    """A query is due though submits are paused, and a submit may go though no query is due."""
    board = Board()
    board.arm(flight("new"))
    waits = flight("waits", "wait", due=7.0)
    board.plan(waits, waits.under_way)
    assert board.next_at(0.0, 50.0) == 7.0
    assert board.next_at(0.0, 3.0) == 3.0


def crowd(board: Board, *, submits: int, queries: int) -> None:
    for number in range(submits):
        board.arm(flight(f"new-{number}"))
    for number in range(queries):
        one = flight(f"waits-{number}", "wait", asks=1)
        board.plan(one, one.under_way)


def test_submits_and_queries_share() -> None:
    """While both could be made, neither keeps the other waiting; a little more than half are queries."""
    board = Board()
    crowd(board, submits=100, queries=100)
    picked = [pick(board, 1.0, left=1000) for _ in range(100)]
    assert 40 <= sum(str(name).startswith("new") for name in picked) < 50


@pytest.mark.parametrize(
    ("left", "armed", "rate", "first"),
    [
        (0, 10, 20.0, "new"),
        (290, 10, 20.0, "new"),
        (300, 10, 20.0, "waits"),
        (0, 310, 20.0, "waits"),
        (None, 10, 20.0, "waits"),
        (0, 10, None, "waits"),
    ],
)
def test_the_last_submits_go_first(left: int | None, armed: int, rate: float | None, first: str) -> None:
    """At the end of the list, what can be submitted within one and a half times a task's usual time goes first of all."""
    board = Board()
    for _ in range(20):
        board.finished(flight("done", since=90.0).under_way, 100.0)
    crowd(board, submits=armed, queries=10)
    found = [board.pick(1.0, submits_at=0.0, left=left, rate=rate) for _ in range(5)]
    picked = [one.key for one in found if one is not None]
    assert (sum(name.startswith("new") for name in picked) == 5) == (first == "new")


def asked(board: Board, at: float, *, since: float, found: bool, times: int = 16, asks: int = 1) -> None:
    for _ in range(times):
        progress = flight("other", "wait", since=since, asks=asks).under_way
        (board.finished if found else board.unfinished)(progress, at)


def waiting(board: Board, *, since: float, due: float, state: State = "wait", asks: int = 0) -> Progress:
    one = flight("one", state, due, since=since, asks=asks)
    board.plan(one, one.under_way)
    return one.under_way


def test_first_questions_are_put_off_while_none_finds_a_result() -> None:
    """Tasks of a batch take similar times: the next one is asked about when it is older, and not before."""
    board = Board()
    asked(board, 102.0, since=100.0, found=False)
    later = waiting(board, since=200.0, due=202.0)
    at = board.next_at(202.0, 0.0)
    assert at is not None
    assert 203.0 < at < 203.5
    assert later.due == pytest.approx(at, abs=0.05)
    assert (pick(board, at - 0.1), len(board), board.waiting) == (None, 1, 1)
    assert (pick(board, at), len(board), board.next_at(300.0, 0.0)) == ("one", 0, None)


def test_first_questions_come_sooner_again_when_most_find_a_result() -> None:
    """What was learned is unlearned: tasks that are found at once are asked about a little earlier each time."""
    board = Board()
    asked(board, 102.0, since=100.0, found=False)
    asked(board, 203.2, since=200.0, found=True)
    waiting(board, since=300.0, due=302.0)
    assert board.next_at(302.0, 0.0) == pytest.approx(302.88, abs=0.05)


def test_a_short_while_is_waited_too() -> None:
    """Also who lacks less than a second is put off, for a question in vain costs more."""
    board = Board()
    asked(board, 102.0, since=100.0, found=False)
    waiting(board, since=200.0, due=202.5)
    assert board.next_at(202.5, 0.0) == pytest.approx(203.2, abs=0.05)


def test_all_who_are_too_young_are_put_off_at_once() -> None:
    """One look puts off everybody who is due and too young, in their order, and brings whoever is old enough."""
    board = Board()
    asked(board, 10.0, since=0.0, found=False)
    for name, since in (("young", 100.0), ("younger", 101.0), ("old", 60.0)):
        one = flight(name, "wait", due=102.0 if name != "old" else 104.0, since=since)
        board.plan(one, one.under_way)
    assert [pick(board, 104.0) for _ in range(2)] == ["old", None]
    assert board.next_at(104.0, 0.0) == pytest.approx(116.0, abs=0.05)
    assert [pick(board, 117.1) for _ in range(2)] == ["young", "younger"]


@pytest.mark.parametrize(
    "lesson",
    [
        {"found": True},
        {"found": False, "asks": 2},
        {"found": False, "times": 15},
        {"found": False, "since": 102.0},
    ],
    ids=["most found one", "not their first", "too few", "at once"],
)
def test_what_puts_nobody_off(lesson: dict[str, Any]) -> None:
    """Only many first questions in vain do."""
    board = Board()
    told: dict[str, Any] = {"since": 100.0} | lesson
    asked(board, 102.0, **told)
    waiting(board, since=200.0, due=202.0)
    assert (board.next_at(202.0, 0.0), pick(board, 202.0)) == (202.0, "one")


@pytest.mark.parametrize("one", [{"asks": 1}, {"state": "ask"}, {"since": 198.9}], ids=str)
def test_who_is_not_put_off(one: dict[str, Any]) -> None:
    """Neither who was asked about before, nor who may not be there at all, nor who is nearly old enough."""
    board = Board()
    asked(board, 102.0, since=100.0, found=False)
    told: dict[str, Any] = {"since": 200.0, "due": 202.0} | one
    waiting(board, **told)
    assert (board.next_at(202.0, 0.0), pick(board, 202.0)) == (202.0, "one")


def test_what_the_service_has_nothing_of() -> None:
    """Ready ones and refused ones are unsent; doubtful ones and queries are not."""
    board = Board()
    board.arm(flight("ready"))
    doubtful = flight("doubtful", charged="maybe", sends=1)
    for one in (flight("refused", sends=1), doubtful, flight("waits", "wait")):
        board.plan(one, one.under_way)
    assert sorted(one.key for one in board.unsent()) == ["ready", "refused"]


def test_a_flight_that_was_not_prepared() -> None:
    """It has no progress, and says so."""
    one = Flight(Job("https://example.com/a.mp3"), "a")
    assert not one.is_prepared
    with pytest.raises(RuntimeError, match="a has not been prepared"):
        _ = one.under_way


def test_failures() -> None:
    """An error of ours stays, one of the caller's becomes ours, without signed links."""
    ours = InputError("x")
    assert as_failure("k", ours) is ours
    theirs = as_failure("k", OSError("https://e.com/a?secret broke"))
    assert "k cannot be sent: OSError: https://e.com/a?" in str(theirs)
    assert "secret" not in str(theirs)
    assert isinstance(theirs.__cause__, OSError)


class _Upload:
    size, container, resendable = 10, None, True


UPLOAD: Any = _Upload()


@pytest.mark.anyio
async def test_rooms() -> None:
    """Room is held until it is left; who gives up waits no longer; closing frees the rest."""
    budget = KeyBudget(Limits(upload_bytes=10))
    rooms = Rooms(budget)
    one, two = flight("one"), flight("two")
    assert await rooms.take(one, UPLOAD)
    assert rooms.has(one)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 1)

            async def wait() -> None:
                assert not await rooms.take(two, UPLOAD)

            tasks.start_soon(wait)
            await anyio.sleep(1)
            rooms.give_up()
    assert not await rooms.take(two, UPLOAD)
    assert budget.stats.upload_bytes == 10
    await rooms.leave(two)
    await rooms.close()
    assert budget.stats.upload_bytes == 0


@pytest.mark.anyio
async def test_a_room_that_is_left_is_free_at_once() -> None:
    """Who left has no room, and the next one has it without waiting."""
    budget = KeyBudget(Limits(upload_bytes=10))
    rooms = Rooms(budget)
    one, two = flight("one"), flight("two")
    await rooms.take(one, UPLOAD)
    await rooms.leave(one)
    assert (rooms.has(one), budget.stats.upload_bytes) == (False, 0)
    with anyio.fail_after(1):
        assert await rooms.take(two, UPLOAD)
    rooms.give_up()
    assert budget.stats.upload_bytes == 10
    await rooms.close()
