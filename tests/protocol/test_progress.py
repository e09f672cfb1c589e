"""The life of one job: a table of states and events, and a service that loses answers at random."""

from typing import Any
from uuid import uuid4

import pytest
from ground import CLUSTER, ID, URL, order_of, speak, task_of
from hypothesis import given, settings
from hypothesis import strategies as st

from volcasr_async import Flash, Pending, PollPolicy, RetryPolicy, Standard, Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.messages import Reply
from volcasr_async.protocol.progress import Progress, Rules

STANDARD, FLASH = Standard(), Flash()


def make(edition: Any = STANDARD, **policy: Any) -> Progress:
    return Progress(
        speak(edition), Rules(RetryPolicy(**policy), PollPolicy()), order=order_of(URL, edition, request_id=ID)
    )


def waiting(**policy: Any) -> Progress:
    progress = make(**policy)
    progress.call(at=0.0)
    progress.went_on(Pending(task=task_of(), phase="accepted"), now=0.0, draw=0.5)
    return progress


def asking(edition: Any = STANDARD, **policy: Any) -> Progress:
    progress = make(edition, **policy)
    progress.call(at=0.0)
    fail(progress, lost())
    return progress


def fail(progress: Progress, error: e.VolcASRError, now: float = 1.0, *, resendable: bool = True) -> None:
    progress.failed(error, now=now, draw=0.5, resendable=resendable)


def lost(sent: Any = "maybe") -> e.TransportError:
    return e.TransportError("reset", sent=sent)


def said(code: int | None, phase: str = "submit", http_status: int = 200, message: str = "") -> e.VolcASRError:
    """The error that a reply with this code becomes."""
    dialect = speak(STANDARD)
    headers = {} if code is None else {"x-api-status-code": str(code), "x-api-message": message}
    reply = Reply(http_status, headers, b"")
    try:
        if phase == "submit":
            dialect.read_open(order_of(), reply, at=0.0)
        else:
            dialect.read_follow(task_of(), reply)
    except e.VolcASRError as error:
        return error
    raise AssertionError(code)


def missing() -> e.VolcASRError:
    return said(45000000, "query", message="cannot find task")


FINAL = "raised"
# (state before, event) -> state after; design 4.2 and 4.4
MACHINE = [
    ("submit", lambda: lost("no"), "submit"),
    ("submit", lambda: lost("maybe"), "ask"),
    ("submit", lambda: lost("yes"), "ask"),
    ("submit", lambda: said(None, http_status=502), "ask"),
    ("submit", lambda: said(None, http_status=200), "ask"),
    ("submit", lambda: said(20000009), "ask"),
    ("submit", lambda: said(55000000), "submit"),
    ("submit", lambda: said(55000031), "submit"),
    ("submit", lambda: said(None, http_status=429), "submit"),
    ("submit", lambda: said(45000131), "submit"),
    ("submit", lambda: said(45000001), FINAL),
    ("submit", lambda: said(45000151), FINAL),
    ("submit", lambda: said(45000010), FINAL),
    ("submit", lambda: said(45000030), FINAL),
    ("submit", lambda: said(45000292, message="quota exceeded for types: audio_duration_lifetime"), FINAL),
    ("ask", lost, "ask"),
    ("ask", lambda: said(None, "query", 502), "ask"),
    ("ask", lambda: said(55000031, "query"), "ask"),
    ("ask", missing, "ask"),
    ("ask", lambda: said(45000010, "query"), FINAL),
    ("ask", lambda: said(45000002, "query"), FINAL),
    ("ask", lambda: said(55001010, "query"), FINAL),
    ("wait", lost, "wait"),
    ("wait", lambda: lost("yes"), "wait"),
    ("wait", lambda: said(None, "query", 502), "wait"),
    ("wait", lambda: said(None, "query", 200), "wait"),
    ("wait", lambda: said(55000031, "query"), "wait"),
    ("wait", lambda: said(55000000, "query"), "wait"),
    ("wait", lambda: said(None, "query", 429), "wait"),
    ("wait", missing, "wait"),
    ("wait", lambda: said(45000006, "query"), FINAL),
    ("wait", lambda: said(45000030, "query"), FINAL),
    ("wait", lambda: said(55001010, "query"), FINAL),
]


@pytest.mark.parametrize(("state", "event", "after"), MACHINE)
def test_the_machine(state: str, event: Any, after: str) -> None:
    """Each event in each state leads where the design says, and asks for a later moment."""
    progress = {"submit": make, "ask": asking, "wait": waiting}[state]()
    assert progress.state == state
    error = event()
    if after == FINAL:
        with pytest.raises(type(error)) as caught:
            fail(progress, error)
        assert caught.value is error
        return
    fail(progress, error)
    assert progress.state == after
    assert progress.due > 1.0
    assert progress.kind == ("submit" if after == "submit" else "query")


def test_accepted_then_polled() -> None:
    """News leads to waiting; the first query comes after `first`, the gaps grow."""
    progress = waiting()
    assert progress.state == "wait"
    assert progress.due == pytest.approx(2.0)
    dues = []
    for now in (10.0, 100.0, 10_000.0):
        progress.went_on(Pending(task=task_of()), now=now, draw=0.5)
        dues.append(progress.due - now)
    assert dues == pytest.approx([2.0, 20.0, 30.0])


def test_a_lost_answer_is_asked_about_under_the_same_id() -> None:
    """The query names the id of the submit; found, it is waited for."""
    progress = asking()
    call = progress.call(at=5.0)
    assert (call.phase, dict(call.headers)["X-Api-Request-Id"]) == ("query", ID)
    assert progress.task == task_of(submitted_at=5.0, key=URL)
    assert progress.task is not None
    progress.went_on(Pending(task=progress.task), now=6.0, draw=0.5)
    assert (progress.state, progress.doubt, progress.failures) == ("wait", None, 0)


def test_not_found_thrice_sends_the_same_id_again() -> None:
    """Only the third "cannot find task" in a row brings the submit back, with the same id."""
    progress = asking()
    progress.call(at=0.0)
    for state in ("ask", "ask", "submit"):
        fail(progress, missing())
        assert progress.state == state
    call = progress.call(at=0.0)
    assert (call.phase, dict(call.headers)["X-Api-Request-Id"], progress.sends) == ("submit", ID, 2)


def test_lost_every_time_ends() -> None:
    """A submit that is lost and never found is sent at most `attempts` times, then its own error is raised."""
    progress = make(attempts=3)
    with pytest.raises(e.TransportError):
        for _ in range(20):
            progress.call(at=0.0)
            fail(progress, lost() if progress.state == "submit" else missing())
    assert progress.sends == 3


def test_repetition_after_doubt_is_asked_about() -> None:
    """45000001 after a doubtful try means that the try lives, also when it is not found for a moment."""
    progress = asking()
    for _ in range(3):
        fail(progress, missing())
    fail(progress, said(45000001))
    for now in (1.0, 8.0, 20.0, 29.0):
        fail(progress, missing(), now)
        assert progress.state == "ask"
    with pytest.raises(e.InvalidRequest):
        fail(progress, missing(), 31.1)
    doubtful = make()
    fail(doubtful, said(55000000))
    fail(doubtful, said(45000001))
    assert doubtful.state == "ask"


def test_patience_after_acceptance() -> None:
    """Within the grace "cannot find task" is patience, after it and three in a row it is final."""
    progress = waiting(grace=30.0)
    for now in (1.0, 5.0, 20.0, 29.0):
        fail(progress, missing(), now)
        assert progress.state == "wait"
    with pytest.raises(e.TaskNotFound):
        fail(progress, missing(), 31.0)
    late = waiting(grace=0.0)
    fail(late, missing(), 100.0)
    fail(late, missing(), 110.0)
    with pytest.raises(e.TaskNotFound):
        fail(late, missing(), 120.0)


def test_the_rate_never_counts() -> None:
    """A hundred refusals for the pace are no failure of the job, nor do they use up what it has."""
    for error in (said(None, http_status=429), said(55000031), said(45000131)):
        progress = make(attempts=2)
        for _ in range(100):
            fail(progress, error)
        fail(progress, lost("no"))
        assert progress.state == "submit"
        with pytest.raises(e.TransportError):
            fail(progress, lost("no"))


def test_server_errors_are_bounded() -> None:
    """At submit `attempts` bounds them, and never more than the table allows."""
    for attempts in (1, 2, 6):
        progress, tries = make(attempts=attempts), 0
        with pytest.raises(e.ServerError):
            while tries < 50:
                tries += 1
                fail(progress, said(55000000))
        assert tries <= attempts


@pytest.mark.parametrize("start", [waiting, asking])
def test_ended_badly(start: Any) -> None:
    """A 550xxxxx at query is asked again for as long as patience lasts, then is the end, also after a lost answer."""
    progress, tries = start(), 0
    began = progress.due
    with pytest.raises(e.ServerError) as caught:
        while tries < 50:
            tries += 1
            fail(progress, said(55000000, "query"), now=progress.due)
    assert 4 < tries < 12
    assert 30 <= progress.due - began < 40
    assert not caught.value.retryable


@pytest.mark.parametrize("start", [waiting, asking])
def test_a_service_out_of_order_ends_no_task(start: Any) -> None:
    """For some seconds every question is answered 550xxxxx; then the task goes on, and its patience is whole again."""
    progress = start()
    for _ in range(3):
        began = progress.due
        while progress.due < began + 25:
            fail(progress, said(55000000, "query"), now=progress.due)
        progress.went_on(Pending(task=task_of(), phase="processing"), now=progress.due, draw=0.5)
        assert progress.state == "wait"


@pytest.mark.parametrize("start", [waiting, asking])
def test_new_tasks(start: Any) -> None:
    """A fresh task has another id, the same after a crash, and there are only as many as allowed."""
    names = []
    for _ in range(2):
        progress = start(new_tasks=2)
        seen = [ID]
        for _ in range(2):
            fail(progress, said(55001010, "query"))
            assert (progress.state, progress.task, progress.sends) == ("submit", None, 0)
            call = progress.call(at=0.0)
            seen.append(dict(call.headers)["X-Api-Request-Id"])
            progress.went_on(Pending(task=task_of(id=seen[-1])), now=2.0, draw=0.5)
        with pytest.raises(e.ServerError):
            fail(progress, said(55001010, "query"))
        names.append(seen)
    assert len(set(names[0])) == 3
    assert names[0] == names[1]


def test_a_task_alone_has_no_fresh_one() -> None:
    """Where only a task is followed, nothing can be sent again."""
    progress = Progress(speak(STANDARD), Rules(RetryPolicy(new_tasks=5), PollPolicy()), task=task_of(), state="wait")
    assert progress.call(at=0.0).phase == "query"
    with pytest.raises(e.ServerError):
        fail(progress, said(55001010, "query"))


@pytest.mark.parametrize("sent", ["maybe", "yes"])
def test_v1_lost(sent: Any) -> None:
    """v1 cannot ask: the outcome is uncertain and the job is handed back, unless resubmission was allowed."""
    progress = make(CLUSTER)
    with pytest.raises(e.SubmitUncertain, match="resubmit_v1") as caught:
        fail(progress, lost(sent))
    assert progress.order is not None
    assert caught.value.job is progress.order.job
    assert isinstance(caught.value.__cause__, e.TransportError)
    allowed = make(CLUSTER, resubmit_v1=True)
    fail(allowed, lost(sent))
    assert allowed.state == "submit"
    early = make(CLUSTER)
    fail(early, lost("no"))
    assert early.state == "submit"


def test_flash_lost() -> None:
    """Flash is not sent again once all of it had left, nor after an unreadable answer, unless allowed."""
    for error in (lost("yes"), said(None, http_status=502), said(None)):
        with pytest.raises(e.SubmitUncertain, match="resend_flash"):
            fail(make(FLASH), error)
        allowed = make(FLASH, resend_flash=True)
        fail(allowed, error)
        assert allowed.state == "submit"
    for harmless in (lost("no"), said(None, http_status=429), said(55000031)):
        progress = make(FLASH)
        fail(progress, harmless)
        assert progress.state == "submit"
    with pytest.raises(e.ServerError):
        fail(make(FLASH), said(55000000))
    again = make(FLASH, resend_flash=True)
    fail(again, said(55000000))
    assert again.state == "submit"


def test_a_spent_stream_is_not_sent_again() -> None:
    """A stream of which a part has left is at its end, whatever the failure, unless the service can be asked."""
    for error in (lost("no"), said(55000031)):
        with pytest.raises(type(error)):
            fail(make(), error, resendable=False)
    with pytest.raises(e.SubmitUncertain):
        fail(make(FLASH, resend_flash=True), lost("yes"), resendable=False)
    progress = make()
    fail(progress, lost("yes"), resendable=False)
    assert progress.state == "ask"


def test_a_spent_stream_that_was_not_found_is_at_its_end() -> None:
    """A stream that left and was not found cannot be sent once more."""
    progress = make()
    fail(progress, lost("yes"), resendable=False)
    with pytest.raises(e.VolcASRError):
        for _ in range(3):
            fail(progress, missing(), resendable=False)


def test_misuse_is_a_mistake_of_ours() -> None:
    """Nothing to ask about, nothing to send: no guess is made."""
    empty = Progress(speak(STANDARD), Rules(RetryPolicy(), PollPolicy()))
    with pytest.raises(RuntimeError):
        empty.call(at=0.0)
    with pytest.raises(RuntimeError):
        empty.read(Reply(200, {}, b""), at=0.0)
    with pytest.raises(RuntimeError):
        fail(empty, lost())


# ---- a service that loses answers ----


class Service:
    """The least service: ids are names, each is charged once; its answers come from the code under test's own path."""

    def __init__(self, polls: int, hidden: int) -> None:
        self.tasks: dict[str, int] = {}
        self.charges: dict[str, int] = {}
        self.polls, self.hidden = polls, hidden

    def handle(self, phase: str, name: str) -> Reply:
        if phase == "submit":
            if name in self.tasks:
                return self.reply(45000001, "repeated")
            self.tasks[name] = 0
            self.charges[name] = self.charges.get(name, 0) + 1
            return self.reply(20000000, "OK")
        if name not in self.tasks:
            return self.reply(45000000, "cannot find task")
        self.tasks[name] += 1
        if self.tasks[name] <= self.hidden:
            return self.reply(45000000, "cannot find task")
        if self.tasks[name] <= self.hidden + self.polls:
            return self.reply(20000001, "")
        return self.reply(20000000, "OK", b'{"audio_info":{"duration":5},"result":{"text":"done"}}')

    @staticmethod
    def reply(code: int, message: str, body: bytes = b"{}") -> Reply:
        return Reply(200, {"x-api-status-code": str(code), "x-api-message": message}, body)


FAULTS = st.lists(
    st.sampled_from(["", "", "before", "after", "cut", "html", "503", "429", "busy", "550", "lost request"]),
    max_size=40,
)


@settings(max_examples=300)
@given(FAULTS, st.integers(0, 4), st.integers(0, 2), st.floats(0, 1, exclude_max=True))
def test_never_charged_twice(faults: list[str], polls: int, hidden: int, draw: float) -> None:
    """Whatever is lost on the way: one v3 job is charged at most once, it ends, and what was charged is not lost."""
    service, name = Service(polls, hidden), str(uuid4())
    order = order_of(URL, STANDARD, request_id=name)
    progress = Progress(speak(STANDARD), Rules(RetryPolicy(), PollPolicy()), order=order)
    now, script, step, failure = 0.0, iter(faults), None, None
    for _ in range(400):
        now = max(now, progress.due)
        call = progress.call(at=now)
        fault = next(script, "")
        try:
            if fault == "before":
                raise e.TransportError("refused", sent="no")
            if fault == "lost request":
                raise e.TransportError("reset", sent="maybe")
            refusal = {"429": Service.reply(45000292, "quota exceeded for types: qps"),
                       "busy": Service.reply(55000031, ""), "550": Service.reply(55000000, "")}.get(fault)  # fmt: skip
            reply = refusal or service.handle(call.phase, dict(call.headers)["X-Api-Request-Id"])
            if fault == "after":
                raise e.TransportError("reset", sent="yes")
            if fault == "cut":
                reply = Reply(200, {}, reply.body[:3])
            if fault in ("html", "503"):
                reply = Reply(502 if fault == "html" else 503, {}, b"<html>")
            step = progress.read(reply, at=now)
        except e.VolcASRError as error:
            try:
                progress.failed(error, now=now, draw=draw)
            except e.VolcASRError as final:
                failure = final
                break
            assert progress.due >= now
            continue
        if isinstance(step, Transcript):
            break
        progress.went_on(step, now=now, draw=draw)
    assert all(count == 1 for count in service.charges.values())
    assert set(service.charges) <= {name}
    assert isinstance(step, Transcript) or failure is not None, "it does not end"
    if failure is None:
        assert isinstance(step, Transcript)
        assert step.text == "done"
    else:
        assert isinstance(failure, e.TransportError | e.ReplyError | e.ServiceError)
