"""The door, its lanes and bodies: exact requests, replies from the samples, errors translated once."""

import gzip
import logging
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import httpcore
import httpx
import msgspec
import pytest
import respx
from io_kit import BASE, KEY, PAIR, PLAIN, URL, client, is_idle, sample

from volcasr_async import (
    ApiKey,
    AppKey,
    AucV1,
    AudioStream,
    AuthenticationFailed,
    BadAudioFormat,
    ConfigurationError,
    Flash,
    InputError,
    Job,
    Limits,
    Options,
    RateLimited,
    ReplyError,
    ResourceNotGranted,
    ServerError,
    ServiceError,
    Standard,
    Task,
    Transcript,
    TransportError,
    VolcASR,
    VolcASRError,
    WaitTimeout,
)
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

HOST = "https://openspeech.bytedance.com"
V3, V1 = f"{HOST}/api/v3/auc/bigmodel", f"{HOST}/api/v1/auc"
NAME = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"
TASK = Task(id=NAME, edition=Standard(), request_id=NAME, submitted_at=0)


@pytest.fixture
def network() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture(params=["lanes", "transport", "client"])
async def asr(request: pytest.FixtureRequest, network: respx.MockRouter) -> AsyncIterator[VolcASR]:
    """Each way to reach the network: our own lanes, a transport, a client."""
    http = {"lanes": None, "transport": httpx.AsyncHTTPTransport, "client": httpx.AsyncClient}[request.param]
    given = http() if http else None
    async with VolcASR(KEY, http=given, limits=Limits(qps=None)) as made:
        yield made
    if given is not None:
        await given.aclose()


def answer(name: str) -> httpx.Response:
    status, headers, body = sample(name)
    return httpx.Response(status, headers=headers, content=body)


def sent(route: respx.Route) -> tuple[httpx.Request, dict[str, Any]]:
    request = route.calls.last.request
    assert request.method == "POST"
    assert "transfer-encoding" not in request.headers
    assert request.headers["content-length"] == str(len(request.content))
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == "openspeech.bytedance.com"
    assert request.headers["user-agent"].startswith("volcasr-async/")
    assert not {"cookie", "x-foreign"} & set(request.headers)
    return request, msgspec.json.decode(request.content)


async def test_submit(asr: VolcASR, network: respx.MockRouter) -> None:
    """A submit goes out exactly as the document shows it."""
    route = network.post(f"{V3}/submit").mock(return_value=answer("v3_submit_ok"))
    task = await asr.submit(Job(URL, request_id=NAME), options=Options(enable_itn=True))
    request, body = sent(route)
    assert body.keys() == {"audio", "request"}
    assert body["audio"] == {"url": URL}
    assert body["request"].items() >= {"model_name": "bigmodel", "enable_itn": True}.items()
    assert request.headers["x-api-key"] == KEY.key
    assert request.headers["x-api-resource-id"] == "volc.bigasr.auc"
    assert request.headers["x-api-request-id"] == NAME
    assert request.headers["x-api-sequence"] == "-1"
    assert "authorization" not in request.headers
    assert task.id == NAME
    assert is_idle(asr)


async def test_query(asr: VolcASR, network: respx.MockRouter) -> None:
    """A query's body is the two bytes `{}`."""
    route = network.post(f"{V3}/query").mock(return_value=answer("v3_query_done_documented"))
    transcript = await asr.query(TASK)
    request, body = sent(route)
    assert body == {}
    assert request.headers["x-api-request-id"] == NAME
    assert "x-api-sequence" not in request.headers
    assert isinstance(transcript, Transcript)
    assert transcript.duration_ms == 3696
    assert transcript.raw == sample("v3_query_done_documented")[2]


async def test_flash_by_link_and_inline(asr: VolcASR, network: respx.MockRouter) -> None:
    """Flash takes a link, or the audio in base64 with its container."""
    route = network.post(f"{V3}/recognize/flash").mock(return_value=answer("v3_flash_ok_documented"))
    assert (await asr.transcribe(PLAIN, edition="flash")).text
    request, body = sent(route)
    assert body["audio"] == {"url": PLAIN}
    assert request.headers["x-api-resource-id"] == "volc.bigasr.auc_turbo"
    wav = make_wav(0.01)
    await asr.transcribe(wav)
    _, body = sent(route)
    assert msgspec.convert(body["audio"]["data"], bytes) == wav
    assert body["audio"]["format"] == "wav"


async def test_v1(network: respx.MockRouter) -> None:
    """v1 says everything in the body, with the token a second time."""
    submit = network.post(f"{V1}/submit").mock(return_value=answer("v1_auc_submit_ok_documented"))
    query = network.post(f"{V1}/query").mock(return_value=answer("v1_auc_query_done_documented"))
    async with VolcASR(PAIR, edition=AucV1("common")) as asr:
        transcript = await asr.wait(await asr.submit(PLAIN))
    request, body = sent(submit)
    assert request.headers["authorization"] == f"Bearer; {PAIR.access_key}"
    assert body["app"] == {"appid": PAIR.app_key, "token": PAIR.access_key, "cluster": "common"}
    assert body["audio"] == {"url": PLAIN, "format": "mp3"}
    _, body = sent(query)
    assert transcript.task is not None
    assert body["id"] == transcript.task.id == "fc5aa03e-6ae4-46a3-b8cf-1910a44e0d8a"


async def test_redirects_are_not_followed(network: respx.MockRouter) -> None:
    """A redirect would carry the credentials elsewhere: it is an error, whatever the client is set to."""
    elsewhere = network.post("https://evil.example/").mock(return_value=answer("v3_submit_ok"))
    network.post(f"{V3}/query").mock(return_value=httpx.Response(302, headers={"Location": "https://evil.example/"}))
    async with httpx.AsyncClient(follow_redirects=True) as http, VolcASR(KEY, http=http) as asr:
        with pytest.raises(ReplyError) as caught:
            await asr.query(TASK)
    assert caught.value.http_status == 302
    assert not elsewhere.called


async def test_a_foreign_client_keeps_its_secrets(
    network: respx.MockRouter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cookies, headers, parameters, authentication and netrc of a client that was passed in are not for the service."""
    (tmp_path / "netrc").write_text("machine openspeech.bytedance.com login me password netrc-secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    route = network.post(url__startswith=f"{V3}/query").mock(return_value=answer("v3_query_processing"))
    http = httpx.AsyncClient(
        auth=("me", "secret"), cookies={"session": "secret"}, headers={"X-Foreign": "secret"}, params={"a": "secret"}
    )
    async with http, VolcASR(KEY, http=http) as asr:
        await asr.query(TASK)
        assert not http.is_closed
    request, _ = sent(route)
    assert "authorization" not in request.headers
    assert str(request.url) == f"{V3}/query"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("gateway_401_invalid_api_key", AuthenticationFailed),
        ("gateway_403_resource_not_granted", ResourceNotGranted),
        ("gateway_403_flat_body", ResourceNotGranted),
        ("gateway_429_qps", RateLimited),
        ("gateway_502_html_no_api_headers", ServerError),
    ],
)
async def test_the_gateways_refusals(
    asr: VolcASR, network: respx.MockRouter, name: str, error: type[ServiceError]
) -> None:
    """A gateway's answer keeps its status, and its log id where there is one."""
    network.post(f"{V3}/query").mock(return_value=answer(name))
    with pytest.raises(error) as caught:
        await asr.query(TASK)
    assert caught.value.http_status == sample(name)[0]
    assert caught.value.log_id == {k.lower(): v for k, v in sample(name)[1].items()}.get("x-tt-logid")
    assert is_idle(asr)


@pytest.mark.parametrize(
    ("failure", "sent_as"),
    [
        (httpx.ConnectError("refused"), "no"),
        (httpx.ConnectTimeout("slow"), "no"),
        (httpx.PoolTimeout("full"), "no"),
        (httpx.ProxyError("403"), "no"),
        (httpx.ReadTimeout("silence"), "yes"),
        (httpx.RemoteProtocolError("cut"), "yes"),
        (httpx.ReadError(""), "yes"),
    ],
)
async def test_what_broke_on_the_way_is_translated(
    network: respx.MockRouter,
    failure: httpx.ConnectError
    | httpx.ConnectTimeout
    | httpx.PoolTimeout
    | httpx.ProxyError
    | httpx.ReadTimeout
    | httpx.RemoteProtocolError
    | httpx.ReadError,
    sent_as: str,
) -> None:
    """Each error of the HTTP library becomes one of ours, born from it, saying what had left."""
    network.post(f"{V3}/query").mock(side_effect=failure)
    async with VolcASR(KEY) as asr:
        with pytest.raises(TransportError, match=type(failure).__name__) as caught:
            await asr.query(TASK)
        assert is_idle(asr)
    # respx reads the body before it fails, so what comes later has left
    assert caught.value.sent == sent_as
    assert caught.value.__cause__ is failure


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
async def test_a_compression_that_was_not_asked_for_is_undone(
    asr: VolcASR, network: respx.MockRouter, encoding: str
) -> None:
    """We ask for none; what comes compressed is read all the same."""
    _, headers, body = sample("v3_query_done_documented")
    packs: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}
    packed = packs[encoding](body)
    route = network.post(f"{V3}/query").mock(
        side_effect=lambda _: httpx.Response(
            200, headers={**headers, "Content-Encoding": encoding}, stream=httpx.ByteStream(packed)
        )
    )
    transcript = await asr.query(TASK)
    assert isinstance(transcript, Transcript)
    assert transcript.raw == body
    assert route.calls.last.request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("encoding", "body"), [("gzip", b"no gzip"), ("br", b"x"), ("gzip", gzip.compress(bytes(70_000_000)))]
)
async def test_a_compression_that_cannot_be_undone(encoding: str, body: bytes) -> None:
    """A broken or unknown compression, or one that would fill the memory, is an error of the way."""
    packed = httpx.Response(200, headers={"Content-Encoding": encoding}, stream=httpx.ByteStream(body))
    async with VolcASR(KEY, http=httpx.MockTransport(lambda _: packed)) as asr:
        with pytest.raises(TransportError, match=r"compress|longer"):
            await asr.query(TASK)
        assert is_idle(asr)


class Endless(httpx.AsyncByteStream):
    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.closed:
            yield bytes(8_000_000)
        raise httpx.ReadError("closed")

    async def aclose(self) -> None:
        self.closed = True


async def test_a_reply_without_end_is_left() -> None:
    """A reply that would fill the memory is an error, and its connection is closed."""
    stream = Endless()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    async with VolcASR(KEY, http=transport) as asr:
        with pytest.raises(TransportError, match="longer than"):
            await asr.query(TASK)
    assert stream.closed


PROXY = "proxy.example:3128"


@pytest.mark.parametrize("value", [f"http://{PROXY}", PROXY])
async def test_the_environments_proxy(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A proxy of the environment is used, with or without a scheme, except to this machine and where no_proxy says so."""
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made: list[object] = []
    connection, proxy = httpcore.AsyncHTTPConnection, httpcore.AsyncHTTPProxy

    def straight(*given: Any, **settings: Any) -> httpcore.AsyncHTTPConnection:
        made.append(None)
        return connection(*given, **settings)

    def round_about(address: str, **settings: Any) -> httpcore.AsyncHTTPProxy:
        made.append(address)
        return proxy(address, **settings)

    monkeypatch.setattr(httpcore, "AsyncHTTPConnection", straight)
    monkeypatch.setattr(httpcore, "AsyncHTTPProxy", round_about)
    monkeypatch.setenv("https_proxy", value)
    monkeypatch.setenv("http_proxy", value)
    with respx.mock(assert_all_called=False) as router:
        router.post(url__regex=".*").mock(return_value=answer("v3_query_processing"))
        for base in (HOST, "http://127.0.0.1:8080", "http://localhost:8080"):
            async with VolcASR(KEY, base_url=base) as asr:
                await asr.query(TASK)
        monkeypatch.setenv("no_proxy", "bytedance.com")
        async with VolcASR(KEY) as asr:
            await asr.query(TASK)
    assert made == [f"http://{PROXY}", None, None, None]


async def test_lanes_are_opened_as_needed_and_used_again(
    network: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request after another uses one connection; many at once never more than the slots."""
    made: list[object] = []
    plain = httpcore.AsyncHTTPConnection

    def noted(*given: Any, **settings: Any) -> object:
        made.append(plain(*given, **settings))
        return made[-1]

    monkeypatch.setattr(httpcore, "AsyncHTTPConnection", noted)

    async def slowly(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(1)
        return answer("v3_query_processing")

    network.post(f"{V3}/query").mock(side_effect=slowly)
    async with VolcASR(KEY, limits=Limits(qps=None, concurrency=7)) as asr:
        for _ in range(3):
            await asr.query(TASK)
        assert len(made) == 1
        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(asr.query, TASK)
        assert len(made) == 7


async def test_a_stream_that_breaks_by_itself_keeps_its_error() -> None:
    """An error of the caller's own stream is no error of ours, though it is an HTTP error as well."""
    simulator = Simulator()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"RIFF"
        raise httpx.ReadError("the other side's")

    async with client(simulator) as asr:
        with pytest.raises(httpx.ReadError, match="the other side's"):
            await asr.transcribe(AudioStream(chunks=chunks(), size=100, format="wav"))
        assert is_idle(asr)
    assert simulator.charges == []


SECRETS = ("secret", "access-token", "0123456789abcdef", "UklGR", "RIFF")


def hides(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("kind", ["html-502", "lost-answer", "rate-limited", "bad-format", "not-json", "stall", None])
async def test_no_secret_is_ever_shown(kind: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """Logs at DEBUG, errors and reprs hold no key, token, signed link or audio."""
    caplog.set_level(logging.DEBUG)
    simulator = Simulator(processing_time=3, faults=[Fault(kind, times=1)] if kind else [])
    shown: list[object] = []
    for credentials in (KEY, AppKey("1234567890", "access-token-secret", "signing-secret")):
        async with client(simulator, credentials=credentials) as asr:
            jobs = [Job(URL), Job(make_wav(1)), Job(URL, edition="flash")]
            if isinstance(credentials, AppKey):
                jobs.append(Job(URL, edition=AucV1("common"), key=URL))
            for job in jobs:
                try:
                    shown += [await asr.transcribe(job, timeout=200), job, asr]
                except VolcASRError as error:
                    shown += [error, job, getattr(error, "task", None), getattr(error, "job", None)]
            with pytest.raises((WaitTimeout, BadAudioFormat)) as caught:
                await asr.transcribe("https://example.com/never-1.mp3?sign=signed-secret", timeout=70)
            shown += [caught.value, getattr(caught.value, "task", None)]
    for thing in shown:
        assert not hides(str(thing)), thing
        assert not hides(repr(thing)), thing
    assert "volcasr_async.exchanges" in {record.name for record in caplog.records}
    assert not hides(caplog.text)


async def test_httpcores_own_log_shows_no_secret(caplog: pytest.LogCaptureFixture, network: respx.MockRouter) -> None:
    """What httpx and httpcore log of our requests at DEBUG holds no secret either."""
    caplog.set_level(logging.DEBUG)
    network.post(f"{V3}/submit").mock(return_value=answer("v3_submit_ok"))
    for http in (None, httpx.AsyncClient()):
        async with VolcASR(ApiKey("0123456789abcdef"), http=http) as asr:
            await asr.submit(URL)
        if http is not None:
            await http.aclose()
    assert not hides(caplog.text)


async def test_a_closed_foreign_client_says_so() -> None:
    """A client that its owner has closed already fails with httpx's own words."""
    http = httpx.AsyncClient(transport=Simulator().transport())
    await http.aclose()
    async with VolcASR(KEY, http=http, base_url=BASE) as asr:
        with pytest.raises(RuntimeError, match="closed"):
            await asr.query(TASK)
        assert is_idle(asr)


async def test_flash_tasks_cannot_be_followed() -> None:
    """Nothing is asked about flash."""
    async with client(Simulator()) as asr:
        with pytest.raises(InputError):
            await asr.wait(msgspec.structs.replace(TASK, edition=Flash()))
        assert partial(is_idle, asr)()


async def test_the_engine_is_chosen_by_name(anyio_backend_name: str) -> None:
    """An unknown name, and aiohttp where it cannot run, are refused with the cure; nothing was sent."""
    with pytest.raises(InputError, match="there is no engine 'curl'"):
        VolcASR(KEY, http="curl")  # type: ignore[arg-type]  # no engine
    if anyio_backend_name == "trio":
        async with VolcASR(KEY, http="aiohttp") as asr:
            with pytest.raises(ConfigurationError, match="runs on asyncio"):
                await asr.query(TASK)
            assert is_idle(asr)


def test_a_missing_engine_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiohttp the error says what to install."""
    monkeypatch.delitem(sys.modules, "volcasr_async._transport.express", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ConfigurationError, match=r"volcasr-async\[speed\]"):
        VolcASR(KEY, http="aiohttp")


class Adapted(httpx.AsyncBaseTransport):
    """What httpx-aiohttp does: a connection that breaks after the request has left is a time-out of connecting."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        raise httpx.ConnectTimeout("Server disconnected") from aiohttp.ServerDisconnectedError()


async def test_a_broken_connection_that_an_adapter_calls_a_connect_timeout() -> None:
    """What may have arrived is not taken for what never left: it would be sent, and paid, again."""
    async with VolcASR(KEY, http=Adapted()) as asr:
        with pytest.raises(TransportError) as caught:
            await asr.query(TASK)
    assert caught.value.sent == "yes"
