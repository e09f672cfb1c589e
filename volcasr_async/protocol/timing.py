"""When: arithmetic on the time and a draw that are given. All times are seconds, a draw lies in [0, 1)."""

from __future__ import annotations

import math

from volcasr_async.policies import PollPolicy, RetryPolicy

_JITTER = 0.2
"""Gaps vary by a tenth either way, so that jobs that started together do not stay together."""


def jittered(pause: float, draw: float) -> float:
    """Spread *pause* over its tenth on either side."""
    return pause * (1 + _JITTER * (draw - 0.5))


def poll_gap(policy: PollPolicy, *, age: float, longest: float, draw: float) -> float:
    """Tell how long a task of *age* may stay unasked: a fixed share of its age, so that a result waits in proportion."""
    ceiling = policy.longest if policy.longest is not None else max(longest, policy.shortest)
    return jittered(min(max(policy.growth * age, policy.shortest), ceiling), draw)


def retry_pause(policy: RetryPolicy, *, failures: int, draw: float, asked: float | None = None) -> float:
    """Tell how long to pause after so many *failures* in a row; never shorter than the service *asked* for."""
    grown = min(policy.first * 2.0 ** min(failures - 1, 32), policy.longest)
    # Full jitter above a half: spread wide, but never at once.
    return max(grown * (0.5 + draw / 2), asked or 0.0)


class Pace:
    """Spaces starts by 1/qps, without bursts: no second holds more than qps of them.

    `reserve` says how long to wait and counts the start as given; `hold` keeps everything back until a moment.
    """

    def __init__(self, qps: float | None) -> None:
        self.interval = 0.0 if qps is None else 1.0 / qps
        self._next = -math.inf

    def delay(self, now: float) -> float:
        """Tell how long the next start has to wait."""
        return max(self._next - now, 0.0)

    def start(self, now: float) -> None:
        """Count a start; its successor waits an interval from now."""
        self._next = max(self._next, now + self.interval)

    def hold(self, until: float) -> None:
        """Let nothing start before *until*."""
        self._next = max(self._next, until)
