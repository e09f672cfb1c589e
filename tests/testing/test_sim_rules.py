"""What the service remembers and charges, over time."""

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any

import anyio
import pytest
from sim_calls import URL, V3, Calls, body, code, inline, said, v1_body

from volcasr_async.testing import Callback, Charge, Fault, Simulator, Upload, make_wav
from volcasr_async.testing.auth import Head
from volcasr_async.testing.exchange import ROUTES
from volcasr_async.testing.scanner import Clip
from volcasr_async.testing.service import Prepared, Request

pytestmark = pytest.mark.anyio


def new_task() -> str:
    return str(uuid.uuid4())


async def codes(calls: Calls, task: str, times: list[float]) -> list[str]:
    found, last = [], 0.0
    for time in times:
        await anyio.sleep(time - last)
        last = time
        found.append(code(await calls.query(task)))
    return found


@pytest.mark.parametrize("settings", [{"lag": 1, "queue_time": 3, "processing_time": 4, "retention": 10}])
async def test_the_life_of_a_task(calls: Calls) -> None:
    """Not yet known, queued, processing, done, forgotten: computed from the clock alone."""
    task = new_task()
    await calls.submit(task=task)
    found = await codes(calls, task, [0, 0.9, 1.1, 2.9, 3.1, 6.9, 7.1, 16.9, 17.1])
    assert found == [*["45000000"] * 2, *["20000002"] * 2, *["20000001"] * 2, *["20000000"] * 2, "45000000"]


async def test_v1_forgets_after_a_day(calls: Calls) -> None:
    """Doc 80820 (2024-08): results are kept for 24 h."""
    task = (await calls.v1_submit()).json()["resp"]["id"]
    await anyio.sleep(24 * 3600)
    assert code(await calls.v1_query(task)) == "1000"
    await anyio.sleep(10)
    assert code(await calls.v1_query(task)) == "1001"


async def test_v3_does_not_forget_unless_told(calls: Calls) -> None:
    """The retention of v3 is unknown; a year is no problem for the simulator."""
    task = new_task()
    await calls.submit(task=task)
    await anyio.sleep(365 * 86400)
    assert code(await calls.query(task)) == "20000000"


async def test_charges_tell_who_pays_for_what(simulator: Simulator, calls: Calls) -> None:
    """One charge per accepted task and per flash call; a URL stands without its query part."""
    one, two, wav = new_task(), new_task(), make_wav(1.5)
    await calls.submit(body(URL + "?signature=secret"), task=one)
    await calls.flash(inline(wav), task=two)
    three = (await calls.v1_submit(v1_body(URL))).json()["resp"]["id"]
    hashed = "sha256:" + hashlib.sha256(wav).hexdigest()
    length = simulator.charges[0].audio_ms
    assert simulator.charges == [
        Charge("standard", one, one, URL, length, "volc.bigasr.auc"),
        Charge("flash", two, two, hashed, 1500, "volc.bigasr.auc_turbo"),
        Charge("v1", three, "", URL, length, "volc_auc_common"),
    ]
    assert simulator.charges_by_source == {URL: 2, hashed: 1}
    assert 3000 <= length <= 120_000


async def test_what_is_refused_is_not_charged(simulator: Simulator, calls: Calls) -> None:
    """Repetition, wrong bodies, and flash calls that fail cost nothing."""
    task = new_task()
    await calls.submit(task=task)
    assert code(await calls.submit(task=task)) == "45000001"
    assert code(await calls.flash(body("https://example.com/bad-format"))) == "45000151"
    assert code(await calls.flash(inline(b""))) == "45000002"
    assert code(await calls.flash(inline(b"not audio at all"))) == "45000151"
    assert code(await calls.flash(body("https://example.com/server-error"))) == "55000000"
    assert code(await calls.flash(body(None, audio={"data": "no base64!"}))) == "45000001"
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("settings", [{"reuse_charges": True}])
async def test_the_pessimistic_answer_to_a_repeated_id(simulator: Simulator, calls: Calls) -> None:
    """Whether a re-sent accepted id is charged is unknown; the simulator plays either."""
    task = new_task()
    assert [code(await calls.submit(task=task)) for _ in range(2)] == ["20000000"] * 2
    assert len(simulator.charges) == 2
    assert repr(simulator) == "<Simulator [1 tasks: 1 running | 2 charges, 0 violations]>"


async def test_inline_audio_is_recorded_as_it_came(simulator: Simulator, calls: Calls) -> None:
    """Size and hash of the audio, the length announced and the length received."""
    wav, task = make_wav(3), new_task()
    content = json.dumps(inline(wav)).encode()
    await calls.flash(content, task=task)
    digest = hashlib.sha256(wav).hexdigest()
    assert simulator.uploads == [Upload(task, "flash", len(wav), digest, len(content), len(content))]


async def test_inline_audio_on_standard_is_served(simulator: Simulator, calls: Calls) -> None:
    """Reported by several clients to work; on idle it is unknown, so it is served and noted."""
    task = new_task()
    assert code(await calls.submit(inline(make_wav(3)), task=task)) == "20000000"
    await anyio.sleep(5)
    assert (await calls.query(task)).json()["audio_info"] == {"duration": 3000}
    assert said(simulator) == []
    assert code(await calls.submit(inline(make_wav(3)), edition="idle")) == "20000000"
    assert said(simulator) == ["audio.data is not documented for idle"]


async def test_hosted_audio_is_heard_by_its_bytes(simulator: Simulator, calls: Calls) -> None:
    """A URL of any host with a hosted path has the real duration; a wrong label, or rubbish, ends badly."""
    path = simulator.add_audio("four.wav", make_wav(4))
    simulator.add_audio("rubbish.wav", b"<html>")
    simulator.add_audio("nothing.wav", b"")
    assert path == "/audio/four.wav"
    reply = await calls.flash(body("https://bucket.example.com/audio/four.wav?sign=1"))
    assert reply.json()["audio_info"] == {"duration": 4000}
    assert code(await calls.flash(body("https://x/audio/four.wav", audio={"format": "mp3"}))) == "45000151"
    assert code(await calls.flash(body("https://x/audio/rubbish.wav"))) == "45000151"
    assert code(await calls.flash(body("https://x/audio/nothing.wav"))) == "45000002"
    served = await calls.http.get(path)
    assert served.content == make_wav(4)
    assert served.headers["content-type"] == "audio/wav"
    assert (await calls.http.get("/audio/unknown")).status_code == 404


async def test_a_task_belongs_to_its_account(calls: Calls) -> None:
    """Another key cannot find it; v1 likewise."""
    task = new_task()
    await calls.submit(task=task)
    assert code(await calls.query(task, headers={"X-Api-Key": "another"})) == "45000000"
    v1_id = (await calls.v1_submit()).json()["resp"]["id"]
    assert code(await calls.v1_query(v1_id, appid="another")) == "1001"
    assert code(await calls.query(v1_id)) == "45000000"


@pytest.mark.parametrize("settings", [{"window_audio_hours": 0.1}])
async def test_audio_hours_within_half_an_hour(simulator: Simulator, calls: Calls) -> None:
    """45000131 when the window is full, until it has moved on; idle is not listed."""
    simulator.add_audio("a.wav", make_wav(200, rate=8000))
    long = body("https://x/audio/a.wav")
    assert code(await calls.submit(long)) == "20000000"
    assert code(await calls.submit(long)) == "45000131"
    assert code(await calls.submit(long, edition="idle")) == "20000000"
    await anyio.sleep(1799)
    assert code(await calls.submit(long)) == "45000131"
    await anyio.sleep(2)
    assert code(await calls.submit(long)) == "20000000"
    assert code(await calls.v1_submit(v1_body("https://x/audio/a.wav"))) == "1000"
    assert code(await calls.v1_submit(v1_body("https://x/audio/a.wav"))) == "1003"
    assert len(simulator.charges) == 4


@pytest.mark.parametrize("settings", [{"qps": 3}])
async def test_the_rate_is_strict_in_any_window(simulator: Simulator, calls: Calls) -> None:
    """Submits, queries, flash and v1 share one rate; exactly one window later there is room again."""
    task = new_task()
    found = [code(await calls.submit(task=task)), code(await calls.query(task)), code(await calls.v1_submit())]
    assert code(await calls.flash()) == "45000292"
    assert code(await calls.v1_submit()) == "1003"
    assert found == ["20000000", "20000001", "1000"]
    await anyio.sleep(1)
    assert [code(await calls.query(task)) for _ in range(4)] == [*["20000001"] * 3, "45000292"]
    assert (simulator.refused, simulator.peak_qps) == (3, 5)


@pytest.mark.parametrize("settings", [{"qps": 20}])
async def test_a_client_that_keeps_the_rate_is_never_refused(simulator: Simulator, calls: Calls) -> None:
    """Starts exactly a twentieth of a second apart are right, whatever floating point makes of the sums."""
    for _ in range(200):
        assert code(await calls.submit()) == "20000000"
        await anyio.sleep(1 / 20)
    assert (simulator.refused, simulator.peak_qps) == (0, 20)


@pytest.mark.parametrize("settings", [{"concurrency": 2, "reply_delay": 1}])
async def test_requests_in_the_air_are_limited(simulator: Simulator, calls: Calls) -> None:
    """The third at once is refused; when they have ended there is room again."""
    found: list[str] = []

    async def one() -> None:
        found.append(code(await calls.submit()))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)
    assert sorted(found) == ["20000000", "20000000", "45000292"]
    assert code(await calls.submit()) == "20000000"
    assert (simulator.peak_in_air, simulator.refused) == (3, 1)


@pytest.mark.parametrize("settings", [{"reply_delay": 60}])
async def test_a_cancelled_request_leaves_the_air(simulator: Simulator, calls: Calls) -> None:
    """A client that goes away does not hold a place."""
    with anyio.move_on_after(5):
        await calls.submit()
    assert (await calls.http.get("/_simulator")).json()["in_air"] == 0


@pytest.mark.parametrize("settings", [{"processing_sigma": 0.5, "processing_time": 10}])
async def test_processing_times_are_drawn_from_seed_and_url(settings: dict[str, Any], calls: Calls) -> None:
    """Another run has the same times; other URLs and other seeds have others."""

    async def finished(simulator: Simulator) -> list[int]:
        async with Calls(simulator) as others:
            ids = {new_task(): f"https://example.com/{index}" for index in range(20)}
            for task, url in ids.items():
                await others.submit(body(url), task=task)
            waits = dict.fromkeys(ids, 0)
            for tick in range(60):
                for task in ids:
                    if not waits[task] and code(await others.query(task)) == "20000000":
                        waits[task] = tick
                await anyio.sleep(1)
            return list(waits.values())

    def differ(ones: list[int], others: list[int]) -> list[int]:
        """How many ticks apart; an end between two queries may be seen by either."""
        return [abs(one - other) for one, other in zip(ones, others, strict=True)]

    first, again = await finished(Simulator(**settings)), await finished(Simulator(**settings))
    assert max(differ(first, again)) <= 1
    assert sum(differ(first, await finished(Simulator(**settings, seed=1)))) > 20
    assert len(set(first)) > 5
    assert 5 <= sorted(first)[10] <= 20


async def test_what_real_clients_send_is_served(simulator: Simulator, calls: Calls) -> None:
    """Header names in any case, no sequence, no content type, a log id at query, unknown fields (reference section 3)."""
    task = new_task()
    headers: dict[str, str | None] = {
        "x-api-key": "key",
        "x-api-resource-id": "volc.bigasr.auc",
        "x-api-request-id": task,
    }
    reply = await calls.post("/api/v3/auc/bigmodel/submit", headers, body(newer_than_this=1))
    assert code(reply) == "20000000"
    await anyio.sleep(3)
    reply = await calls.query(task, headers={"X-Tt-Logid": reply.headers["x-tt-logid"]})
    assert code(reply) == "20000000"
    assert said(simulator) == ["request.newer_than_this is in no document"]


async def test_idle_tasks_are_found_on_the_plain_path_too(simulator: Simulator, calls: Calls) -> None:
    """Docs 2606792 and 2608619 disagree: served and noted; the other way round is in no document."""
    idle, standard = new_task(), new_task()
    await calls.submit(task=idle, edition="idle")
    await calls.submit(task=standard)
    assert code(await calls.query(idle)) == "20000001"
    assert code(await calls.query(standard, edition="idle")) == "45000000"
    assert len([what for what in said(simulator) if "is queried in the" in what]) == 2


async def test_callbacks_are_recorded(simulator: Simulator, calls: Calls) -> None:
    """v3 beside `request`, v1 inside it; v1 then refuses a query unless it was asked for (2024-08)."""
    task = new_task()
    await calls.submit({**body(), "callback": "https://me/cb", "callback_data": "x"}, task=task)
    asked: dict[str, Any] = {"request": {"callback": "https://me/v1"}}
    one = (await calls.v1_submit(v1_body(**asked))).json()["resp"]["id"]
    two = (await calls.v1_submit(v1_body(**asked, additions={"enable_query": "True"}))).json()["resp"]["id"]
    assert simulator.callbacks == [
        Callback(task, "standard", "https://me/cb", "x"),
        Callback(one, "v1", "https://me/v1", ""),
        Callback(two, "v1", "https://me/v1", ""),
    ]
    assert code(await calls.v1_query(one)) == "1001"
    assert code(await calls.v1_query(two)) == "2000"


def mac(secret: str, head: str, content: bytes) -> str:
    digest = hmac.new(secret.encode(), head.encode() + content, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode()


@pytest.mark.parametrize("settings", [{"secret_keys": {"app": "s3cret"}, "app_keys": {"app": "token"}}])
async def test_v1_signatures_are_checked(calls: Calls) -> None:
    """Doc 2534847: request line, the named headers' values, the body; padding is optional."""
    content = json.dumps(v1_body()).encode()
    head = "POST /api/v1/auc/submit HTTP/1.1\nsimulator\n"
    form = 'HMAC256; access_token="token"; mac="{}"; h="{}"'
    good, bad = mac("s3cret", head, content), mac("other", head, content)
    custom = mac("s3cret", "POST /api/v1/auc/submit HTTP/1.1\nmine\nsimulator\n", content)
    for given, wanted in [
        (form.format(good, "Host"), "1000"),
        (form.format(good.rstrip("="), "Host"), "1000"),
        (form.format(custom, "Custom,Host"), "1000"),
        (form.format(bad, "Host"), "1002"),
        (form.format(good, "Custom"), "1002"),
    ]:
        assert code(await calls.v1_submit(content, headers={"Authorization": given, "Custom": "mine"})) == wanted
    stranger = json.dumps({**v1_body(), "app": {"appid": "x", "token": "token", "cluster": "c"}}).encode()
    signed = {"Authorization": form.format(mac("s3cret", head, stranger), "Host")}
    assert code(await calls.v1_submit(stranger, headers=signed)) == "1002"
    assert code(await calls.v1_submit(content + b" ", headers={"Authorization": form.format(good, "Host")})) == "1002"


@pytest.mark.parametrize("settings", [{"clusters": ["good"]}])
async def test_v1_clusters(calls: Calls) -> None:
    """A cluster that the account has not is no permission."""
    assert code(await calls.v1_submit()) == "1002"
    app = {"appid": "app", "token": "token", "cluster": "good"}
    assert code(await calls.v1_submit({**v1_body(), "app": app})) == "1000"


async def test_a_100_mb_upload_is_not_held_in_memory(simulator: Simulator, calls: Calls) -> None:
    """The body streams through: the peak stays under 3 MiB, the hash is right, and 100 MB are the limit."""
    import tracemalloc
    from collections.abc import AsyncIterator

    wav = make_wav(0.1)
    block = base64.b64encode(bytes(3 * 65536))
    blocks = 2**20 * 100 // (3 * 65536)

    async def content() -> AsyncIterator[bytes]:
        yield b'{"request":{"model_name":"bigmodel"},"audio":{"format":"wav","data":"'
        yield base64.b64encode(wav[:3000])
        for _ in range(blocks):
            yield block
        yield b'"}}'

    length = 69 + 4000 + len(block) * blocks + 3
    tracemalloc.start()
    try:
        reply = await calls.flash(content(), headers={"Content-Length": str(length)})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert code(reply) == "20000000"
    assert peak < 3 * 2**20
    expected = hashlib.sha256(wav[:3000])
    for _ in range(blocks):
        expected.update(bytes(3 * 65536))
    assert simulator.uploads[0].sha256 == expected.hexdigest()
    assert simulator.uploads[0].size == 3000 + 3 * 65536 * blocks
    assert said(simulator) == []


async def test_log_ids_are_unique_and_the_same_in_every_run(calls: Calls) -> None:
    """X-Tt-Logid is on every v3 answer, refusals too, and never on v1."""

    async def log_ids(seed: int) -> list[str]:
        async with Calls(Simulator(seed=seed)) as others:
            replies = [await others.submit(), await others.query(new_task()), await others.flash(b"")]
            assert "x-tt-logid" not in (await others.v1_submit()).headers
            return [reply.headers["x-tt-logid"] for reply in replies]

    assert len(set(await log_ids(0))) == 3
    assert await log_ids(0) == await log_ids(0) != await log_ids(1)


async def test_views_for_other_languages(simulator: Simulator, calls: Calls) -> None:
    """State, charges and violations as JSON; none of it counts as a request; reset forgets all but the audio."""
    simulator.add_audio("a.wav", make_wav(1))
    await calls.submit(body(wrong=1))
    await calls.query(new_task())
    view = (await calls.http.get("/_simulator")).json()
    assert view["tasks"] == {"queued": 0, "running": 1, "done": 0, "gone": 0}
    assert (view["charges"], view["requests"]) == (1, {"submit": 1, "query": 1})
    assert view["answers"] == {"20000000": 1, "45000000": 1}
    assert view["violations"] == 1
    assert view["last"]["violations"][0]["what"] == "request.wrong is in no document"
    assert (await calls.http.get("/_simulator/charges")).json() == {URL: 1}
    assert len((await calls.http.get("/_simulator/violations")).json()) == 1
    assert (await calls.http.post("/_simulator/reset")).status_code == 200
    assert (await calls.http.get("/_simulator")).json()["charges"] == 0
    assert (await calls.http.get("/_simulator/other")).status_code == 404
    assert (await calls.http.get("/audio/a.wav")).status_code == 200
    await calls.submit()
    simulator.reset()
    assert sum(simulator.requests.values()) == 0


@pytest.mark.parametrize(
    ("path", "size", "verdict"),
    [
        (f"{V3}/submit", 512 * 2**20, "20000000"),
        (f"{V3}/submit", 512 * 2**20 + 1, "45000132"),
        (f"{V3}/recognize/flash", 100 * 2**20, "20000000"),
        (f"{V3}/recognize/flash", 100 * 2**20 + 1, "45000132"),
    ],
)
def test_sizes_at_the_limit(path: str, size: int, verdict: str) -> None:
    """The mind works without a face: 512 MB for standard, 100 MB for flash, not a byte more."""
    service = Simulator().app.service
    edition, _, prepare = ROUTES[path]
    headers = {"x-api-request-id": new_task(), "x-api-resource-id": "r"}
    request = Request(
        head=Head("POST", path, headers),
        edition=edition,
        account="a",
        now=0.0,
        raw=json.dumps(inline(b"", format="pcm")).encode(),
        clip=Clip(size, "hash", b"", b""),
        received=1,
    )
    prepared = prepare(service, request)
    assert isinstance(prepared, Prepared)
    assert prepared.perform().code == verdict
    assert len(service.charges) == (verdict == "20000000")


async def test_the_lifespan_of_an_asgi_server(simulator: Simulator) -> None:
    """An ordinary ASGI server starts and stops it; what is no HTTP is refused."""
    said = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    answered: list[Any] = []

    async def receive() -> Any:
        return next(said)

    async def send(message: Any) -> None:
        answered.append(message["type"])

    await simulator.app({"type": "lifespan"}, receive, send)
    assert answered == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(ValueError, match="websocket"):
        await simulator.app({"type": "websocket"}, receive, send)


async def test_an_asgi_client_that_goes_away(simulator: Simulator) -> None:
    """A disconnect in the middle of the body: nothing is answered, nothing remembered; repeated headers are joined."""
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    headers = [(b"X-Api-Key", b"a"), (b"x-api-key", b"b")]

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        pytest.fail(f"answered {message}")

    scope = {"type": "http", "method": "POST", "path": f"{V3}/submit", "headers": headers}
    await simulator.app(scope, receive, send)
    assert simulator.charges == []
    assert simulator.requests == {"submit": 1}


async def test_repr_is_for_people(simulator: Simulator, calls: Calls) -> None:
    """Tasks by state, charges and violations at one look."""
    await calls.submit()
    await anyio.sleep(3)
    await calls.submit(body(x=1))
    assert repr(simulator) == "<Simulator [2 tasks: 1 running, 1 done | 2 charges, 1 violations]>"


@pytest.mark.parametrize("settings", [{"qps": 0.5}, {"concurrency": 0}, {"processing_time": -1}])
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    """A limit that lets nothing through, a negative time: said when the simulator is made."""
    with pytest.raises(ValueError, match=r"qps|concurrency|processing_time"):
        Simulator(**settings)


def test_a_simulator_prints_without_an_event_loop() -> None:
    """After the run there is no clock: the states are left out."""
    assert repr(Simulator(faults=[Fault("reset")])) == "<Simulator [0 tasks | 0 charges, 0 violations]>"
