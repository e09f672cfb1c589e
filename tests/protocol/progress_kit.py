"""A job at the beginning of its life, and what may happen to it."""

from typing import Any

import pytest
from ground import ID, URL, answer, order_of, speak, task_of

from volcasr_async import Pending, PollPolicy, RetryPolicy, Standard, Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.messages import Call, Reply
from volcasr_async.protocol.progress import Progress, Rules

STANDARD = Standard()
POLL = PollPolicy()


def make(edition: Any = STANDARD, poll: PollPolicy = POLL, **policy: Any) -> Progress:
    return Progress(speak(edition), Rules(RetryPolicy(**policy), poll), order=order_of(URL, edition, request_id=ID))


def taken_up(edition: Any = STANDARD, *, age: float = 0.0, poll: PollPolicy = POLL, **policy: Any) -> Progress:
    """A task that an earlier run submitted, followed without its order."""
    progress = Progress(speak(edition), Rules(RetryPolicy(**policy), poll))
    progress.resume(task_of(edition), now=0.0, age=age)
    return progress


def accepted(edition: Any = STANDARD, **policy: Any) -> Progress:
    progress = make(edition, **policy)
    progress.call(at=0.0)
    progress.went_on(Pending(task=task_of(edition), phase="accepted"), now=0.0, draw=0.5)
    return progress


def pause(progress: Progress, error: e.VolcASRError, now: float = 0.0, draw: float = 0.5) -> float:
    """Fail once and tell for how long the job pauses."""
    progress.failed(error, now=now, draw=draw)
    return progress.due - now


EPOCH = 1_800_000_000.0
"""When virtual time begins, in seconds since 1970."""
GONE, ACCEPTED, PENDING = answer(45000000, "cannot find task"), answer(20000000, "OK", {}), answer(20000001)
DONE = answer(20000000, "OK", {"audio_info": {"duration": 5}, "result": {"text": "done"}})


QPS = answer(45000292, "quota exceeded for types: qps", status=429)


def play(progress: Progress, *answers: Reply | e.VolcASRError, draw: float = 0.5) -> Transcript | e.VolcASRError | None:
    """Answer one request after the other when it is due; return what ends the job, `None` while it goes on."""
    for said_or_broken in answers:
        now = progress.due
        progress.call(at=EPOCH + now)
        try:
            if isinstance(said_or_broken, e.VolcASRError):
                raise said_or_broken
            step = progress.read(said_or_broken, at=EPOCH + now)
        except e.VolcASRError as error:
            try:
                progress.failed(error, now=now, draw=draw)
            except e.VolcASRError as final:
                return final
            assert progress.due >= now
            continue
        if isinstance(step, Transcript):
            return step
        progress.went_on(step, now=now, draw=draw)
    return None


def play_on(progress: Progress, reply: Reply = GONE, *, draw: float = 0.5) -> Transcript | e.VolcASRError | None:
    """Give the same answer until the job ends or is in another state."""
    state, end = progress.state, None
    while progress.state == state and end is None:
        end = play(progress, reply, draw=draw)
    return end


def id_of(call: Call) -> str:
    return dict(call.headers)["X-Api-Request-Id"]


def misses(progress: Progress, *, draw: float = 0.5) -> list[float]:
    """Answer each query with "cannot find task" when it is due, until the job goes on otherwise; tell when it was queried."""
    state, at = progress.state, []
    while progress.state == state:
        progress.call(at=progress.due)
        at.append(progress.due)
        progress.failed(missing(), now=progress.due, draw=draw)
    return at


def end_of_misses(progress: Progress, *, draw: float = 0.5) -> e.VolcASRError:
    """The error with which a job ends whose queries find nothing."""
    with pytest.raises(e.VolcASRError) as caught:
        misses(progress, draw=draw)
    return caught.value


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


def qps() -> e.VolcASRError:
    """A listed refusal for the pace."""
    return said(45000292, message="quota exceeded for types: qps")


def moon() -> e.VolcASRError:
    return said(45000292, "query", "quota exceeded for types: moon_phase")


def page(status: int) -> Reply:
    """The page of some gateway."""
    return Reply(status, {"content-type": "text/html"}, b"<html>Bad gateway</html>")


def ended(progress: Progress, *answers: Reply | e.VolcASRError) -> e.VolcASRError:
    """The error with which these answers end the job."""
    end = play(progress, *answers)
    assert isinstance(end, e.VolcASRError)
    return end


def starved(progress: Progress) -> e.VolcASRError:
    """The error with which the job ends when no query finds the task any more."""
    end = play_on(progress)
    assert isinstance(end, e.VolcASRError)
    return end


def sharing(rules: Rules, edition: Any = STANDARD) -> Progress:
    """One of several jobs of a client."""
    return Progress(speak(edition), rules, order=order_of(URL, edition, request_id=ID))
