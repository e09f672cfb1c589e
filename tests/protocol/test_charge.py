"""What each answer proves about the charge, written from the rules and not from the code; and what the client learns."""

from typing import Any

import pytest
from ground import ID, URL, answer, order_of, speak, task_of
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import Flash, Standard
from volcasr_async import errors as e
from volcasr_async.errors import Charged, Evidence
from volcasr_async.protocol.charge import (
    MOST_ACCOUNT_PAGES,
    ServiceFacts,
    charge_after,
    evidence_of,
    has_left,
    kind_of_failure,
    worse,
)
from volcasr_async.protocol.messages import Phase, Reply
from volcasr_async.protocol.status import CODES, RANGES, is_failure, rule_of

PHASES: tuple[Phase, ...] = ("submit", "query", "flash")
YES, ENDED, NO, CHECK, NOTHING = "accepted", "ended", "refused", "check", "nothing"

# At submit and at flash a listed refusal proves that nothing was charged. At query a listed final code proves that there was a
# task, and that it ended; what refuses the query itself proves nothing about the task.
LISTED: dict[int, tuple[str, str, str]] = {
    # of each code: at submit, at query, at flash
    20000000: (YES, YES, YES),
    20000001: (YES, YES, NOTHING),
    20000002: (YES, YES, NOTHING),
    20000003: (NOTHING, YES, YES),
    45000000: (CHECK, NOTHING, NO),
    45000001: (CHECK, NOTHING, NO),
    45000002: (NO, ENDED, NO),
    45000006: (NO, ENDED, NO),
    45000010: (NO, NOTHING, NO),
    45000011: (NO, NOTHING, NO),
    45000012: (NO, NOTHING, NO),
    45000030: (NO, NOTHING, NO),
    45000131: (NO, NOTHING, NO),
    45000132: (NO, ENDED, NO),
    45000151: (NO, ENDED, NO),
    45000292: (NO, NOTHING, NO),
    21701: (NO, ENDED, NO),
    55000000: (NOTHING, NOTHING, NOTHING),
    55000031: (NO, NOTHING, NO),
    55001010: (NOTHING, ENDED, NOTHING),
    # v1, which has no flash
    1000: (YES, YES, NO),
    2000: (YES, YES, NO),
    2001: (YES, YES, NO),
    1001: (NO, NOTHING, NO),
    1002: (NO, NOTHING, NO),
    1003: (NO, NOTHING, NO),
    1004: (NO, NOTHING, NO),
    1005: (NO, NOTHING, NO),
    1006: (NO, ENDED, NOTHING),
    1010: (NO, ENDED, NO),
    1011: (NO, ENDED, NO),
    1012: (NO, ENDED, NO),
    1013: (YES, YES, NO),
    1014: (NO, ENDED, NO),
    1015: (NO, ENDED, NO),
    1020: (NOTHING, ENDED, NOTHING),
    1021: (NOTHING, ENDED, NOTHING),
    1022: (NO, ENDED, NOTHING),
    1099: (NOTHING, NOTHING, NOTHING),
}
UNLISTED = [
    0, -1, 7, 999, 1007, 1009, 1016, 1019, 1023, 1030, 1098, 1100, 3001, 5000, 20000004, 20009999, 21702, 45000003, 45000013,
    45000029, 45000031, 45000081, 45000130, 45000133, 45000150, 45000152, 45000291, 45099999, 46000000, 55000001, 55000030,
    55001011, 55099999, 10**30,
]  # fmt: skip
PAGES = [400, 401, 403, 404, 408, 410, 413, 429, 499, 500, 502, 503, 504, 599]
NO_PAGES = [200, 204, 302]
BY_TEXT = {
    (45000000, "OperatorWrapper Process failed: Cannot find task"): (CHECK, NOTHING, NO),
    (45000000, "quota exceeded for types: qps"): (NO, NOTHING, NO),
    (45000000, "quota exceeded for types: concurrency"): (NO, NOTHING, NO),
    (45000000, "quota exceeded for types: audio_duration_lifetime"): (NO, NOTHING, NO),
    (45000292, "quota exceeded for types: audio_duration_lifetime"): (NO, NOTHING, NO),
    (45000292, "quota exceeded for types: moon_phase"): (NO, NOTHING, NO),
    (1022, "[resource_id=volc.x] Requested Resource Not Granted"): (NO, NOTHING, NO),
    # A text decides for its own code only.
    (45000001, "cannot find task"): (CHECK, NOTHING, NO),
    (45000003, "cannot find task"): (NOTHING, NOTHING, NOTHING),
    (55000000, "quota exceeded for types: qps"): (NOTHING, NOTHING, NOTHING),
}


def proved(code: int | None, message: str = "", status: int = 200) -> tuple[str, ...]:
    rule = rule_of(code, message, status)
    return tuple(rule.evidence(phase) for phase in PHASES)


# ---- what an answer proves ----


@pytest.mark.parametrize("status", [200, 400, 404, 429])
@pytest.mark.parametrize("code", LISTED)
def test_what_a_listed_code_proves(code: int, status: int) -> None:
    """In each phase its own, whatever the HTTP status beside it."""
    assert proved(code, "", status) == LISTED[code]


def test_every_listed_code_has_its_evidence_here() -> None:
    """No row of the code is missing in the table above, and none of the table in the code."""
    assert set(LISTED) == set(CODES)


@pytest.mark.parametrize("status", [200, 400, 401, 503])
@pytest.mark.parametrize("code", UNLISTED)
def test_an_unlisted_code_proves_nothing(code: int, status: int) -> None:
    """Neither that the service has the task, nor that it ended, nor that the submit was refused."""
    assert proved(code, "OK", status) == (NOTHING,) * 3


@given(st.integers() | st.integers(-10, 3000) | st.integers(45000000, 45100000) | st.integers(54999900, 55100000))
def test_no_number_that_is_not_listed_proves_anything(code: int) -> None:
    """Whichever it is."""
    if code not in LISTED:
        assert proved(code) == (NOTHING,) * 3


@pytest.mark.parametrize("status", PAGES + NO_PAGES)
def test_a_page_proves_nothing(status: int) -> None:
    """A gateway speaks without the service's code, and may have passed the request on."""
    for phase in PHASES:
        assert rule_of(None, "cannot find task", status).evidence(phase) == NOTHING
        with pytest.raises(e.VolcASRError) as caught:
            read(phase, Reply(status, {}, b"<html>Not Found</html>"))
        assert evidence_of(caught.value) == NOTHING
        assert not caught.value.account_wide
        assert caught.value.retryable is (status != 413 or phase == "query")  # the same submit would be too large again
        assert has_left(caught.value)


@pytest.mark.parametrize(("code", "message"), BY_TEXT)
def test_what_a_text_proves(code: int, message: str) -> None:
    """Three codes mean different things by their text."""
    assert proved(code, message) == BY_TEXT[code, message]


@pytest.mark.parametrize("code", [code for code in LISTED if code > 20000003 or code == 21701])
@pytest.mark.parametrize("phase", PHASES)
def test_an_error_carries_what_it_proves(code: int, phase: Phase) -> None:
    """The evidence of the phase stands on the error that is raised for it."""
    with pytest.raises(e.ServiceError) as caught:
        read(phase, answer(code))
    assert caught.value.evidence == evidence_of(caught.value) == LISTED[code][PHASES.index(phase)]


@pytest.mark.parametrize(("code", "status", "evidence"), [
    (55000000, 500, NOTHING), (55000031, 500, NO), (1006, 500, NOTHING), (1006, 499, NO), (1022, 502, NOTHING),
    (45000151, 500, NO), (45000001, 500, CHECK),
])  # fmt: skip
def test_a_server_s_failure_under_a_5xx_is_no_refusal(code: int, status: int, evidence: str) -> None:
    """A refusal stays one under any HTTP status; a failure inside the service may have come after the acceptance."""
    with pytest.raises(e.ServiceError) as caught:
        read("submit", answer(code, status=status))
    assert caught.value.evidence == evidence


def test_what_is_no_answer_proves_nothing() -> None:
    """A broken exchange, an unreadable reply and an error of the caller's."""
    for error in (e.TransportError("reset", sent="yes"), e.ReplyError("odd"), e.InputError("the file has changed")):
        assert evidence_of(error) == NOTHING


def test_only_final_codes_and_refusals_are_final() -> None:
    """At query nothing is ended but by a listed final code; at submit nothing is refused but by a listed refusal."""
    for _, _, rule in RANGES:
        assert {rule.evidence(phase) for phase in PHASES} == {NOTHING}
    final = {
        45000002,
        45000006,
        45000132,
        45000151,
        21701,
        55001010,
        1006,
        1010,
        1011,
        1012,
        1014,
        1015,
        1020,
        1021,
        1022,
    }
    assert {code for code, rule in CODES.items() if rule.evidence("query") == ENDED} == final


@pytest.mark.parametrize("phase", PHASES)
def test_which_codes_in_a_body_are_failures(phase: Phase) -> None:
    """Under a success header a body reports a failure by a code that is listed, or of a known range, and no success."""
    for code in (20000000, 20000001, 20000003, 20000009, 0, 200, 3001, -1, 46000000):
        assert not is_failure(code, phase), code
    for code in (45000000, 45000001, 45000002, 45000077, 45000151, 55000000, 55000031, 55012345, 1001, 1022, 21701):
        assert is_failure(code, phase), code


def read(phase: Phase, reply: Reply) -> Any:
    if phase == "query":
        return speak(Standard()).read_follow(task_of(), reply)
    edition: Any = Standard() if phase == "submit" else Flash()
    return speak(edition).read_open(order_of(URL, edition), reply, at=0.0)


# ---- the charge after it ----

CHANGES: list[tuple[Charged, Evidence, Phase, bool, Charged]] = [
    # before, evidence, phase, bytes left -> after
    ("no", "accepted", "submit", True, "yes"),
    ("no", "accepted", "flash", True, "yes"),
    ("maybe", "accepted", "query", True, "yes"),
    ("maybe", "ended", "query", True, "yes"),
    ("no", "ended", "query", True, "yes"),
    ("no", "nothing", "submit", True, "maybe"),
    ("no", "nothing", "flash", True, "maybe"),
    ("no", "nothing", "submit", False, "no"),
    ("no", "nothing", "flash", False, "no"),
    ("no", "nothing", "query", True, "no"),
    ("no", "refused", "submit", True, "no"),
    ("no", "check", "submit", True, "no"),
    ("no", "refused", "flash", True, "no"),
    ("maybe", "nothing", "submit", False, "maybe"),
    ("maybe", "nothing", "submit", True, "maybe"),
    ("maybe", "nothing", "query", True, "maybe"),
    ("maybe", "refused", "submit", True, "maybe"),
    ("maybe", "refused", "flash", True, "maybe"),
    ("maybe", "check", "submit", True, "maybe"),
]


@pytest.mark.parametrize(("before", "evidence", "phase", "left", "after"), CHANGES)
def test_the_charge_changes_on_evidence(
    before: Charged, evidence: Evidence, phase: Phase, left: bool, after: Charged
) -> None:
    """Only what left makes a doubt, only an answer of the service makes a charge, and a refusal takes no earlier doubt back."""
    assert charge_after(before, evidence, phase, left=left) == after


@given(
    st.sampled_from(["accepted", "ended", "refused", "check", "nothing"]), st.sampled_from(PHASES), st.booleans(),
)  # fmt: skip
def test_a_charge_is_never_taken_back(evidence: Evidence, phase: Phase, left: bool) -> None:
    """Whatever a task answers later, it was accepted."""
    assert charge_after("yes", evidence, phase, left=left) == "yes"
    assert charge_after("maybe", evidence, phase, left=left) != "no"


def test_the_worse_of_two() -> None:
    """A recording with two tasks is charged as the worse of them."""
    order: tuple[Charged, ...] = ("no", "maybe", "yes")
    for one in order:
        for other in order:
            assert worse(one, other) == order[max(order.index(one), order.index(other))]


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (e.TransportError("x", sent="no"), False),
        (e.TransportError("x", sent="maybe"), True),
        (e.TransportError("x", sent="yes"), True),
        (e.ReplyError("x"), True),
        (e.ServerError("x"), True),
        (e.InputError("the file has changed"), False),
    ],
)
def test_what_has_left(error: e.VolcASRError, left: bool) -> None:
    """Whoever answered has received something; an error of ours comes before the first byte."""
    assert has_left(error) is left


@pytest.mark.parametrize(
    ("error", "charged", "kind"),
    [
        (e.InvalidRequest("x"), "no", "refused"),
        (e.TransportError("x"), "no", "refused"),
        (e.TransportError("x"), "maybe", "uncertain"),
        (e.SubmitUncertain("x"), "maybe", "uncertain"),
        (e.SubmitUncertain("x"), "yes", "uncertain"),
        (e.TaskNotFound("x"), "no", "refused"),
        (e.TaskNotFound("x"), "maybe", "uncertain"),
        (e.TaskNotFound("x"), "yes", "missing"),
        (e.BadAudioFormat("x"), "yes", "charged"),
        (e.WaitTimeout("x"), "yes", "charged"),
    ],
)
def test_how_a_failure_counts(error: e.VolcASRError, charged: Charged, kind: str) -> None:
    """By its charge first, and by whether the service still knows the task."""
    error.charged = charged
    assert kind_of_failure(error) == kind


def test_what_errors_say_before_anybody_has_learned_anything() -> None:
    """Nothing was charged, except for the one error whose meaning is the doubt."""
    assert e.VolcASRError().charged == e.InvalidRequest().charged == e.WaitTimeout("x").charged == "no"
    assert e.SubmitUncertain("x").charged == "maybe"
    assert e.ServiceError().evidence == "nothing"


# ---- what is learned about the service ----


def page(status: int) -> e.VolcASRError:
    with pytest.raises(e.VolcASRError) as caught:
        read("submit", Reply(status, {}, b"<html>"))
    return caught.value


def test_one_page_says_nothing_about_the_account_and_six_do() -> None:
    """401 and 403 together; the sixth in a row and those after it are taken for the account's."""
    facts = ServiceFacts()
    pages = [page(status) for status in (401, 403, 401, 401, 403, 401, 403)]
    for one in pages:
        facts.count_page(one)
    assert MOST_ACCOUNT_PAGES == 6
    assert [one.account_wide for one in pages] == [False] * 5 + [True] * 2


@pytest.mark.parametrize("between", [lambda: page(502), lambda: page(404), lambda: page(429)])
def test_another_answer_between_begins_the_count_anew(between: Any) -> None:
    """Only pages in a row count."""
    facts = ServiceFacts()
    for _ in range(4):
        for _ in range(5):
            one = page(401)
            facts.count_page(one)
            assert not one.account_wide
        facts.count_page(between())


def test_the_service_s_own_word_about_the_account_needs_no_count() -> None:
    """With its code one answer is enough, and it is no page."""
    facts = ServiceFacts()
    for code in (45000010, 45000030):
        with pytest.raises(e.ServiceError) as caught:
            read("submit", answer(code, status=401))
        facts.count_page(caught.value)
        assert caught.value.account_wide
    assert facts.account_pages == 0


def test_a_broken_connection_is_no_page() -> None:
    """It neither counts nor begins the count anew: it is no answer."""
    facts = ServiceFacts()
    for _ in range(5):
        facts.count_page(page(401))
        facts.count_page(e.TransportError("reset"))
    last = page(401)
    facts.count_page(last)
    assert last.account_wide


def check(facts: ServiceFacts, reply: Reply, *expected: str, is_paid: bool) -> None:
    facts.check_reply_id(reply, reply.headers.get("x-api-request-id"), *expected, is_paid=is_paid)


@pytest.mark.parametrize("is_paid", [False, True])
@pytest.mark.parametrize("name", [ID, ID.upper(), ID.replace("-", ""), f" {ID} ", ""])
def test_a_reply_that_names_the_request_is_its_reply(name: str, is_paid: bool) -> None:
    """However the UUID is written; one that names nobody is taken as well."""
    facts = ServiceFacts()
    check(facts, Reply(200, {"x-api-request-id": name}, b""), "other", ID, is_paid=is_paid)
    check(facts, Reply(200, {}, b""), ID, is_paid=is_paid)
    assert (facts.named_replies, facts.misnamed_replies) == (bool(name), 0)


@pytest.mark.parametrize("is_paid", [False, True])
def test_a_reply_that_names_another_request_is_refused(is_paid: bool) -> None:
    """As long as the header has been seen to name requests, also where the reply is paid for."""
    facts = ServiceFacts()
    check(facts, Reply(200, {"x-api-request-id": ID}, b""), ID, is_paid=is_paid)
    for _ in range(20):
        with pytest.raises(e.ReplyError, match="another request") as caught:
            check(facts, Reply(502, {"x-api-request-id": "other", "x-tt-logid": "L"}, b""), ID, is_paid=is_paid)
        assert (caught.value.http_status, caught.value.log_id, caught.value.evidence) == (502, "L", "nothing")


def test_a_header_that_never_names_the_request_is_ignored() -> None:
    """It holds an id of something else: after five replies of which none named its request, it is no objection."""
    facts = ServiceFacts()
    for _ in range(4):
        with pytest.raises(e.ReplyError):
            check(facts, Reply(200, {"x-api-request-id": "gateway"}, b""), ID, is_paid=False)
    for _ in range(5):
        check(facts, Reply(200, {"x-api-request-id": "gateway"}, b""), ID, is_paid=False)


def test_a_service_that_names_no_request_does_not_begin_to_with_another_ones() -> None:
    """Where its replies lack the header, a reply that has it is somebody else's; the page of a gateway proves nothing."""
    facts = ServiceFacts()
    check(facts, Reply(502, {}, b"<html>"), ID, is_paid=False)
    assert facts.named_replies == 0
    check(facts, Reply(200, {"x-api-status-code": "20000000"}, b""), ID, is_paid=False)
    for _ in range(20):
        with pytest.raises(e.ReplyError):
            check(facts, Reply(200, {"x-api-request-id": "other"}, b""), ID, is_paid=True)


def test_a_paid_reply_is_accepted_until_the_header_is_known_to_name_requests() -> None:
    """A flash transcript cannot be had again, so a header of unknown meaning is no reason to throw it away."""
    facts = ServiceFacts()
    for _ in range(3):
        check(facts, Reply(200, {"x-api-request-id": "gateway"}, b""), ID, is_paid=True)
    check(facts, Reply(200, {"x-api-request-id": ID}, b""), ID, is_paid=True)
    with pytest.raises(e.ReplyError):
        check(facts, Reply(200, {"x-api-request-id": "gateway"}, b""), ID, is_paid=True)


def test_a_single_differing_task_id_is_learned_for_good() -> None:
    """Later tasks that are named like their requests do not take it back."""
    facts = ServiceFacts()
    assert facts.own_task_ids is None
    facts.learn_task_id(ID, ID)
    assert facts.own_task_ids is False
    facts.learn_task_id("theirs", ID)
    facts.learn_task_id(ID, ID)
    assert facts.own_task_ids is True
