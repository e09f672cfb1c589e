"""A job at the beginning of its life, and what may happen to it."""

from typing import Any

import pytest
from ground import ID, URL, answer, order_of, speak, task_of

from volcasr_async import Pending, PollPolicy, RetryPolicy, Standard
from volcasr_async import errors as e
from volcasr_async.protocol.progress import Progress, Rules

STANDARD = Standard()
POLL = PollPolicy()


def make(edition: Any = STANDARD, poll: PollPolicy = POLL, **policy: Any) -> Progress:
    return Progress(speak(edition), Rules(RetryPolicy(**policy), poll), order=order_of(URL, edition, request_id=ID))


def taken_up(edition: Any = STANDARD, *, age: float = 0.0, poll: PollPolicy = POLL, **policy: Any) -> Progress:
    """A task that an earlier run submitted, followed without its order."""
    rules = Rules(RetryPolicy(**policy), poll)
    return Progress(speak(edition), rules, task=task_of(edition), state="wait", since=-age)


def accepted(edition: Any = STANDARD, **policy: Any) -> Progress:
    progress = make(edition, **policy)
    progress.call(at=0.0)
    progress.went_on(Pending(task=task_of(edition), phase="accepted"), now=0.0, draw=0.5)
    return progress


def pause(progress: Progress, error: e.VolcASRError, now: float = 0.0, draw: float = 0.5) -> float:
    """Fail once and tell for how long the job pauses."""
    progress.failed(error, now=now, draw=draw)
    return progress.due - now


def lost(sent: Any = "maybe") -> e.TransportError:
    return e.TransportError("reset", sent=sent)


def said(code: int | None, phase: str = "submit", message: str = "", *, status: int = 200) -> e.VolcASRError:
    with pytest.raises(e.VolcASRError) as caught:
        if phase == "submit":
            speak(STANDARD).read_open(order_of(), answer(code, message, status=status), at=0.0)
        else:
            speak(STANDARD).read_follow(task_of(), answer(code, message, status=status))
    return caught.value


def missing() -> e.VolcASRError:
    return said(45000000, "query", "cannot find task")


def moon() -> e.VolcASRError:
    return said(45000292, "query", "quota exceeded for types: moon_phase")
