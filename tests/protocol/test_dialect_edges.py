"""What every answer brings along in every edition: the ids and the log id that support asks for, the task, the bytes."""

from typing import Any

import pytest
from ground import CLUSTER, EDITIONS, ID, KEY, POLLED, URL, body_of, open_call, order_of, speak, task_of

from volcasr_async import AppKey, AudioUrl, ConfigurationError, Corpus, Flash, InputError, Options, Pending, Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access, Call, Reply

LOG = {"x-tt-logid": "L"}
V1_ID = "their-id"


def reply(edition: Any, code: int, body: bytes = b"", status: int = 200) -> Reply:
    """An answer with a log id, its code where the edition has it."""
    if edition is CLUSTER and not body:
        body = b'{"resp": {"code": "%d", "message": "said", "id": "their-id", "text": "a"}}' % code
    head = {} if edition is CLUSTER else {"x-api-status-code": str(code), "x-api-message": "said"}
    return Reply(status, LOG | head, body)


def opened(edition: Any, code: int, body: bytes = b"") -> Any:
    order = order_of(AudioUrl(URL, format="mp3"), edition, key="k")
    return speak(edition).read_open(order, reply(edition, code, body), at=5.0)


def followed(edition: Any, code: int, body: bytes = b"") -> Any:
    return speak(edition).read_follow(task(edition), reply(edition, code, body))


def task(edition: Any) -> Any:
    return task_of(edition, id=V1_ID if edition is CLUSTER else ID, key="k", submitted_at=5.0, log_id="L")


def success(edition: Any) -> int:
    return 1000 if edition is CLUSTER else 20000000


@pytest.mark.parametrize("edition", POLLED, ids=lambda e: e.name)
def test_an_acceptance(edition: Any) -> None:
    """The task says who, when, under which name and log id."""
    got = opened(edition, success(edition))
    assert got == Pending(task=task(edition), phase="accepted", log_id="L")
    assert got.task.request_id == ID


@pytest.mark.parametrize("edition", POLLED, ids=lambda e: e.name)
def test_a_task_that_goes_on(edition: Any) -> None:
    """The same task again, and the log id of this answer."""
    code = 2000 if edition is CLUSTER else 20000001
    assert followed(edition, code) == Pending(task=task(edition), phase="processing", log_id="L")


@pytest.mark.parametrize("edition", POLLED[:2], ids=lambda e: e.name)
def test_a_success_without_a_result_goes_on(edition: Any) -> None:
    """It is news of the same task like any other."""
    assert followed(edition, 20000000, b"{}") == Pending(task=task(edition), phase="processing", log_id="L")


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda e: e.name)
def test_a_result(edition: Any) -> None:
    """Text, bytes and log id; the task where there is one."""
    body = b"" if edition is CLUSTER else b'{"audio_info": {"duration": 5}, "result": {"text": "a"}}'
    flash = isinstance(edition, Flash)
    got = (opened if flash else followed)(edition, success(edition), body)
    assert isinstance(got, Transcript)
    assert (got.text, got.log_id, got.silent) == ("a", "L", False)
    assert got.task == (None if flash else task(edition))
    assert got.raw == (reply(edition, 1000).body if edition is CLUSTER else body)
    assert got.duration_ms == (None if edition is CLUSTER else 5)


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda e: e.name)
def test_silence(edition: Any) -> None:
    """As much of it as of any result."""
    body = b'{"resp": {"code": 1013}}' if edition is CLUSTER else b'{"audio_info": {"duration": 5}}'
    flash = isinstance(edition, Flash)
    got = (opened if flash else followed)(edition, 1013 if edition is CLUSTER else 20000003, body)
    assert got == Transcript(
        text="",
        silent=True,
        duration_ms=None if edition is CLUSTER else 5,
        task=None if flash else task(edition),
        log_id="L",
        raw=body,
    )


@pytest.mark.parametrize(
    ("edition", "verb"),
    [(edition, "open") for edition in EDITIONS] + [(edition, "follow") for edition in POLLED],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_refusal(edition: Any, verb: str) -> None:
    """All that support asks for, and the task once there is one."""
    with pytest.raises(e.ServiceError) as caught:
        (opened if verb == "open" else followed)(edition, 1012 if edition is CLUSTER else 45000151)
    error = caught.value
    assert isinstance(error, e.BadAudioFormat)
    assert (error.message, error.edition, error.request_id, error.log_id) == ("said", edition.name, ID, "L")
    assert error.task == (task(edition) if verb == "follow" else None)
    assert (error.http_status, error.code) == (200, 1012 if edition is CLUSTER else 45000151)


@pytest.mark.parametrize("edition", POLLED, ids=lambda e: e.name)
def test_a_refused_question_names_the_job_s_own_id(edition: Any) -> None:
    """Where the service names tasks itself, the error still tells the id that the caller chose."""
    other = task_of(edition, id=V1_ID, request_id="ours")
    with pytest.raises(e.ServiceError) as caught:
        speak(edition).read_follow(other, reply(edition, 1005 if edition is CLUSTER else 55000031))
    assert (caught.value.request_id, caught.value.task) == ("ours", other)


@pytest.mark.parametrize(
    ("edition", "verb", "body", "why"),
    [
        (CLUSTER, "open", b'{"resp": {"code": 1000}}', "the submit was accepted, but without the task's id"),
        (CLUSTER, "follow", b'{"resp": {"code": 1000}}', "the reply says success but holds no transcript"),
        (POLLED[0], "follow", b"<p>", "the reply says success but its body is not what the service sends"),
        (Flash(), "open", b"<p>", "the reply says success but its body is not what the service sends"),
        (Flash(), "open", b"{}", "the reply says success but holds no transcript"),
    ],
)
def test_an_unreadable_success_says_why(edition: Any, verb: str, body: bytes, why: str) -> None:
    """And comes with the log id."""
    with pytest.raises(e.ReplyError) as caught:
        (opened if verb == "open" else followed)(edition, success(edition), body)
    assert str(caught.value).startswith(f"{why} (HTTP 200")
    assert caught.value.log_id == "L"


def test_a_v1_success_whose_body_cannot_be_read() -> None:
    """The code in a header and nonsense behind it."""
    odd = Reply(200, LOG | {"x-api-status-code": "1000"}, b"<p>")
    with pytest.raises(e.ReplyError, match=r"^the reply says success but its body cannot be read") as caught:
        speak(CLUSTER).read_follow(task(CLUSTER), odd)
    assert isinstance(caught.value.__cause__, ValueError)


# ---- what goes out ----


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda e: e.name)
def test_the_phase_of_a_call(edition: Any) -> None:
    """It decides which patience and which share of the budget the request has, and whether it can be asked about."""
    dialect = speak(edition)
    flash, v1 = isinstance(edition, Flash), edition is CLUSTER
    assert dialect.phase == open_call(edition).phase == ("flash" if flash else "submit")
    assert dialect.can_ask is (not flash and not v1)
    if flash:
        for ask in (
            lambda: dialect.follow(task_of()),
            lambda: dialect.read_follow(task_of(), reply(edition, 20000000)),
        ):
            with pytest.raises(InputError, match=f"flash answers at once and has no task to ask about .{ID}"):
                ask()
    else:
        assert dialect.follow(task_of(edition)).phase == "query"


def test_audio_of_ours_goes_the_same_way_as_a_link() -> None:
    """Phase, path and headers say nothing of where the audio stands."""
    linked, inline = open_call(Flash()), open_call(Flash(), source=b"ABC")
    assert inline.has_audio
    assert (inline.phase, inline.path, inline.headers) == (linked.phase, linked.path, linked.headers)


def test_a_claimed_task_has_no_log_id() -> None:
    """Nothing was heard of it yet."""
    for edition in POLLED[:2]:
        assert speak(edition).claim(order_of(edition=edition), at=7.0) == task_of(
            edition, submitted_at=7.0, key=URL, accepted=False
        )


def test_v1_s_request_section_holds_what_was_set() -> None:
    """A callback alone, a table alone, and who asks where the caller does not say."""
    body = body_of(open_call(CLUSTER, callback="https://x.example/cb"))
    assert body["request"] == {"callback": "https://x.example/cb"}
    assert body["user"] == {"uid": "volcasr_async"}
    table = body_of(open_call(CLUSTER, Options(corpus=Corpus(boosting_table_name="w"))))
    assert table["request"] == {"boosting_table_name": "w"}
    assert "request" not in body_of(open_call(CLUSTER))


def test_v1_says_which_credentials_it_takes() -> None:
    """The new console's key does not fit, and the message names both ways out."""
    with pytest.raises(ConfigurationError) as caught:
        speak(CLUSTER, KEY)
    assert str(caught.value) == (
        "v1 takes the old console's pair: pass AppKey(app_key, access_key) or set VOLCASR_APP_KEY and "
        "VOLCASR_ACCESS_KEY instead of the API key"
    )


def test_a_call_shows_what_it_is() -> None:
    """Phase and path, as rich and as plain text."""
    call = Call("submit", "/p", (("X-Api-Key", "SECRET"),), b"SECRET")
    assert repr(call) == "<Call submit /p>"
    assert call.__rich_repr__() == [("phase", "submit"), ("path", "/p")]
    assert call.has_audio is False
    assert call.content_length(7) == 6
    assert Call("flash", "/p", (), b"ab", b"c", has_audio=True).content_length() == 3


def test_what_is_signed_by_default() -> None:
    """The service's own host without a path before it: whoever says nothing has the signature of the whole address."""
    pair = AppKey("app-id", "access-token", "secret-key")
    said, unsaid = (
        dialect_of(CLUSTER, access).follow(task_of(CLUSTER)).headers
        for access in (Access(pair, "openspeech.bytedance.com", ""), Access(pair))
    )
    assert said == unsaid
