"""The life of one job: a table of states and events, and a service that loses answers at random."""

from typing import Any

import pytest
from ground import CLUSTER, ID, URL, order_of, speak, task_of
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from progress_kit import EPOCH
from service_kit import FAULTS, QUIET, SCRIPTS, WORLDS, DirectService, Ids, Service, Told, World

from volcasr_async import Flash, Pending, PollPolicy, RetryPolicy, Standard, Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.charge import ServiceFacts
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
    assert progress.charged == "yes"
    return progress


def asking(edition: Any = STANDARD, **policy: Any) -> Progress:
    progress = make(edition, **policy)
    progress.call(at=0.0)
    fail(progress, lost())
    assert progress.charged == "maybe"
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
# (state before, event) -> state after; design 4.2 and 4.4, and row 1 of the attack on 0.1.0
MACHINE = [
    ("submit", lambda: lost("no"), "submit"),
    ("submit", lambda: lost("maybe"), "ask"),
    ("submit", lambda: lost("yes"), "ask"),
    ("submit", lambda: said(None, http_status=502), "ask"),
    ("submit", lambda: said(None, http_status=200), "ask"),
    ("submit", lambda: said(20000009), "ask"),
    ("submit", lambda: said(55000000), "ask"),
    ("submit", lambda: said(55001010), "ask"),
    ("submit", lambda: said(45000077), "ask"),
    ("submit", lambda: said(None, http_status=429), "ask"),
    ("submit", lambda: said(None, http_status=401), "ask"),
    ("submit", lambda: said(None, http_status=404), "ask"),
    ("submit", lambda: said(45000000), "ask"),
    ("submit", lambda: said(45000001), "ask"),
    ("submit", lambda: said(55000031), "submit"),
    ("submit", lambda: said(45000292, message="quota exceeded for types: qps"), "submit"),
    ("submit", lambda: said(45000131), "submit"),
    ("submit", lambda: said(45000151), FINAL),
    ("submit", lambda: said(45000010), FINAL),
    ("submit", lambda: said(45000030), FINAL),
    ("submit", lambda: said(45000292, message="quota exceeded for types: audio_duration_lifetime"), FINAL),
    ("ask", lost, "ask"),
    ("ask", lambda: said(None, "query", 502), "ask"),
    ("ask", lambda: said(55000031, "query"), "ask"),
    ("ask", missing, "ask"),
    ("ask", lambda: said(None, "query", 404), "ask"),
    ("ask", lambda: said(None, "query", 401), "ask"),
    ("ask", lambda: said(45000000, "query"), "ask"),
    ("ask", lambda: said(45000001, "query"), "ask"),
    ("ask", lambda: said(45000077, "query"), "ask"),
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
    ("wait", lambda: said(None, "query", 404), "wait"),
    ("wait", lambda: said(None, "query", 403), "wait"),
    ("wait", lambda: said(45000000, "query"), "wait"),
    ("wait", lambda: said(45000001, "query"), "wait"),
    ("wait", lambda: said(45000077, "query"), "wait"),
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
    """The query names the id of the submit and is as old as that; found, it is waited for."""
    progress = make()
    progress.call(at=3.0)
    fail(progress, lost())
    call = progress.call(at=5.0)
    assert (call.phase, dict(call.headers)["X-Api-Request-Id"]) == ("query", ID)
    assert progress.task == task_of(submitted_at=3.0, key=URL, accepted=False)
    assert progress.task is not None
    progress.went_on(Pending(task=progress.task), now=6.0, draw=0.5)
    assert (progress.state, progress.doubt, progress.failures, progress.charged) == ("wait", None, 0, "yes")


def test_not_found_until_the_grace_has_passed_sends_the_same_id_again() -> None:
    """Neither three "cannot find task" nor thirty seconds alone bring the submit back; both do, with the same id."""
    hasty = asking()
    hasty.call(at=0.0)
    for now in (2.0, 3.0, 4.0, 30.9):
        fail(hasty, missing(), now)
        assert hasty.state == "ask"
    fail(hasty, missing(), 31.0)
    assert hasty.state == "submit"
    progress = asking()
    progress.call(at=0.0)
    for now, state in ((40.0, "ask"), (50.0, "ask"), (60.0, "submit")):
        fail(progress, missing(), now)
        assert progress.state == state
    assert progress.charged == "no"
    call = progress.call(at=0.0)
    assert (call.phase, dict(call.headers)["X-Api-Request-Id"], progress.sends) == ("submit", ID, 2)


def test_lost_every_time_ends() -> None:
    """A submit that is lost and never found is sent at most `attempts` times, then its own error is raised."""
    progress = make(attempts=3)
    with pytest.raises(e.TransportError) as caught:
        for _ in range(50):
            progress.call(at=progress.due)
            fail(progress, lost() if progress.state == "submit" else missing(), progress.due)
    assert progress.sends == 3
    assert caught.value.charged == "no"


def test_repetition_after_doubt_is_uncertain_when_it_is_not_found() -> None:
    """45000001 after a lost answer says that the lost submit may live; a task that nobody finds is not sent once more."""
    progress = asking()
    for now in (2.0, 3.0, 31.0):
        fail(progress, missing(), now)
    assert progress.kind == "submit"
    fail(progress, said(45000001), 31.0)
    for now in (32.0, 39.0, 50.0, 60.9):
        fail(progress, missing(), now)
        assert progress.state == "ask"
    with pytest.raises(e.SubmitUncertain) as caught:
        fail(progress, missing(), 61.0)
    assert caught.value.charged == "maybe"
    assert isinstance(caught.value.__cause__, e.InvalidRequest)
    assert caught.value.task is not None
    assert caught.value.task.id == ID


def test_patience_after_acceptance() -> None:
    """Within twice the grace "cannot find task" is patience, after it and three in a row it is final."""
    progress = waiting(grace=30.0)
    for now in (1.0, 5.0, 20.0, 60.9):
        fail(progress, missing(), now)
        assert progress.state == "wait"
    with pytest.raises(e.TaskNotFound) as caught:
        fail(progress, missing(), 61.0)
    assert caught.value.charged == "yes"
    late = waiting(grace=0.0)
    fail(late, missing(), 100.0)
    fail(late, missing(), 110.0)
    with pytest.raises(e.TaskNotFound):
        fail(late, missing(), 120.0)


def test_the_rate_never_counts() -> None:
    """A hundred refusals for the pace are no failure of the job, nor do they use up what it has."""
    for error in (said(45000292, message="quota exceeded for types: qps"), said(55000031), said(45000131)):
        progress = make(attempts=2)
        for _ in range(100):
            fail(progress, error)
        fail(progress, lost("no"))
        assert progress.state == "submit"
        with pytest.raises(e.TransportError):
            fail(progress, lost("no"))


def test_server_errors_are_bounded() -> None:
    """`attempts` bounds how often a submit that is answered 55000000 and not found is sent; no time is endless."""
    for attempts in (1, 2, 6):
        progress = make(attempts=attempts)
        with pytest.raises(e.ServerError) as caught:
            for _ in range(100):
                submitting = progress.state == "submit"
                progress.call(at=progress.due)
                fail(progress, said(55000000) if submitting else missing(), progress.due)
        assert progress.sends == attempts
        assert progress.due < attempts * 40
        assert caught.value.charged == "no"


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
    """Flash is not sent again once a part of it had left, nor after an answer that says nothing, unless allowed."""
    for error in (lost("maybe"), lost("yes"), said(None, http_status=502), said(None, http_status=429), said(None)):
        with pytest.raises(e.SubmitUncertain, match="resend_flash"):
            fail(make(FLASH), error)
        allowed = make(FLASH, resend_flash=True)
        fail(allowed, error)
        assert allowed.state == "submit"
    for harmless in (lost("no"), said(45000292, message="quota exceeded for types: qps"), said(55000031)):
        progress = make(FLASH)
        fail(progress, harmless)
        assert progress.state == "submit"
    with pytest.raises(e.ServerError) as caught:
        fail(make(FLASH), said(55000000))
    assert caught.value.charged == "maybe"
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
    for now in (2.0, 3.0, 30.9):
        fail(progress, missing(), now, resendable=False)
        assert progress.state == "ask"
    with pytest.raises(e.TransportError) as caught:
        fail(progress, missing(), 31.0, resendable=False)
    assert caught.value.charged == "no"


def test_misuse_is_a_mistake_of_ours() -> None:
    """Nothing to ask about, nothing to send: no guess is made."""
    empty = Progress(speak(STANDARD), Rules(RetryPolicy(), PollPolicy()))
    with pytest.raises(RuntimeError):
        empty.call(at=0.0)
    with pytest.raises(RuntimeError):
        empty.read(Reply(200, {}, b""), at=0.0)
    fail(empty, lost())
    assert empty.state == "ask"
    with pytest.raises(RuntimeError):
        empty.call(at=0.0)
    with pytest.raises(RuntimeError):
        fail(Progress(speak(FLASH), Rules(RetryPolicy(), PollPolicy())), lost())


# ---- a service that loses answers, ids and tasks ----


class Run(Struct):
    """One job against a service, to its end."""

    service: Service | DirectService
    progress: Progress
    transcript: Transcript | None = None
    failure: e.VolcASRError | None = None


def run(
    service: Service | DirectService,
    script: list[str],
    draw: float,
    *,
    edition: Any = STANDARD,
    learned: bool = False,
    **policy: Any,
) -> Run:
    """Make requests until the job ends; after the script all of them reach the service and are answered."""
    facts = ServiceFacts(own_task_ids=True) if learned else ServiceFacts()
    rules = Rules(RetryPolicy(**policy), PollPolicy(), facts)
    progress = Progress(speak(edition), rules, order=order_of(URL, edition, request_id=ID))
    this, faults, now = Run(service, progress), iter(script), 0.0
    for _ in range(400):
        now = max(now, progress.due)
        call = progress.call(at=EPOCH + now)
        try:
            reply = service.answer(next(faults, ""), call.phase, dict(call.headers).get("X-Api-Request-Id", ""), now)
            step = progress.read(reply, at=EPOCH + now)
        except e.VolcASRError as error:
            try:
                progress.failed(error, now=now, draw=draw)
            except e.VolcASRError as final:
                this.failure = final
                return this
            assert progress.due >= now
            continue
        if isinstance(step, Transcript):
            this.transcript = step
            return this
        progress.went_on(step, now=now, draw=draw)
    raise AssertionError("it does not end")


def was_denied(told: Told | None) -> bool:
    """Whether a lost submit that the service had accepted was denied as the rules ask: three times, and over the grace."""
    return told is not None and told.denied >= 3 and told.last - told.lost_at >= RetryPolicy().grace


def check_charges(this: Run, *, names: int) -> None:
    """Check what was charged against what the caller is told."""
    service, failure = this.service, this.failure
    assert isinstance(service, Service)
    world = service.world
    # Never twice. The boundary: the service accepted a submit, the answer was lost, and then it denied the task three times
    # and for the whole grace, because it had forgotten it, because a failover hid it, or because it knew it by an id that was
    # in the lost answer and that no reply had shown to exist. No client can tell that from a submit that did not arrive.
    assert len(service.charges) <= names
    for told in service.second_charges:
        assert not world.is_honest
        assert was_denied(told)
        assert not world.repeats_refused or world.forgets_after_s is not None
    # What was charged ends in a transcript, or in an error that does not deny it; within the same boundary.
    if this.transcript is not None:
        assert (this.transcript.text, this.progress.charged) == ("done", "yes")
        return
    assert failure is not None
    assert failure.charged == this.progress.charged_in_all
    if service.charges.total() and failure.charged == "no":
        assert not world.is_honest
        assert not service.answered
        assert all(told.denied >= 3 for told in service.unanswered.values())
    # A charge is claimed only where there is one.
    assert failure.charged != "yes" or service.charges.total()
    assert not this.progress.ended, "the service ends no task"


@settings(max_examples=500)
@given(WORLDS, SCRIPTS, st.floats(0, 1, exclude_max=True), st.booleans())
def test_never_charged_twice_without_permission(world: World, script: list[str], draw: float, learned: bool) -> None:
    """Whatever is lost on the way: a job has one id, is charged once, ends, and what was charged is not lost."""
    service = Service(world, ID)
    this = run(service, script, draw, learned=learned and world.ids != "request")
    check_charges(this, names=1)
    assert this.progress.fresh == 0
    if learned and world.ids != "request":
        assert not service.second_charges, "where ids differ, a denial proves nothing"


@settings(max_examples=300)
@given(WORLDS, SCRIPTS, st.floats(0, 1, exclude_max=True), st.booleans())
def test_permission_is_for_one_more_task(world: World, script: list[str], draw: float, learned: bool) -> None:
    """Replaced under a second id, and each id is charged as without permission."""
    this = run(Service(world, ID), script, draw, learned=learned and world.ids != "request", pay_again=True)
    check_charges(this, names=2)
    assert this.progress.fresh <= 1


@settings(max_examples=200)
@given(SCRIPTS, st.integers(0, 4), st.integers(0, 2), st.floats(0, 1, exclude_max=True), st.booleans())
def test_an_honest_service_is_charged_once_and_found(
    script: list[str], polls: int, hidden: int, draw: float, known: bool
) -> None:
    """Nothing is forgotten, and known ids are not even refused: an accepted task's result arrives, but for a service in ruins."""
    world = World(polls=polls, hidden=hidden, repeats_refused=False, known=False)
    service = Service(world, ID)
    this = run(service, script, draw)
    assert service.charges.total() <= 1
    if service.charges and this.failure is not None:
        assert this.failure.charged != "no"
        # Thirty seconds of nothing but internal errors, six pages about the account, or six refusals of the queries that
        # check a refused submit, are an end.
        assert isinstance(this.failure, e.ServerError | e.InvalidRequest) or this.failure.account_wide
    refused = World(polls=polls, hidden=hidden, known=known)
    service = Service(refused, ID)
    run(service, script, draw)
    assert service.charges.total() <= 1


@pytest.mark.parametrize("ids", ["request", "own", "both"])
@pytest.mark.parametrize("failover_at", [0.1, 1.0, 5.0])
def test_a_failover_loses_no_accepted_task(ids: Ids, failover_at: float) -> None:
    """Forty seconds of "cannot find task" for a task whose submit was answered."""
    for hidden in (0, 1, 2):
        service = Service(World(ids=ids, failover_at=failover_at, hidden=hidden, polls=2), ID)
        assert run(service, [], 0.5).transcript is not None
        assert service.charges.total() == 1


def test_a_forgotten_task_is_missing() -> None:
    """It was charged, and is neither submitted again nor called refused; with permission it is done anew."""
    world = World(forgets_after_s=1.0, polls=50)
    for policy, charges in (({}, [1]), ({"pay_again": True}, [1, 1])):
        service = Service(world, ID)
        this = run(service, [], 0.5, **policy)
        assert isinstance(this.failure, e.TaskNotFound)
        assert (this.failure.charged, list(service.charges.values())) == ("yes", charges)


def test_the_boundary_of_never_twice() -> None:
    """An accepted submit without an answer that the service then forgets is charged again: nobody can tell it from a lost one."""
    forgetful = Service(World(forgets_after_s=0.0), ID)
    run(forgetful, ["late broken yes"], 0.5)
    assert forgetful.charges.total() == 2
    assert was_denied(forgetful.second_charges[0])
    own = Service(World(ids="own", repeats_refused=False), ID)
    this = run(own, ["late broken yes"], 0.5, learned=True)
    assert isinstance(this.failure, e.SubmitUncertain)
    assert own.charges.total() == 1


# To flash and v1, 45000000 and 45000001 are refusals: a service that charges and answers so is none that can be helped.
DIRECT_SCRIPTS = st.lists(
    st.sampled_from([*QUIET, *(fault for fault in FAULTS if not fault.startswith("late code 4500000"))]), max_size=20
)


@pytest.mark.parametrize("edition", [FLASH, CLUSTER], ids=lambda one: one.name)
@settings(max_examples=200)
@given(DIRECT_SCRIPTS, st.integers(0, 4), st.floats(0, 1, exclude_max=True))
def test_what_nobody_can_ask_about_is_charged_once(edition: Any, script: list[str], polls: int, draw: float) -> None:
    """One lost answer ends it, and the error does not deny what was charged; with permission it is bounded."""
    service = DirectService(polls)
    this = run(service, script, draw, edition=edition)
    assert service.charges <= 1
    if this.failure is None:
        assert this.transcript is not None
        assert (this.transcript.text, this.progress.charged, service.charges) == ("done", "yes", 1)
    else:
        assert this.failure.charged == this.progress.charged
        assert service.charges == 0 or this.failure.charged != "no"
        assert service.charges == 1 or this.failure.charged != "yes"
    permitted = DirectService(polls)
    again = run(permitted, script, draw, edition=edition, pay_again=True)
    assert permitted.charges <= 2 * RetryPolicy().attempts
    assert permitted.charges == 0 or again.failure is None or again.failure.charged != "no"
