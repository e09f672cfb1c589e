"""The face on a port: real sockets, real time, both backends; everything a client can see only on the wire."""

import hashlib
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest
from sim_calls import V3, Calls, body, code, inline, said, sample, shape, v3_headers

from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio
LIMIT = 20  # seconds until a hanging test is a failed one; nothing here waits for it


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def base_url(simulator: Simulator) -> AsyncIterator[str]:
    async with simulator.serve() as url:
        with anyio.fail_after(LIMIT):
            yield url


@pytest.fixture
async def wire(simulator: Simulator, base_url: str) -> AsyncIterator[Calls]:
    async with Calls(simulator, base_url) as calls:
        yield calls


class Raw:
    """A bare socket with a memory."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream, self.seen = stream, b""

    async def send(self, data: bytes) -> None:
        await self.stream.send(data)

    async def until(self, enough: Callable[[bytes], bool]) -> bytes:
        while not enough(self.seen):
            self.seen += await self.stream.receive()
        found, self.seen = self.seen, b""
        return found

    async def rest(self) -> bytes:
        """Everything until the server closes; raises `BrokenResourceError` on a reset."""
        while True:
            try:
                self.seen += await self.stream.receive()
            except anyio.EndOfStream:
                return self.seen


async def connect(base_url: str) -> Raw:
    host, _, port = base_url.removeprefix("http://").rpartition(":")
    return Raw(await anyio.connect_tcp(host, int(port)))


def request(content: bytes, *more: str, path: str = f"{V3}/submit", version: str = "1.1", task: str = "") -> bytes:
    headers = v3_headers(
        task or str(uuid.uuid4()), "volc.bigasr.auc" if "flash" not in path else "volc.bigasr.auc_turbo"
    )
    lines = [f"POST {path} HTTP/{version}", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    if not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in more):
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, *more, "", ""]).encode() + content


async def nothing_in_the_air(calls: Calls) -> None:
    while (await calls.http.get("/_simulator")).json()["in_air"]:
        await anyio.lowlevel.checkpoint()


SUBMIT = json.dumps(body()).encode()


def whole(count: int = 1) -> Callable[[bytes], bool]:
    return lambda seen: seen.count(b"\r\n\r\n{}") == count


async def test_all_editions_over_a_port(simulator: Simulator, wire: Calls) -> None:
    """Submit, query, flash and v1 answer with the documented shapes."""
    task = str(uuid.uuid4())
    assert code(await wire.submit(task=task)) == "20000000"
    assert shape((await wire.query(task)).json()) == shape(sample("v3_query_processing")["body"])
    assert shape((await wire.flash()).json()) == shape(sample("v3_flash_ok")["body"])
    assert code(await wire.v1_submit()) == "1000"
    assert (await wire.http.get("/_simulator")).json()["charges"] == len(simulator.charges) == 3
    assert simulator.violations == []


async def test_a_connection_is_kept_and_requests_may_queue_on_it(base_url: str) -> None:
    """Two requests one after the other, then two at once, over one connection."""
    raw = await connect(base_url)
    async with raw.stream:
        for _ in range(2):
            await raw.send(request(SUBMIT))
            assert (await raw.until(whole())).startswith(b"HTTP/1.1 200 OK\r\n")
        await raw.send(request(SUBMIT) + request(SUBMIT))
        assert (await raw.until(whole(2))).count(b"X-Api-Status-Code: 20000000") == 2


async def test_a_body_may_come_byte_by_byte(simulator: Simulator, base_url: str) -> None:
    """Head and body in the smallest pieces."""
    raw = await connect(base_url)
    async with raw.stream:
        for byte in request(SUBMIT):
            await raw.send(bytes([byte]))
        await raw.until(whole())
    assert len(simulator.charges) == 1


async def test_the_client_may_ask_before_it_sends(simulator: Simulator, base_url: str) -> None:
    """Expect: 100-continue is answered before the body comes."""
    raw = await connect(base_url)
    async with raw.stream:
        head, _, content = request(SUBMIT, "Expect: 100-continue").partition(b"\r\n\r\n")
        await raw.send(head + b"\r\n\r\n")
        assert (await raw.until(lambda seen: seen.endswith(b"\r\n\r\n"))).startswith(b"HTTP/1.1 100")
        await raw.send(content)
        await raw.until(whole())
    assert len(simulator.charges) == 1


async def test_a_chunked_body(simulator: Simulator, base_url: str) -> None:
    """Served; on flash it is noted."""
    raw = await connect(base_url)
    async with raw.stream:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (SUBMIT[:10], SUBMIT[10:])) + b"0\r\n\r\n"
        await raw.send(request(chunks, "Transfer-Encoding: chunked"))
        await raw.until(whole())
        assert said(simulator) == []
        await raw.send(request(chunks, "Transfer-Encoding: chunked", path=f"{V3}/recognize/flash"))
        await raw.until(lambda seen: seen.endswith(b"}}"))
    assert said(simulator) == ["the body is sent chunked, without a Content-Length"]


async def test_http_1_0(simulator: Simulator, base_url: str) -> None:
    """Served once, noted, closed."""
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(request(SUBMIT, version="1.0"))
        assert (await raw.rest()).endswith(b"{}")
    assert said(simulator) == ["HTTP/1.0"]


@pytest.mark.parametrize(
    "junk", [b"hello\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_no_http(simulator: Simulator, base_url: str, junk: bytes) -> None:
    """Answered with 400 and closed; the server goes on."""
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(junk)
        assert (await raw.rest()).startswith(b"HTTP/1.1 400")
    assert said(simulator)[0].startswith("malformed HTTP")
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(request(SUBMIT))
        await raw.until(whole())


async def test_head_has_no_body(base_url: str) -> None:
    """HEAD of hosted audio or of a wrong path keeps the connection in order."""
    async with httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
        for _ in range(2):
            reply = await http.head(f"{V3}/submit")
            assert (reply.status_code, reply.content) == (405, b"")


async def test_an_absolute_target(simulator: Simulator, base_url: str) -> None:
    """The form that clients use towards a proxy."""
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(request(SUBMIT, path=f"http://openspeech.bytedance.com{V3}/submit"))
        await raw.until(whole())
    assert simulator.violations == []


@pytest.mark.parametrize("settings", [{"faults": [Fault("reset")]}])
async def test_a_reset_on_the_wire(simulator: Simulator, base_url: str) -> None:
    """RST, nothing accepted."""
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(request(SUBMIT))
        with pytest.raises(anyio.BrokenResourceError):
            await raw.rest()
    assert simulator.charges == []


@pytest.mark.parametrize("settings", [{"faults": [Fault("lost-answer")]}])
async def test_a_lost_answer_on_the_wire(simulator: Simulator, base_url: str) -> None:
    """The connection ends without a byte; the task is there and charged."""
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(request(SUBMIT))
        assert await raw.rest() == b""
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("settings", [{"faults": [Fault("cut-body")]}])
@pytest.mark.parametrize("path", [f"{V3}/submit", f"{V3}/recognize/flash"])
async def test_a_cut_body_on_the_wire(base_url: str, path: str) -> None:
    """Less comes than Content-Length promises."""
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(request(SUBMIT, path=path))
        head, _, content = (await raw.rest()).partition(b"\r\n\r\n")
    (length,) = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    assert 0 < len(content) < int(length.split(b":")[1])


@pytest.mark.parametrize("settings", [{"faults": [Fault("cut-body")], "submit_body": "empty"}])
async def test_an_empty_body_is_cut_too(base_url: str) -> None:
    """Two bytes are promised, none comes."""
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(request(SUBMIT))
        seen = await raw.rest()
    assert b"Content-Length: 2\r\n" in seen
    assert seen.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("settings", [{"faults": [Fault("slow-body", seconds=0.2)]}])
async def test_a_slow_body_on_the_wire(base_url: str) -> None:
    """The head comes first, then the body in pieces, all of it."""
    raw = await connect(base_url)
    async with raw.stream:
        began = anyio.current_time()
        await raw.send(request(SUBMIT, path=f"{V3}/recognize/flash"))
        first = await raw.until(lambda seen: b"\r\n\r\n" in seen)
        rest = first.partition(b"\r\n\r\n")[2] + await raw.until(lambda seen: seen.endswith(b"}]}]}}"))
        assert anyio.current_time() - began >= 0.15
    assert json.loads(rest)["result"]["text"]


@pytest.mark.parametrize("settings", [{"faults": [Fault("stall")]}])
async def test_a_stall_ends_with_the_connection(simulator: Simulator, wire: Calls) -> None:
    """A client that gives up frees its place, although the stall is for ever."""
    wire.http.timeout = httpx.Timeout(5, read=0.1)
    with pytest.raises(httpx.ReadTimeout):
        await wire.submit()
    await nothing_in_the_air(wire)
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("settings", [{"faults": [Fault("drop-upload")]}])
async def test_an_upload_is_dropped_on_the_wire(simulator: Simulator, base_url: str) -> None:
    """The connection breaks in the middle of the body: the server stops taking it, then resets."""
    raw = await connect(base_url)
    content = json.dumps(inline(make_wav(200))).encode()
    async with raw.stream:
        await raw.send(request(content, path=f"{V3}/recognize/flash")[: len(content) // 4])
        with anyio.move_on_after(0.05) as quiet:
            await raw.rest()
        assert quiet.cancelled_caught
        with pytest.raises(anyio.BrokenResourceError):
            await raw.send(content)
            await raw.rest()
    assert (simulator.charges, simulator.uploads) == ([], [])


async def test_a_client_that_gives_up_while_sending(simulator: Simulator, base_url: str) -> None:
    """No violation, no charge, the place is free."""
    raw = await connect(base_url)
    async with raw.stream:
        await raw.send(request(SUBMIT)[:-5])
    async with Calls(simulator, base_url) as calls:
        await nothing_in_the_air(calls)
    assert (simulator.charges, simulator.violations) == ([], [])


async def test_a_refused_upload_is_drained(simulator: Simulator, base_url: str) -> None:
    """The refusal comes after the body was taken; the connection is still good."""
    raw = await connect(base_url)
    async with raw.stream:
        content = json.dumps(inline(make_wav(100))).encode()
        await raw.send(request(content, path=f"{V3}/recognize/flash").replace(b"auc_turbo", b"auc_other"))
        await raw.until(lambda seen: b"requested resource not granted" in seen.partition(b"\r\n\r\n")[2])
        await raw.send(request(SUBMIT))
        await raw.until(whole())
    assert simulator.uploads == []


async def test_large_uploads_arrive_whole(simulator: Simulator, wire: Calls) -> None:
    """Four at once, eight megabytes each, by hash."""
    wavs = [make_wav(250 + index) for index in range(4)]
    async with anyio.create_task_group() as tasks:
        for wav in wavs:
            tasks.start_soon(wire.flash, inline(wav))
    assert {upload.sha256 for upload in simulator.uploads} == {hashlib.sha256(wav).hexdigest() for wav in wavs}
    assert {upload.size for upload in simulator.uploads} == {len(wav) for wav in wavs}
    assert all(upload.content_length == upload.received for upload in simulator.uploads)


async def test_many_connections_at_once(simulator: Simulator, base_url: str) -> None:
    """A hundred connections with twenty requests each, none lost."""

    async def client() -> None:
        raw = await connect(base_url)
        async with raw.stream:
            for _ in range(20):
                await raw.send(request(SUBMIT))
                await raw.until(whole())

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(client)
    assert len(simulator.charges) == simulator.requests["submit"] == 2000
    assert simulator.peak_in_air <= 100


async def test_the_port_is_free_afterwards(simulator: Simulator) -> None:
    """Connections end with the context, stalled ones too; the same port can be opened again."""
    async with Simulator(faults=[Fault("stall")]).serve() as url:
        raw = await connect(url)
        await raw.send(request(SUBMIT))
        await anyio.sleep(0.02)
    async with raw.stream:
        with anyio.fail_after(LIMIT):
            assert await raw.rest() == b""
    port = int(url.rpartition(":")[2])
    async with simulator.serve(port=port) as again:
        assert again == url


async def test_an_error_inside_the_context_comes_out_as_itself(simulator: Simulator) -> None:
    """No exception group around the test's own failure."""
    with pytest.raises(ZeroDivisionError):
        async with simulator.serve():
            _ = 1 / 0


async def test_ipv6_if_there_is_any(simulator: Simulator) -> None:
    """The base URL is bracketed."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    async with simulator.serve("::1") as url, Calls(simulator, url) as calls:
        assert url.startswith("http://[::1]:")
        assert code(await calls.submit()) == "20000000"


async def test_repeated_headers_are_joined(simulator: Simulator, base_url: str) -> None:
    """Two keys in one request are not one good key."""
    async with Simulator(api_keys=["key"]).serve() as url:
        raw = await connect(url)
        async with raw.stream:
            await raw.send(request(SUBMIT, "X-Api-Key: key"))
            assert b"Invalid X-Api-Key" in await raw.until(lambda seen: seen.endswith(b"}}"))


async def test_audio_is_served_and_heard(simulator: Simulator, wire: Calls, base_url: str) -> None:
    """Hosted audio can be fetched, and a URL on this very server has its duration."""
    path = simulator.add_audio("a.wav", make_wav(1.25))
    assert (await wire.http.get(path)).content == make_wav(1.25)
    reply: Any = (await wire.flash(body(base_url + path))).json()
    assert reply["audio_info"]["duration"] == 1250
