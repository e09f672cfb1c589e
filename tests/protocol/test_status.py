"""The tables of the reference, written out once more from its text and not from the code.

Row 1 of the attack on 0.1.0 changed them: only a listed code ends a task, so what no document lists, and what says nothing about
the task, is followed by a query. `test_charge.py` has what each answer proves.
"""

import pytest

from volcasr_async import errors as e
from volcasr_async.protocol.messages import Phase
from volcasr_async.protocol.status import CODES, rule_of

A, P, D, S, MISSING = "accepted", "pending", "done", "silent", "missing"
JOB, ACCOUNT, BACK, NEW, ASK, UNREADABLE = (
    "reject-job", "reject-account", "back-off", "new-task", "ask-first", "unreadable",
)  # fmt: skip
ANY = None  # the reference has a dash: the code is not expected there, anything but success will do

V3 = {
    # code: (submit, query, flash, error)                                                     reference 7.1
    20000000: (A, D, D, None),
    20000001: (A, P, UNREADABLE, None),
    20000002: (A, P, UNREADABLE, None),
    20000003: (ANY, S, S, None),
    20000004: (UNREADABLE, UNREADABLE, UNREADABLE, None),
    20009999: (UNREADABLE, UNREADABLE, UNREADABLE, None),
    45000000: (JOB, BACK, JOB, e.InvalidRequest),
    45000001: (JOB, BACK, JOB, e.InvalidRequest),
    45000002: (JOB, JOB, JOB, e.EmptyAudio),
    45000006: (JOB, JOB, JOB, e.AudioDownloadFailed),
    45000010: (ACCOUNT, ACCOUNT, ACCOUNT, e.AuthenticationFailed),
    45000011: (ACCOUNT, ACCOUNT, ACCOUNT, e.AuthenticationFailed),
    45000012: (ACCOUNT, ACCOUNT, ACCOUNT, e.AuthenticationFailed),
    45000030: (ACCOUNT, ACCOUNT, ACCOUNT, e.ResourceNotGranted),
    45000131: (BACK, ANY, ANY, e.RateLimited),
    45000132: (JOB, JOB, JOB, e.AudioTooLarge),
    45000151: (JOB, JOB, JOB, e.BadAudioFormat),
    45000003: (JOB, BACK, JOB, e.InvalidRequest),
    45099999: (JOB, BACK, JOB, e.InvalidRequest),
    21701: (ANY, ANY, JOB, e.AudioDownloadFailed),
    55000000: (ASK, BACK, BACK, e.ServerError),
    55000031: (BACK, BACK, BACK, e.ServerBusy),
    55001010: (ASK, NEW, BACK, e.ServerError),
    55000001: (ASK, BACK, BACK, e.ServerError),
    55099999: (ASK, BACK, BACK, e.ServerError),
}
V1 = {
    # code: (submit, query, error)                                                            reference 8.3
    1000: (A, D, None),
    2000: (A, P, None),
    2001: (A, P, None),
    1001: (JOB, MISSING, e.InvalidRequest),
    1002: (ACCOUNT, ACCOUNT, e.AuthenticationFailed),
    1003: (BACK, BACK, e.RateLimited),
    1004: (ACCOUNT, ACCOUNT, e.QuotaExceeded),
    1005: (BACK, BACK, e.ServerBusy),
    1006: (BACK, NEW, e.ServerError),
    1010: (JOB, JOB, e.AudioTooLong),
    1011: (JOB, JOB, e.AudioTooLarge),
    1012: (JOB, JOB, e.BadAudioFormat),
    1013: (S, S, None),
    1014: (JOB, JOB, e.EmptyAudio),
    1015: (JOB, JOB, e.AudioDownloadFailed),
    1020: (ASK, NEW, e.ServerError),
    1021: (ASK, NEW, e.ServerError),
    1022: (JOB, NEW, e.ServerError),
    1099: (ASK, BACK, e.ServerError),
} | dict.fromkeys((*range(1007, 1010), *range(1016, 1020), *range(1023, 1030), *range(1030, 1099)), (JOB, BACK, e.InvalidRequest))  # fmt: skip
GOOD = {A, P, D, S}


@pytest.mark.parametrize("code", V3)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_v3_codes(code: int, status: int) -> None:
    """Each v3 code has its verdict in each phase, whatever the HTTP status beside it."""
    *verdicts, error = V3[code]
    rule = rule_of(code, "", status)
    phases: tuple[Phase, ...] = ("submit", "query", "flash")
    for phase, expected in zip(phases, verdicts, strict=True):
        got = rule.verdict(phase)
        assert got not in GOOD if expected is ANY else got == expected, phase
    if error is not None:
        assert rule.error is error


@pytest.mark.parametrize("code", V1)
def test_v1_codes(code: int) -> None:
    """Each v1 code has its verdict in both phases."""
    submit, query, error = V1[code]
    rule = rule_of(code, "", 200)
    assert (rule.submit, rule.query) == (submit, query)
    if error is not None:
        assert rule.error is error


def test_every_row_of_the_code_is_in_the_reference() -> None:
    """No number is known to the code that the tables above do not hold."""
    assert set(CODES) - {45000292} <= set(V3) | set(V1)


def test_bounded_back_offs() -> None:
    """What the reference bounds is bounded: 550xxxxx "a few times", 1006 once, an unknown quota; a busy server is not."""
    assert rule_of(1006, "", 200).tries == 1
    assert 1 <= (rule_of(55000000, "", 200).tries or 0) <= 5
    assert 1 <= (rule_of(55012345, "", 200).tries or 0) <= 5
    assert 1 <= (rule_of(45000292, "quota exceeded for types: moon", 200).tries or 0) <= 10
    for code in (55000031, 1003, 1005, 45000131):
        assert rule_of(code, "", 200).tries is None


@pytest.mark.parametrize("phase", ["submit", "query", "flash"])
@pytest.mark.parametrize("code", [45000292, 45000000])
@pytest.mark.parametrize(
    ("kind", "verdict", "error"),
    [
        ("audio_duration_lifetime", ACCOUNT, e.QuotaExceeded),
        ("qps", BACK, e.RateLimited),
        ("concurrency", BACK, e.RateLimited),
    ],
)
def test_quota_types(code: int, phase: Phase, kind: str, verdict: str, error: type) -> None:
    """A spent amount is final, a rate comes back (7.2), under either code that was reported."""
    rule = rule_of(code, f"quota exceeded for types: {kind}", 429)
    assert rule.verdict(phase) == verdict
    assert rule.error is error
    assert rule.tries is None


def test_unknown_quota_is_a_bounded_back_off() -> None:
    """A quota type that nobody reported is tried again, but not for ever."""
    rule = rule_of(45000292, "quota exceeded for types: moon_phase", 429)
    assert rule.query == BACK
    assert rule.tries is not None


def test_codes_by_their_message() -> None:
    """45000000 and 1022 mean other things by their text (reported)."""
    found = rule_of(45000000, "[Client-side generic error] OperatorWrapper Process failed: Cannot find task", 200)
    assert (found.error, found.query) == (e.TaskNotFound, MISSING)
    granted = rule_of(1022, "[resource_id=volc.x] Requested Resource Not Granted", 200)
    assert (granted.error, granted.query, granted.submit) == (e.ResourceNotGranted, ACCOUNT, ACCOUNT)
    assert rule_of(1022, "could not recognise", 200).error is e.ServerError


NO_CODE = {
    # HTTP: (submit, query, flash). Without the service's code it is a gateway that speaks: it may have passed the submit on.
    200: (UNREADABLE, UNREADABLE, UNREADABLE),
    204: (UNREADABLE, UNREADABLE, UNREADABLE),
    302: (UNREADABLE, UNREADABLE, UNREADABLE),
}
NO_CODE |= dict.fromkeys((400, 401, 403, 404, 408, 410, 429, 499, 500, 502, 503, 504, 599), (ASK, BACK, ASK))
NO_CODE[413] = (JOB, BACK, JOB)  # the same request would be too large again


@pytest.mark.parametrize("http_status", NO_CODE)
@pytest.mark.parametrize("code", [None, 0, -1, 7, 999, 3001, 5000, 19999999, 46000000, 10**30])
def test_no_code_and_unknown_codes(http_status: int, code: int | None) -> None:
    """Without a code, or with one of no range, the HTTP status decides, and never for success."""
    rule = rule_of(code, "OK", http_status)
    assert (rule.submit, rule.query, rule.flash) == NO_CODE[http_status]


def test_unlisted_codes_are_never_success() -> None:
    """No number that the reference does not call a success becomes one."""
    good = {20000000, 20000001, 20000002, 20000003, 1000, 2000, 2001, 1013}
    for code in (*range(3000), *range(19999990, 20000100), *range(45000000, 45000400), *range(54999990, 55000100)):
        rule = rule_of(code, "OK", 200)
        verdicts = {rule.submit, rule.query, rule.flash}
        assert bool(verdicts & GOOD) == (code in good), code
