"""Arithmetic on the time and a draw: properties."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import PollPolicy, RetryPolicy
from volcasr_async.protocol.timing import GUARD_S, Adaptive, Hunch, Pace, Sharing, jittered, poll_gap, retry_pause

DRAW = st.floats(0, 1, exclude_max=True)
AGE = st.floats(0, 1e7)
CLOSE = 1e-9


@given(st.floats(0, 1e6), DRAW)
def test_jitter_is_a_tenth_either_way(pause: float, draw: float) -> None:
    """Never more than a tenth off."""
    assert 0.9 * pause - CLOSE <= jittered(pause, draw) <= 1.1 * pause + CLOSE


@given(AGE, AGE, DRAW, st.sampled_from([30.0, 300.0, 0.5]), st.sampled_from([None, 1.0, 7.0, 1000.0]))
def test_poll_gaps(age: float, older: float, draw: float, longest: float, ours: float | None) -> None:
    """Between shortest and longest, a share of the age, never shorter for an older task."""
    policy = PollPolicy(longest=ours)
    gap = poll_gap(policy, age=age, longest=longest, draw=draw)
    ceiling = ours if ours is not None else max(longest, policy.shortest)
    assert 0.9 * policy.shortest - CLOSE <= gap <= 1.1 * ceiling + CLOSE
    share = min(max(policy.growth * age, policy.shortest), ceiling)
    assert gap == pytest.approx(share, rel=0.1001)
    later = poll_gap(policy, age=max(age, older), longest=longest, draw=draw)
    assert later >= gap - CLOSE


@given(st.integers(0, 10_000), DRAW, st.none() | st.floats(0, 3600))
def test_retry_pauses(failures: int, draw: float, asked: float | None) -> None:
    """Positive, at most the longest or what was asked for, never shorter than that."""
    policy = RetryPolicy()
    pause = retry_pause(policy, failures=failures, draw=draw, asked=asked)
    assert 0 < pause <= max(policy.longest, asked or 0.0)
    assert pause >= (asked or 0.0)


def test_retry_pauses_double() -> None:
    """0.5, 1, 2, 4, ... up to the longest."""
    policy = RetryPolicy(first=0.5, longest=5.0)
    tops = [retry_pause(policy, failures=n, draw=1.0) for n in range(1, 7)]
    assert tops == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert retry_pause(policy, failures=1, draw=0.0) == 0.25


@given(
    st.floats(0.1, 100),
    st.lists(st.floats(0, 2) | st.just(0.0), min_size=1, max_size=150),
    st.lists(st.tuples(st.integers(0, 149), st.floats(0, 3)), max_size=3),
)
def test_no_second_holds_more_than_the_rate(rate: float, arrivals: list[float], holds: list[tuple[int, float]]) -> None:
    """Whoever waits as told never starts more than the rate, rounded up, in any second, pauses or not."""
    pace, now, starts = Pace(), 0.0, []
    stops = dict(holds)
    for turn, gap in enumerate(arrivals):
        now += gap
        if turn in stops:
            pace.hold(now + stops[turn])
            assert pace.delay(now, rate) >= stops[turn] - 1e-6
        now += pace.delay(now, rate)
        pace.start(now, rate)
        starts.append(now)
    for first, beyond in zip(starts, starts[math.ceil(rate) :], strict=False):
        assert beyond - first >= 1 - 1e-6


@given(st.floats(0.1, 100))
def test_the_rate_is_used(rate: float) -> None:
    """Whoever is always ready gets nearly the whole rate."""
    pace, now = Pace(), 0.0
    assert pace.delay(0.0, rate) == 0
    for _ in range(200):
        now += pace.delay(now, rate)
        pace.start(now, rate)
    assert now <= 200 / rate * 1.05 + 200 * GUARD_S / math.ceil(rate) + 1


def test_no_limit() -> None:
    """Without a rate nothing waits, except for a hold."""
    pace = Pace()
    for _ in range(5):
        assert pace.delay(1.0, None) == 0
        pace.start(1.0, None)
    pace.hold(5.0)
    assert pace.delay(1.0, None) == 4.0
    pace.hold(2.0)
    assert pace.delay(1.0, None) == 4.0


@given(st.lists(st.tuples(st.floats(0.2, 100), st.floats(0, 0.5)), min_size=1, max_size=150))
def test_no_second_holds_more_than_a_rate_that_changes(steps: list[tuple[float, float]]) -> None:
    """However the rate moves, no second ends with more starts than the rate at its last one, rounded up."""
    pace, now, starts = Pace(), 0.0, []
    for rate, gap in steps:
        now += gap
        now += pace.delay(now, rate)
        pace.start(now, rate)
        starts.append(now)
        assert sum(at > now - 1 + 1e-6 for at in starts) <= math.ceil(rate)


def test_shares_of_the_last_second() -> None:
    """Refusals and starts of the last second are counted, older ones forgotten."""
    pace = Pace()
    assert pace.refused_share(0.0) == 0
    for turn in range(10):
        pace.start(turn / 10, 20.0)
    pace.refused(0.9)
    assert pace.refused_share(0.95) == pytest.approx(0.1)
    assert pace.let_through(0.95) == 9
    assert pace.refused_share(5.0) == 0
    pace.refused(7.0)
    assert pace.refused_share(7.0) == 1


@given(
    st.none() | st.floats(1, 1000),
    st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.floats(0, 1000), st.floats(0, 5)), max_size=60),
)
def test_it_stays_between_floor_and_ceiling(
    ceiling: float | None, steps: list[tuple[float, bool, float, float]]
) -> None:
    """Whatever happens it is no lower than the floor and no higher than the ceiling; a cut never raises it."""
    number, now = Adaptive(ceiling, floor=0.2, climb=0.5), 0.0
    for gap, refused, passed, age in steps:
        now += gap
        before = number.value(now)
        if refused:
            counted = number.cut(now, started=now - age, passed=passed)
            after = number.value(now)
            assert after is not None or not counted
            if before is not None and after is not None:
                assert after <= max(before, 0.2)
        value = number.value(now)
        assert value is None or (value >= 0.2 and (ceiling is None or value <= ceiling))
        assert number.last == value


def test_old_refusals_say_nothing_new() -> None:
    """What had started before the last cut does not cut again."""
    number = Adaptive(100.0, floor=1.0, climb=1.0)
    assert number.cut(10.0, started=9.0, passed=0.0)
    assert not number.cut(10.1, started=9.9, passed=0.0)
    assert not number.cut(10.1, started=10.0, passed=0.0)
    assert number.cut(10.2, started=10.1, passed=0.0)


@given(st.floats(2, 1000), st.floats(1, 200))
def test_it_finds_the_rate_and_climbs_back(told: float, allowed: float) -> None:
    """Whoever refuses above a rate is met within a few cuts; when nobody refuses any more all of it comes back."""
    number, now, cuts = Adaptive(told, floor=0.2, climb=0.5), 0.0, 0
    while (value := number.value(now)) is not None and value > allowed:
        now += 0.01
        assert number.cut(now, started=now, passed=min(allowed, value))
        cuts += 1
        assert cuts <= 12
    kept = number.value(now)
    assert kept is not None
    assert kept >= min(told, 0.45 * allowed)
    for _ in range(3000):
        now += 1.0
        number.value(now)
    assert number.value(now) == told


@given(
    st.lists(st.integers(0, 50) | st.none(), min_size=50, max_size=200),
    st.lists(st.floats(0, 1000), max_size=60),
)
def test_neither_kind_starves(lefts: list[int | None], ages: list[float]) -> None:
    """While both wait, queries get a turn in two, submits one in three, except that the list's last are sent at once."""
    sharing, queries, submits = Sharing(), 0, 0
    for age in ages:
        sharing.finished(age)
    for left in lefts:
        known = None if left is None else left + 10**9
        choice = sharing.choose(submit=True, query=True, left=known, rate=20.0)
        submits, queries = (submits + 1, 0) if choice == "submit" else (0, queries + 1)
        assert submits <= 1
        assert queries <= 3


def test_the_last_are_submitted_first_of_all() -> None:
    """When few are left of a list, they go before the queries; before anything is known of the times they do not."""
    sharing = Sharing()
    early = [sharing.choose(submit=True, query=True, left=10, rate=20.0) for _ in range(10)]
    assert "query" in early
    for _ in range(20):
        sharing.finished(5.0)
    late = [sharing.choose(submit=True, query=True, left=10, rate=20.0) for _ in range(10)]
    assert late == ["submit"] * 10


@pytest.mark.parametrize("kind", ["submit", "query"])
def test_who_is_alone_goes(kind: str) -> None:
    """There is nothing to choose where only one kind waits."""
    sharing = Sharing()
    for _ in range(5):
        assert sharing.choose(submit=kind == "submit", query=kind == "query", left=None, rate=None) == kind


def test_a_start_that_left_late_holds_its_successors() -> None:
    """The first request waits 60 ms for its connection and starts again: the one that fills the second waits as long."""
    prompt, late = Pace(), Pace()
    for pace in (prompt, late):
        for number in range(1, 4):
            pace.start(number * 0.25, 4)
    prompt.adopt([0.0])
    late.adopt([0.06])
    assert late.delay(1.0, 4) == pytest.approx(prompt.delay(1.0, 4) + 0.06)


def first_questions(hunch: Hunch, took: list[float], *, first: float, longest: float = 30.0) -> list[bool]:
    """Ask about tasks, one after another, each as old as the hunch says, and never again."""
    found = []
    for time in took:
        age = first + hunch.wait(first)
        found.append(time <= age)
        hunch.asked(age, found=found[-1], longest=longest)
    return found


@given(st.floats(3.0, 20.0), st.integers(0, 10**6))
def test_first_questions_come_to_pay(median: float, seed: int) -> None:
    """Whatever the tasks take, soon a third or more of the first questions find a result."""
    random = Random(seed)
    took = [random.lognormvariate(math.log(median), 0.3) for _ in range(600)]
    found = first_questions(Hunch(), took, first=2.0)
    assert sum(found[300:]) / 300 > 0.25


def test_first_questions_come_back_when_tasks_are_quick_again() -> None:
    """A hundred slow tasks do not keep quick ones waiting for good."""
    hunch = Hunch()
    first_questions(hunch, [25.0] * 300, first=2.0)
    slow = hunch.age
    first_questions(hunch, [1.0] * 600, first=2.0)
    assert hunch.age < 2.5 < slow


@given(st.lists(st.tuples(st.floats(0, 1e4), st.booleans()), max_size=300), st.floats(1.0, 300.0), st.floats(0, 1e4))
def test_nobody_waits_longer_than_the_longest_gap(asked: list[tuple[float, bool]], longest: float, age: float) -> None:
    """Whatever it learned, a task is asked about when it is as old as the longest gap."""
    hunch = Hunch()
    for at, found in asked:
        hunch.asked(at, found=found, longest=longest)
    assert 0.0 <= hunch.wait(age) <= max(longest - age, 0.0) + CLOSE


def test_what_was_asked_before_it_was_learned_counts_no_more() -> None:
    """Sixty-four questions in the air at once make one step, not four."""
    hunch = Hunch()
    for _ in range(64):
        hunch.asked(2.0, found=False, longest=30.0)
    assert hunch.age == 3.2
