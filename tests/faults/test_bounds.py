"""What a hostile service cannot do: fill the memory, hold a call for ever, or answer the next request beforehand."""

import asyncio
import gzip
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import anyio
import fault_list
import pytest
import trustme
from fault_kit import Exchange, Fault, Keeper, Service, keeper
from fault_list import FAULTS
from io_kit import KEY

from volcasr_async import Limits, RetryPolicy, Standard, Task, Transcript, VolcASR

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]

ROOT = Path(__file__).parents[2]
TASK = Task(id="known", edition=Standard(), request_id="known", submitted_at=0)
GOOD = b'{"result": {"text": "slow"}, "audio_info": {"duration": 1000}}'
MOST_MB = 200  # twice the longest reply, and what was packed
HOSTILE = ("a header without end", "headers without end", "without end, chunked", "without end, no length",
           "gzip, a bomb of 200 MB")  # fmt: skip

CHILD = """
import anyio, resource, sys
from volcasr_async import ApiKey, Limits, RetryPolicy, Standard, Task, TransportError, VolcASR
task = Task(id="known", edition=Standard(), request_id="known", submitted_at=0)
async def ask(url):
    retry = RetryPolicy(reply_timeout=20)
    async with VolcASR(ApiKey("key"), base_url=url, http=sys.argv[1], limits=Limits(qps=None), retry=retry) as asr:
        try:
            await asr.query(task)
        except TransportError:
            return
        raise SystemExit("that was taken for a reply")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for url in sys.argv[2:]:
    anyio.run(ask, url)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the unit of ru_maxrss differs")
@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
def test_the_memory_is_not_filled(engine: str) -> None:
    """Endless headers and bodies and a gzip bomb, one after the other, cost less than 200 MB in all."""
    fault_list.BOMB[:] = fault_list.BOMB or [gzip.compress(bytes(200_000_000))]
    chosen = [fault for fault in FAULTS if fault.name in HOSTILE]
    assert len(chosen) == len(HOSTILE)

    async def grown(kept: Keeper) -> int:
        services = [Service("standard") for _ in chosen]
        for service, fault in zip(services, chosen, strict=True):
            service.arm(fault, "query")
            await kept.run(service.start())
        argv = [sys.executable, "-c", CHILD, engine, *(service.url for service in services)]
        child = await anyio.run_process(argv, cwd=ROOT, stderr=subprocess.STDOUT, check=False)
        for service in services:
            await kept.run(service.stop())
        assert child.returncode == 0, child.stdout.decode()
        return int(child.stdout)

    with keeper() as kept:
        assert anyio.run(grown, kept) < MOST_MB


async def _twice(exchange: Exchange) -> None:
    """Answer, and answer what nobody has asked yet: in another record where there is TLS, and in the same packet."""
    raw = exchange.writer.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    exchange.writer.write(exchange.reply())
    exchange.writer.write(exchange.reply(b'{"audio_info":{"duration":1},"result":{"text":"another\'s"}}'))
    await exchange.writer.drain()
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="this system cannot hold a packet back")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_reply_that_nobody_asked_for_is_nobodys(
    secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks next gets its own recording's transcript, not what came too much before."""
    context = None
    if secure:
        authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(tmp_path / "ca.pem"))
    with keeper() as kept:
        service = Service("standard", context)
        service.arm(Fault(phase="after the body", name="twice", act=_twice), "query", 3)
        await kept.run(service.start())
        retry = RetryPolicy(reply_timeout=5)
        async with VolcASR(KEY, base_url=service.url, limits=Limits(qps=None), retry=retry) as asr:
            for _ in range(5):
                transcript = await asr.query(TASK)
                assert isinstance(transcript, Transcript)
                assert transcript.text == "good"
        await kept.run(service.stop())


async def _slowly(exchange: Exchange) -> None:
    """Send 300 KB more than the transcript within two seconds."""
    body = GOOD + b" " * 300_000
    head = f"HTTP/1.1 200 OK\r\nX-Api-Status-Code: 20000000\r\nContent-Length: {len(body)}\r\n\r\n"
    exchange.writer.write(head.encode())
    for at in range(0, len(body), 15_000):
        exchange.writer.write(body[at : at + 15_000])
        await exchange.writer.drain()
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
async def test_a_reply_on_a_slow_line_is_read(engine: str, anyio_backend_name: str) -> None:
    """It takes four times as long as a reply may that does not come: what comes is waited for."""
    if engine == "aiohttp" and anyio_backend_name == "trio":
        pytest.skip("aiohttp runs on asyncio")
    with keeper() as kept:
        service = Service("standard", None)
        service.arm(Fault(phase="after the body", name="slow", act=_slowly), "query", 1)
        await kept.run(service.start())
        retry = RetryPolicy(reply_timeout=0.5, attempts=1)
        async with VolcASR(KEY, base_url=service.url, limits=Limits(qps=None), retry=retry, http=engine) as asr:  # type: ignore[arg-type]
            transcript = await asr.query(TASK)
        await kept.run(service.stop())
    assert isinstance(transcript, Transcript)
    assert transcript.text == "slow"
