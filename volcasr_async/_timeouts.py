"""Deadlines that allow for a process that was stopped.

A process may be stopped by Ctrl-Z or SIGSTOP, or with the laptop it runs on. When it goes on, its timers fire first, although
the reply that they wait for is in the socket's buffer. A timer that fires much too late gives the reply some more time.
"""

from __future__ import annotations

import asyncio
import math
import sys
from types import TracebackType
from typing import Final, Self

import anyio

from volcasr_async._clock import now
from volcasr_async._loops import PerLoop

LATE_S: Final = 1.0
"""A timer that fires so much later than it should says that the process did not run meanwhile."""
GRACE_S: Final = 5.0
"""How long is waited once more then. What has arrived is read at once."""


class Deadline:
    """A cancel scope with a deadline that is extended once where the process did not run when it passed."""

    def __init__(self) -> None:
        self._scope = anyio.CancelScope()
        self._at = math.inf
        self._late_before = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._entered = False
        self._watch: _Wakeups | None = None

    @property
    def at(self) -> float:
        """Return the deadline on the loop's clock."""
        return self._at

    @at.setter
    def at(self, at: float) -> None:
        self._at = at
        if self._entered:
            self._arm()

    @property
    def expired(self) -> bool:
        """Whether the deadline ended the block."""
        return self._scope.cancelled_caught

    def __enter__(self) -> Self:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._watch = _WAKEUPS.get()
            self._watch.deadlines.add(self)
        self._scope.__enter__()
        self._entered = True
        if self._at <= now():
            self._scope.cancel()
        else:
            self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._entered = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watch is not None:
            self._watch.deadlines.discard(self)
        return bool(self._scope.__exit__(kind, error, trace))

    def extend_if_late(self, moment: float) -> bool:
        """Extend a deadline that passed long ago; return whether it was extended."""
        if self._late_before or moment - self._at <= LATE_S:
            return False
        self._late_before = True
        self.at = moment + GRACE_S
        return True

    def _arm(self) -> None:
        """Have the scope cancelled at the deadline. A timer that fires too early is armed again when it fires."""
        if self._loop is None:
            self._scope.deadline = self._at
        elif self._at != math.inf and (self._timer is None or self._timer.when() > self._at):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        moment = now()
        if self._at > moment:
            self._arm()
        elif not self.extend_if_late(moment):
            self._scope.cancel()


class _Wakeups:
    """An instrument of trio that notices a late wake-up of its loop, before trio looks at its deadlines."""

    def __init__(self) -> None:
        self.deadlines: set[Deadline] = set()
        self._expected, self._woken = math.inf, _trio_time()
        self._late = False
        sys.modules["trio"].lowlevel.add_instrument(self)

    def before_io_wait(self, timeout: float) -> None:
        """Note when the loop should wake up at the latest."""
        moment = _trio_time()
        self._late = moment - self._woken > LATE_S
        self._expected = moment + timeout

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's signature
        """Extend the deadlines that passed while the process did not run."""
        moment = self._woken = _trio_time()
        if self._late or moment - self._expected > LATE_S:
            for deadline in tuple(self.deadlines):
                deadline.extend_if_late(moment)


def _trio_time() -> float:
    time: float = sys.modules["trio"].current_time()
    return time


_WAKEUPS: Final[PerLoop[_Wakeups]] = PerLoop(_Wakeups)
