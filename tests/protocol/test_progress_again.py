"""What is submitted again: under the same id what was not accepted, under a new id with permission only."""

from typing import Any

import pytest
from ground import CLUSTER, ID, URL, answer, task_of
from progress_kit import (
    ACCEPTED,
    DONE,
    EPOCH,
    GONE,
    PENDING,
    ended,
    id_of,
    lost,
    make,
    page,
    play,
    play_on,
    sharing,
    starved,
)

from volcasr_async import Flash, Idle, PollPolicy, RetryPolicy, Standard, Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.charge import ServiceFacts
from volcasr_async.protocol.progress import Progress, Rules

STANDARD, IDLE, FLASH = Standard(), Idle(), Flash()


# ---- 45000000 and 45000001 at submit ----


@pytest.mark.parametrize("code", [45000000, 45000001])
@pytest.mark.parametrize("edition", [STANDARD, IDLE], ids=lambda one: one.name)
@pytest.mark.parametrize("misses", [0, 1, 2])
def test_a_repeated_id_whose_task_is_found_is_waited_for(code: int, edition: Any, misses: int) -> None:
    """An earlier call with the same job submitted it: its result is the result."""
    progress = make(edition)
    assert play(progress, answer(code), *[GONE] * misses, PENDING) is None
    assert (progress.state, progress.charged, progress.sends) == ("wait", "yes", 1)
    assert isinstance(play(progress, DONE), Transcript)
    at_once = make(edition)
    assert isinstance(play(at_once, answer(code), *[GONE] * misses, DONE), Transcript)
    assert at_once.charged == "yes"


@pytest.mark.parametrize("code", [45000000, 45000001])
@pytest.mark.parametrize("edition", [STANDARD, IDLE], ids=lambda one: one.name)
@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_an_invalid_submit_is_told_within_five_seconds(code: int, edition: Any, draw: float) -> None:
    """Three queries find nothing: it was refused for what it holds, and the service's own words say so."""
    progress = make(edition)
    assert play(progress, answer(code, "field x is missing"), draw=draw) is None
    final = play_on(progress, draw=draw)
    assert isinstance(final, e.InvalidRequest)
    assert (final.code, final.message, final.charged) == (code, "field x is missing", "no")
    assert progress.due < 5.0
    assert (progress.sends, progress.asks) == (1, 3)


def test_a_repeated_id_that_ended_badly_was_charged() -> None:
    """The query tells how."""
    progress = make()
    final = ended(progress, answer(45000001), answer(45000151))
    assert isinstance(final, e.BadAudioFormat)
    assert (final.charged, progress.ended) == ("yes", True)


def test_queries_that_fail_do_not_decide_about_a_repeated_id() -> None:
    """Only three misses do."""
    progress = make()
    assert play(progress, answer(45000001), *[page(502), GONE] * 2, *[page(404)] * 20) is None
    assert progress.state == "ask"
    assert isinstance(play(progress, DONE), Transcript)


def test_a_repeated_id_after_a_lost_answer_is_uncertain_unless_found() -> None:
    """The lost submit may be what was repeated: nobody can tell, and nothing is sent again."""
    progress = make()
    play(progress, lost())
    play_on(progress)
    assert play(progress, answer(45000001)) is None
    assert progress.state == "ask"
    final = starved(progress)
    assert isinstance(final, e.SubmitUncertain)
    assert isinstance(final.__cause__, e.InvalidRequest)
    assert (final.charged, progress.charged, progress.sends) == ("maybe", "maybe", 2)
    assert progress.due >= 60.0, "it has a grace of its own"
    found = make()
    play(found, lost())
    play_on(found)
    assert isinstance(play(found, answer(45000001), GONE, GONE, GONE, DONE), Transcript)


def test_a_repeated_id_where_task_ids_differ_is_uncertain() -> None:
    """Its task may be known under an id that nobody has told."""
    rules = Rules(RetryPolicy(), PollPolicy(), ServiceFacts(own_task_ids=True))
    progress = sharing(rules)
    play(progress, answer(45000001))
    final = starved(progress)
    assert isinstance(final, e.SubmitUncertain)
    assert (final.charged, progress.sends) == ("maybe", 1)


# ---- never again without permission ----


def unresolvable(case: str, **policy: Any) -> Progress:
    """A lost answer that queries cannot resolve."""
    facts = ServiceFacts(own_task_ids=case == "own ids")
    progress = sharing(Rules(RetryPolicy(**policy), PollPolicy(), facts))
    if case == "own ids":
        play(progress, lost())
    elif case == "expired":
        progress.verify(task_of(submitted_at=EPOCH - 86_400.0), now=0.0, may_submit=True, seconds=30.0)
    elif case == "other key":
        progress.verify(task_of(submitted_at=EPOCH - 60.0), now=0.0, may_submit=False, seconds=0.0)
    else:
        play(progress, lost())
        play_on(progress)
        play(progress, answer(45000001))
    assert progress.state == "ask"
    return progress


UNRESOLVABLE = ["own ids", "expired", "other key", "repeated"]


@pytest.mark.parametrize("case", UNRESOLVABLE)
@pytest.mark.parametrize(
    "policy", [{}, {"resubmit_v1": True, "resend_flash": True, "new_tasks": 5}], ids=["no", "parts"]
)
def test_an_unresolvable_doubt_is_not_sent_again(case: str, policy: dict[str, Any]) -> None:
    """Older than the service keeps results, with ids that differ, with another key, or repeated: it is reported."""
    progress = unresolvable(case, **policy)
    sends = progress.sends
    final = starved(progress)
    assert isinstance(final, e.SubmitUncertain)
    assert (final.charged, progress.sends, progress.fresh) == ("maybe", sends, 0)
    assert final.task is not None
    assert final.task.request_id == ID
    assert "RetryPolicy(pay_again=True)" in str(final)


@pytest.mark.parametrize("case", UNRESOLVABLE)
def test_with_permission_a_new_task_replaces_it(case: str) -> None:
    """Under an id of its own; what the first may have cost stays known, and there is one replacement."""
    progress = unresolvable(case, pay_again=True)
    assert play_on(progress) is None
    assert (progress.state, progress.charged, progress.charged_in_all) == ("submit", "no", "maybe")
    new = id_of(progress.call(at=EPOCH + progress.due))
    assert new != ID
    assert (progress.fresh, progress.sends) == (1, 1)
    refused = ended(progress, answer(45000151))
    assert (refused.charged, progress.charged) == ("maybe", "no")
    again = unresolvable(case, pay_again=True)
    play_on(again)
    assert isinstance(play(again, ACCEPTED, DONE), Transcript)
    assert again.charged_in_all == "yes"


def test_a_permission_is_for_one_new_task() -> None:
    """The second doubt of a recording is reported, whatever the first was."""
    progress = unresolvable("own ids", pay_again=True)
    assert play_on(progress) is None
    play(progress, lost())
    final = starved(progress)
    assert isinstance(final, e.SubmitUncertain)
    assert (progress.fresh, final.charged) == (1, "maybe")


@pytest.mark.parametrize("case", UNRESOLVABLE)
def test_what_may_not_be_replaced_is_not(case: str) -> None:
    """Another account's task, and a stream that is spent, whatever is permitted."""
    refused = unresolvable(case, pay_again=True)
    refused.may_replace = False
    spent = unresolvable(case, pay_again=True)
    spent.spent = True
    for progress in (refused, spent):
        assert isinstance(starved(progress), e.SubmitUncertain)
        assert progress.fresh == 0


@pytest.mark.parametrize(
    ("age", "state"), [(86_300.0, "submit"), (86_370.0, "ask"), (86_400.0, "ask"), (10.0**7, "ask")]
)
def test_a_doubt_is_resolved_only_while_the_service_keeps_results(age: float, state: str) -> None:
    """24 hours count to the last query, from the submit."""
    progress = make()
    progress.verify(task_of(submitted_at=EPOCH - age), now=0.0, may_submit=True, seconds=30.0)
    end = play_on(progress)
    assert progress.state == state
    assert progress.charged == ("no" if state == "submit" else "maybe")
    assert isinstance(end, e.SubmitUncertain) == (state == "ask")


def test_a_doubt_that_grows_old_while_it_is_asked_about_is_not_resolved() -> None:
    """A day of failing queries later the miss proves nothing."""
    progress = make()
    play(progress, lost())
    progress.due = 86_400.0
    final = starved(progress)
    assert isinstance(final, e.SubmitUncertain)
    assert (final.charged, progress.sends) == ("maybe", 1)


def test_an_accepted_task_that_is_missing_is_replaced_with_permission_only() -> None:
    """`pay_again` is that permission; `new_tasks` is for tasks that the service ended."""
    policies: list[tuple[dict[str, Any], bool]] = [({}, False), ({"new_tasks": 5}, False), ({"pay_again": True}, True)]
    for policy, replaced in policies:
        progress = make(**policy)
        play(progress, ACCEPTED)
        end = play_on(progress)
        assert (progress.state == "submit") is replaced
        assert isinstance(end, e.TaskNotFound) is not replaced
    assert (progress.charged, progress.charged_in_all) == ("no", "yes")
    assert id_of(progress.call(at=EPOCH)) != ID
    assert ended(progress, answer(45000151)).charged == "yes", "the first task was charged"


@pytest.mark.parametrize(("policy", "fresh"), [({}, 0), ({"pay_again": True}, 1), ({"new_tasks": 2}, 2),
                                               ({"new_tasks": 3, "pay_again": True}, 3)])  # fmt: skip
def test_how_many_tasks_may_follow_one_that_ended(policy: dict[str, Any], fresh: int) -> None:
    """As many as the policy says; `pay_again` says one at least."""
    progress = make(**policy)
    names, end = set(), None
    while end is None:
        names.add(id_of(progress.call(at=EPOCH + progress.due)))
        end = play(progress, ACCEPTED, answer(55001010))
    assert isinstance(end, e.ServerError)
    assert (len(names), progress.fresh, end.charged) == (fresh + 1, fresh, "yes")


def test_permission_repeats_no_submit_that_queries_can_resolve() -> None:
    """With it, too, a lost answer is asked about first, and found it is waited for; not found it keeps its id."""
    progress = make(pay_again=True)
    play(progress, lost())
    assert progress.state == "ask"
    play_on(progress)
    assert id_of(progress.call(at=EPOCH)) == ID
    found = make(pay_again=True)
    assert isinstance(play(found, lost(), GONE, PENDING, DONE), Transcript)
    assert (found.sends, found.fresh) == (1, 0)


# ---- a new task has nothing of the old one but its cost ----


def test_what_all_tasks_of_a_recording_cost_is_known() -> None:
    """The first was charged, the second may have been, the third was refused."""
    progress = make(new_tasks=2, pay_again=True)
    assert play(progress, ACCEPTED, answer(55001010), lost()) is None
    progress.rules.facts.own_task_ids = True
    assert play_on(progress) is None
    assert (progress.fresh, progress.charged, progress.charged_in_all) == (2, "no", "yes")
    assert ended(progress, answer(45000151)).charged == "yes"


def test_a_new_id_that_is_refused_as_repeated_is_invalid() -> None:
    """Nothing was lost under it."""
    progress = unresolvable("expired", pay_again=True)
    play_on(progress)
    began = progress.due
    play(progress, answer(45000001))
    final = starved(progress)
    assert isinstance(final, e.InvalidRequest)
    assert (final.charged, progress.charged) == ("maybe", "no")
    assert progress.due - began < 5.0


def test_a_new_id_that_is_lost_may_be_sent_again() -> None:
    """The task before it was another account's; this one is not."""
    progress = unresolvable("other key", pay_again=True)
    play_on(progress)
    new = id_of(progress.call(at=EPOCH + progress.due))
    play(progress, lost())
    assert play_on(progress) is None
    assert (progress.state, id_of(progress.call(at=EPOCH + progress.due))) == ("submit", new)


def test_a_new_task_is_queried_by_its_own_id_first() -> None:
    """Though the one before was last asked for by its request id."""
    progress = make(new_tasks=1)
    assert play(progress, answer(20000000, "OK", {"task_id": "one"}), GONE, answer(55001010)) is None
    assert progress.state == "submit"
    play(progress, answer(20000000, "OK", {"task_id": "two"}))
    assert id_of(progress.call(at=EPOCH + progress.due)) == "two"


def test_a_new_task_is_missing_as_late_as_any_other() -> None:
    """Though the one before was known to be missing."""
    progress = make(pay_again=True)
    progress.resume(task_of(submitted_at=EPOCH - 100.0), now=0.0, age=100.0)
    progress.was_missing = True
    assert play_on(progress) is None
    play(progress, ACCEPTED)
    began = progress.due
    assert isinstance(starved(progress), e.TaskNotFound)
    assert progress.due - began == pytest.approx(60.0)


# ---- what an earlier run may have sent ----


def test_a_job_that_is_taken_up() -> None:
    """An accepted task is charged, one that may have been sent may be, and a cut off submit is such a one."""
    resumed, verified, cut = make(), make(), make()
    resumed.resume(task_of(), now=0.0, age=10.0)
    verified.verify(None, now=0.0, may_submit=True, seconds=0.0)
    cut.call(at=EPOCH)
    cut.interrupted()
    assert [(p.state, p.charged) for p in (resumed, verified, cut)] == [
        ("wait", "yes"),
        ("ask", "maybe"),
        ("submit", "maybe"),
    ]
    resumed.interrupted()
    assert resumed.charged == "yes"
    assert cut.presumed_task(at=EPOCH) == task_of(submitted_at=EPOCH, key=URL, accepted=False)


@pytest.mark.parametrize("edition", [FLASH, CLUSTER], ids=lambda one: one.name)
def test_a_cut_off_submit_that_nobody_can_ask_about_names_no_task(edition: Any) -> None:
    """It may be charged, and there is nothing to query."""
    progress = make(edition)
    progress.call(at=EPOCH)
    progress.interrupted()
    assert (progress.charged, progress.presumed_task(at=EPOCH)) == ("maybe", None)


def test_a_job_of_an_earlier_run_that_was_not_sent_is_sent_under_its_id() -> None:
    """Three misses and the grace, as for any lost answer; without a grace three misses."""
    for seconds, at_least in ((30.0, 30.0), (0.0, 3.0)):
        progress = make()
        progress.verify(task_of(submitted_at=EPOCH - 60.0), now=0.0, may_submit=True, seconds=seconds)
        assert play_on(progress) is None
        assert (progress.state, progress.charged, id_of(progress.call(at=EPOCH))) == ("submit", "no", ID)
        assert progress.due == pytest.approx(at_least)


def test_a_repeated_id_of_an_earlier_run_is_uncertain_unless_found() -> None:
    """The earlier run may have sent it: 45000001 has the whole grace, and is no refusal."""
    progress = make()
    progress.verify(task_of(submitted_at=EPOCH - 60.0), now=0.0, may_submit=True, seconds=0.0)
    play_on(progress)
    began = progress.due
    play(progress, answer(45000001))
    final = starved(progress)
    assert isinstance(final, e.SubmitUncertain)
    assert (final.charged, progress.sends) == ("maybe", 1)
    assert progress.due - began >= 30.0


def test_the_deadline_of_a_task_that_is_taken_up_counts_from_then() -> None:
    """However old it is (row 8); its age decides how often it is queried."""
    progress = make()
    progress.resume(task_of(submitted_at=EPOCH - 10_000.0), now=50.0, age=10_000.0)
    assert (progress.began, progress.since, progress.due) == (50.0, -9950.0, 50.0)
    assert play(progress, page(502), page(502)) is None
    assert isinstance(play(progress, DONE), Transcript)
