"""Faults: their choice, their spelling, and how a client in the same process sees them."""

import json
import re
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing

import anyio
import httpx
import pytest
from sim_calls import URL, Calls, body, code, inline, v1_body

from volcasr_async.testing import KINDS, MARKERS, ConnectionDropped, Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

BEFORE = ["reset", "refuse-busy", "rate-limited", "too-concurrent", "quota-lifetime", "server-error", "html-502"]
AFTER = ["lost-answer", "html-502-after", "cut-body", "not-json", "no-status"]


async def outcome(call: Awaitable[httpx.Response]) -> str:
    try:
        reply = await call
    except httpx.TransportError as error:
        return type(error).__name__
    try:
        return code(reply)
    except json.JSONDecodeError:
        return f"{reply.status_code} no JSON"


@pytest.mark.parametrize("kind", BEFORE + AFTER)
@pytest.mark.parametrize("edition", ["standard", "flash", "v1"])
async def test_what_a_fault_leaves_behind(kind: str, edition: str) -> None:
    """Faults before acceptance cost nothing; faults after it are charged once."""
    simulator = Simulator(faults=[Fault(kind)])
    async with Calls(simulator) as calls:
        found = await outcome(calls.v1_submit() if edition == "v1" else calls.submit(edition=edition))
    assert len(simulator.charges) == (kind in AFTER)
    if (kind, edition) not in {("not-json", "standard"), ("not-json", "flash")}:  # there the header is still right
        assert found not in {"20000000", "1000"}


@pytest.mark.parametrize(
    ("kind", "v3", "v1"),
    [
        ("reset", "ReadError", "ReadError"),
        ("lost-answer", "RemoteProtocolError", "RemoteProtocolError"),
        ("cut-body", "RemoteProtocolError", "RemoteProtocolError"),
        ("drop-upload", "WriteError", "WriteError"),
        ("refuse-busy", "55000031", "1005"),
        ("rate-limited", "45000292", "1003"),
        ("too-concurrent", "45000292", "1003"),
        ("quota-lifetime", "45000292", "1004"),
        ("server-error", "55000000", "1099"),
        ("html-502", "502 no JSON", "502 no JSON"),
        ("html-502-after", "502 no JSON", "502 no JSON"),
        ("not-json", "200 no JSON", "200 no JSON"),
        ("no-status", "None", "None"),
        ("slow-body", "20000000", "1000"),
        ("no-result", "20000000", "1000"),
    ],
)
async def test_how_a_client_sees_it(kind: str, v3: str, v1: str) -> None:
    """Each kind as an httpx client in the same process sees it."""
    async with Calls(Simulator(faults=[Fault(kind)])) as calls:
        if kind == "not-json":  # the status header of v3 is still right; the body is what breaks off
            reply = await calls.submit()
            assert reply.headers["x-api-status-code"] == "20000000"
            with pytest.raises(json.JSONDecodeError):
                reply.json()
        else:
            assert await outcome(calls.submit()) == v3
        assert await outcome(calls.v1_submit()) == v1


async def test_a_lost_submit_can_be_asked_about(calls: Calls) -> None:
    """The task lives although its answer was lost: the same id is known, a repetition is refused."""
    simulator, task = Simulator(faults=[Fault("lost-answer", on="submit")]), str(uuid.uuid4())
    async with Calls(simulator) as others:
        with pytest.raises(httpx.RemoteProtocolError):
            await others.submit(task=task)
        assert code(await others.query(task)) == "20000001"
        with pytest.raises(httpx.RemoteProtocolError):
            await others.submit(task=task)
    assert len(simulator.charges) == 1
    assert simulator.answers == {"lost-answer": 2, "20000001": 1}


@pytest.mark.parametrize("settings", [{"faults": [Fault("no-result", times=2)], "processing_time": 3}])
async def test_success_without_a_result_only_while_running(calls: Calls) -> None:
    """Reported twice: 20000000 with {} while the task still works; afterwards the result comes."""
    task = str(uuid.uuid4())
    await calls.submit(task=task)
    first = await calls.query(task)
    assert (code(first), first.json()) == ("20000000", {})
    await anyio.sleep(4)
    assert (await calls.query(task)).json()["result"]["text"]


@pytest.mark.parametrize("settings", [{"faults": [Fault("stall", seconds=30)]}])
async def test_a_stall_that_ends(calls: Calls) -> None:
    """The answer comes, late."""
    calls.http.timeout = httpx.Timeout(None)
    began = anyio.current_time()
    assert code(await calls.submit()) == "20000000"
    assert 30 <= anyio.current_time() - began < 31


@pytest.mark.parametrize("settings", [{"faults": [Fault("stall")]}])
async def test_a_read_timeout_ends_a_stall(simulator: Simulator, calls: Calls) -> None:
    """The in-process transport keeps the client's read timeout, which httpx's own does not."""
    calls.http.timeout = httpx.Timeout(None, read=7)
    began = anyio.current_time()
    with pytest.raises(httpx.ReadTimeout):
        await calls.submit()
    assert 7 <= anyio.current_time() - began < 8
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("settings", [{"faults": [Fault("slow-body", seconds=20)]}])
async def test_a_dripping_body_resets_the_read_timeout(calls: Calls) -> None:
    """Every piece counts as a sign of life; the whole reply comes."""
    calls.http.timeout = httpx.Timeout(None, read=3)
    began = anyio.current_time()
    assert (await calls.flash()).json()["result"]["text"]
    assert 18 <= anyio.current_time() - began <= 21


async def test_an_upload_breaks_off_in_the_middle() -> None:
    """drop-upload: not all of the body was taken, nothing was accepted."""
    simulator, sent = Simulator(faults=[Fault("drop-upload", on="flash")]), []
    text = json.dumps(inline(make_wav(2))).encode()

    async def pieces() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(text), 1000):
            sent.append(at)
            yield text[at : at + 1000]

    async with Calls(simulator) as calls, aclosing(pieces()) as content:
        with pytest.raises(httpx.WriteError):
            await calls.flash(content, headers={"Content-Length": str(len(text))})
        assert code(await calls.submit()) == "20000000"
    assert len(sent) == -(-len(text) // 2000)
    assert len(simulator.charges) == 1


async def test_a_body_that_is_no_generator() -> None:
    """Any async iterator will do as a body; only generators need closing."""

    class Once:
        def __init__(self) -> None:
            self.parts = [json.dumps(body()).encode()]

        def __aiter__(self) -> "Once":
            return self

        async def __anext__(self) -> bytes:
            if not self.parts:
                raise StopAsyncIteration
            return self.parts.pop()

    class Stream(httpx.AsyncByteStream):
        def __aiter__(self) -> Once:
            return Once()

    headers = {"X-Api-Key": "k", "X-Api-Resource-Id": "volc.bigasr.auc", "X-Api-Request-Id": str(uuid.uuid4())}
    request = httpx.Request("POST", "http://x/api/v3/auc/bigmodel/submit", headers=headers, stream=Stream())
    assert code(await Simulator().transport().handle_async_request(request)) == "20000000"


async def test_never_on_flash() -> None:
    """A flash call about `/never` gets no answer."""
    async with Calls(Simulator()) as calls:
        with anyio.move_on_after(1000) as scope:
            calls.http.timeout = httpx.Timeout(None)
            await calls.flash(body("https://example.com/never.mp3"))
    assert scope.cancelled_caught


async def test_retry_after() -> None:
    """A refusal may say when to come back."""
    async with Calls(Simulator(faults=[Fault("rate-limited", retry_after=1.5)])) as calls:
        assert (await calls.submit()).headers["retry-after"] == "1.5"
        assert (await calls.v1_submit()).headers["retry-after"] == "1.5"


async def share_of(simulator: Simulator, urls: list[str]) -> list[str]:
    async with Calls(simulator) as calls:
        return [await outcome(calls.submit(body(url))) for url in urls]


async def test_shares_are_kept_and_repeatable() -> None:
    """A share of 0.3 hits about three in ten; another run hits the same ones, another seed others."""
    urls = [f"https://example.com/{index}" for index in range(300)]
    first = await share_of(Simulator(faults=[Fault("refuse-busy", share=0.3)]), urls)
    again = await share_of(Simulator(faults=[Fault("refuse-busy", share=0.3)]), urls)
    other = await share_of(Simulator(seed=7, faults=[Fault("refuse-busy", share=0.3)]), urls)
    assert first == again != other
    assert 60 < Counter(first)["55000031"] < 120


async def test_a_second_attempt_has_its_own_luck() -> None:
    """The same URL is not hit for ever."""
    found = await share_of(Simulator(faults=[Fault("refuse-busy", share=0.5)]), [URL] * 40)
    assert 8 < Counter(found)["55000031"] < 32


async def test_shares_of_nothing_and_everything() -> None:
    """0 is never, 1 is always."""
    assert await share_of(Simulator(faults=[Fault("reset", share=0)]), [URL] * 20) == ["20000000"] * 20
    assert await share_of(Simulator(faults=[Fault("reset", share=1)]), [URL] * 20) == ["ReadError"] * 20


@pytest.mark.parametrize("url", ["/b", re.compile(r"/[bc]$")])
async def test_faults_for_some_recordings(url: str | re.Pattern[str]) -> None:
    """By a part of the URL, or by a pattern."""
    found = await share_of(Simulator(faults=[Fault("reset", url=url)]), ["https://x/a", "https://x/b", "https://x/d"])
    assert found == ["20000000", "ReadError", "20000000"]


@pytest.mark.parametrize("settings", [{"faults": [Fault("refuse-busy", on="query", times=2, after=1)]}])
async def test_faults_counted_by_task(calls: Calls) -> None:
    """The first query passes, two are hit, then it is over; the next task begins anew."""
    for url in (URL, "https://example.com/other"):
        task = str(uuid.uuid4())
        await calls.submit(body(url), task=task)
        found = [code(await calls.query(task)) for _ in range(4)]
        assert found == ["20000001", "55000031", "55000031", "20000001"]


@pytest.mark.parametrize("settings", [{"faults": [Fault("html-502", on="query"), Fault("reset", on="any")]}])
async def test_the_first_fault_that_fits_wins(calls: Calls) -> None:
    """Order is precedence."""
    assert await outcome(calls.query(str(uuid.uuid4()))) == "502 no JSON"
    assert await outcome(calls.submit()) == "ReadError"


async def test_endings_by_share() -> None:
    """Some tasks end badly, and always the same ones; a fresh task for the same URL has its own luck."""
    faults = [Fault("task-failed", share=0.5)]

    async def endings() -> list[str]:
        async with Calls(Simulator(faults=faults)) as calls:
            ids = [str(uuid.uuid4()) for _ in range(40)]
            for index, task in enumerate(ids):
                await calls.submit(body(f"https://example.com/{index % 20}"), task=task)
            await anyio.sleep(5)
            return [code(await calls.query(task)) for task in ids]

    first = await endings()
    assert first == await endings()
    assert 8 < Counter(first)["55001010"] < 32
    assert first[:20] != first[20:]


@pytest.mark.parametrize(
    "settings", [{"faults": [Fault("silence", on="flash"), Fault("task-error", on="submit", times=1)]}]
)
async def test_endings_by_call(calls: Calls) -> None:
    """An ending on flash does not touch polled tasks; `times` counts the tasks of one URL."""
    assert code(await calls.flash()) == "20000003"
    ids = [str(uuid.uuid4()) for _ in range(2)]
    for task in ids:
        await calls.submit(task=task)
    await anyio.sleep(5)
    assert [code(await calls.query(task)) for task in ids] == ["55000000", "20000000"]


V1_ENDS = {
    "silence": "1013",
    "bad-format": "1012",
    "download-failed": "1015",
    "empty": "1014",
    "server-error": "1099",
    "task-failed": "1022",
    "never": "2000",
}


@pytest.mark.parametrize("marker", MARKERS)
async def test_markers_in_v1(calls: Calls, marker: str) -> None:
    """The same markers choose the v1 codes."""
    task = (await calls.v1_submit(v1_body(f"https://example.com/{marker}/a.wav"))).json()["resp"]["id"]
    await anyio.sleep(3600)
    assert code(await calls.v1_query(task)) == V1_ENDS[marker]


@pytest.mark.parametrize(
    "url", ["https://silence.example.com/a", "https://x/a?b=/silence", "https://x/silenced.mp3", "https://x/nosilence"]
)
async def test_what_is_no_marker(calls: Calls, url: str) -> None:
    """Only a path segment that begins with the marker counts."""
    assert code(await calls.flash(body(url))) == "20000000"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lost-answer=0.3", Fault("lost-answer", share=0.3)),
        ("html-502:submit=0.1", Fault("html-502", on="submit", share=0.1)),
        ("reset", Fault("reset")),
        ("stall:query=1,seconds=30,times=2,after=1", Fault("stall", on="query", seconds=30.0, times=2, after=1)),
        ("rate-limited,retry_after=2", Fault("rate-limited", retry_after=2.0)),
        ("silence,url=/quiet/", Fault("silence", url="/quiet/")),
    ],
)
def test_faults_can_be_spelt(text: str, fault: Fault) -> None:
    """The form of the command line."""
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("lost", "the kinds are: bad-format, body-error, cut-body"),
        ("", "the kinds are"),
        ("reset=much", "'much' in 'reset=much' is no number"),
        ("reset=2", "between 0 and 1"),
        ("reset:poll", "any, submit, query, flash"),
        ("stall,second=3", "'second' in 'stall,second=3' is no field"),
        ("stall,seconds", "not name=value"),
        ("drop-upload,url=x", "before the body is read"),
    ],
)
def test_what_is_spelt_wrongly_is_told_rightly(text: str, hint: str) -> None:
    """The error names the cure."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        Fault.parse(text)


def test_every_kind_is_described() -> None:
    """The table that the command line prints knows every kind, and markers name endings."""
    assert all(Fault(kind).kind == kind and text for kind, text in KINDS.items())
    assert set(MARKERS.values()) <= set(KINDS)


@pytest.mark.parametrize("settings", [{"faults": [Fault("lost-answer")]}])
async def test_a_plain_asgi_client_sees_an_exception(simulator: Simulator) -> None:
    """ASGI has no word for a dropped connection: the app raises."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(simulator.app), base_url="http://x") as http:
        headers = {
            "X-Api-Key": "k",
            "X-Api-Resource-Id": "volc.bigasr.auc_turbo",
            "X-Api-Request-Id": str(uuid.uuid4()),
        }
        with pytest.raises(ConnectionDropped, match="drop"):
            await http.post("/api/v3/auc/bigmodel/recognize/flash", headers=headers, json=body())
