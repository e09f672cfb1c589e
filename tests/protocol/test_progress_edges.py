"""A submit that is refused or lost: how often and how soon it is tried, asked about, and what a caller reads at its end."""

from typing import Any

import pytest
from ground import CLUSTER, ID, URL, answer, speak, task_of, v1_answer
from progress_kit import POLL, end_of_misses, lost, make, misses, missing, pause, qps, said, taken_up

from volcasr_async import Flash, Pending, PollPolicy, RetryPolicy, Standard
from volcasr_async import errors as e
from volcasr_async.protocol.progress import Progress, Rules

FLASH, STANDARD = Flash(), Standard()


# ---- whose task is asked about ----


def test_the_service_names_the_task_that_is_asked_about() -> None:
    """v1 tells its own id, when it was taken is noted; that id is in every query."""
    progress = make(CLUSTER)
    progress.call(at=1.0)
    step = progress.read(v1_answer(1000, id="their-id"), at=5.0)
    assert isinstance(step, Pending)
    assert (step.task.id, step.task.submitted_at) == ("their-id", 5.0)
    progress.went_on(step, now=5.0, draw=0.5)
    assert b'"their-id"' in progress.call(at=9.0).prefix
    assert progress.longest_gap == 30.0


def test_a_presumed_task_is_as_old_as_its_submit() -> None:
    """However late and however often it is asked about: its age decides whether its result can still be there."""
    progress = make()
    progress.call(at=1.0)
    pause(progress, lost())
    for at in (2.0, 50.0):
        progress.call(at=at)
        assert progress.task == task_of(submitted_at=1.0, key=URL, accepted=False)


def test_questions_count_from_the_acceptance() -> None:
    """Whether a first question about a task paid is learned from, so those asked after a lost answer are left out."""
    progress = make()
    progress.call(at=0.0)
    assert (progress.sends, progress.asks) == (1, 0)
    pause(progress, lost())
    progress.call(at=0.0)
    progress.went_on(Pending(task=task_of()), now=1.0, draw=0.5)
    assert progress.asks == 0
    for number in (1, 2, 3):
        progress.call(at=0.0)
        assert (progress.sends, progress.asks) == (1, number)
    later = taken_up()
    assert later.asks == 0
    later.call(at=0.0)
    assert later.asks == 1


def test_a_job_begins_with_nothing_behind_it() -> None:
    """Due at once, to be submitted, with all its tries."""
    progress = make()
    assert (progress.due, progress.since, progress.kind) == (0.0, 0.0, "submit")
    assert (progress.sends, progress.asks, progress.failures, progress.misses, progress.endings) == (0,) * 5
    assert (progress.fresh, progress.spent, progress.task, progress.doubt) == (0, False, None, None)


# ---- a refused submit ----


@pytest.mark.parametrize("before", ["nothing", "qps", "busy", "refused"])
def test_a_repetition_is_doubted_only_after_a_try_that_may_have_arrived(before: str) -> None:
    """Where every earlier try was turned away at the door, three quick queries tell 45000001 from a repetition."""
    progress = make()
    harmless = {"nothing": None, "qps": qps(), "busy": said(55000031), "refused": lost("no")}[before]
    progress.call(at=0.0)
    if harmless is not None:
        pause(progress, harmless)
        progress.call(at=0.0)
    pause(progress, said(45000001))
    final = end_of_misses(progress)
    assert isinstance(final, e.InvalidRequest)
    assert (final.charged, progress.sends, progress.asks) == ("no", 1 + (before != "nothing"), 3)
    assert progress.due < 5


def test_a_refusal_after_a_lost_answer_that_was_not_found_is_a_refusal() -> None:
    """The queries have settled the doubt: a listed refusal then is one, and a code that nobody lists is asked about again."""
    for code, kind in ((45000151, e.BadAudioFormat), (45000003, e.InvalidRequest)):
        progress = make()
        progress.call(at=0.0)
        pause(progress, lost())
        misses(progress)
        progress.call(at=progress.due)
        if code == 45000151:
            with pytest.raises(kind) as caught:
                pause(progress, said(code))
            final: e.VolcASRError = caught.value
        else:
            pause(progress, said(code), now=progress.due)
            assert (progress.state, progress.charged) == ("ask", "maybe")
            final = end_of_misses(progress)
        assert isinstance(final, kind)
        assert final.charged == "no"


def test_attempts_are_counted_and_their_pauses_double() -> None:
    """Six tries, five pauses of 0.375 s and its doubles at a middling draw; the sixth failure is the end."""
    progress = make()
    assert [pause(progress, lost("no")) for _ in range(5)] == pytest.approx([0.375, 0.75, 1.5, 3.0, 6.0])
    with pytest.raises(e.TransportError):
        pause(progress, lost("no"))


@pytest.mark.parametrize(
    ("edition", "code", "most"), [(FLASH, 55000000, 4), (CLUSTER, 1006, 2), (STANDARD, 45000292, 6)]
)
@pytest.mark.parametrize("attempts", [1, 2, 10])
def test_the_table_bounds_tries_below_the_policy(edition: Any, code: int, most: int, attempts: int) -> None:
    """A 550xxxxx is followed by three more tries where that is allowed, 1006 by one, an unknown quota by five."""
    progress, tries = make(edition, attempts=attempts, resend_flash=True), 0
    with pytest.raises(e.ServiceError):
        while tries < 20:
            tries += 1
            pause(progress, said(code, message="quota exceeded for types: moon_phase"))
    assert tries == min(attempts, most)


def test_a_refusal_for_the_pace_waits_no_longer_each_time() -> None:
    """The budget slows everybody down, so the job's own pause stays the first one; after failures of its own too."""
    progress = make()
    for _ in range(3):
        pause(progress, lost("no"))
    assert [pause(progress, qps()) for _ in range(4)] == [0.375] * 4
    assert pause(progress, lost("no")) == pytest.approx(3.0)
    error = qps()
    assert isinstance(error, e.RateLimited)
    error.retry_after_s = 7.0
    assert pause(progress, error) == 7.0


# ---- a lost answer ----


def test_a_lost_answer_is_asked_about_soon_and_then_less_often() -> None:
    """0.4 s after the loss, then after twice as long each time, and when the grace ends; then the same id is sent at once."""
    progress = make(grace=30.0)
    assert pause(progress, lost(), now=100.0) == pytest.approx(0.375)
    moments = (101.0, 102.0, 104.0, 108.0, 116.0, 130.0)
    assert [pause(progress, missing(), now=at) for at in moments] == pytest.approx([1.0, 2.0, 4.0, 8.0, 14.0, 0.0])
    assert progress.kind == "submit"
    assert pause(progress, lost(), now=131.0) == pytest.approx(0.375)
    assert [pause(progress, missing(), now=at) for at in (132.0, 133.0)] == pytest.approx([1.0, 2.0])
    assert progress.state == "ask"


def test_a_lost_answer_waits_for_what_was_asked_and_failed_before() -> None:
    """A proxy that asks for time has it; tries that failed before the loss count for its pause."""
    progress = make()
    for _ in range(2):
        pause(progress, lost("no"))
    assert pause(progress, lost()) == pytest.approx(1.5)
    for state in ("submit", "ask"):
        asked = said(None, status=502)
        assert isinstance(asked, e.ServerError)
        asked.retry_after_s = 20.0
        progress = make()
        if state == "ask":
            pause(progress, lost())
        assert pause(progress, asked) == 20.0
        assert progress.state == "ask"


def test_a_try_that_is_allowed_again_is_bounded() -> None:
    """Leave to send again is leave for `attempts` tries, and the last failure is the one that is told."""
    for progress in (make(FLASH, resend_flash=True, attempts=2), make(CLUSTER, resubmit_v1=True, attempts=2)):
        assert pause(progress, lost("yes")) == pytest.approx(0.375)
        last = lost("yes")
        with pytest.raises(e.TransportError) as caught:
            pause(progress, last)
        assert caught.value is last


def test_what_is_wrong_with_the_job_is_told_as_it_is() -> None:
    """An error of ours is neither a loss nor a refusal, in any state."""
    for progress in (make(), make(FLASH), make(CLUSTER), taken_up()):
        mistake = e.InputError("the file has changed")
        with pytest.raises(e.InputError) as caught:
            pause(progress, mistake)
        assert caught.value is mistake


def test_questions_that_fail_come_less_often() -> None:
    """Pauses double while nothing is heard, no longer than the next question would be due; any answer begins anew."""
    progress = make(poll=PollPolicy(growth=1.0))
    pause(progress, lost(), now=100.0)
    assert [pause(progress, lost(), now=100.0) for _ in range(5)] == pytest.approx([0.75, 1.5, 3.0, 5.0, 5.0])
    pause(progress, missing(), now=100.0)
    assert pause(progress, lost(), now=100.0) == pytest.approx(0.375)


def test_a_refused_repetition_is_found_within_the_grace() -> None:
    """Its task may be there, so it is asked about to the last second of the grace, and then waited for."""
    progress = make(grace=30.0)
    progress.call(at=0.0)
    pause(progress, lost(), now=100.0)
    for at in (101.0, 102.0, 130.0):
        pause(progress, missing(), now=at)
    pause(progress, said(45000001), now=130.0)
    for at in (131.0, 132.0, 159.9):
        pause(progress, missing(), now=at)
        assert progress.state == "ask"
    progress.call(at=0.0)
    assert progress.task is not None
    progress.went_on(Pending(task=progress.task), now=160.0, draw=0.5)
    assert (progress.state, progress.charged) == ("wait", "yes")


@pytest.mark.parametrize("sent", ["maybe", "yes"])
def test_a_flash_call_of_which_a_part_left_is_uncertain(sent: Any) -> None:
    """How much of it the service needs for a charge is not known; a stream that has lost its beginning cannot be resent."""
    with pytest.raises(e.SubmitUncertain) as caught:
        pause(make(FLASH), lost(sent))
    assert caught.value.charged == "maybe"
    allowed = make(FLASH, resend_flash=True)
    assert pause(allowed, lost(sent)) == pytest.approx(0.375)
    assert (allowed.state, allowed.charged) == ("submit", "maybe")
    for edition, permitted in ((FLASH, make(FLASH, resend_flash=True)), (CLUSTER, make(CLUSTER, resubmit_v1=True))):
        with pytest.raises(e.SubmitUncertain):
            permitted.failed(lost(sent), now=0.0, draw=0.5, resendable=False)
        with pytest.raises(e.SubmitUncertain):
            pause(make(edition), lost(sent))


def test_one_permission_does_not_stand_for_the_other() -> None:
    """Leave to send flash again says nothing of v1, nor the other way round."""
    with pytest.raises(e.SubmitUncertain):
        pause(make(FLASH, resubmit_v1=True), lost("yes"))
    with pytest.raises(e.SubmitUncertain):
        pause(make(CLUSTER, resend_flash=True), lost("yes"))


@pytest.mark.parametrize(("edition", "cure"), [(FLASH, "resend_flash=True"), (CLUSTER, "resubmit_v1=True")])
def test_an_uncertain_end_says_what_happened_and_what_to_do(edition: Any, cure: str) -> None:
    """The job, its id, the edition, what broke and the cure stand in one message, and the job comes along."""
    progress = make(edition)
    with pytest.raises(e.SubmitUncertain) as caught:
        pause(progress, lost("yes"))
    for part in (URL, ID, f"the {edition.name} edition", "billed"):
        assert part in str(caught.value)
    assert str(caught.value).endswith(f": reset. RetryPolicy({cure}) submits it again, which may be charged again")
    assert progress.order is not None
    assert caught.value.job is progress.order.job


def test_a_stream_stays_spent() -> None:
    """Once a part of it has left, a later failure before the first byte does not make it whole again."""
    progress = make()
    progress.call(at=0.0)
    progress.failed(lost("yes"), now=0.0, draw=0.5, resendable=False)
    final = end_of_misses(progress)
    assert isinstance(final, e.TransportError)
    assert (final.charged, progress.sends) == ("no", 1)


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("call", "there is no task to ask about"),
        ("read", "there is no task that was asked about"),
        ("failed", "only a job with an order is submitted"),
    ],
)
def test_misuse_says_what_is_missing(verb: str, message: str) -> None:
    """A mistake of ours is told in words."""
    empty = Progress(speak(FLASH), Rules(RetryPolicy(), POLL))
    with pytest.raises(RuntimeError) as caught:
        if verb == "call":
            empty.call(at=0.0)
        elif verb == "read":
            empty.read(answer(20000000), at=0.0)
        else:
            pause(empty, lost())
    assert str(caught.value) == message


def test_a_refused_repetition_has_its_grace_from_then_on() -> None:
    """However long the lost answer took: the service may have the task, and is given the time to find it."""
    progress = make(grace=30.0)
    progress.call(at=0.0)
    pause(progress, lost(), now=60.0)
    for at in (61.0, 62.0, 94.0):
        pause(progress, missing(), now=at)
    pause(progress, said(45000001), now=94.0)
    for at in (95.0, 96.0, 98.0, 123.9):
        pause(progress, missing(), now=at)
    with pytest.raises(e.SubmitUncertain) as caught:
        pause(progress, missing(), now=124.0)
    assert isinstance(caught.value.__cause__, e.InvalidRequest)
