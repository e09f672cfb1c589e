"""What a batch learns, by its numbers: how it shares one rate, and how old a task has to be for the first question."""

import pickle

import pytest

from volcasr_async.protocol.timing import Hunch, Sharing

# ---- sharing between submits and queries ----


def choices(sharing: Sharing, number: int, **more: int | float | None) -> list[str]:
    told = {"left": None, "rate": 20.0} | more
    return [sharing.choose(submit=True, query=True, **told) for _ in range(number)]  # type: ignore[arg-type]


def test_queries_get_a_little_more_than_half() -> None:
    """Of a thousand choices 480 fall on submits, and the first falls on a query."""
    found = choices(Sharing(), 1000)
    assert found.count("submit") == pytest.approx(480, abs=2)
    assert found[0] == "query"


@pytest.mark.parametrize(("left", "rush"), [(0, True), (300, True), (301, False), (None, False)])
def test_the_last_of_a_list_rush(left: int | None, rush: bool) -> None:
    """What can be submitted within one and a half times the usual age: at 20 a second and 10 s that is 300 jobs."""
    sharing = Sharing()
    for age in [1.0] * 9 + [10.0] * 2 + [99.0] * 9:
        sharing.finished(age)
    assert ("query" not in choices(sharing, 10, left=left)) is rush
    assert "query" in choices(Sharing(), 10, left=left or 1), "nothing is known of the times yet"


def test_without_a_rate_nothing_rushes_but_an_empty_list() -> None:
    """No rate tells how long the rest takes, so submits and queries go on in turns."""
    sharing = Sharing()
    for _ in range(20):
        sharing.finished(10.0)
    assert "query" in choices(sharing, 10, left=1, rate=None)


def test_the_usual_age_is_known_after_twenty_results_and_follows_them() -> None:
    """Nineteen say nothing yet; two hundred later ones replace them all."""
    sharing = Sharing()
    for _ in range(19):
        sharing.finished(10.0)
    assert "query" in choices(sharing, 5, left=10)
    sharing.finished(10.0)
    assert "query" not in choices(sharing, 5, left=10)
    for _ in range(200):
        sharing.finished(0.1)
    assert "query" in choices(sharing, 5, left=10)
    for _ in range(10_000):
        sharing.finished(0.1)
    assert len(pickle.dumps(sharing)) < 5000


# ---- when a task is first asked about ----


@pytest.mark.parametrize(
    ("found", "factor"), [(0, 1.6), (1, 1.25), (5, 1.25), (6, 1.0), (11, 1.0), (12, 0.9), (16, 0.9)]
)
def test_sixteen_first_questions_make_a_step(found: int, factor: float) -> None:
    """Under a third: a quarter later, where none found anything a half and more; most of them: a tenth earlier."""
    hunch = Hunch()
    for _ in range(16):
        hunch.asked(5.0, found=False, longest=30.0)
    assert hunch.age == 8.0
    for number in range(16):
        assert hunch.age == 8.0
        hunch.asked(8.0, found=number < found, longest=30.0)
    assert hunch.age == pytest.approx(8.0 * factor)


def test_a_step_goes_from_the_oldest_that_was_asked() -> None:
    """Who was asked about late found nothing either, so the step starts there; the next round forgets it."""
    hunch = Hunch()
    for age in [2.0] * 15 + [10.0]:
        hunch.asked(age, found=False, longest=300.0)
    assert hunch.age == pytest.approx(16.0)
    for _ in range(16):
        hunch.asked(15.0, found=False, longest=300.0)
    assert hunch.age == pytest.approx(25.6)


def test_quick_tasks_are_learned_as_well() -> None:
    """Under a second too, in every round."""
    hunch = Hunch()
    for expected in (0.32, 0.512):
        for _ in range(16):
            hunch.asked(max(hunch.age, 0.2), found=False, longest=30.0)
        assert hunch.age == pytest.approx(expected)


def test_who_is_nearly_old_enough_is_asked_at_once() -> None:
    """A task stays unasked until it is as old as was learned; within a tenth of it there is nothing to wait for."""
    hunch = Hunch()
    assert hunch.wait(0.0) == 0.0
    for _ in range(16):
        hunch.asked(5.0, found=False, longest=30.0)
    assert [hunch.wait(age) for age in (0.0, 2.0, 7.1)] == pytest.approx([8.0, 6.0, 0.9])
    assert [hunch.wait(age) for age in (7.2, 8.0, 100.0)] == [0.0, 0.0, 0.0]
    for _ in range(100):
        hunch.asked(7.1, found=True, longest=30.0)  # sent before this was learned
    assert hunch.age == 8.0
    for _ in range(16):
        hunch.asked(7.2, found=True, longest=30.0)
    assert hunch.age == pytest.approx(7.2)
