"""Pauses, the rate and what refusals do to it, by the numbers that the documents promise."""

import math
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import PollPolicy, RetryPolicy
from volcasr_async.protocol.timing import Adaptive, Pace, poll_gap, retry_pause

RATE = st.floats(0.2, 100)


def always_ready(pace: Pace, rate: float, number: int, now: float = 0.0) -> list[float]:
    starts = []
    for _ in range(number):
        now += pace.delay(now, rate)
        pace.start(now, rate)
        starts.append(now)
    return starts


def gaps(starts: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(starts)]


# ---- pauses and gaps ----


def test_a_pause_spreads_over_its_upper_half() -> None:
    """The draw moves a pause from its half to its whole, evenly."""
    policy = RetryPolicy(first=4.0, longest=100.0)
    assert [retry_pause(policy, failures=1, draw=draw) for draw in (0.0, 0.25, 0.5)] == [2.0, 2.5, 3.0]
    assert retry_pause(policy, failures=0, draw=0.0) == 1.0


def test_a_gap_is_a_share_of_the_age() -> None:
    """A fifth of the age between a second and what the edition allows, a tenth either way by the draw."""
    policy = PollPolicy()
    dues = [poll_gap(policy, age=age, longest=30.0, draw=0.5) for age in (0.0, 4.0, 10.0, 100.0, 1000.0)]
    assert dues == pytest.approx([1.0, 1.0, 2.0, 20.0, 30.0])
    assert poll_gap(policy, age=10.0, longest=30.0, draw=0.0) == pytest.approx(1.8)
    assert poll_gap(policy, age=1000.0, longest=300.0, draw=0.75) == pytest.approx(210.0)


# ---- the rate ----


@given(RATE, st.lists(st.floats(0, 1) | st.just(0.0), min_size=1, max_size=120))
def test_a_full_second_is_given_forty_milliseconds(rate: float, arrivals: list[float]) -> None:
    """On the way requests overtake each other, so as many as fill a second take 40 ms more than that second."""
    pace, now, starts = Pace(), 0.0, []
    for gap in arrivals:
        now += gap
        now += pace.delay(now, rate)
        pace.start(now, rate)
        starts.append(now)
    most = math.ceil(rate)
    for first, beyond in zip(starts, starts[most:], strict=False):
        assert beyond - first >= most / rate + 0.04 - 1e-6


def test_the_guard_costs_forty_milliseconds_a_second_and_no_more() -> None:
    """At 20 a second 200 starts take 10 s and ten guards; at half a request a second each costs its two seconds."""
    assert always_ready(Pace(), 20.0, 201)[-1] == pytest.approx(10.4, abs=0.05)
    assert always_ready(Pace(), 0.5, 11)[-1] == pytest.approx(20.4, abs=0.05)
    assert always_ready(Pace(), 2.5, 31)[-1] == pytest.approx(12.4, abs=0.1)


@given(RATE)
def test_starts_come_evenly(rate: float) -> None:
    """Whoever is always ready starts a gap apart, give or take half of it; the guard of a full second comes on top."""
    found = gaps(always_ready(Pace(), rate, 60))
    assert min(found) >= 0.5 / rate - 1e-9
    assert max(found) <= 1.5 / rate + 0.04 + 1e-9


def test_most_gaps_are_whole() -> None:
    """At 20 a second starts come 50 ms apart, except for where a second is full."""
    found = [round(gap, 3) for gap in gaps(always_ready(Pace(), 20.0, 200))]
    assert found.count(0.05) >= 170


def test_a_late_start_does_not_make_its_successors_late() -> None:
    """One came 30 ms late: the next keeps its own moment; after one far too late nothing is caught up but half a gap."""
    pace = Pace()
    pace.start(0.0, 10.0)
    assert pace.delay(0.0, 10.0) == pytest.approx(0.05)
    pace.start(0.05, 10.0)
    assert pace.delay(0.05, 10.0) == pytest.approx(0.1)
    pace.start(0.18, 10.0)
    assert pace.delay(0.18, 10.0) == pytest.approx(0.07)
    pace.start(0.34, 10.0)
    assert pace.delay(0.34, 10.0) == pytest.approx(0.05)
    pace.start(5.0, 10.0)
    assert pace.delay(5.0, 10.0) == pytest.approx(0.05)


def test_a_start_without_a_rate_counts_when_a_rate_comes() -> None:
    """The first refusal brings a rate where there was none: what has just started fills its second."""
    pace = Pace()
    for _ in range(10):
        pace.start(0.0, None)
    assert pace.delay(0.0, 10.0) == pytest.approx(1.04)
    assert pace.delay(0.0, 11.0) == 0.0


@pytest.mark.parametrize(
    ("rate", "starts", "seconds"),
    [(1.5, (0.0, 1.02), 2 / 1.5 + 0.04 - 1.02), (2.1, (0.0, 0.5, 1.22), 3 / 2.1 + 0.04 - 1.22)],
)
def test_a_broken_rate_remembers_more_than_a_second(rate: float, starts: tuple[float, ...], seconds: float) -> None:
    """Two requests at one and a half a second fill 1.33 s: the first of them counts until then, guard and all."""
    pace = Pace()
    for at in starts:
        pace.start(at, rate)
    assert pace.delay(starts[-1], rate) == pytest.approx(seconds)


@pytest.mark.parametrize("held_up_s", [0.006, 0.5, 6.0])
def test_from_when_a_start_counts_that_is_made_again(held_up_s: float) -> None:
    """From its second start; the first is forgotten."""
    for now in (0.0, 10.0):
        pace = Pace()
        pace.start(now, 1.0)
        pace.withdraw(now, 1.0)
        assert pace.let_through(now) == 0
        assert pace.delay(now + held_up_s, 1.0) == 0
        pace.start(now + held_up_s, 1.0)
        assert pace.delay(now + held_up_s, 1.0) == pytest.approx(1.04)
        assert pace.let_through(now + held_up_s) == 1


def test_a_withdrawn_start_gives_its_place_to_the_next() -> None:
    """Twenty requests, each of which waits four gaps for its connection, leave about as fast as the rate allows."""
    pace = Pace()
    waiting: list[float] = []
    left: list[float] = []
    made = withdrawn = 0
    for tick in range(8000):  # two seconds in steps of a quarter of a millisecond
        at = tick / 4000
        while waiting and at - waiting[0] >= 0.2:
            pace.withdraw(waiting.pop(0), 20.0)
            withdrawn += 1
        if len(left) < withdrawn and pace.delay(at, 20.0) == 0:
            pace.start(at, 20.0)
            left.append(at)
        if len(left) == withdrawn and made < 20 and pace.delay(at, 20.0) == 0:
            pace.start(at, 20.0)
            waiting.append(at)
            made += 1
    assert len(left) == 20
    assert left[-1] < 1.5  # with a rate that is halved meanwhile: 2.1


@pytest.mark.parametrize("stalled_s", [0.9, 6.0])
def test_many_withdrawn_starts_do_not_make_a_burst(stalled_s: float) -> None:
    """Ten requests waited for their connections together. Made again one after another, they do not start together."""
    pace = Pace()
    for number in range(10):
        pace.start(number / 10, 10.0)
    at, again = stalled_s, []
    for number in range(10):
        pace.withdraw(number / 10, 10.0)
        at += pace.delay(at, 10.0)
        pace.start(at, 10.0)
        again.append(at)
    assert all(later - earlier > 0.02 for earlier, later in pairwise(again))
    assert again[-1] <= stalled_s + 1.04


def test_a_start_that_was_forgotten_is_withdrawn_without_harm() -> None:
    """Another one is not taken back in its place."""
    pace = Pace()
    for at in (0.0, 0.1, 0.2):
        pace.start(at, None)
    pace.withdraw(0.05, None)
    assert pace.let_through(0.9) == 3


def test_starts_that_are_adopted_come_first() -> None:
    """What another client started fills the second as one's own starts do."""
    pace = Pace()
    pace.start(1.0, None)
    pace.adopt([0.5, 0.1])
    assert pace.starts == (0.1, 0.5, 1.0)
    assert pace.delay(1.0, 3.0) == pytest.approx(0.14)


@pytest.mark.parametrize(("rate", "seconds"), [(20.0, 1.04), (2.5, 1.24), (0.5, 2.04)])
def test_a_full_second_is_assumed(rate: float, seconds: float) -> None:
    """Nothing starts until what may have started has left the window of the rate, guard and all."""
    pace = Pace()
    pace.fill(10.0, rate)
    assert pace.delay(10.0, rate) == pytest.approx(seconds)


def test_the_last_second_is_one_second() -> None:
    """What is a second old is no longer of the last second, for starts and for refusals."""
    pace = Pace()
    for at in (0.0, 0.5, 0.5):
        pace.start(at, None)
    assert [pace.let_through(at) for at in (0.99, 1.0, 1.49, 1.5)] == [3, 2, 2, 0]
    pace.refused(0.5)
    assert pace.let_through(1.4) == 1
    assert pace.let_through(1.5) == 0
    assert pace.refused_share(0.9) == pytest.approx(1 / 3)
    assert pace.refused_share(1.0) == pytest.approx(1 / 2)
    assert pace.refused_share(1.4) == pytest.approx(1 / 2)
    assert pace.refused_share(1.5) == 0


def test_more_refusals_than_starts_are_all_of_them() -> None:
    """A service that takes seconds to refuse is not counted above the whole."""
    pace = Pace()
    pace.start(0.0, None)
    for _ in range(3):
        pace.refused(0.5)
    assert pace.refused_share(0.6) == 1.0


@pytest.mark.parametrize("rate", [None, 5.0, 100.0])
def test_a_long_run_is_not_remembered(rate: float | None) -> None:
    """After a hundred thousand starts and refusals it is as small as after a few hundred."""
    pace = Pace()
    for number in range(100_000):
        now = number / 100
        pace.start(now, rate)
        pace.refused(now)
    assert len(pickle.dumps(pace)) < 5000


# ---- a number that is cut and climbs ----


@pytest.mark.parametrize(
    ("passed", "left"), [(0.0, 50.0), (40.0, 50.0), (60.0, 54.0), (80.0, 72.0), (100.0, 90.0), (500.0, 90.0)]
)
def test_a_cut_halves_but_keeps_what_went_through(passed: float, left: float) -> None:
    """Halved, but not below nine tenths of what the service has just let through; always cut by a tenth at least."""
    number = Adaptive(100.0, floor=0.2, climb=0.5)
    assert number.cut(7.0, started=6.0, passed=passed) is True
    assert number.value(7.0) == number.last == pytest.approx(left)


def test_the_first_refusal_without_a_ceiling() -> None:
    """Where no limit was told, nine tenths of what went through are kept, and never less than the floor."""
    number = Adaptive(None, floor=2.0, climb=0.5)
    assert number.value(0.0) is number.last is None
    number.cut(1.0, started=0.5, passed=40.0)
    assert number.value(1.0) == pytest.approx(36.0)
    low = Adaptive(None, floor=2.0, climb=0.5)
    low.cut(1.0, started=0.5, passed=0.0)
    assert low.value(1.0) == 2.0
    assert low.value(1001.0) == pytest.approx(502.0)  # nobody told where it ends


def test_it_climbs_by_two_percent_a_second_or_by_its_step() -> None:
    """Large numbers climb by a fiftieth a second, small ones by their own step; time is counted once."""
    number = Adaptive(1000.0, floor=0.2, climb=0.5)
    number.cut(10.0, started=9.0, passed=0.0)
    assert [number.value(at) for at in (10.0, 11.0, 11.0, 11.5)] == pytest.approx([500.0, 510.0, 510.0, 515.1])
    small = Adaptive(20.0, floor=0.2, climb=0.5)
    small.cut(10.0, started=9.0, passed=0.0)
    assert [small.value(at) for at in (10.0, 11.0, 13.0)] == pytest.approx([10.0, 10.5, 11.5])
    assert small.value(12.0) == pytest.approx(11.5), "a clock that was read earlier takes nothing back"
    assert small.value(100.0) == 20.0


def test_a_cut_counts_from_the_last_one() -> None:
    """The climb starts at the cut, and a request that started with the last cut says nothing new."""
    number = Adaptive(100.0, floor=30.0, climb=1.0)
    assert number.cut(10.0, started=0.0, passed=0.0)
    assert number.value(12.0) == pytest.approx(52.0)
    assert number.cut(12.0, started=11.0, passed=0.0)
    assert number.value(12.0) == 30.0
    assert not number.cut(13.0, started=12.0, passed=0.0)
    assert number.value(13.0) == pytest.approx(31.0)
