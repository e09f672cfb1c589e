"""The status table's edges: texts that stand in for the service's own, bounds of tries and of ranges, and odd cases."""

import pytest

from volcasr_async import errors as e
from volcasr_async.protocol.messages import Phase
from volcasr_async.protocol.status import CODES, RANGES, Rule, rule_of

PHASES: tuple[Phase, ...] = ("submit", "query", "flash")

BARE = [rule_of(None, "", status) for status in (200, 302, 400, 401, 403, 404, 429, 500, 503)]
BY_TEXT = [
    rule_of(45000000, "cannot find task", 200),
    rule_of(1022, "requested resource not granted", 200),
    *(rule_of(45000292, f"quota exceeded for types: {kind}", 429) for kind in ("lifetime", "qps", "concurrency", "x")),
]
EVERY = [*CODES.values(), *(rule for _, _, rule in RANGES), *BARE, *BY_TEXT]


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: str(rule.meaning))
def test_every_row_has_words_of_its_own(rule: Rule) -> None:
    """They stand in a sentence where the service gives none, and in the documents' table."""
    assert isinstance(rule.meaning, str)
    assert rule.meaning[:1].islower() or rule.meaning.startswith("HTTP ")
    assert rule.meaning == rule.meaning.strip()


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (45000000, "", "general client error"),
        (45000000, "cannot find task", "cannot find task"),
        (45000003, "", "client error that no document lists"),
        (55000000, "", "general server error"),
        (55000002, "", "internal error"),
        (1008, "", "reserved"),
        (None, "", "HTTP 4xx"),
    ],
)
def test_a_row_of_its_own_comes_before_its_range(code: int | None, message: str, words: str) -> None:
    """What is documented is called by its name."""
    assert rule_of(code, message, 404).meaning == words


@pytest.mark.parametrize(
    ("code", "message", "tries"),
    [
        (55000000, "", 3), (55000002, "", 3), (1006, "", 1), (45000292, "quota exceeded for types: x", 5),
        (55001010, "", None), (1020, "", None), (1003, "", None), (45000131, "", None), (45000000, "", None),
    ],
)  # fmt: skip
def test_how_often_a_row_is_tried(code: int, message: str, tries: int | None) -> None:
    """As often as the reference says "a few times" or "once"; what only asks for patience has no bound."""
    assert rule_of(code, message, 200).tries == tries


@pytest.mark.parametrize(
    ("low", "high", "error", "submit"),
    [
        (55000000, 55099999, e.ServerError, "ask-first"),
        (45000000, 45099999, e.InvalidRequest, "reject-job"),
        (20000004, 20009999, e.ServiceError, "unreadable"),
    ],
)
def test_ranges_end_where_they_end(low: int, high: int, error: type, submit: str) -> None:
    """The first and the last number belong to it; the next ones on either side say what the HTTP status says."""
    for code in (low, high):
        rule = rule_of(code, "", 503)
        assert (rule.error, rule.submit) == (error, submit)
    assert rule_of(high + 1, "", 503).submit == "ask-first"
    if low % 1000 == 0:
        assert rule_of(low - 1, "", 503).submit == "ask-first"
    assert rule_of(high + 1, "", 200).submit == "unreadable"


@pytest.mark.parametrize("code", [1007, 1009, 1016, 1098])
def test_reserved_codes_repeat_no_submit_and_end_no_task(code: int) -> None:
    """At the ends of the reserved numbers too, whatever the HTTP status."""
    rule = rule_of(code, "", 503)
    assert (rule.submit, rule.query) == ("reject-job", "back-off")
    assert {rule.evidence(phase) for phase in PHASES} == {"nothing"}


def test_odd_meetings_of_code_and_phase() -> None:
    """Silence at submit settles nothing; two codes may mean a repetition; queued and processing differ."""
    assert rule_of(20000003, "", 200).submit == "unreadable"
    assert [code for code, rule in CODES.items() if rule.evidence("submit") == "check"] == [45000000, 45000001]
    assert [code for code, rule in CODES.items() if rule.queued] == [20000002, 2001]
    assert [code for code, rule in CODES.items() if rule.pauses_submits] == [45000131]
    assert rule_of(45000292, "Quota exceeded for types: Concurrency", 429).crowded
    assert not rule_of(45000292, "quota exceeded for types: qps", 429).crowded
    assert rule_of(45000292, "quota exceeded for types: x", 429).error is e.RateLimited


@pytest.mark.parametrize(("http_status", "submit"), [(399, "unreadable"), (400, "ask-first"), (499, "ask-first"),
                                                    (500, "ask-first"), (599, "ask-first")])  # fmt: skip
def test_the_ends_of_the_http_classes(http_status: int, submit: str) -> None:
    """A page settles nothing from 400 on; a client's error ends at 499, a server's begins at 500."""
    assert rule_of(None, "", http_status).submit == submit
    assert rule_of(None, "", 499).error is e.InvalidRequest
    assert rule_of(None, "", 500).error is e.ServerError
    named = {401: e.AuthenticationFailed, 403: e.ResourceNotGranted, 429: e.RateLimited, 404: e.InvalidRequest}
    assert {status: rule_of(None, "", status).error for status in named} == named


def test_a_text_decides_only_for_its_own_code() -> None:
    """Another code with such a text keeps its row."""
    assert rule_of(45000001, "cannot find task", 200).error is e.InvalidRequest
    assert rule_of(45000001, "quota exceeded for types: qps", 200).error is e.InvalidRequest
    assert rule_of(1099, "requested resource not granted", 200).error is e.ServerError
    assert rule_of(1022, "cannot find task", 200).error is e.ServerError
    assert rule_of(45000000, "the lifetime of a task", 200).error is e.InvalidRequest
