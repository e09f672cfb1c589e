"""The timetable brings each flight once, none before its time, in order of the slots."""

from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import Job
from volcasr_async.batch.flight import Flight
from volcasr_async.batch.timetable import SLOT_S, Timetable

TIMES = st.lists(st.floats(0, 1e6), max_size=200)


def flight(name: object) -> Flight:
    return Flight(Job("https://example.com/a.mp3"), str(name))


@given(TIMES)
def test_each_comes_once_and_none_early(dues: list[float]) -> None:
    """None before its time, nor a slot later; those of one slot in the order in which they came."""
    table = Timetable()
    for number, due in enumerate(dues):
        assert due <= table.add(flight(number), due) < due + 2 * SLOT_S
    assert len(table) == len(dues)
    came = []
    while (at := table.next_at()) is not None:
        assert not table.is_due(at - SLOT_S / 2)
        assert table.is_due(at)
        number = int(table.first().key)
        assert dues[number] <= at < dues[number] + 2 * SLOT_S
        assert table.pop().key == str(number)
        came.append((at, number))
    assert len(table) == 0
    assert came == sorted(came)
    assert sorted(number for _, number in came) == list(range(len(dues)))


def test_one_that_is_due_earlier_goes_first() -> None:
    """Also when the first has been looked at."""
    table = Timetable()
    table.add(flight("late"), 5.0)
    assert table.first().key == "late"
    table.add(flight("soon"), 1.0)
    table.add(flight("late too"), 5.0)
    assert [one.key for one in table] == ["soon", "late", "late too"]
    assert [table.pop().key for _ in range(3)] == ["soon", "late", "late too"]
