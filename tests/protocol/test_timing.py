"""Arithmetic on the time and a draw: properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import PollPolicy, RetryPolicy
from volcasr_async.protocol.timing import GUARD_S, Pace, jittered, poll_gap, retry_pause

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
