"""What clients send wrongly: noted always, refused where the documents say so."""

import json
import uuid
from typing import Any

import anyio
import pytest
from sim_calls import URL, V3, Calls, body, code, inline, said, v1_body

from volcasr_async.testing import Simulator, make_wav

pytestmark = pytest.mark.anyio

OK, INVALID = "20000000", "45000001"


@pytest.mark.parametrize(
    ("content", "verdict", "what"),
    [
        ({"audio": {"url": URL}, "request": {}}, INVALID, "request.model_name is missing"),
        (body(model_name="other"), INVALID, 'request.model_name is "other"'),
        (body(model_name=1), INVALID, "request.model_name is of type integer"),
        ({"audio": {"url": URL}}, INVALID, "request is missing"),
        ({"request": {"model_name": "bigmodel"}}, INVALID, "audio is missing"),
        (body(None), INVALID, "exactly one of audio.url and audio.data is sent, not none"),
        (body(""), INVALID, "audio.url is empty"),
        (body(audio={"data": "QQ=="}), OK, "exactly one of audio.url and audio.data is sent, not url and data"),
        (body(None, audio={"data": "?"}), INVALID, "audio.data is not base64"),
        (body(enable_itn="true"), INVALID, "request.enable_itn is of type string; it is of type boolean"),
        (body(audio={"rate": "16000"}), INVALID, "audio.rate is of type string; it is of type integer"),
        (body(audio={"rate": True}), INVALID, "audio.rate is of type boolean; it is of type integer"),
        (body(audio={"language": None}), INVALID, "audio.language is of type null"),
        (body(corpus={"context": {"hotwords": []}}), OK, "request.corpus.context is an object"),
        (
            body(sensitive_words_filter={"system_reserved_filter": True}),
            OK,
            "request.sensitive_words_filter is an object",
        ),
        (body(corpus="table"), OK, "request.corpus is a string"),
        (body(corpus={"table": "x"}), OK, "request.corpus.table is in no document"),
        (body(enable_everything=True), OK, "request.enable_everything is in no document"),
        ({**body(), "additions": {}}, OK, "additions is in no document"),
        (body(audio={"format": "flac"}), OK, "audio.format 'flac' is not documented"),
        (body(audio={"codec": "mp3"}), OK, "audio.codec is 'mp3'"),
        (body(audio={"bits": 24}), OK, "audio.bits is 24"),
        (body(end_window_size=100), OK, "request.end_window_size is 100"),
        (body(enable_auto_lang=True, corpus={"context": "{}"}), OK, "request.enable_auto_lang is not for use together"),
        (b"[1]", "45000000", "the body is no JSON object"),
        (b"\xff\xfe", "45000000", "the body is no JSON object"),
    ],
)
async def test_bodies_of_a_submit(simulator: Simulator, calls: Calls, content: Any, verdict: str, what: str) -> None:
    """One thing wrong, one violation that says what; required and ill-typed fields are refused."""
    assert code(await calls.submit(content)) == verdict
    assert len(said(simulator)) == 1
    assert said(simulator)[0].startswith(what)
    assert len(simulator.charges) == (verdict == OK)


@pytest.mark.parametrize(
    ("edition", "field", "right"),
    [
        ("flash", "enable_emotion_detection", False),
        ("flash", "show_volume", False),
        ("idle", "show_volume", True),
        ("idle", "enable_age_detection", False),
        ("standard", "enable_age_detection", True),
        ("flash", "enable_speaker_info", True),
        ("idle", "enable_speaker_info", True),
        ("flash", "enable_lid", True),
    ],
)
async def test_fields_by_edition(simulator: Simulator, calls: Calls, edition: str, field: str, right: bool) -> None:
    """What one edition documents another may not; conflicts between documents that pass through are no violation."""
    asked: dict[str, Any] = {field: True}
    assert code(await calls.submit(body(**asked), edition=edition)) == OK
    assert said(simulator) == ([] if right else [f"request.{field} is not documented for {edition}"])


@pytest.mark.parametrize(
    ("headers", "verdict", "what"),
    [
        ({"X-Api-App-Key": "1", "X-Api-Access-Key": "2"}, OK, "more than one authentication mode"),
        ({"Authorization": "Bearer; t"}, OK, "more than one authentication mode"),
        ({"X-Api-Key": None}, "45000010", "no authentication"),
        ({"X-Api-Key": None, "X-Api-App-Key": "1"}, "45000010", "no authentication"),
        ({"X-Api-Request-Id": None}, INVALID, "X-Api-Request-Id is missing"),
        ({"X-Api-Request-Id": "1"}, OK, "X-Api-Request-Id is '1'; it is a UUID"),
        ({"X-Api-Sequence": "1"}, OK, "X-Api-Sequence is '1'"),
        ({"X-Api-Sequence": None}, OK, None),
        ({"Content-Type": None}, OK, None),
        ({"Content-Type": "text/plain"}, OK, "Content-Type is 'text/plain'"),
        ({"Content-Type": "application/json; charset=utf-8"}, OK, None),
        ({"X-Api-Resource-Id": None}, "45000030", "X-Api-Resource-Id is ''"),
        ({"X-Api-Resource-Id": "volc.bigasr.auc_turbo"}, "45000030", "X-Api-Resource-Id is 'volc.bigasr.auc_turbo'"),
        ({"X-Api-Resource-Id": "volc.seedasr.auc"}, OK, None),
        ({"Content-Encoding": "gzip"}, OK, "the body is compressed"),
    ],
)
async def test_headers_of_a_submit(
    simulator: Simulator, calls: Calls, headers: dict[str, str | None], verdict: str, what: str | None
) -> None:
    """Header by header: what is refused, what is served and noted, what is right."""
    assert code(await calls.submit(headers=headers)) == verdict
    assert len(said(simulator)) == (what is not None)
    assert all(found.startswith(what or "") for found in said(simulator))


async def test_the_sibling_services_header(simulator: Simulator, calls: Calls) -> None:
    """X-Api-App-Id is the name elsewhere; the violation says so."""
    headers = {"X-Api-Key": None, "X-Api-App-Id": "1", "X-Api-Access-Key": "2"}
    assert code(await calls.submit(headers=headers)) == "45000010"
    assert said(simulator)[0].startswith("X-Api-App-Id belongs to sibling services")


@pytest.mark.parametrize("content", [b'{"id":1}', b"null", b"{", b"[]"])
async def test_a_query_body_that_is_not_two_braces(simulator: Simulator, calls: Calls, content: bytes) -> None:
    """Served, and noted."""
    task = str(uuid.uuid4())
    await calls.submit(task=task)
    assert code(await calls.query(task, content)) == "20000001"
    assert said(simulator) == ["the body of a query is not {}"]


async def test_a_query_with_another_resource(simulator: Simulator, calls: Calls) -> None:
    """Unknown territory: served, and noted."""
    task = str(uuid.uuid4())
    await calls.submit(task=task)
    assert code(await calls.query(task, headers={"X-Api-Resource-Id": "volc.seedasr.auc"})) == "20000001"
    assert said(simulator)[0].startswith("queried with another resource id")


@pytest.mark.parametrize("settings", [{"reply_delay": 1}])
async def test_two_queries_of_one_task_at_once(simulator: Simulator, calls: Calls) -> None:
    """One poller per task; of two tasks at once is right, and one after the other too."""
    ids = [str(uuid.uuid4()) for _ in range(2)]
    v1 = (await calls.v1_submit()).json()["resp"]["id"]
    for task in ids:
        await calls.submit(task=task)
    async with anyio.create_task_group() as tasks:
        for task in ids:
            tasks.start_soon(calls.query, task)
        tasks.start_soon(calls.v1_query, v1)
    await calls.query(ids[0])
    assert said(simulator) == []
    async with anyio.create_task_group() as tasks:
        for task in (ids[0], ids[0]):
            tasks.start_soon(calls.query, task)
        tasks.start_soon(calls.v1_query, v1)
        tasks.start_soon(calls.v1_query, v1)
    assert said(simulator) == ["more than one query of one task in the air at once"] * 2


async def test_one_resubmission_is_right_two_are_not(simulator: Simulator, calls: Calls) -> None:
    """After a lost answer the same id may be sent once more; again is a loop."""
    task = str(uuid.uuid4())
    for _ in range(2):
        await calls.submit(task=task)
    assert said(simulator) == []
    await calls.submit(task=task)
    assert said(simulator) == ["an accepted id was submitted again more than once"]


async def test_a_chunked_upload_on_flash(simulator: Simulator, calls: Calls) -> None:
    """The length is to be announced; without it the upload is served and noted."""

    async def content() -> Any:
        yield json.dumps(inline(make_wav(1))).encode()

    assert code(await calls.flash(content())) == OK
    assert said(simulator) == ["the body is sent chunked, without a Content-Length"]


async def test_a_wrong_content_length(simulator: Simulator, calls: Calls) -> None:
    """In process nothing else notices that fewer bytes came than were announced."""
    await calls.submit(json.dumps(body()).encode(), headers={"Content-Length": "9999"})
    assert said(simulator)[0].startswith("Content-Length is 9999, the body has")


async def test_more_json_than_is_kept(simulator: Simulator, calls: Calls) -> None:
    """A mebibyte beside the audio is refused, v1 too."""
    big = "x" * 2**20
    assert code(await calls.submit(body(x=big))) == INVALID
    assert code(await calls.v1_submit(v1_body(x=big))) == "1001"
    assert said(simulator) == ["more than 1 MiB of JSON beside the audio"] * 2


async def test_wrong_paths_and_methods(simulator: Simulator, calls: Calls) -> None:
    """404 and 405 as JSON."""
    reply = await calls.http.get(f"{V3}/submit")
    assert (reply.status_code, reply.headers["allow"], reply.json()["code"]) == (405, "POST", 405)
    reply = await calls.http.post(f"{V3}/cancel")
    assert (reply.status_code, reply.json()["code"]) == (404, 404)
    assert said(simulator) == ["method GET; it is POST", f"no such path: POST {V3}/cancel"]
    assert simulator.requests["other"] == 1


@pytest.mark.parametrize(
    ("more", "verdict", "what"),
    [
        ({"additions": {"use_itn": True}}, "1001", "additions.use_itn is of type boolean; all additions are strings"),
        ({"additions": {"use_itn": "true"}}, "1000", 'additions.use_itn is "true"; it is "True" or "False"'),
        ({"additions": {"use_everything": "True"}}, "1000", "additions.use_everything is in no document of v1"),
        ({"audio": {"url": URL, "data": "QQ=="}}, "1000", "audio.data is in no document of v1"),
        ({"audio": {"url": URL, "format": "flac"}}, "1000", "audio.format 'flac' is not documented for v1"),
        ({"audio": {"url": URL, "rate": "8000"}}, "1001", "audio.rate is of type string"),
        ({"audio": {}}, "1001", "audio.url is missing"),
        ({"user": {}}, "1000", "user.uid is missing"),
        ({"callback": "https://me"}, "1000", "callback is in no document of v1"),
        ({"app": {"appid": "app", "token": "token"}}, "1001", "app.cluster is missing"),
        (
            {"app": {"appid": "app", "token": "other", "cluster": "c"}},
            "1000",
            "the access token in Authorization is not",
        ),
    ],
)
async def test_bodies_of_a_v1_submit(
    simulator: Simulator, calls: Calls, more: dict[str, Any], verdict: str, what: str
) -> None:
    """One thing wrong, one violation."""
    assert code(await calls.v1_submit({**v1_body(), **more})) == verdict
    assert len(said(simulator)) == 1
    assert said(simulator)[0].startswith(what)


@pytest.mark.parametrize(
    ("given", "verdict", "what"),
    [
        ("Bearer; token", "1000", None),
        ("Bearer;token", "1000", "Authorization has no single blank"),
        ("Bearer token", "1002", "Authorization is neither"),
        (None, "1002", "Authorization is neither"),
        ('HMAC256; access_token="token"; mac="eHg="; h="Host"', "1000", None),
        ('HMAC256; access_token="other"; mac="eHg="; h="Host"', "1000", "the access token in Authorization is not"),
    ],
)
async def test_v1_authorization(
    simulator: Simulator, calls: Calls, given: str | None, verdict: str, what: str | None
) -> None:
    """The documented form, the form without a blank (reported to work), and what is neither."""
    assert code(await calls.v1_submit(headers={"Authorization": given})) == verdict
    assert len(said(simulator)) == (what is not None)
    assert all(found.startswith(what or "") for found in said(simulator))


async def test_v1_with_headers_of_v3(simulator: Simulator, calls: Calls) -> None:
    """Two ways of authentication at once."""
    assert code(await calls.v1_submit(headers={"X-Api-Key": "k"})) == "1000"
    assert said(simulator) == ["more than one authentication mode in one request"]


async def test_bodies_of_a_v1_query(simulator: Simulator, calls: Calls) -> None:
    """A missing field is refused, an unknown one noted, another cluster noted, no JSON refused."""
    task = (await calls.v1_submit()).json()["resp"]["id"]
    assert code(await calls.v1_query("")) == "1001"
    assert code(await calls.v1_query(task, extra=1)) == "2000"
    assert code(await calls.v1_query(task, cluster="another")) == "2000"
    assert code(await calls.post("/api/v1/auc/query", {"Authorization": "Bearer; token"}, b"")) == "1001"
    assert code(await calls.v1_submit(b"\xff")) == "1001"
    assert said(simulator) == [
        "id is missing or no string",
        "extra is in no document of v1",
        "queried in another cluster than volc_auc_common, which it was submitted to",
        "the body is no JSON object",
        "the body is no JSON object",
    ]


async def test_violations_name_the_request(simulator: Simulator, calls: Calls) -> None:
    """Request id and path stand beside what was wrong."""
    task = str(uuid.uuid4())
    await calls.submit(body(x=1), task=task)
    (found,) = simulator.violations
    assert (found.request_id, found.path) == (task, f"{V3}/submit")
