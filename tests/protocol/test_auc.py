"""v1: strings only, the token twice, a semicolon, and a signature checked by other means."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from ground import CLUSTER, KEY, PAIR, URL, answer, body_of, open_call, order_of, speak, task_of, v1_answer

from volcasr_async import (
    AppKey,
    AudioUrl,
    ConfigurationError,
    Corpus,
    InputError,
    Options,
    Pending,
    ReplyError,
    Transcript,
)

CONTROL = {"enable_itn": "use_itn", "enable_punc": "use_punc", "enable_ddc": "use_ddc",
           "enable_speaker_info": "with_speaker_info", "enable_channel_split": "channel_split"}  # fmt: skip


def test_submit_body() -> None:
    """Every field of 8.1 stands at its place with its type; the language stands in `additions`."""
    source = AudioUrl(URL, format="wav", codec="raw", rate=8000, bits=16, channel=2, language="ja-JP")
    options = Options(corpus=Corpus(boosting_table_name="words"), extra={"brand_new": "True"})
    body = body_of(open_call(CLUSTER, options, source, callback="https://x.example/cb", uid="u"))
    assert body == {
        "app": {"appid": "app-id", "token": "access-token", "cluster": "volc_auc_common"},
        "user": {"uid": "u"},
        "audio": {"url": URL, "format": "wav", "codec": "raw", "rate": 8000, "bits": 16, "channel": 2},
        "request": {"callback": "https://x.example/cb", "boosting_table_name": "words"},
        "additions": {
            "language": "ja-JP",
            "use_itn": "True",
            "use_punc": "True",
            "enable_query": "True",
            "brand_new": "True",
        },
    }


@pytest.mark.parametrize(("ours", "theirs"), CONTROL.items())
@pytest.mark.parametrize("value", [True, False])
def test_switches_are_strings(ours: str, theirs: str, value: bool) -> None:
    """Booleans are "True" and "False"."""
    switches: dict[str, Any] = {"enable_itn": None, "enable_punc": None} | {ours: value}
    body = body_of(open_call(CLUSTER, Options(**switches)))
    assert body["additions"] == {theirs: str(value)}


def test_smallest_body() -> None:
    """Unset fields are absent; a uid there must be; the container comes from the link's suffix."""
    body = body_of(open_call(CLUSTER, Options(enable_itn=None, enable_punc=None)))
    assert body.keys() == {"app", "user", "audio"}
    assert body["user"]["uid"]
    assert body["audio"] == {"url": URL, "format": "mp3"}
    table = body_of(open_call(CLUSTER, Options(corpus=Corpus(boosting_table_name="w"))))
    assert table["request"] == {"boosting_table_name": "w"}


def test_query_body() -> None:
    """Four strings, flat, the token among them."""
    call = speak(CLUSTER).follow(task_of(CLUSTER, id="their-id"))
    assert (call.phase, call.path) == ("query", "/api/v1/auc/query")
    assert body_of(call) == {
        "appid": "app-id", "token": "access-token", "cluster": "volc_auc_common", "id": "their-id",
    }  # fmt: skip


def test_bearer() -> None:
    """One mode: the bearer with a semicolon and a blank; no X-Api header."""
    for call in (open_call(CLUSTER), speak(CLUSTER).follow(task_of(CLUSTER))):
        assert dict(call.headers) == {
            "Authorization": "Bearer; access-token",
            "Content-Type": "application/json",
        }


@pytest.mark.parametrize("base_path", ["", "/proxy"])
def test_hmac(base_path: str) -> None:
    """The signature covers request line, host and raw body (reference 2), computed here once more."""
    pair = AppKey("app-id", "access-token", "secret-key")
    dialect = speak(CLUSTER, pair, host="openspeech.bytedance.com", base_path=base_path)
    for call, path in (
        (dialect.open(order_of(edition=CLUSTER)), "/api/v1/auc/submit"),
        (dialect.follow(task_of(CLUSTER)), "/api/v1/auc/query"),
    ):
        signed = f"POST {base_path}{path} HTTP/1.1\nopenspeech.bytedance.com\n".encode() + call.prefix
        digest = hmac.new(b"secret-key", signed, hashlib.sha256).digest()
        mac = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        header = dict(call.headers)["Authorization"]
        assert header.startswith('HMAC256; access_token="access-token"; mac="')
        assert header.split('mac="')[1].split('"')[0].rstrip("=") == mac
        assert header.endswith('; h="Host"')
        assert "secret-key" not in header + call.prefix.decode()
        assert json.loads(call.prefix).get("token", "access-token") == "access-token"


def test_an_api_key_does_not_fit() -> None:
    """The new console's key is refused with the cure."""
    with pytest.raises(ConfigurationError, match="AppKey"):
        speak(CLUSTER, KEY)


@pytest.mark.parametrize("code", [1000, "1000", 2000, 2001])
@pytest.mark.parametrize("task_id", ["their-id", 12345])
def test_accepted(code: Any, task_id: Any) -> None:
    """The service names the task; code and id may be numbers or strings."""
    got = speak(CLUSTER).read_open(order_of(edition=CLUSTER, key="k"), v1_answer(code, id=task_id), at=5.0)
    assert isinstance(got, Pending)
    assert got.phase == "accepted"
    assert (got.task.id, got.task.key, got.task.submitted_at, got.task.edition) == (str(task_id), "k", 5.0, CLUSTER)


@pytest.mark.parametrize(
    "reply",
    [v1_answer(1000), v1_answer(1000, id=""), v1_answer(1000, id=None), v1_answer(1000, id=[1]),
     answer(1000, "", b"<html>"), answer(1000, "", []), answer(1000, "", {"resp": 5})],
    ids=lambda r: repr(r.body[:40]),
)  # fmt: skip
def test_accepted_without_an_id_settles_nothing(reply: Any) -> None:
    """Without the id nothing could be asked: an unreadable reply, not a task."""
    with pytest.raises(ReplyError):
        speak(CLUSTER).read_open(order_of(edition=CLUSTER), reply, at=0.0)


def test_silence() -> None:
    """1013 is a result at query, and at submit too."""
    dialect = speak(CLUSTER)
    asked = dialect.read_follow(task_of(CLUSTER), v1_answer(1013))
    opened = dialect.read_open(order_of(edition=CLUSTER), v1_answer("1013"), at=0.0)
    for got, task in ((asked, task_of(CLUSTER)), (opened, None)):
        assert isinstance(got, Transcript)
        assert (got.silent, got.text, got.task) == (True, "", task)


def test_done_without_text_is_unreadable() -> None:
    """Success without a result settles nothing in v1."""
    with pytest.raises(ReplyError, match="no transcript"):
        speak(CLUSTER).read_follow(task_of(CLUSTER), v1_answer(1000, "Success"))


def test_nothing_to_claim() -> None:
    """Only the service's answer names the task."""
    assert speak(CLUSTER).claim(order_of(edition=CLUSTER), at=0.0) is None
    assert speak(CLUSTER).phase == "submit"


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (Options(corpus=Corpus(hotwords=("a",))), "standard"),
        (Options(extra={"x": True}), "True"),
        (Options(enable_lid=True), "standard, idle or flash"),
    ],
)
def test_what_v1_does_not_take(options: Options, cure: str) -> None:
    """Refused before anything is sent, with the way out."""
    with pytest.raises(InputError, match=cure):
        order_of(edition=CLUSTER, options=options)


def test_v1_needs_the_container() -> None:
    """A link without a suffix needs `format`; local audio and unknown containers are refused."""
    for source in ("https://example.com/a", b"RIFF", "https://example.com/a.flac"):
        with pytest.raises(InputError):
            order_of(source, CLUSTER)
    assert (
        PAIR.access_key in body_of(open_call(CLUSTER, source=AudioUrl("https://e.com/a", format="ogg")))["app"]["token"]
    )
