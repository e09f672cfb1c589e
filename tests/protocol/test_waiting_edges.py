"""A task that is waited for: when it is asked about, what it may answer and how often, and the fresh one after a bad end."""

from typing import Any

import pytest
from ground import task_of
from progress_kit import accepted, end_of_misses, lost, make, missing, moon, pause, said, taken_up

from volcasr_async import Idle, Pending, PollPolicy, Standard
from volcasr_async import errors as e


def test_gaps_follow_policy_and_edition() -> None:
    """A fifth of the age, up to 30 s, for idle up to 300 s, or what the caller allows; a tenth either way."""
    for edition, age, longest, expected in (
        (Standard(), 10_000.0, None, 30.0),
        (Idle(), 10_000.0, None, 300.0),
        (Idle(), 100.0, None, 20.0),
        (Idle(), 10_000.0, 7.0, 7.0),
    ):
        progress = taken_up(edition, age=age, poll=PollPolicy(longest=longest))
        for draw, factor in ((0.5, 1.0), (0.0, 0.9)):
            progress.went_on(Pending(task=task_of(edition)), now=0.0, draw=draw)
            assert progress.due == pytest.approx(expected * factor)
        assert progress.longest_gap == (longest or edition.longest_gap_s)
    assert make().longest_gap == 30.0


def test_the_first_question_is_jittered_too() -> None:
    """Jobs that were accepted together do not ask together."""
    progress = make()
    progress.went_on(Pending(task=task_of()), now=10.0, draw=0.0)
    assert progress.due == pytest.approx(11.8)
    assert progress.since == 10.0


def test_a_question_that_fails_is_repeated_within_five_seconds() -> None:
    """Sooner while the task is young, as the service asks where it does, and as often as it takes."""
    old = taken_up(age=1000.0)
    pauses = [pause(old, lost()) for _ in range(50)]
    assert pauses[:5] == pytest.approx([0.375, 0.75, 1.5, 3.0, 5.0])
    assert set(pauses[5:]) == {5.0}
    assert pause(taken_up(age=1.0, first=20.0), lost()) == pytest.approx(1.0)
    asked = said(55000031, "query")
    assert isinstance(asked, e.ServiceError)
    asked.retry_after_s = 20.0
    assert pause(old, asked) == 20.0
    old.went_on(Pending(task=task_of()), now=0.0, draw=0.5)
    assert pause(old, lost()) == pytest.approx(0.375)
    for _ in range(5):
        assert pause(old, said(55000031, "query")) == pytest.approx(0.375), "the budget slows down, not the job"


def test_a_task_taken_up_later_has_the_same_patience() -> None:
    """Three "cannot find task" in a row, over twice the grace; one answer between them begins the count anew."""
    for age in (0.0, 1000.0, 80_000.0):
        progress = taken_up(age=age, grace=30.0)
        moments = (0.0, 1.0, 3.0, 59.9)
        assert [pause(progress, missing(), now=at) for at in moments] == pytest.approx([1.0, 2.0, 4.0, 0.1])
        progress.went_on(Pending(task=task_of()), now=59.9, draw=0.5)
        for now in (60.0, 61.0, 119.9):
            pause(progress, missing(), now)
        with pytest.raises(e.TaskNotFound) as caught:
            pause(progress, missing(), now=120.0)
        assert caught.value.charged == "yes"


@pytest.mark.parametrize(("error", "tolerated"), [(lambda: said(55000000, "query"), 3), (moon, 5)])
def test_bad_answers_are_tolerated_a_few_times(error: Any, tolerated: int) -> None:
    """A 550xxxxx three times, an unknown quota five times, both without end in the grace; an answer begins the count anew."""
    for progress in (taken_up(), accepted(new_tasks=0)):
        for _ in range(2):
            for _ in range(tolerated):
                pause(progress, error())
            progress.went_on(Pending(task=task_of()), now=0.0, draw=0.5)
        for _ in range(tolerated - 1):
            pause(progress, error())
        pause(progress, error(), now=30.0)
        with pytest.raises(e.ServiceError):
            pause(progress, error(), now=30.0)
        hurried = accepted(new_tasks=0)
        for _ in range(20):
            pause(hurried, error(), now=29.9)
        pause(hurried, error(), now=59.8)
        with pytest.raises(e.ServiceError):
            pause(hurried, error(), now=59.9)


def test_an_unknown_quota_is_no_reason_for_a_fresh_task() -> None:
    """Another task would meet it too."""
    progress = accepted(new_tasks=5)
    with pytest.raises(e.RateLimited) as caught:
        for second in range(0, 100, 10):
            pause(progress, moon(), now=second)
    assert caught.value.retryable


# ---- a fresh task ----


def test_a_fresh_task_begins_anew() -> None:
    """At once, under an id that every release makes in the same way of the last one, with all its tries."""
    progress = accepted(new_tasks=2, attempts=2)
    for _ in range(3):
        pause(progress, said(55000000, "query"), now=50.0)
    assert pause(progress, said(55000000, "query"), now=80.0) == 0.0
    assert (progress.state, progress.kind, progress.task, progress.fresh) == ("submit", "submit", None, 1)
    head = dict(progress.call(at=0.0).headers)
    assert head["X-Api-Request-Id"] == "a9562299-4166-5f78-9c88-ea2ecf4f1efc"
    assert pause(progress, lost("no")) == pytest.approx(0.375)
    pause(progress, lost("maybe"))
    pause(progress, missing())
    fresh = accepted(new_tasks=1)
    pause(fresh, said(55001010, "query"))
    pause(fresh, said(45000001))  # nothing was sent under the fresh name before: it is a refusal unless it is found
    final = end_of_misses(fresh)
    assert isinstance(final, e.InvalidRequest)
    assert (fresh.charged, final.charged) == ("no", "yes"), "the task before it was charged"
    progress.went_on(Pending(task=task_of()), now=60.0, draw=0.5)
    for _ in range(3):
        pause(progress, said(55000000, "query"))
    assert pause(progress, said(55000000, "query"), now=30.0) == 0.0
    assert progress.fresh == 2


def test_a_spent_stream_has_no_fresh_task() -> None:
    """It cannot be sent once more, whatever is allowed; the error no longer says that trying again may help."""
    progress = make(new_tasks=5)
    progress.call(at=0.0)
    progress.failed(lost("yes"), now=0.0, draw=0.5, resendable=False)
    error = said(55001010, "query")
    error.retryable = True
    with pytest.raises(e.ServerError) as caught:
        pause(progress, error)
    assert caught.value.retryable is False


def test_a_fresh_task_may_follow_a_question_after_a_loss() -> None:
    """At once there too."""
    progress = make(new_tasks=1)
    progress.call(at=0.0)
    pause(progress, lost())
    assert pause(progress, said(55001010, "query"), now=9.0) == 0.0
    assert progress.kind == "submit"
