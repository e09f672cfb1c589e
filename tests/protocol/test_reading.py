"""Where a reply hides its status, and what a refusal carries."""

import json
from typing import Any

import pytest
from ground import ID, answer, reply_of, task_of
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import errors as e
from volcasr_async.protocol.messages import Reply
from volcasr_async.protocol.reading import as_int, pending, read_status, refuse, retry_after_s, unreadable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def refused(reply: Reply, phase: Any = "query", **more: Any) -> e.VolcASRError:
    with pytest.raises(e.VolcASRError) as caught:
        refuse(read_status(reply), reply, phase, edition="standard", request_id=ID, **more)
    return caught.value


def test_order_of_the_places() -> None:
    """The header, then body.header.code, body.code, body.resp.code, then the HTTP status (reference 5)."""
    said = {
        "header": {"code": 45000010, "message": "h", "reqid": "r1"},
        "code": 45000030,
        "message": "c",
        "resp": {"code": 1002, "message": "r"},
    }
    full = Reply(502, {"x-api-status-code": "20000001", "x-api-message": "m"}, json.dumps(said).encode())
    assert (read_status(full).code, read_status(full).message) == (20000001, "m")
    expected = [(45000010, "h"), (45000030, "c"), (1002, "r"), (None, "")]
    for place, wanted in zip(("header", "code", "resp", None), expected, strict=True):
        status = read_status(Reply(502, {}, json.dumps(said).encode()))
        assert (status.code, status.message) == wanted
        if place is not None:
            del said[place]
    assert status.rule.submit == "ask-first"


def test_message_comes_from_the_body_where_the_header_has_none() -> None:
    """A code in the header with its text in the body: the kind of quota is still told apart."""
    reply = Reply(
        429,
        {"x-api-status-code": "45000292"},
        body(header={"code": 45000292, "message": "quota exceeded for types: audio_duration_lifetime"}),
    )
    assert isinstance(refused(reply), e.QuotaExceeded)


@pytest.mark.parametrize("code", ["45000010", 45000010, 45000010.0, " 45000010 "])
def test_codes_in_every_type(code: object) -> None:
    """Codes are numbers or strings of numbers, wherever they stand."""
    for place in ({"header": {"code": code}}, {"code": code}, {"resp": {"code": code}}):
        assert read_status(Reply(200, {}, body(**place))).code == 45000010


@pytest.mark.parametrize(
    "data",
    [
        b"", b"   ", b"null", b"[]", b'"text"', b"5", b"true", b"<html></html>", b"{", b'{"code":', b"\xff\xfe\x00",
        b'{"code": [], ', b'{"header": 5, "x": nonsense', b'{"code": {"code": 1}}', b'{"header": {"code": null}}',
        b"[" * 100_000, b'{"a":' * 100_000, b'{"code": [], "x":' + b"[" * 100_000, b'{"x":' + b"[" * 100_000,
        b'{"header":{"code":"abc"},"code":"","resp":[]}', b'{"code":' + b"9" * 5000 + b"}", b'{"code": 1e999}',
        b'{"code":"\xff"}', b'{"message": {"a": 1}, "code": true}',
    ],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_broken_bodies_are_never_success(data: bytes) -> None:
    """Whatever the body is, the status is read and means no success."""
    reply = Reply(200, {}, data)
    status = read_status(reply)
    assert {status.rule.submit, status.rule.query, status.rule.flash} == {"unreadable"}
    assert isinstance(refused(reply), e.ReplyError)


@given(JSON | st.binary(max_size=60), st.sampled_from([200, 204, 302, 400, 401, 403, 429, 500, 503]))
def test_any_body_is_read(value: Any, http_status: int) -> None:
    """No body raises anything but an error of the tree."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    reply = Reply(http_status, {}, data)
    status = read_status(reply)
    assert status.code is None or isinstance(status.code, int)
    refused(reply)


def test_wrong_charset_keeps_the_code() -> None:
    """A message in another charset does not hide the code."""
    status = read_status(Reply(401, {}, b'{"header":{"code":45000010,"message":"\xc3\xdc\xd4\xbf"}}'))
    assert status.code == 45000010


def test_wrong_types_are_read_loosely() -> None:
    """A message that is no string and an id that is a number stand in no code's way."""
    status = read_status(Reply(200, {}, body(header={"code": "45000001", "message": {"why": "x"}, "reqid": 7})))
    assert status.code == 45000001
    assert "why" in status.message
    assert read_status(Reply(200, {}, body(header="x", code="1003", message=None))).message == ""


@pytest.mark.parametrize("value", ["x", "", "1e5", "12.5", "0x10"])
def test_a_header_that_is_no_number_is_none(value: str) -> None:
    """A status header that cannot be read leaves the word to the body."""
    assert read_status(Reply(200, {"x-api-status-code": value}, body(code=45000030))).code == 45000030


def test_log_id_and_request_id_are_kept() -> None:
    """A refusal carries all that its reader needs: code, message, log id, ids, HTTP status, edition, task."""
    task = task_of()
    error = refused(reply_of("gateway_401_invalid_api_key"), "query", task=task)
    assert isinstance(error, e.AuthenticationFailed)
    assert error.log_id == "20261120101500A1B2C3D4E5F60718293A4B"
    assert (error.code, error.message, error.request_id, error.http_status, error.edition, error.task) == (
        45000010, "Invalid X-Api-Key", ID, 401, "standard", task,
    )  # fmt: skip
    assert "VOLCASR_API_KEY" in str(error)


def test_a_refusal_without_a_text_says_what_its_code_means() -> None:
    """Where the service is silent the table speaks."""
    assert "empty audio" in str(refused(answer(45000002)))


@pytest.mark.parametrize(
    ("granted", "other"),
    [
        ("volc.bigasr.auc", "volc.seedasr.auc"),
        ("volc.seedasr.auc", "volc.bigasr.auc"),
        ("volc.bigasr.auc_turbo", "volc.seedasr.auc_turbo"),
        ("volc.seedasr.auc_turbo", "volc.bigasr.auc_turbo"),
    ],
)
def test_the_other_resource_is_suggested(granted: str, other: str) -> None:
    """45000030 names the resource and the one that the key may have (pain 1)."""
    error = refused(answer(45000030, f"[resource_id={granted}] requested resource not granted"), "submit")
    assert isinstance(error, e.ResourceNotGranted)
    assert error.hint is not None
    assert f" {granted};" in error.hint
    assert other in error.hint


def test_an_unknown_resource_has_a_hint_too() -> None:
    """A resource that has no twin points to the console, as does a bare 403."""
    odd = refused(answer(45000030, "[resource_id=volc.bigasr.auc_idle] requested resource not granted"))
    assert "console" in str(odd)
    assert "console" in str(refused(answer(status=403)))


@pytest.mark.parametrize(
    ("given_text", "seconds"), [("7", 7.0), ("999999", 3600.0), ("-1", None), ("soon", None), ("0", 0.0)]
)
def test_retry_after(given_text: str, seconds: float | None) -> None:
    """`Retry-After` in seconds is honoured, within an hour; dates and nonsense are not."""
    reply = Reply(429, {"retry-after": given_text}, b"")
    assert retry_after_s(reply) == seconds
    error = refused(reply)
    assert isinstance(error, e.RateLimited)
    assert error.retry_after_s == seconds
    assert retry_after_s(Reply(429, {}, b"")) is None


def test_messages_and_excerpts_hold_no_query() -> None:
    """A signed link that the service repeats is cut, in messages and in excerpts."""
    link = "https://user:pw@tos.example.com/a.mp3?X-Tos-Signature=SECRET"
    for error in (
        refused(answer(45000006, f"download of {link} failed")),
        refused(Reply(200, {}, f"<p>{link}</p>".encode())),
        refused(Reply(200, {}, json.dumps({"url": link}).replace("/", "\\/").encode())),
    ):
        assert "SECRET" not in repr(error) + str(error) + str(vars(error))
        assert "pw@" not in repr(error) + str(error) + str(vars(error))


def test_excerpts_are_short() -> None:
    """A long page is cut, an empty one is called so."""
    page = Reply(200, {}, "页".encode() * 10_000)
    error = unreadable(page, read_status(page))
    assert 0 < len(error.excerpt) <= 200
    assert (error.http_status, error.log_id) == (200, None)
    assert "empty body" in str(refused(Reply(200, {}, b"")))
    assert "code 20000009" in str(refused(answer(20000009)))


@pytest.mark.parametrize(("code", "phase"), [(20000000, "flash"), (20000001, "submit"), (20000003, "query")])
def test_success_is_no_refusal(code: int, phase: str) -> None:
    """A good code that fits nowhere is an unreadable answer, never a service's no."""
    assert isinstance(refused(answer(code), phase), e.ReplyError)


def test_as_int() -> None:
    """Numbers and their strings are read, nothing else."""
    values: tuple[Any, ...] = (5, "5", 5.0, None, "x", [], float("inf"))
    assert [as_int(v) for v in values] == [5, 5, 5, None, None, None, None]


def test_pending_tells_the_phase() -> None:
    """Queued and processing are told apart."""
    queued, processing = (pending(task_of(), read_status(answer(code))) for code in (20000002, 20000001))
    assert (queued.phase, processing.phase) == ("queued", "processing")
