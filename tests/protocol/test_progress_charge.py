"""The charge state in the life of a job: what makes it no, maybe and yes, and what an error carries."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ground import CLUSTER, ID, POLLED, answer, speak, task_of, v1_answer
from progress_kit import (
    ACCEPTED,
    DONE,
    EPOCH,
    GONE,
    PENDING,
    QPS,
    ended,
    id_of,
    lost,
    make,
    page,
    play,
    play_on,
    starved,
)

from volcasr_async import Flash, Idle, Pending, PollPolicy, RetryPolicy, Standard, Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.messages import Reply
from volcasr_async.protocol.progress import Progress, Rules

STANDARD, IDLE, FLASH = Standard(), Idle(), Flash()
V1_ACCEPTED = v1_answer(1000, id="their-id")
PAGES = (400, 401, 403, 404, 408, 410, 413, 429, 500, 502, 503, 504)
FINAL_CODES = (45000002, 45000006, 45000132, 45000151, 21701, 55001010)
V1_FINAL_CODES = (1006, 1010, 1011, 1012, 1014, 1015, 1020, 1021, 1022)


def misnamed(reply: Reply) -> Reply:
    return Reply(
        reply.status, {**reply.headers, "x-api-request-id": "11111111-0000-4000-8000-000000000000"}, reply.body
    )


# ---- the answer to a submit ----

SAYS_NOTHING: list[Callable[[], Reply | e.VolcASRError]] = [
    lambda: lost("maybe"),
    lambda: lost("yes"),
    *[partial(page, status) for status in PAGES],
    lambda: Reply(200, {}, b""),
    lambda: Reply(302, {}, b"<html>"),
    lambda: answer(20000009),
    lambda: answer(45000077),
    lambda: answer(45000077, status=400),
    lambda: answer(46000000, status=404),
    lambda: answer(55000000),
    lambda: answer(55012345, status=500),
    lambda: answer(55001010),
]


@pytest.mark.parametrize("event", SAYS_NOTHING)
@pytest.mark.parametrize("edition", [STANDARD, IDLE], ids=lambda one: one.name)
def test_what_says_nothing_at_submit_is_asked_about(event: Any, edition: Any) -> None:
    """It may be charged until the queries have told."""
    progress = make(edition)
    assert progress.charged == "no"
    assert play(progress, event()) is None
    assert (progress.state, progress.charged, progress.ended) == ("ask", "maybe", False)


@pytest.mark.parametrize("event", SAYS_NOTHING)
@pytest.mark.parametrize("edition", [FLASH, CLUSTER], ids=lambda one: one.name)
def test_what_says_nothing_where_nobody_can_ask_is_the_end(event: Any, edition: Any) -> None:
    """Flash and v1 are not sent again without permission; what ends the job says that it may be charged."""
    progress = make(edition)
    final = ended(progress, event())
    assert (final.charged, progress.charged, progress.ended) == ("maybe", "maybe", False)
    if isinstance(final, e.SubmitUncertain):
        assert final.__cause__ is not None
        assert progress.order is not None
        assert final.job is progress.order.job
    else:
        assert isinstance(final, e.ServiceError)  # the service's own words say more
        assert final.code is not None or final.http_status == 413


def test_a_reply_to_another_request_says_nothing() -> None:
    """Neither an acceptance nor a refusal that names another request is believed."""
    for reply in (ACCEPTED, answer(45000151), answer(45000010)):
        progress = make()
        assert play(progress, misnamed(reply)) is None
        assert (progress.state, progress.charged) == ("ask", "maybe")
        assert play(progress, misnamed(DONE), misnamed(answer(45000151))) is None
        assert (progress.state, progress.charged) == ("ask", "maybe")


@pytest.mark.parametrize(
    ("edition", "reply", "kind"),
    [
        (STANDARD, answer(45000002), e.EmptyAudio),
        (STANDARD, answer(45000006), e.AudioDownloadFailed),
        (STANDARD, answer(45000010, status=401), e.AuthenticationFailed),
        (STANDARD, answer(45000030, status=403), e.ResourceNotGranted),
        (STANDARD, answer(45000132), e.AudioTooLarge),
        (STANDARD, answer(45000151), e.BadAudioFormat),
        (IDLE, answer(45000292, "quota exceeded for types: audio_duration_lifetime"), e.QuotaExceeded),
        (FLASH, answer(45000001), e.InvalidRequest),
        (FLASH, answer(45000000, "unexpected end of JSON input"), e.InvalidRequest),
        (FLASH, answer(21701), e.AudioDownloadFailed),
        (CLUSTER, v1_answer(1001), e.InvalidRequest),
        (CLUSTER, v1_answer(1002), e.AuthenticationFailed),
        (CLUSTER, v1_answer(1004), e.QuotaExceeded),
        (CLUSTER, v1_answer("1012"), e.BadAudioFormat),
        (CLUSTER, v1_answer(1022), e.ServerError),
    ],
)
def test_a_listed_refusal_is_the_end_and_costs_nothing(edition: Any, reply: Reply, kind: type) -> None:
    """It was refused before it was accepted."""
    progress = make(edition)
    final = ended(progress, reply)
    assert type(final) is kind
    assert (final.charged, progress.charged, progress.ended) == ("no", "no", False)


@pytest.mark.parametrize("edition", [STANDARD, FLASH], ids=lambda one: one.name)
@pytest.mark.parametrize("event", [lambda: lost("no"), lambda: QPS, lambda: answer(45000131), lambda: answer(55000031)])
def test_what_was_turned_away_is_sent_again_for_nothing(edition: Any, event: Any) -> None:
    """Whatever did not leave, or was refused for the pace, leaves no doubt behind; the same id goes again."""
    progress = make(edition)
    for _ in range(4):
        assert play(progress, event()) is None
        assert (progress.state, progress.charged, progress.lost) == ("submit", "no", False)
        assert id_of(progress.call(at=EPOCH)) == ID
    assert isinstance(play(progress, *([ACCEPTED] if edition is STANDARD else []), DONE), Transcript)
    assert progress.charged == "yes"


@pytest.mark.parametrize(
    ("edition", "reply"),
    [(STANDARD, ACCEPTED), (IDLE, answer(20000002)), (CLUSTER, V1_ACCEPTED), (FLASH, DONE), (FLASH, answer(20000003)),
     (CLUSTER, v1_answer(1013))],
)  # fmt: skip
def test_an_acceptance_is_a_charge(edition: Any, reply: Reply) -> None:
    """A result at once is one, too."""
    progress = make(edition)
    end = play(progress, reply)
    assert end is None or isinstance(end, Transcript)
    assert progress.charged == progress.charged_in_all == "yes"


# ---- where nobody can ask, and sending again is permitted ----


@pytest.mark.parametrize(
    ("edition", "refusal", "kind"),
    [
        (FLASH, answer(45000001), e.InvalidRequest),
        (FLASH, answer(45000151), e.BadAudioFormat),
        (FLASH, answer(45000010), e.AuthenticationFailed),
        (CLUSTER, v1_answer(1001), e.InvalidRequest),
        (CLUSTER, v1_answer(1012), e.BadAudioFormat),
        (CLUSTER, v1_answer(1002), e.AuthenticationFailed),
    ],
)
@pytest.mark.parametrize("policy", [{"resend_flash": True, "resubmit_v1": True}, {"pay_again": True}], ids=str)
def test_a_refusal_after_a_lost_answer_takes_no_doubt_back(
    edition: Any, refusal: Reply, kind: type, policy: dict[str, Any]
) -> None:
    """The first submit may be charged, whatever the second is answered: 45000001 may even say that it is."""
    progress = make(edition, **policy)
    assert play(progress, lost("yes")) is None
    assert (progress.state, progress.charged) == ("submit", "maybe")
    final = ended(progress, refusal)
    assert type(final) is kind
    assert final.charged == "maybe"


@pytest.mark.parametrize(("edition", "last"), [(FLASH, DONE), (CLUSTER, V1_ACCEPTED)])
def test_a_permitted_repetition_may_be_accepted(edition: Any, last: Reply) -> None:
    """It goes under the same id, at most `attempts` times, and its acceptance is the charge."""
    progress = make(edition, pay_again=True, attempts=3)
    assert not isinstance(play(progress, lost("yes"), page(502), last), e.VolcASRError)
    assert (progress.charged, progress.sends) == ("yes", 3)
    bounded = make(edition, pay_again=True, attempts=3)
    final = ended(bounded, lost("yes"), page(404), lost("yes"))
    assert (final.charged, bounded.sends) == ("maybe", 3)


@pytest.mark.parametrize("edition", [FLASH, CLUSTER], ids=lambda one: one.name)
def test_permission_repeats_no_submit_that_fails_for_good(edition: Any) -> None:
    """A code that nobody lists would come again; it may have been charged all the same."""
    progress = make(edition, pay_again=True)
    final = ended(progress, answer(45000077))
    assert isinstance(final, e.InvalidRequest)
    assert (final.charged, progress.sends) == ("maybe", 1)


def test_no_permission_no_repetition() -> None:
    """Each of the parts permits its own edition only, and new tasks are something else."""
    policies: list[tuple[Any, dict[str, Any]]] = [
        (FLASH, {}), (FLASH, {"resubmit_v1": True, "new_tasks": 5}),
        (CLUSTER, {}), (CLUSTER, {"resend_flash": True, "new_tasks": 5}),
    ]  # fmt: skip
    for edition, policy in policies:
        progress = make(edition, **policy)
        assert isinstance(ended(progress, lost()), e.SubmitUncertain)
        assert progress.sends == 1


# ---- asking ----


def test_maybe_becomes_no_and_the_same_id_is_sent_again() -> None:
    """Three misses and the whole grace; what is refused then was never charged."""
    progress = make(grace=30.0)
    assert play(progress, lost()) is None
    assert play_on(progress) is None
    assert (progress.state, progress.charged) == ("submit", "no")
    assert 30.0 <= progress.due < 31.0
    assert progress.asks >= 3
    call = progress.call(at=EPOCH + progress.due)
    assert (call.phase, id_of(call), progress.fresh) == ("submit", ID, 0)
    final = ended(progress, answer(45000151))
    assert final.charged == "no"


@pytest.mark.parametrize("grace", [0.0, 1.0, 30.0, 300.0])
@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_how_long_a_lost_answer_is_asked_about(grace: float, draw: float) -> None:
    """Until the grace has passed and three misses came, not much longer, and with few queries."""
    progress = make(grace=grace)
    play(progress, lost(), draw=draw)
    assert play_on(progress, draw=draw) is None
    assert grace <= progress.due <= max(grace, 5.0)
    assert 3 <= progress.asks <= 4 + grace / 10


@pytest.mark.parametrize("news", [PENDING, answer(20000002), answer(20000000, "OK", {})])
@pytest.mark.parametrize("misses", [0, 1, 2])
def test_what_a_query_finds_is_charged(news: Reply, misses: int) -> None:
    """However many queries found nothing before."""
    progress = make()
    play(progress, lost(), *[GONE] * misses)
    assert progress.charged == "maybe"
    assert play(progress, news) is None
    assert (progress.state, progress.charged, progress.misses) == ("wait", "yes", 0)


def test_a_result_that_a_query_finds_is_charged() -> None:
    """The transcript is there at once."""
    progress = make()
    end = play(progress, lost(), GONE, DONE)
    assert isinstance(end, Transcript)
    assert (end.text, progress.charged, progress.sends) == ("done", "yes", 1)


@pytest.mark.parametrize("code", FINAL_CODES)
def test_a_final_code_after_a_lost_answer_is_a_charge(code: int) -> None:
    """A task that ended was there."""
    progress = make()
    final = ended(progress, lost(), answer(code))
    assert isinstance(final, e.ServiceError)
    assert (final.charged, progress.charged, progress.ended) == ("yes", "yes", True)


@pytest.mark.parametrize("code", [45000010, 45000011, 45000012, 45000030])
def test_credentials_that_are_refused_while_asking_leave_the_doubt(code: int) -> None:
    """Nothing more can be found out with them."""
    progress = make()
    final = ended(progress, lost(), answer(code))
    assert (final.charged, final.account_wide, progress.ended) == ("maybe", True, False)


NO_NEWS = [
    *[page(status) for status in (*PAGES, 499, 599)],
    answer(45000000, "unexpected end of JSON input", status=400), answer(45000001), answer(45000003), answer(45000077),
    answer(45000131), QPS, answer(55000031), answer(46000000, status=410), answer(3001), Reply(200, {}, b""), answer(20000009),
    answer(55000000), answer(55012345),
]  # fmt: skip


@pytest.mark.parametrize("reply", NO_NEWS, ids=lambda one: f"{one.status}-{one.headers.get('x-api-status-code')}")
def test_no_news_changes_nothing(reply: Reply) -> None:
    """An answer to a query that says nothing about the task neither settles a doubt nor ends a task, nor is it a miss."""
    asking, waiting = make(), make()
    assert play(asking, lost(), reply, GONE, reply, GONE, reply) is None
    assert (asking.state, asking.charged, asking.misses, asking.ended) == ("ask", "maybe", 2, False)
    assert play(waiting, ACCEPTED, reply, PENDING, reply, PENDING, reply) is None
    assert (waiting.state, waiting.charged, waiting.ended) == ("wait", "yes", False)
    assert isinstance(play(waiting, DONE), Transcript)


@pytest.mark.parametrize("reply", [r for r in NO_NEWS if not str(r.headers.get("x-api-status-code")).startswith("55000000")
                                   and not str(r.headers.get("x-api-status-code")).startswith("55012345")],
                         ids=lambda one: f"{one.status}-{one.headers.get('x-api-status-code')}")  # fmt: skip
def test_no_news_never_ends_a_task(reply: Reply) -> None:
    """Hours of it do not: the deadline does, which is above this floor."""
    progress = make()
    assert play(progress, ACCEPTED, *[reply] * 500) is None
    assert (progress.state, progress.charged) == ("wait", "yes")
    assert progress.due > 150
    assert isinstance(play(progress, DONE), Transcript)


# ---- waiting ----


@pytest.mark.parametrize(
    ("edition", "code"), [*[(STANDARD, code) for code in FINAL_CODES], *[(CLUSTER, code) for code in V1_FINAL_CODES]]
)
def test_a_listed_final_code_ends_a_charged_task(edition: Any, code: int) -> None:
    """Only such a code ends it; what it cost stands on the error."""
    progress = make(edition)
    v1 = edition is CLUSTER
    final = ended(progress, V1_ACCEPTED if v1 else ACCEPTED, v1_answer(code, id="their-id") if v1 else answer(code))
    assert isinstance(final, e.ServiceError)
    assert (final.code, final.charged, progress.ended) == (code, "yes", True)


@pytest.mark.parametrize("edition", POLLED, ids=lambda one: one.name)
def test_an_accepted_task_is_missing_after_three_misses_over_twice_the_grace(edition: Any) -> None:
    """It stays charged, is no listed end, and nothing is sent again."""
    v1 = edition is CLUSTER
    progress = make(edition, grace=30.0)
    play(progress, V1_ACCEPTED if v1 else ACCEPTED)
    began = progress.due
    final = play_on(progress, v1_answer(1001) if v1 else GONE)
    assert isinstance(final, e.TaskNotFound)
    assert progress.due - began == pytest.approx(60.0)
    assert progress.misses >= 3
    assert (final.charged, progress.ended, progress.sends) == ("yes", False, 1)
    assert final.task is not None


def test_a_failover_of_forty_seconds_loses_no_task() -> None:
    """Row 1 of the attack on 0.1.0: "cannot find task" for 40 s, then the result."""
    progress = make()
    play(progress, ACCEPTED)
    until = progress.due + 40.0
    while progress.due < until:
        assert play(progress, GONE) is None
    assert isinstance(play(progress, DONE), Transcript)
    assert progress.sends == 1


@pytest.mark.parametrize(
    ("age", "was_missing", "seconds"), [(80_000.0, False, 60.0), (86_400.0, False, 3.0), (100.0, True, 3.0)]
)
def test_a_task_that_is_expired_or_was_missing_takes_three_queries(
    age: float, was_missing: bool, seconds: float
) -> None:
    """A longer wait would bring nothing; the three queries are made all the same."""
    progress = Progress(speak(STANDARD), Rules(RetryPolicy(), PollPolicy()))
    progress.resume(task_of(submitted_at=EPOCH - age), now=0.0, age=age)
    progress.was_missing = was_missing
    final = starved(progress)
    assert isinstance(final, e.TaskNotFound)
    assert final.charged == "yes"
    assert progress.due == pytest.approx(seconds)
    assert progress.asks >= 3
    found = Progress(speak(STANDARD), Rules(RetryPolicy(), PollPolicy()))
    found.resume(task_of(submitted_at=EPOCH - age), now=0.0, age=age)
    found.was_missing = was_missing
    assert isinstance(play(found, GONE, GONE, DONE), Transcript)


@pytest.mark.parametrize("code", [45000010, 45000030])
def test_credentials_that_are_refused_while_waiting_leave_the_charge(code: int) -> None:
    """The task goes on at the service: it has not ended."""
    progress = make()
    final = ended(progress, ACCEPTED, answer(code))
    assert (final.charged, final.account_wide, progress.ended) == ("yes", True, False)


def test_a_mistake_of_ours_says_what_is_known() -> None:
    """The charge stands on every error that ends a job, not only on the service's."""
    for answers, charged in (((), "no"), ((lost(),), "maybe"), ((ACCEPTED,), "yes")):
        progress = make()
        play(progress, *answers)
        assert ended(progress, e.InputError("the file has changed")).charged == charged


def test_a_final_code_is_forgotten_by_what_comes_after_it() -> None:
    """`ended` is about the last answer only: a new task is not ended."""
    progress = make(new_tasks=1)
    assert play(progress, ACCEPTED, answer(55001010)) is None
    assert (progress.state, progress.ended) == ("submit", False)
    assert play(progress, lost(), lost()) is None
    assert not progress.ended


def test_a_pending_task_of_any_edition_is_charged() -> None:
    """`went_on` alone says it: a caller may bring news from elsewhere."""
    for edition in POLLED:
        progress = make(edition)
        progress.went_on(Pending(task=task_of(edition)), now=0.0, draw=0.5)
        assert progress.charged == "yes"
