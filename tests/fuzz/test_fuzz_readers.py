"""What else reads the words of strangers: callbacks, credentials, flags, links, compressed replies. Any text is taken or refused."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import typer
from fuzz_kit import TASK_ID, shows_no_query, told
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from volcasr_async import ApiKey, AppKey, AudioUrl, ConfigurationError, InputError, Job, VolcASR
from volcasr_async.callbacks import CallbackReceiver
from volcasr_async.cli.connection import read_credentials
from volcasr_async.cli.console import CommandError
from volcasr_async.cli.engines import engine_name
from volcasr_async.cli.formats import format_name
from volcasr_async.cli.options import above_zero, edition_name, seconds
from volcasr_async.cli.probe import judge_name
from volcasr_async.cli.recognition import RECOGNITION, json_object
from volcasr_async.containers import HEAD_BYTES, by_magic, by_name, contradict, tag_bytes
from volcasr_async.environment import checked_base_url
from volcasr_async.journal import request_id_of
from volcasr_async.options import Options
from volcasr_async.testing import Fault, Simulator

anyio = pytest.mark.anyio
_PARTS = (
    "https://", "http://", "://", "[", "]", "[::1]", ":", ":0", ":99999", "@", "/", "//", "?", "#", "a", "example.com", "%", "%2F",
    "\u2100", "\uff0f", "e\u0301", "user:word@", ".", "..", "\\", " ", "\0", "\n", "127.0.0.1", "localhost", "sig=x&y=z",
)  # fmt: skip
urls = st.lists(st.sampled_from(_PARTS) | st.text(max_size=3), max_size=8).map("".join)
numbers = st.lists(
    st.sampled_from(["1", "0", "9" * 400, ".", "-", "e", "E", "+", "_", "inf", "nan", "s", "m", "h", "٣", " ", "x"]),
    max_size=6,
).map("".join)


# ---- callbacks ----

_SECRET = "sixteen-characters-or-more"
_RIGHT = CallbackReceiver(VolcASR(AppKey("a", "b")), public_url="https://me.example/v", secret=_SECRET).url_for(TASK_ID)


@anyio
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(max_size=60) | st.sampled_from([_RIGHT[-76:], _RIGHT[-76:].upper(), f"/{TASK_ID}", "/" + "1_" * 16]),
    pieces=st.lists(st.binary(max_size=30), max_size=3),
    leaves=st.booleans(),
)
async def test_callbacks(path: str, pieces: list[bytes], leaves: bool) -> None:
    """Whatever is posted wherever, only the path that was given out is a hint, and the body has no effect."""
    heard: list[str] = []

    async def on_hint(request_id: str) -> None:
        heard.append(request_id)

    receiver = CallbackReceiver(
        VolcASR(AppKey("a", "b")), public_url="https://me.example/v", secret=_SECRET, on_hint=on_hint
    )
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.disconnect"} if leaves else {"type": "http.request"})
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await receiver({"type": "http", "method": "POST", "path": path}, receive, send)
    right = path.rstrip("/").rpartition("/")[2] == _RIGHT.rpartition("/")[2]
    assert heard == ([str(UUID(TASK_ID))] if right else [])
    assert [message["status"] for message in sent if "status" in message] == (
        [404] if not right else [] if leaves else [200]
    )


# ---- credentials ----

_KEYS = ("api_key", "app_key", "access_key", "secret_key", "other")


def _value(key: str, value: str) -> str:
    """The app id is no secret."""
    return value.replace("PLANTED", "id") if key == "app_key" else value


tables = st.dictionaries(
    st.sampled_from(_KEYS),
    st.sampled_from(['"PLANTED"', '"a b"', "1", "[1]", "true", '"\\ud800"', "0x" + "9" * 5000, "{}"]),
).map(lambda found: "\n".join(f"{key} = {_value(key, value)}" for key, value in found.items()))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables | st.text(max_size=60).map("api_key = PLANTED{}".format) | st.text(max_size=60), st.binary(max_size=3))
def test_credentials_files(tmp_path: Path, text: str, tail: bytes) -> None:
    """A file gives credentials, or a refusal that shows none of it."""
    path = tmp_path / "credentials.toml"
    path.touch(0o600)
    path.write_bytes(text.encode("utf-8", "replace") + tail)
    try:
        found = read_credentials(path)
    except (CommandError, ConfigurationError) as error:
        message = told(error)
        assert "PLANTED" not in message
        return
    assert isinstance(found, ApiKey | AppKey)
    assert "PLANTED" not in repr(found)


@given(urls)
def test_base_urls(text: str) -> None:
    """A base URL is https, or this machine; what is refused shows no password."""
    try:
        found = checked_base_url(text)
    except ConfigurationError as error:
        message = told(error)
        assert "word" not in message
        return
    assert found.startswith(("https://", "http://"))
    assert checked_base_url(found) == found


# ---- links and names ----


@given(urls, st.none() | urls.filter(bool))
@example("https://a/b", "http://[?x")
def test_links(text: str, key: str | None) -> None:
    """A link is a source with a name that a journal takes, or bad input; its query is in neither name nor message."""
    try:
        job = Job(AudioUrl(text), key=key)
    except InputError as error:
        shows_no_query(str(error))
        return
    assert request_id_of(TASK_ID, job.name, 0)
    shows_no_query(repr(job.source))
    assert job.name.encode()


@given(urls, st.binary(max_size=HEAD_BYTES))
@example("a://[b.wav", b"")
def test_containers(name: str, head: bytes) -> None:
    """Names and first bytes tell a container or nothing."""
    inside, outside = by_magic(head), by_name(name)
    assert contradict(inside, outside) in (True, False)
    assert 0 <= tag_bytes(head) < 1 << 29


# ---- flags ----


@given(numbers | st.text(max_size=8))
def test_spans_of_time(text: str) -> None:
    """A span is a number of seconds above nothing and below for ever."""
    try:
        value = seconds(text)
    except typer.BadParameter as error:
        message = told(error)
        assert "span of time" in message
        return
    assert 0 < value < float("inf")


@given(st.none() | st.floats())
def test_rates(value: float | None) -> None:
    """A rate is above nothing and below for ever."""
    try:
        assert above_zero(value) == value
    except typer.BadParameter:
        assert value is not None
        assert not 0 < value < float("inf")


@pytest.mark.parametrize("read", [edition_name, judge_name, format_name, engine_name])
@given(text=st.text(max_size=8) | st.sampled_from(["v1", "srt", "httpx", "flash"]))
def test_names(read: Any, text: str) -> None:
    """A name is one of those that there are."""
    try:
        assert read(text) == text
    except typer.BadParameter as error:
        told(error)


jsons = st.lists(
    st.sampled_from(
        ['{"a":', "{}", "[", "]", "}", "1", '"x"', ":", ",", "null", "1e999", "9" * 5000, "\ud800", "@", "/", "\0"]
    ),
    max_size=6,
).map("".join)


@given(jsons | st.text(max_size=10), st.sampled_from(["extra", "corpus", "sensitive_words_filter", "context"]))
@example("[" * 100_000, "extra")
@example('{"a":' * 100_000, "corpus")
def test_json_flags(text: str, name: str) -> None:
    """JSON on the command line makes options, or is refused by the name of its flag."""
    given_: dict[str, Any] = {parameter.name: None for parameter in RECOGNITION.parameters}
    given_[name] = ["n=" + text, text] if name == "extra" else text
    try:
        assert isinstance(RECOGNITION.build(given_), Options)
    except (typer.BadParameter, InputError) as error:
        told(error)


@given(jsons | st.text(max_size=10))
def test_json_objects(text: str) -> None:
    """An object, a file with one, or a refusal."""
    try:
        assert isinstance(json_object(text, "corpus"), dict)
    except typer.BadParameter as error:
        told(error)


faults = st.lists(
    st.sampled_from(
        ["html-502", "busy", ":", "=", ",", "submit", "query", "times", "1", "0.1", "-1", "nan", "9" * 400, "x"]
    ),
    max_size=9,
).map("".join)


@given(faults | st.text(max_size=20))
def test_faults(text: str) -> None:
    """--fault is a fault or a ValueError that the command shows."""
    try:
        assert isinstance(Fault.parse(text), Fault)
    except ValueError as error:
        told(error)


# ---- exchanges ----


@anyio
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(
        ["v3/auc/bigmodel/submit", "v3/auc/bigmodel/query", "v3/auc/bigmodel/recognize/flash", "v1/auc/submit"]
    ),
    body=jsons.map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=40),
    key=st.sampled_from(["0123456789abcdef", "x", "\u00ff"]),
)
async def test_requests_to_the_simulator(path: str, body: bytes, key: str) -> None:
    """The simulator answers whatever is posted."""
    async with httpx.AsyncClient(transport=Simulator().transport(), base_url="http://127.0.0.1:9") as http:
        headers = {b"X-Api-Key": key.encode("latin-1"), b"X-Api-Request-Id": b"\xff1"}
        reply = await http.post(f"/api/{path}", content=body, headers=headers)
    assert 200 <= reply.status_code < 600
