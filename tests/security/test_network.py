"""What leaves goes to the service alone: TLS, redirects, proxies, cookies, netrc, links."""

import base64
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from leak_kit import API_KEY, DATA, MARK, PROXY_USER, Log, chain, found_in, told_by
from wire_kit import PENDING, PROXIES, Kept, answering, certified, listening, tunnel

from volcasr_async import (
    ConfigurationError,
    Job,
    Limits,
    Pending,
    PollPolicy,
    RetryPolicy,
    Standard,
    Task,
    TransportError,
    VolcASR,
    VolcASRError,
)
from volcasr_async.testing import Simulator

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]
ONCE = RetryPolicy(attempts=1, reply_timeout=5.0)
NAME = "asr.example"
OURS = pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
ALL = pytest.mark.parametrize("engine", ["httpx", "aiohttp", "client"])


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _runs(request: pytest.FixtureRequest, anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio" and request.node.callspec.params.get("engine", "httpx") != "httpx":
        pytest.skip("aiohttp runs on asyncio, and a client of the caller's is the same on both")


@asynccontextmanager
async def client(engine: str, base_url: str) -> AsyncIterator[VolcASR]:
    """Give a client; "client" is one of the caller's, who follows redirects and has cookies."""
    if engine != "client":
        async with VolcASR(API_KEY, base_url=base_url, http=engine, retry=ONCE) as asr:  # type: ignore[arg-type]
            yield asr
        return
    theirs = httpx.AsyncClient(follow_redirects=True, cookies={"mine": "1"})
    async with theirs as http, VolcASR(API_KEY, base_url=base_url, http=http, retry=ONCE) as asr:
        yield asr


def some_task() -> Task:
    return Task(id=str(uuid4()), edition=Standard(), request_id=str(uuid4()), submitted_at=time.time())


# ---- TLS ----


@OURS
async def test_a_certificate_of_a_stranger(engine: str, tmp_path: Path) -> None:
    """Who cannot prove to be the service gets no request, and the error says that nothing was sent."""
    kept, (context, _) = Kept(), certified(tmp_path)
    async with listening(answering(PENDING, kept), context) as port, client(engine, f"https://127.0.0.1:{port}") as asr:
        with pytest.raises(TransportError) as caught:
            await asr.query(some_task())
    assert (caught.value.sent, kept.data) == ("no", b"")
    assert any(isinstance(error, ssl.SSLCertVerificationError) for error in chain(caught.value))


@OURS
@pytest.mark.parametrize(("name", "good"), [("127.0.0.1", True), ("another.example", False)])
async def test_a_certificate_for_another_name(
    engine: str, name: str, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority that `SSL_CERT_FILE` names is trusted, for the name that it vouches for."""
    kept, (context, trusted) = Kept(), certified(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with listening(answering(PENDING, kept), context) as port, client(engine, f"https://127.0.0.1:{port}") as asr:
        if good:
            assert isinstance(await asr.query(some_task()), Pending)
            assert API_KEY.key.encode() in kept.data
            return
        with pytest.raises(TransportError) as caught:
            await asr.query(some_task())
    assert any(isinstance(error, ssl.SSLCertVerificationError) for error in chain(caught.value))
    assert kept.data == b""


@OURS
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_of_tls(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS 1.1 is refused."""
    kept, (context, trusted) = Kept(), certified(tmp_path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with listening(answering(PENDING, kept), context) as port, client(engine, f"https://127.0.0.1:{port}") as asr:
        with pytest.raises(TransportError) as caught:
            await asr.query(some_task())
    assert (caught.value.sent, kept.data) == ("no", b"")


@pytest.mark.parametrize("url", ["http://asr.example", "http://127.0.0.1.example", "http://10.0.0.1", "ftp://h", "//h"])
def test_nothing_goes_in_the_clear(url: str) -> None:
    """Plain http leads to this machine only."""
    with pytest.raises(ConfigurationError):
        VolcASR(API_KEY, base_url=url)


# ---- where to ----


@ALL
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_lead_nowhere(engine: str, status: int) -> None:
    """A redirect is an error, also where the caller's client would follow it; the other host hears nothing."""
    first, other = Kept(), Kept()
    async with listening(answering(PENDING, other)) as port:
        away = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with listening(answering(away, first)) as here, client(engine, f"http://127.0.0.1:{here}") as asr:
            with pytest.raises(VolcASRError):
                await asr.query(some_task())
    assert API_KEY.key.encode() in first.data
    assert other.connections == 0


@ALL
async def test_no_cookie_and_no_login_goes_along(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service sets is not sent back, what the caller's client has is not sent, and netrc is not read."""
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login me password {MARK}-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    kept, answer = Kept(), PENDING.replace(b"\r\n", b"\r\nSet-Cookie: session=1\r\n", 1)
    async with listening(answering(answer, kept)) as port, client(engine, f"http://127.0.0.1:{port}") as asr:
        for _ in range(2):
            assert isinstance(await asr.query(some_task()), Pending)
    heads = kept.data.lower()
    assert heads.count(b"post /") == 2
    assert b"cookie" not in heads
    assert b"authorization" not in heads


@ALL
async def test_links_are_for_the_service(engine: str) -> None:
    """Neither the recording nor the callback is asked for from here."""
    kept, soon = Kept(), PollPolicy(first=0.01, shortest=0.01)
    async with listening(answering(b"", kept)) as port, Simulator(processing_time=0.0).serve() as url:
        own, there = httpx.AsyncClient(), f"http://127.0.0.1:{port}"
        http: Any = own if engine == "client" else engine
        async with own, VolcASR(API_KEY, base_url=url, http=http, poll=soon, limits=Limits(qps=None)) as asr:
            job = Job(f"{there}/a.mp3", callback=f"{there}/done", callback_data=DATA)
            await asr.transcribe(job)
            await asr.transcribe(Job(f"{there}/b.mp3", edition="flash"))
            async with asr.batch([f"{there}/{number}.mp3" for number in range(3)]) as batch:
                assert len([outcome async for outcome in batch]) == 3
    assert kept.connections == 0


# ---- proxies ----


@OURS
async def test_a_proxy_sees_a_tunnel(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """A proxy of the environment learns the host's name and its own password, and the service learns nothing of it."""
    service, proxy, (context, trusted) = Kept(), Kept(), certified(tmp_path, NAME)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with listening(answering(PENDING, service), context) as port, listening(tunnel(port, proxy)) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{PROXY_USER}@127.0.0.1:{between}")
        async with client(engine, f"https://{NAME}") as asr:
            assert isinstance(await asr.query(some_task()), Pending)
    assert proxy.data.startswith(f"CONNECT {NAME}:443 ".encode())
    assert base64.b64encode(PROXY_USER.encode()) in proxy.data
    assert not found_in(proxy.data, but=base64.b64encode(PROXY_USER.encode()).decode())
    assert API_KEY.key.encode() in service.data
    assert b"proxy-authorization" not in service.data.lower()
    assert not found_in(log.text)


@OURS
async def test_this_machine_needs_no_proxy(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy is asked for what stays on this machine."""
    service, proxy = Kept(), Kept()
    async with listening(answering(PENDING, service)) as port, listening(answering(b"", proxy)) as between:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{PROXY_USER}@127.0.0.1:{between}")
        async with client(engine, f"http://127.0.0.1:{port}") as asr:
            assert isinstance(await asr.query(some_task()), Pending)
    assert proxy.connections == 0


# ---- errors of the way ----

BROKEN = {
    "refuses": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "speaks no TLS": b"HTTP/1.1 200 OK\r\n\r\nno TLS here\r\n",
}


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
@pytest.mark.parametrize("how", BROKEN)
async def test_a_proxy_that_fails(engine: str, how: str, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """Its password stands neither in the error nor in anything behind it, nor in a traceback or the log."""

    async def handle(stream: Any) -> None:
        await stream.receive()
        await stream.send(BROKEN[how])
        await stream.receive()

    async with listening(handle) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{PROXY_USER}@127.0.0.1:{port}")
        async with client(engine, f"https://{NAME}") as asr:
            with pytest.raises(TransportError) as caught:
                await asr.query(some_task())
    assert caught.value.sent == "no"
    assert not found_in(log.text)
    assert not found_in(told_by(caught.value))


@pytest.mark.parametrize("engine", ["httpx", "aiohttp", "client"])
async def test_a_reply_that_is_none(engine: str, log: Log) -> None:
    """What is no HTTP is told without the request that it answered."""
    kept = Kept()
    garbage = answering(b"HTTP/1.1 \x00\r\n\r\n", kept)
    async with listening(garbage) as port, client(engine, f"http://127.0.0.1:{port}") as asr:
        with pytest.raises(TransportError) as caught:
            await asr.query(some_task())
    assert not found_in(told_by(caught.value))
    assert not found_in(log.text)
