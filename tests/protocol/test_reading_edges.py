"""What a refusal and an unreadable answer say to the letter, and what they let the floors above do."""

import json
from typing import Any

import pytest
from ground import ID, answer, reply_of, task_of

from volcasr_async import errors as e
from volcasr_async.protocol.messages import Reply
from volcasr_async.protocol.reading import pending, read_status, refuse, unreadable


def refused(reply: Reply, phase: Any = "query") -> e.VolcASRError:
    with pytest.raises(e.VolcASRError) as caught:
        refuse(read_status(reply), reply, phase, edition="standard", request_id=ID)
    return caught.value


# ---- where the text comes from ----


def test_a_code_without_a_text_takes_the_header_s() -> None:
    """The code in the body, its text in the header: both are read."""
    status = read_status(Reply(200, {"x-api-message": "why"}, b'{"code": 45000001}'))
    assert (status.code, status.message) == (45000001, "why")
    for place in ("header", "resp"):
        body = json.dumps({place: {"code": 45000001}}).encode()
        assert read_status(Reply(200, {"x-api-message": "why"}, body)).message == "why"
        assert read_status(Reply(200, {}, body)).message == ""
    both = read_status(Reply(200, {"x-api-message": "why"}, b'{"resp": {"code": "1001", "message": "because"}}'))
    assert (both.code, both.message) == (1001, "because")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'"x"', b'{"code": "x", "message": "no number"}', b'{"header": 5, "resp": []}'],
    ids=repr,
)
def test_nothing_is_made_up_where_nothing_was_said(body: bytes) -> None:
    """A body that says nothing has no text: the HTTP status is all there is to tell."""
    status = read_status(Reply(401, {}, body))
    assert (status.code, status.message) == (None, "")
    assert str(refused(Reply(401, {}, body))).startswith("HTTP 401 (edition standard, HTTP 401, ")


def test_a_text_of_an_odd_body_is_read() -> None:
    """A field of a type that nobody reported beside the code hides neither code nor text."""
    for place in ("header", "resp"):
        body = {place: {"code": "45000002", "message": "empty", "reqid": 5}, "message": ["odd"]}
        status = read_status(Reply(200, {}, json.dumps(body).encode()))
        assert (status.code, status.message) == (45000002, "empty")
    status = read_status(Reply(200, {}, b'{"code": "45000002", "message": "empty", "header": 5}'))
    assert (status.code, status.message) == (45000002, "empty")


def test_a_text_has_an_end() -> None:
    """A body may be megabytes long; of its text two thousand characters are kept."""
    for number, kept in ((1999, 1999), (2000, 2000), (100_000, 2000)):
        status = read_status(Reply(200, {}, json.dumps({"code": 45000001, "message": "页" * number}).encode()))
        assert status.message == "页" * kept


# ---- an unreadable answer ----


def test_an_unreadable_answer_is_told_to_the_letter() -> None:
    """Why, the HTTP status, the code where there is one, and how the body begins."""
    page = Reply(200, {"x-tt-logid": "L"}, b"<p>")
    error = unreadable(page, read_status(page))
    assert str(error) == "the reply has no status code that fits (HTTP 200): '<p>'"
    assert (error.excerpt, error.http_status, error.log_id) == ("<p>", 200, "L")
    empty = answer(20000009)
    assert str(unreadable(empty, read_status(empty), "it is odd")) == "it is odd (HTTP 200, code 20000009), empty body"


@pytest.mark.parametrize("character", ["a", "页", "😀"])
def test_an_excerpt_is_two_hundred_characters(character: str) -> None:
    """However many bytes each of them has; a shorter body is shown whole."""
    for number, shown in ((10_000, 200), (201, 200), (200, 200), (199, 199)):
        page = Reply(200, {}, (character * number).encode())
        assert unreadable(page, read_status(page)).excerpt == character * shown


@pytest.mark.parametrize(("code", "phase"), [(20000001, "query"), (20000002, "query"), (20000000, "query")])
def test_a_task_that_goes_on_was_not_refused(code: int, phase: str) -> None:
    """A good code is never turned into the service's no."""
    assert isinstance(refused(answer(code), phase), e.ReplyError)


def test_news_of_a_task_brings_task_and_log_id() -> None:
    """Support asks for the log id of a task that does not end."""
    task = task_of(key="k")
    got = pending(task, read_status(Reply(200, {"x-api-status-code": "20000001", "x-tt-logid": "L"}, b"")))
    assert (got.task, got.phase, got.log_id) == (task, "processing", "L")


# ---- what the floors above may do ----


@pytest.mark.parametrize(
    ("reply", "phase", "retryable", "evidence", "new_task", "tries"),
    [
        (answer(status=502), "submit", True, "nothing", False, None),
        (answer(status=502), "query", True, "nothing", False, None),
        (answer(status=502), "flash", True, "nothing", False, None),
        (answer(status=404), "submit", True, "nothing", False, None),
        (answer(status=404), "query", True, "nothing", False, None),
        (answer(55000000), "submit", True, "nothing", False, 3),
        (answer(55000000), "query", True, "nothing", False, 3),
        (answer(55000000), "flash", True, "nothing", False, 3),
        (answer(55000000, status=499), "submit", True, "nothing", False, 3),
        (answer(55000000, status=500), "submit", True, "nothing", False, 3),
        (answer(55000031, status=500), "submit", True, "refused", False, None),
        (answer(55000031, status=500), "query", True, "nothing", False, None),
        (answer(55000000, status=500), "query", True, "nothing", False, 3),
        (answer(1006), "submit", True, "refused", False, 1),
        (answer(1006, status=500), "submit", True, "nothing", False, 1),
        (answer(55001010), "submit", True, "nothing", False, None),
        (answer(55001010), "query", False, "ended", True, None),
        (answer(1006), "query", False, "ended", True, 1),
        (answer(55001010, status=500), "query", False, "ended", True, None),
        (answer(1006, status=503), "query", False, "ended", True, 1),
        (answer(45000292, "quota exceeded for types: moon_phase"), "submit", True, "refused", False, 5),
        (answer(45000292, "quota exceeded for types: qps"), "submit", True, "refused", False, None),
        (answer(45000292, "quota exceeded for types: qps"), "query", True, "nothing", False, None),
        (answer(45000151), "submit", False, "refused", False, None),
        (answer(45000151), "query", False, "ended", False, None),
        (answer(45000010), "query", False, "nothing", False, None),
        (answer(45000001), "submit", False, "check", False, None),
        (answer(45000001), "query", True, "nothing", False, None),
        (answer(45000077), "submit", False, "nothing", False, None),
        (answer(45000077), "query", True, "nothing", False, None),
    ],
    ids=lambda value: f"{value.status}-{dict(value.headers)}" if isinstance(value, Reply) else str(value),
)
def test_what_may_be_done_about_a_refusal(
    reply: Reply, phase: str, retryable: bool, evidence: str, new_task: bool, tries: int | None
) -> None:
    """Whether it is tried again, what it proves, whether a fresh task may help, and how often it is tried."""
    error = refused(reply, phase)
    assert isinstance(error, e.ServiceError)
    assert (error.retryable, error.evidence, error.new_task) == (retryable, evidence, new_task)
    assert error.most_tries == tries


@pytest.mark.parametrize(
    ("reply", "pauses_submits", "crowded"),
    [
        (reply_of("v3_submit_window_exceeded"), True, False),
        (reply_of("gateway_concurrency"), False, True),
        (reply_of("gateway_429_qps"), False, False),
        (answer(45000000, "quota exceeded for types: concurrency"), False, True),
        (answer(status=429), False, False),
    ],
    ids=["hours", "concurrency", "qps", "concurrency-45000000", "429"],
)
def test_what_was_too_much(reply: Reply, pauses_submits: bool, crowded: bool) -> None:
    """Hours of audio pause submits, requests at once take slots, requests a second take from the rate."""
    error = refused(reply, "submit")
    assert isinstance(error, e.RateLimited)
    assert (error.pauses_submits, error.crowded) == (pauses_submits, crowded)


def test_a_hint_is_about_what_happened() -> None:
    """Resource ids are spoken of where the account lacks one, whichever class says so, and nowhere else."""
    denied = refused(answer(45000010, "this resource is not yours"))
    assert isinstance(denied, e.AuthenticationFailed)
    assert denied.hint.startswith("See in the console which resource ids the key is granted, and pass the edition")
    wrong = refused(answer(45000001, "resource_id is missing"))
    assert isinstance(wrong, e.InvalidRequest)
    assert wrong.hint == e.InvalidRequest.default_hint
    for text in ("[resource_id=volc.bigasr.auc] no", "[RESOURCE_ID=volc.bigasr.auc] no"):
        assert "new accounts usually have volc.seedasr.auc" in refused(answer(45000030, text)).hint  # type: ignore[attr-defined]
