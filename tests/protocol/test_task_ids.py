"""The task ids that the service gives, and replies that are about another task."""

import json
from typing import Any

import pytest
from ground import CLUSTER, ID, SAMPLED, answer, order_of, reply_of, speak, task_of, v1_answer
from progress_kit import ACCEPTED, DONE, EPOCH, GONE, PENDING, id_of, lost, make, play, play_on, sharing

from volcasr_async import Idle, Pending, PollPolicy, RetryPolicy, Standard, Task, Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.charge import ServiceFacts
from volcasr_async.protocol.messages import Reply
from volcasr_async.protocol.progress import Progress, Rules

STANDARD, IDLE = Standard(), Idle()
OWN = "task-2026-0001"
NAMED = answer(20000000, "OK", {"task_id": OWN})


def accepted(body: object, edition: Any = STANDARD) -> Task:
    step = speak(edition).read_open(order_of(edition=edition), answer(20000000, "OK", body), at=EPOCH)
    assert isinstance(step, Pending)
    return step.task


def named(progress: Progress, *answers: Reply | e.VolcASRError) -> list[str]:
    """Which id each of the requests named that were answered so."""
    ids = []
    for one in answers:
        ids.append(id_of(progress.dialect.follow(progress.task, by_request_id=progress.by_request_id))
                   if progress.state != "submit" and progress.task is not None else ID)  # fmt: skip
        assert play(progress, one) is None
    return ids


def naming(reply: Reply, name: str) -> Reply:
    return Reply(reply.status, {**reply.headers, "x-api-request-id": name}, reply.body)


# ---- reading the id ----


@pytest.mark.parametrize("edition", [STANDARD, IDLE], ids=lambda one: one.name)
@pytest.mark.parametrize(("found", "name"), [(OWN, OWN), (12345, "12345"), ("x" * 200, "x" * 200), ("a~!b", "a~!b")])
def test_an_id_that_the_service_gives_is_the_task_s(edition: Any, found: object, name: str) -> None:
    """A string or a number; the request id stays beside it."""
    task = accepted({"task_id": found}, edition)
    assert (task.id, task.request_id) == (name, ID)
    assert id_of(speak(edition).follow(task)) == name
    assert id_of(speak(edition).follow(task, by_request_id=True)) == ID


@pytest.mark.parametrize(
    "body",
    [None, {}, [], 5, "text", b"<html>", b"\xff", {"task_id": None}, {"task_id": ""}, {"task_id": True}, {"task_id": False},
     {"task_id": 1.5}, {"task_id": ["a"]}, {"task_id": {"a": 1}}, {"task_id": "a b"}, {"task_id": "a\r\nX-Api-Key: b"},
     {"task_id": "任务"}, {"task_id": "x" * 201}, {"task_id": "\x00"}, {"result": {"task_id": "other"}},
     {"task_id": ID}, {"task_id": ID.upper()}, {"task_id": ID.replace("-", "")}],
    ids=lambda body: repr(body)[:40],
)  # fmt: skip
def test_what_no_header_can_hold_is_no_id(body: object) -> None:
    """Then the task is called by its request id, as where the service writes the same UUID in another way."""
    assert accepted(body).id == ID


def test_a_number_without_a_value_is_an_id_like_any_other() -> None:
    """Nothing is lost by believing it: the request id is asked for when it finds nothing."""
    assert accepted({"task_id": 0}).id in ("0", ID)


def test_the_documented_sample_names_its_task() -> None:
    """Doc 2606791."""
    step = speak(STANDARD).read_open(order_of(), reply_of("v3_submit_ok_with_task_id"), at=EPOCH)
    assert isinstance(step, Pending)
    assert (step.task.id, step.task.request_id) == (SAMPLED, ID)


# ---- querying by it ----


def test_the_task_is_queried_by_its_own_id() -> None:
    """As long as that is answered with news or with nothing at all."""
    progress = make()
    assert named(progress, NAMED, PENDING, lost(), answer(55000031), PENDING) == [ID, OWN, OWN, OWN, OWN]
    assert progress.misses == 0
    assert isinstance(play(progress, DONE), Transcript)


def test_the_request_id_is_queried_where_the_own_id_finds_nothing() -> None:
    """At once, and it is no miss yet; found so, the task is asked for by it from then on."""
    progress = make()
    assert named(progress, NAMED, GONE) == [ID, OWN]
    due = progress.due
    assert (progress.misses, progress.by_request_id) == (0, True)
    assert named(progress, PENDING, PENDING) == [ID, ID]
    assert progress.due > due
    assert progress.task is not None
    assert (progress.task.id, progress.charged) == (OWN, "yes")


def test_misses_are_counted_in_pairs() -> None:
    """Both ids have to be unknown, three times over twice the grace."""
    progress = make(grace=30.0)
    play(progress, NAMED)
    began, asked = progress.due, []
    end = None
    while end is None:
        assert progress.task is not None
        asked.append((progress.due, id_of(progress.call(at=EPOCH + progress.due)), progress.misses))
        end = play(progress, GONE)
    assert isinstance(end, e.TaskNotFound)
    assert end.charged == "yes"
    assert [name for _, name, _ in asked] == [OWN, ID] * (len(asked) // 2)
    moments = [at for at, _, _ in asked]
    assert moments[::2] == moments[1::2], "the second query of a pair is due at once"
    assert [misses for _, _, misses in asked] == [n // 2 for n in range(len(asked))]
    assert len(asked) >= 6
    assert moments[-1] - began == pytest.approx(60.0)


def test_three_pairs_are_needed_however_late_they_come() -> None:
    """Two pairs after hours are no three."""
    progress = make()
    play(progress, NAMED)
    for _ in range(2):
        progress.due += 5000.0
        assert play(progress, GONE, GONE) is None
    progress.due += 5000.0
    assert play(progress, GONE) is None
    assert isinstance(play(progress, GONE), e.TaskNotFound)


def test_a_failure_inside_a_pair_is_no_miss() -> None:
    """The second half is asked for again."""
    progress = make()
    asked = named(progress, NAMED, GONE, Reply(502, {}, b""), lost(), Reply(404, {}, b"<html>"), GONE, GONE)
    assert asked == [ID, OWN, ID, ID, ID, ID, OWN]
    assert progress.misses == 1


def test_news_begins_the_count_anew() -> None:
    """By whichever id it comes."""
    progress = make()
    play(progress, NAMED, *[GONE] * 4, PENDING)
    assert progress.misses == 0
    other = make()
    play(other, NAMED, *[GONE] * 5, PENDING)
    assert other.misses == 0


def test_a_task_of_an_earlier_run_is_queried_by_its_own_id() -> None:
    """Without an order, from the journal alone."""
    progress = Progress(speak(STANDARD), Rules(RetryPolicy(), PollPolicy()))
    progress.resume(task_of(id=OWN, submitted_at=EPOCH), now=0.0, age=0.0)
    assert id_of(progress.call(at=EPOCH)) == OWN
    assert play(progress, GONE) is None
    assert id_of(progress.call(at=EPOCH)) == ID
    assert isinstance(play(progress, DONE), Transcript)


def test_v1_has_one_id_and_counts_its_misses_singly() -> None:
    """Its task is always named by the service, and there is nothing else to ask for."""
    progress = make(CLUSTER)
    play(progress, v1_answer(1000, id=OWN), v1_answer(1001))
    assert (progress.misses, progress.by_request_id) == (1, False)
    assert progress.rules.facts.own_task_ids is None, "it says nothing about the other editions"


# ---- what is learned ----


def test_a_lost_answer_is_queried_by_the_request_id() -> None:
    """Nobody knows another one; found, the task has that id."""
    progress = make()
    play(progress, lost())
    assert id_of(progress.call(at=EPOCH)) == ID
    assert play(progress, GONE) is None
    assert progress.misses == 1
    assert play(progress, PENDING) is None
    assert progress.task is not None
    assert (progress.task.id, progress.task.request_id) == (ID, ID)


def test_ids_that_equal_the_request_leave_a_miss_its_meaning() -> None:
    """What is not found was not accepted, and is sent again."""
    for body in ({}, {"task_id": ID}, {"task_id": ID.replace("-", "")}):
        rules = Rules(RetryPolicy(), PollPolicy())
        assert play(sharing(rules), answer(20000000, "OK", body)) is None
        assert rules.facts.own_task_ids is False
        progress = sharing(rules)
        play(progress, lost())
        assert play_on(progress) is None
        assert (progress.state, progress.charged) == ("submit", "no")


def test_a_single_differing_id_takes_a_miss_its_meaning() -> None:
    """For every job of the client: the task of a lost answer may be known under an id that was in that answer."""
    rules = Rules(RetryPolicy(), PollPolicy())
    assert play(sharing(rules), ACCEPTED) is None
    assert play(sharing(rules), NAMED) is None
    assert play(sharing(rules), ACCEPTED) is None
    assert rules.facts.own_task_ids is True
    progress = sharing(rules)
    play(progress, lost())
    end = play_on(progress)
    assert isinstance(end, e.SubmitUncertain)
    assert (end.charged, progress.sends) == ("maybe", 1)
    assert progress.asks >= 3, "it is asked about all the same"


def test_a_differing_id_that_is_learned_while_a_job_is_asked_about_counts() -> None:
    """At the moment of the decision, not at the moment of the loss."""
    rules = Rules(RetryPolicy(), PollPolicy())
    progress = sharing(rules)
    play(progress, lost(), GONE, GONE)
    play(sharing(rules), NAMED)
    assert isinstance(play_on(progress), e.SubmitUncertain)


def test_a_task_that_is_found_needs_no_lesson() -> None:
    """Where the service knows both ids, the query finds it."""
    rules = Rules(RetryPolicy(), PollPolicy(), ServiceFacts(own_task_ids=True))
    progress = sharing(rules)
    assert isinstance(play(progress, lost(), GONE, PENDING, DONE), Transcript)
    assert progress.sends == 1


def test_a_replacement_asks_for_its_own_task() -> None:
    """Nothing of the first task's ids is left."""
    progress = make(pay_again=True)
    play(progress, NAMED)
    assert play_on(progress) is None
    assert (progress.state, progress.by_request_id, progress.task) == ("submit", False, None)
    new = id_of(progress.call(at=EPOCH))
    play(progress, answer(20000000, "OK", {"task_id": "second"}))
    assert id_of(progress.call(at=EPOCH)) == "second"
    assert play(progress, GONE) is None
    assert id_of(progress.call(at=EPOCH)) == new


# ---- replies that name a request ----


def test_a_reply_may_name_the_request_or_the_task() -> None:
    """The header of a query's reply holds the id that was asked for, or the one of the submit."""
    progress = make()
    assert play(progress, naming(NAMED, ID), naming(PENDING, OWN), naming(PENDING, ID), naming(GONE, OWN)) is None
    assert play(progress, naming(PENDING, ID)) is None
    end = play(progress, naming(DONE, ID.upper()))
    assert isinstance(end, Transcript)
    assert progress.rules.facts.misnamed_replies == 0


def test_a_reply_about_a_task_of_an_earlier_run_may_name_either() -> None:
    """There is no order to compare with, but the task knows both ids."""
    progress = Progress(speak(STANDARD), Rules(RetryPolicy(), PollPolicy()))
    progress.resume(task_of(id=OWN, submitted_at=EPOCH), now=0.0, age=0.0)
    assert play(progress, naming(PENDING, ID), naming(PENDING, OWN)) is None
    assert (progress.rules.facts.named_replies, progress.rules.facts.misnamed_replies) == (2, 0)


@pytest.mark.parametrize("reply", [PENDING, DONE, GONE, answer(45000151), answer(55001010), answer(45000010)])
def test_a_reply_that_names_another_request_says_nothing_about_a_task(reply: Reply) -> None:
    """Neither result nor end nor miss: the task is queried again."""
    progress = make()
    play(progress, ACCEPTED)
    assert play(progress, *[naming(reply, SAMPLED)] * 4) is None
    assert (progress.state, progress.charged, progress.misses) == ("wait", "yes", 0)
    assert isinstance(progress.last_error, e.ReplyError)
    assert isinstance(play(progress, naming(DONE, ID)), Transcript)


def test_a_header_of_something_else_does_not_stop_a_client() -> None:
    """Where no reply ever names its request, the fifth is believed; the job waits that long and is charged once."""
    progress = make()
    assert play(progress, naming(ACCEPTED, "gw-1")) is None
    assert (progress.state, progress.charged) == ("ask", "maybe")
    assert play(progress, naming(PENDING, "gw-2"), naming(PENDING, "gw-3"), naming(PENDING, "gw-4")) is None
    assert isinstance(play(progress, naming(PENDING, "gw-5"), naming(DONE, "gw-6")), Transcript)
    assert progress.sends == 1


@pytest.mark.parametrize("code", [1000, 2000, 2001, 1001, 1012, 1013, 1006, 1022])
def test_a_v1_reply_that_names_another_task_says_nothing(code: int) -> None:
    """Neither its text nor its refusal is this task's."""
    progress = make(CLUSTER)
    play(progress, v1_answer(1000, id=SAMPLED))
    assert play(progress, v1_answer(code, id="other", text="theirs")) is None
    assert (progress.state, progress.charged, progress.misses) == ("wait", "yes", 0)
    end = play(progress, v1_answer(1000, id=SAMPLED, text="ours"))
    assert isinstance(end, Transcript)
    assert end.text == "ours"


@pytest.mark.parametrize("name", [SAMPLED, SAMPLED.upper(), SAMPLED.replace("-", ""), "", None, [1], {}])
def test_a_v1_reply_that_names_this_task_or_none_is_read(name: object) -> None:
    """However the UUID is written."""
    reply = answer(body={"resp": {"code": 1000, "id": name, "text": "ours"}})
    got = speak(CLUSTER).read_follow(task_of(CLUSTER, id=SAMPLED), reply)
    assert isinstance(got, Transcript)
    assert got.text == "ours"


def test_what_another_task_s_reply_is_called_fits_in_a_line() -> None:
    """Its id is anybody's text."""
    with pytest.raises(e.ReplyError) as caught:
        speak(CLUSTER).read_follow(task_of(CLUSTER, id=SAMPLED), v1_answer(1000, id="a\n\x1b[2J" + "b" * 500))
    shown = str(caught.value).split(": '{")[0]
    assert shown.isprintable()
    assert len(shown) < 200
    assert json.dumps(shown)
