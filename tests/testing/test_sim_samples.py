"""The simulator's answers have the shapes of the documented and reported samples; it accepts the documented requests."""

import json
import re
import uuid
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from sim_calls import SAMPLES, Calls, body, code, inline, sample, shape, v1_body

from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio


def assert_like(reply: httpx.Response, name: str) -> None:
    """Same status, same headers, same keys and types; known messages word for word."""
    wanted = sample(name)
    assert reply.status_code == wanted["http_status"]
    ours = {key.lower() for key in reply.headers} - {"content-length", "retry-after"}
    assert ours == {key.lower() for key in wanted["headers"]}
    assert reply.headers["content-type"] == wanted["headers"]["Content-Type"]
    for name_ in ("X-Api-Status-Code", "X-Api-Message"):
        value = wanted["headers"].get(name_)
        if value is not None and value != "<unknown text>" and "resource_id" not in value:
            assert reply.headers[name_] == value
    if "X-Tt-Logid" in wanted["headers"]:
        assert re.fullmatch(r"\d{14}[0-9A-F]{20}", reply.headers["X-Tt-Logid"])  # the form of the documented ones
    if isinstance(wanted["body"], str):
        assert reply.text == wanted["body"]
    else:
        assert shape(reply.json()) == shape(wanted["body"])


async def done(calls: Calls, content: Any, edition: str = "standard") -> httpx.Response:
    task = str(uuid.uuid4())
    assert code(await calls.submit(content, task=task, edition=edition)) == "20000000"
    await anyio.sleep(10)
    return await calls.query(task, edition=edition)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "v3_submit_ok"),
        ({"submit_body": "empty"}, "v3_submit_ok_empty_bytes"),
        ({"submit_body": "task-id"}, "v3_submit_ok_with_task_id"),
        ({"window_audio_hours": 0}, "v3_submit_window_exceeded"),
        ({"api_keys": ["other"]}, "gateway_401_invalid_api_key"),
        ({"resources": []}, "gateway_403_resource_not_granted"),
        ({"faults": [Fault("rate-limited")]}, "gateway_429_qps"),
        ({"faults": [Fault("too-concurrent")]}, "gateway_concurrency"),
        ({"faults": [Fault("quota-lifetime")]}, "gateway_429_quota_lifetime"),
        ({"faults": [Fault("html-502")]}, "gateway_502_html_no_api_headers"),
        ({"faults": [Fault("html-502-after")]}, "gateway_502_html_no_api_headers"),
    ],
)
async def test_answers_to_a_v3_submit(calls: Calls, name: str) -> None:
    """Acceptance in its three forms, and what the gateway refuses."""
    assert_like(await calls.submit(), name)


async def test_the_old_pair_on_a_new_account(calls: Calls) -> None:
    """An old-console pair that is not known has the message of the grant."""
    headers = {"X-Api-Key": None, "X-Api-App-Key": "1", "X-Api-Access-Key": "wrong"}
    async with Calls(Simulator(app_keys={"1": "right"})) as strict:
        assert_like(await strict.submit(headers=headers), "gateway_401_grant_not_found")
        good = {**headers, "X-Api-Access-Key": "right"}
        assert code(await strict.submit(headers=good)) == "20000000"


async def test_a_repeated_or_wrong_submit(calls: Calls) -> None:
    """45000001 for a missing field and for an accepted id."""
    task = str(uuid.uuid4())
    await calls.submit(task=task)
    assert_like(await calls.submit(task=task), "v3_submit_invalid_param")
    assert_like(await calls.submit({"audio": {"url": "https://x/y"}}), "v3_submit_invalid_param")


@pytest.mark.parametrize("settings", [{"queue_time": 5, "processing_time": 5}])
async def test_a_task_on_its_way(calls: Calls) -> None:
    """Unknown, queued, processing."""
    task = str(uuid.uuid4())
    assert_like(await calls.query(task), "v3_query_task_not_found")
    await calls.submit(task=task)
    assert_like(await calls.query(task), "v3_query_queued")
    await anyio.sleep(6)
    assert_like(await calls.query(task), "v3_query_processing")


async def test_a_query_without_a_body(calls: Calls) -> None:
    """The gateway's own words, with an empty reqid."""
    assert_like(await calls.query(str(uuid.uuid4()), b""), "gateway_query_without_body")


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ("silence", "v3_query_silence"),
        ("bad-format", "v3_query_bad_format"),
        ("download-failed", "v3_query_audio_download_failed"),
        ("empty", "v3_query_empty_audio"),
        ("task-failed", "v3_query_server_timeout"),
    ],
)
async def test_endings_by_url(calls: Calls, marker: str, name: str) -> None:
    """A marker in the URL chooses the ending, in both polled editions."""
    for edition in ("standard", "idle"):
        assert_like(await done(calls, body(f"https://example.com/{marker}-1.mp3?x=1"), edition), name)


@pytest.mark.parametrize("settings", [{"faults": [Fault("refuse-busy", on="query")]}])
async def test_a_busy_server(calls: Calls) -> None:
    """55000031 at query."""
    assert_like(await done(calls, body()), "v3_query_server_busy")


@pytest.mark.parametrize("settings", [{"faults": [Fault("no-result")], "processing_time": 99}])
async def test_success_without_a_result(calls: Calls) -> None:
    """20000000 with {} while the task is still running."""
    assert_like(await done(calls, body()), "v3_query_ok_empty_body_still_running")


async def test_a_finished_task(calls: Calls) -> None:
    """Utterances and words as captured; with speakers and channels their labels as strings; English with blank tokens."""
    assert_like(await done(calls, body(show_utterances=True)), "v3_query_done_no_flags")
    asked = body(show_utterances=True, enable_speaker_info=True, enable_channel_split=True)
    assert_like(await done(calls, asked), "v3_query_done_speaker_channel")
    english = await done(calls, body(audio={"language": "en-US"}, show_utterances=True))
    assert_like(english, "v3_query_done_english_whitespace_tokens")
    tokens = [word for part in english.json()["result"]["utterances"] for word in part["words"]]
    blanks = [token for token in tokens if token["text"] == " "]
    assert blanks
    assert all(token["start_time"] == token["end_time"] == -1 for token in blanks)


async def test_every_extra_has_the_reported_names(calls: Calls) -> None:
    """What is asked for comes in `additions`, under names of the capture, as strings."""
    asked: dict[str, Any] = {f"enable_{name}_detection": True for name in ("emotion", "gender", "age")}
    reply = await done(
        calls, body(show_utterances=True, show_speech_rate=True, show_volume=True, enable_lid=True, **asked)
    )
    known = sample("v3_query_done_customer_service_fields")["body"]["result"]["utterances"][0]["additions"]
    additions = reply.json()["result"]["utterances"][0]["additions"]
    assert {"emotion", "gender", "age", "speech_rate", "volume", "lid_lang"} <= additions.keys() <= known.keys()
    assert all(isinstance(value, str) for value in additions.values())


async def test_flash(calls: Calls) -> None:
    """A result in the reply, always with utterances; a failed download has a code of its own."""
    assert_like(await calls.flash(), "v3_flash_ok_documented")
    reply = await calls.flash(inline(make_wav(2.499)))
    assert_like(reply, "v3_flash_ok")
    assert reply.json()["audio_info"]["duration"] == 2499
    assert_like(await calls.flash(body("https://example.com/download-failed")), "v3_flash_audio_download_failed")


@pytest.mark.parametrize(
    ("settings", "name"), [({}, "v1_auc_submit_ok_code_string"), ({"v1_int_code": True}, "v1_auc_submit_ok_code_int")]
)
async def test_v1_submit(calls: Calls, name: str) -> None:
    """The code as a string, as the document's example has it, or as its table says."""
    assert_like(await calls.v1_submit(), name)


@pytest.mark.parametrize("settings", [{"queue_time": 5, "processing_time": 5, "app_keys": {"app": "token"}}])
async def test_v1_query(calls: Calls) -> None:
    """Queued, processing, done with speakers, silent, and no permission."""
    asked = v1_body(additions={"with_speaker_info": "True"})
    task = (await calls.v1_submit(asked)).json()["resp"]["id"]
    quiet = (await calls.v1_submit(v1_body("https://example.com/silence.wav"))).json()["resp"]["id"]
    assert_like(await calls.v1_query(task), "v1_auc_query_queued")
    await anyio.sleep(6)
    assert_like(await calls.v1_query(task), "v1_auc_query_processing")
    await anyio.sleep(6)
    assert_like(await calls.v1_query(task), "v1_auc_query_done_documented")
    assert_like(await calls.v1_query(quiet), "v1_auc_query_silence")
    refused = await calls.v1_query(task, headers={"Authorization": "Bearer; wrong"}, token="wrong")
    assert_like(refused, "v1_auc_error_no_permission")


async def test_v1_in_english(calls: Calls) -> None:
    """No document shows blank tokens in v1: words only, and the switches for punctuation and numbers are strings."""
    additions = {"language": "en-US", "use_punc": "False", "use_itn": "False"}
    task = (await calls.v1_submit(v1_body(additions=additions))).json()["resp"]["id"]
    await anyio.sleep(5)
    found = (await calls.v1_query(task)).json()["resp"]
    assert found["text"].startswith("this text was made up by the simulator")
    assert all(word["start_time"] >= 0 for part in found["utterances"] for word in part["words"])
    assert not any(char.isdigit() or char == "." for char in found["text"])


@pytest.mark.parametrize("name", sorted(path.stem for path in (SAMPLES / "requests").glob("*.json")))
async def test_documented_requests_are_accepted(simulator: Simulator, calls: Calls, name: str) -> None:
    """Every request of the documents, with the placeholders filled in, is served and violates nothing."""
    request = json.loads((SAMPLES / "requests" / f"{name}.json").read_text("utf-8"))
    content = request["body"]
    task = request["headers"].get("X-Api-Request-Id", "")
    if name.endswith("query"):
        task = await prior_submit(calls, name, task)
    fill(content, task)
    path = urlsplit(request["url"]).path
    reply = await calls.post(path, request["headers"], content)
    expected = {"v1_auc_query": "2000", "v3_standard_query": "20000001"}
    assert code(reply) == expected.get(name, "1000" if name.startswith("v1") else "20000000")
    assert simulator.violations == []


async def prior_submit(calls: Calls, name: str, task: str) -> str:
    if name.startswith("v3"):
        headers = {"X-Api-Key": None, "X-Api-App-Key": "123456789", "X-Api-Access-Key": "your-access-key"}
        await calls.submit(task=task, headers=headers)
        return task
    app = {"appid": "an-app", "token": "your-token", "cluster": "volc_auc_common"}
    reply = await calls.v1_submit({**v1_body(), "app": app}, headers={"Authorization": "Bearer; your-token"})
    return str(reply.json()["resp"]["id"])


def fill(content: dict[str, Any], task: str) -> None:
    claim = {"appid": "an-app", "token": "your-token", "cluster": "volc_auc_common"}
    if "app" in content:
        content["app"] = claim
    if "appid" in content:
        content.update(claim, id=task)
    audio = content.get("audio", {})
    if audio.get("url") == "":
        audio["url"] = "https://example.com/a.wav"
    if "data" in audio:
        audio.update(inline(make_wav(1))["audio"])
