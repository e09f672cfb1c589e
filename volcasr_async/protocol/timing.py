"""When: arithmetic on the time and a draw that are given. All times are seconds, a draw lies in [0, 1)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from volcasr_async.policies import PollPolicy, RetryPolicy

GUARD_S = 0.04
"""Added to each second that is counted: on the way to the service one request may be slower than the next."""
_MEMORY_S = 1.0
_CLIMB_SHARE = 0.02
_SUBMIT_SHARE = 0.48
_RUSH_AGES = 1.5
_ROUND = 16
_RARE, _USUAL = 0.35, 0.7
_MUCH_LATER, _LATER, _EARLIER = 1.6, 1.25, 0.9
_NEAR = 0.9
_AGES = 200
_AGES_STEP = 20

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
    """Keeps starts under a rate: no second holds more than *rate* of them (rounded up); they come evenly, but for half a gap.

    Pure arithmetic: `delay` says how long the next start has to wait, `start` counts one, `withdraw` takes one back that
    did not leave, `refused` one that the service did not let through, `hold` keeps everything back until a moment.
    """

    def __init__(self) -> None:
        self._starts: deque[float] = deque()
        self._refused: deque[float] = deque()
        self._due = self._held = self._even_since = -math.inf

    def delay(self, now: float, rate: float | None) -> float:
        """Tell how long the next start has to wait, in seconds."""
        free = self._held
        if rate is not None:
            most = math.ceil(rate)
            free = max(free, self._due)
            if len(self._starts) >= most:
                free = max(free, self._starts[-most] + most / rate + GUARD_S)
        return max(free - now, 0.0)

    def start(self, now: float, rate: float | None) -> None:
        """Count a start. One that came late does not make its successors late too: they catch up, half a gap at most."""
        self._starts.append(now)
        if rate is not None:
            gap = 1.0 / rate
            self._due += gap
            if self._due < now + gap / 2:
                self._due = now + gap / 2
                self._even_since = now
        oldest = now - _MEMORY_S
        keep = max(math.ceil(rate or 0.0), 1)
        while len(self._starts) > keep and self._starts[0] < oldest:
            self._starts.popleft()

    def withdraw(self, started: float, rate: float | None) -> None:
        """Take back a start whose request did not leave. The next start may come a gap earlier."""
        if started in self._starts:
            self._starts.remove(started)
        if rate is not None and started >= self._even_since:  # an earlier one does not delay anything any more
            gap = 1.0 / rate
            newest = self._starts[-1] if self._starts else -math.inf
            # Where many starts are taken back at once, their successors do not all start at once.
            self._due = min(self._due, max(self._due - gap, newest + gap / 4))

    def adopt(self, starts: Iterable[float]) -> None:
        """Count starts of other clients for the same key. They came before all of this one's."""
        self._starts.extendleft(sorted(starts, reverse=True))

    @property
    def starts(self) -> tuple[float, ...]:
        """Return the starts that are remembered, in their order."""
        return tuple(self._starts)

    @property
    def held_until(self) -> float:
        """Return the moment before which nothing may start."""
        return self._held

    def fill(self, now: float, rate: float) -> None:
        """Assume that the requests of a full second have just started."""
        self.hold(now + math.ceil(rate) / rate + GUARD_S)

    def refused(self, now: float) -> None:
        """Note that a start was refused."""
        self._refused.append(now)
        while self._refused[0] < now - _MEMORY_S:
            self._refused.popleft()

    def hold(self, until: float) -> None:
        """Let nothing start before *until*."""
        self._held = max(self._held, until)

    def refused_share(self, now: float) -> float:
        """Tell which share of the last second's starts was refused."""
        since = now - _MEMORY_S
        started, refused = sum(at > since for at in self._starts), sum(at > since for at in self._refused)
        return refused / max(started, refused, 1)

    def let_through(self, now: float) -> int:
        """Count the starts of the last second that were not refused."""
        since = now - _MEMORY_S
        return sum(at > since for at in self._starts) - sum(at > since for at in self._refused)


class Adaptive:
    """A number that is cut at once when the service refuses and climbs back step by step: AIMD.

    It never goes above *ceiling* (`None`: there is none, and nothing to keep before the first refusal) nor below *floor*.
    Refusals of what had started before the last cut say nothing new and are not counted.
    """

    def __init__(self, ceiling: float | None, *, floor: float, climb: float) -> None:
        self.ceiling = ceiling
        self._floor, self._climb = floor, climb
        self._value = ceiling
        self._at = self._cut_at = -math.inf

    @property
    def last(self) -> float | None:
        """What it was when it was last read, for who has no clock."""
        return self._value

    def value(self, now: float) -> float | None:
        """Read it, a step further up for each second since it was last read."""
        if self._value is None or self._value == self.ceiling:
            return self._value
        step = max(self._climb, _CLIMB_SHARE * self._value) * max(now - self._at, 0.0)
        self._value = self._value + step if self.ceiling is None else min(self._value + step, self.ceiling)
        self._at = now
        return self._value

    def cut(self, now: float, *, started: float, passed: float) -> bool:
        """Halve it, but not below nine tenths of what just *passed*; tell whether the refusal counted."""
        if started <= self._cut_at:
            return False
        value = self.value(now)
        lowest = 0.9 * passed
        self._value = max(lowest if value is None else max(value / 2, min(lowest, 0.9 * value)), self._floor)
        self._at = self._cut_at = now
        return True


class Sharing:
    """Shares one rate between submits and queries while both could be made now.

    Queries first take several times the shortest possible time, for most find nothing; submits first let results wait for
    minutes. Plain alternation does neither, and has two weaknesses that this mends: a query that finds nothing sets all
    later ones back, so queries get a little more than half; and at the end nothing is left to do but wait for the slowest
    of the jobs that were submitted last, so what can be submitted within one and a half times the usual age of a result goes
    first of all. `benchmarks` measures it.
    """

    def __init__(self) -> None:
        self._credit = 0.0
        self._ages: deque[float] = deque(maxlen=_AGES)
        self._usual = 0.0

    def finished(self, age: float) -> None:
        """Note how old a task was when its result was fetched."""
        self._ages.append(age)
        if len(self._ages) % _AGES_STEP == 0:
            self._usual = sorted(self._ages)[len(self._ages) // 2]

    def choose(self, *, submit: bool, query: bool, left: int | None, rate: float | None) -> str:
        """Choose "submit" or "query"; at least one is possible.

        *left* jobs are still to be submitted; `None` while the list has not been read to its end.
        """
        if not (submit and query):
            return "submit" if submit else "query"
        last = left is not None and left <= _RUSH_AGES * self._usual * (rate or 0.0)
        self._credit += 1.0 if last else _SUBMIT_SHARE
        if self._credit < 1.0:
            return "query"
        self._credit -= 1.0
        return "submit"


class Hunch:
    """Learns how old the tasks of a batch have to be before asking about them is worth a request.

    A batch's tasks take similar times. While fewer than a third of the first questions find a result, first questions come
    a quarter later (where none does, a half and more), while most do, a tenth earlier; never before `PollPolicy.first`, and never later than the *longest*
    gap, so that one kind of task cannot keep another waiting for long. Most results then wait a fraction of the usual
    processing time, and a task needs two or three requests however long it takes.
    """

    def __init__(self) -> None:
        self.age: float = 0.0
        self._oldest = 0.0
        self._asked = self._found = 0

    def asked(self, age: float, *, found: bool, longest: float) -> None:
        """Note what the first question about a task of *age* brought."""
        if age < _NEAR * self.age:
            return  # it was sent before this was learned
        self._asked += 1
        self._found += found
        self._oldest = max(self._oldest, age)
        if self._asked < _ROUND:
            return
        share = self._found / self._asked
        if share < _RARE:
            self.age = min(max(self.age, self._oldest) * (_LATER if self._found else _MUCH_LATER), longest)
        elif share > _USUAL:
            self.age *= _EARLIER
        self._asked = self._found = 0
        self._oldest = 0.0

    def wait(self, age: float) -> float:
        """Tell how much longer a task of *age* that was never asked about should stay so."""
        return self.age - age if age < _NEAR * self.age else 0.0
