"""Callbacks as hints: they shorten the wait, and nothing that they say or that strangers send has any other effect."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
from io_kit import PLAIN, client, is_idle, polled

from volcasr_async import (
    AucV1,
    InputError,
    Job,
    Limits,
    Pending,
    PollPolicy,
    RetryPolicy,
    Standard,
    Task,
    Transcript,
    VolcASR,
)
from volcasr_async.callbacks import CallbackReceiver, Message, Receive, Send
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

HERE = "https://me.example/volcasr"
SECRET = "sixteen-characters-or-more"
OTHER_ID = "a1b2c3d4-2222-4333-8444-555555555555"
App = Callable[[Message, Receive, Send], Awaitable[None]]


def receiver_of(asr: VolcASR, **more: Any) -> CallbackReceiver:
    given: dict[str, Any] = {"public_url": HERE, "secret": SECRET} | more
    return CallbackReceiver(asr, **given)


@asynccontextmanager
async def house(simulator: Simulator, **more: Any) -> AsyncIterator[tuple[VolcASR, CallbackReceiver]]:
    """A client with its receiver, which the simulator calls."""
    async with client(simulator, **more) as asr:
        receiver = receiver_of(asr)
        async with simulator.send_callbacks(receiver):
            yield asr, receiver


@asynccontextmanager
async def waiting(asr: VolcASR, task: Task, **more: Any) -> AsyncIterator[dict[str, Any]]:
    """A call that waits for a task while the block runs; gives what it brought, and when."""
    found: dict[str, Any] = {}

    async def wait() -> None:
        started = anyio.current_time()
        found["transcript"] = await asr.wait(task, **more)
        found["s"] = anyio.current_time() - started

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        yield found


async def quiet(app: App, url: str, method: str = "POST", content: bytes = b"{}") -> int:
    """Send one request; gives the status."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as http:
        return (await http.request(method, url, content=content)).status_code


# ---- waiting ----


@polled
async def test_a_callback_ends_the_wait_at_once(edition: Edition) -> None:
    """The result is here when the task ends, with fewer questions than polling, in v1 too."""
    simulator = Simulator(processing_time=100)
    async with house(simulator) as (asr, receiver):
        started = anyio.current_time()
        transcript = await receiver.transcribe(PLAIN, edition=edition)
        assert 100 <= anyio.current_time() - started < 100.5
        assert is_idle(asr)
    assert transcript.text
    assert [(d.kind, d.status) for d in simulator.deliveries] == [("callback", 200)]
    assert simulator.requests["query"] <= 8
    assert len(simulator.charges) == 1
    assert simulator.violations == []


async def test_in_steps_and_through_the_client() -> None:
    """A task that was submitted with a callback ends early in `receiver.wait` and in `asr.wait`."""
    simulator = Simulator(processing_time=100)
    async with house(simulator) as (asr, receiver):
        one, two = await receiver.submit(PLAIN), await asr.submit(receiver.job(PLAIN))
        started = anyio.current_time()
        async with waiting(asr, two) as found:
            assert (await receiver.wait(one)).text
            assert anyio.current_time() - started < 100.5
        assert found["s"] < 100.5
    assert len(simulator.charges) == 2


async def test_all_who_wait_for_a_task_are_woken() -> None:
    """Also after one of them has given up."""
    simulator = Simulator(processing_time=100)
    async with house(simulator) as (asr, receiver):
        task = await receiver.submit(PLAIN)
        rare = PollPolicy(first=500)
        async with waiting(asr, task, poll=rare) as one, waiting(asr, task, poll=rare) as two:
            with anyio.move_on_after(50):
                await receiver.wait(task)
        assert max(one["s"], two["s"]) < 100.5


async def test_without_a_callback_polling_goes_on() -> None:
    """What was called back for nothing is found by asking, half a minute later at most."""
    simulator = Simulator(processing_time=300, faults=[Fault("lost-callback")])
    async with house(simulator) as (_, receiver):
        started = anyio.current_time()
        assert (await receiver.transcribe(PLAIN)).text
        assert anyio.current_time() - started < 335
    assert simulator.deliveries == []
    assert simulator.requests["query"] < 20


async def test_a_late_callback_finds_nobody() -> None:
    """It comes when polling has long found the result, and is answered all the same."""
    simulator = Simulator(processing_time=20, faults=[Fault("late-callback", seconds=600)])
    async with house(simulator) as (_, receiver):
        assert (await receiver.transcribe(PLAIN)).text
        await anyio.sleep(700)
    assert [(d.kind, d.status) for d in simulator.deliveries] == [("late-callback", 200)]


async def test_lies_duplicates_and_forgeries() -> None:
    """The text is the service's, never the callback's; an early one costs one question, a forged one none."""
    plain = Simulator(processing_time=100)
    async with house(plain) as (_, receiver):
        truth = await receiver.transcribe(PLAIN)
    usual = plain.requests["query"]
    kinds = ["early-callback", "forged-callback", "repeated-callback"]
    simulator = Simulator(processing_time=100, faults=[Fault(kind) for kind in kinds])
    async with house(simulator) as (_, receiver):
        started = anyio.current_time()
        transcript = await receiver.transcribe(PLAIN)
        assert anyio.current_time() - started < 100.5
        await anyio.sleep(10)
    assert transcript.text == truth.text
    assert {d.kind: d.status for d in simulator.deliveries} == {
        "forged-callback": 404,
        "early-callback": 200,
        "callback": 200,
        "repeated-callback": 200,
    }
    assert abs(simulator.requests["query"] - usual - 1) <= 1  # the gaps are jittered
    assert simulator.violations == []


async def test_a_forged_callback_asks_nothing() -> None:
    """Not one question more than the plan has."""
    simulator = Simulator(processing_time=9, faults=[Fault("forged-callback"), Fault("lost-callback")])
    async with house(simulator) as (_, receiver):
        await receiver.transcribe(PLAIN)
    assert [d.status for d in simulator.deliveries] == [404]
    assert simulator.requests["query"] == 1


async def test_a_callback_before_the_wait_is_kept_for_it() -> None:
    """Who waits later than the callback came does not wait at all."""
    simulator = Simulator(processing_time=1)
    async with house(simulator) as (_, receiver):
        task = await receiver.submit(PLAIN)
        await anyio.sleep(3)
        started = anyio.current_time()
        await receiver.wait(task)
        assert anyio.current_time() - started < 0.1
    assert simulator.requests["query"] == 1


async def test_what_is_kept_has_a_bound() -> None:
    """The oldest of very many hints is forgotten, and asking finds its task."""
    simulator = Simulator(processing_time=1)
    async with client(simulator) as asr:
        receiver = receiver_of(asr)
        task = await receiver.submit(PLAIN)
        asr.hint(task)
        for _ in range(5000):
            asr.hint(str(uuid4()))
        await anyio.sleep(2)
        started = anyio.current_time()
        await receiver.wait(task)
        assert anyio.current_time() - started > 5


async def test_a_wrong_hint_leaves_the_plan_as_it_was() -> None:
    """One more question, and the next one when it was due anyway."""
    simulator = Simulator(processing_time=60)
    async with client(simulator) as asr:
        task = await asr.submit(PLAIN)
        async with waiting(asr, task, poll=PollPolicy(first=90)) as found:
            await anyio.sleep(30)
            asr.hint(task)
        assert 89 < found["s"] < 91
    assert simulator.requests["query"] == 2


async def test_a_hint_while_a_question_is_in_the_air() -> None:
    """The answer on its way may be older than the hint: it is asked again."""
    simulator = Simulator(processing_time=10, reply_delay=4)
    async with client(simulator) as asr:
        task = await asr.submit(PLAIN)  # taken at 0, answered at 4
        async with waiting(asr, task, poll=PollPolicy(first=4, shortest=100)) as found:
            await anyio.sleep(6.5)  # the first question left at 8
            asr.hint(task.request_id.upper())
        assert found["s"] < 15
    assert simulator.requests["query"] == 2


async def test_repeated_hints_do_not_eat_the_budget() -> None:
    """Who knows one address and posts to it all day costs a handful of questions."""
    simulator = Simulator(processing_time=600)
    async with client(simulator) as asr:
        task = await asr.submit(PLAIN)
        async with waiting(asr, task, poll=PollPolicy(first=700)) as found:
            for _ in range(100):
                await anyio.sleep(5)
                for _ in range(100):
                    asr.hint(task)
        assert found["s"] < 800
    assert simulator.requests["query"] < 14


async def test_hints_keep_to_the_budget() -> None:
    """Thirty callbacks at once are asked about one after the other, at the rate that is allowed."""
    simulator = Simulator(processing_time=9, qps=10)
    async with house(simulator, limits=Limits(qps=10)) as (_, receiver), anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(receiver.transcribe, f"https://example.com/{number}.mp3")
    assert simulator.peak_qps <= 10
    assert (simulator.refused, len(simulator.charges)) == (0, 30)


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """Its hint is kept for the next one."""
    simulator = Simulator(processing_time=20)
    async with house(simulator) as (asr, receiver):
        task = await receiver.submit(PLAIN)
        with anyio.move_on_after(8):
            await receiver.wait(task)
        await anyio.sleep(30)
        started = anyio.current_time()
        assert (await receiver.wait(task, timeout=1)).text
        assert anyio.current_time() - started < 0.1
        assert is_idle(asr)


async def test_the_fresh_task_after_a_failed_one_is_called_back_too() -> None:
    """Its request id is another, its callback's address the same."""
    simulator = Simulator(processing_time=100, faults=[Fault("task-error", times=1)])
    async with house(simulator, retry=RetryPolicy(new_tasks=1)) as (_, receiver):
        assert (await receiver.transcribe(PLAIN)).text
        assert anyio.current_time() - simulator.deliveries[-1].at < 0.5
    assert len(simulator.charges) == 2
    assert [d.status for d in simulator.deliveries] == [200, 200]


async def test_a_failed_task_is_called_back_and_fails() -> None:
    """The error is the service's answer to the question."""
    simulator = Simulator(processing_time=100)
    async with house(simulator) as (_, receiver):
        started = anyio.current_time()
        with pytest.raises(Exception, match="45000151"):
            await receiver.transcribe("https://example.com/bad-format.mp3")
        assert anyio.current_time() - started < 100.5


async def test_a_program_may_keep_its_tasks_itself() -> None:
    """`on_hint` is told the request id once the service has its answer, and asks when it likes."""
    simulator = Simulator(processing_time=5)
    async with client(simulator) as asr:
        tasks: dict[str, Task] = {}
        seen: list[Pending | Transcript] = []

        async def fetch(request_id: str) -> None:
            await anyio.sleep(1000)  # longer than the service would wait
            seen.append(await asr.query(tasks[request_id]))

        receiver = receiver_of(asr, on_hint=fetch)
        async with simulator.send_callbacks(receiver):
            task = await receiver.submit(PLAIN)
            tasks[task.request_id] = task
            sent = []

            async def send(message: Message) -> None:
                sent.append((anyio.current_time(), message["type"]))

            async def receive() -> Message:
                return {"type": "http.request", "body": b"", "more_body": False}

            path = "/" + receiver.url_for(task.request_id).rpartition("/")[2]
            started = anyio.current_time()
            await receiver({"type": "http", "method": "POST", "path": path}, receive, send)
            assert len(sent) == 2
            assert all(at - started < 1 for at, _ in sent)
        assert not isinstance(seen[0], Pending)


async def post(receiver: CallbackReceiver, request_id: str, answers: list[int]) -> None:
    """Post a callback as a server would, whose call goes on after the answer."""

    async def send(message: Message) -> None:
        if "status" in message:
            answers.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    path = httpx.URL(receiver.url_for(request_id)).path
    await receiver({"type": "http", "method": "POST", "path": path}, receive, send)


async def test_a_replayed_callback_calls_on_hint_seldom() -> None:
    """2,000 in ten seconds: the first is heard at once, the others together after 1 s, 2 s, 4 s, ...; all are answered."""
    heard: list[float] = []
    answers: list[int] = []

    async def on_hint(request_id: str) -> None:
        assert request_id == OTHER_ID
        heard.append(anyio.current_time() - started)

    async with client(Simulator()) as asr:
        receiver, started = receiver_of(asr, on_hint=on_hint), anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(2000):
                tasks.start_soon(post, receiver, OTHER_ID, answers)
                await anyio.sleep(0.005)
            assert answers == [200] * 2000, "the answer waits for no quiet time"
    assert [round(at) for at in heard] == [0, 1, 3, 7, 15]


async def test_the_services_callback_is_heard_after_a_forged_one() -> None:
    """At the end of the quiet time when it comes within it, else at once; other tasks are not concerned."""
    heard: list[tuple[str, float]] = []
    another, answers = str(uuid4()), list[int]()

    async def on_hint(request_id: str) -> None:
        heard.append((request_id, round(anyio.current_time() - started, 1)))

    async with client(Simulator()) as asr:
        receiver, started = receiver_of(asr, on_hint=on_hint), anyio.current_time()
        await post(receiver, OTHER_ID, answers)
        await anyio.sleep(0.5)
        await post(receiver, another, answers)
        await post(receiver, OTHER_ID, answers)
        await anyio.sleep(1000 - 1)
        await post(receiver, OTHER_ID, answers)
    assert heard == [(OTHER_ID, 0), (another, 0.5), (OTHER_ID, 1), (OTHER_ID, 1000)]


async def test_a_long_replay_keeps_nobody_longer_than_a_minute() -> None:
    """Whoever replays for hours does not silence the task for hours."""
    heard: list[float] = []

    async def on_hint(request_id: str) -> None:
        heard.append(anyio.current_time())

    async with client(Simulator()) as asr:
        receiver, answers = receiver_of(asr, on_hint=on_hint), list[int]()
        async with anyio.create_task_group() as tasks:
            for _ in range(720):
                tasks.start_soon(post, receiver, OTHER_ID, answers)
                await anyio.sleep(5)
    assert len(heard) < 70
    assert max(after - before for before, after in pairwise(heard)) < 66


async def test_a_call_that_was_cut_off_in_its_quiet_time_silences_nobody() -> None:
    """The server may cancel it; the next callback takes its place."""
    heard: list[float] = []

    async def on_hint(request_id: str) -> None:
        heard.append(round(anyio.current_time() - started, 1))

    async with client(Simulator()) as asr:
        receiver, started, answers = receiver_of(asr, on_hint=on_hint), anyio.current_time(), list[int]()
        await post(receiver, OTHER_ID, answers)
        with anyio.move_on_after(0.3):
            await post(receiver, OTHER_ID, answers)
        await post(receiver, OTHER_ID, answers)
    assert heard == [0, 1]


# ---- submit(callback=) ----


async def test_callback_and_data_of_a_submit() -> None:
    """They reach the service as if the Job had them."""
    simulator = Simulator()
    async with client(simulator) as asr:
        await asr.submit(PLAIN, callback="https://me.example/a", callback_data="order 7")
        await asr.submit(Job(PLAIN, callback_data="b"), callback="https://me.example/b")
        await asr.submit(PLAIN, callback="https://me.example/c", edition=AucV1("volc_auc_common"))
    assert [(c.url[-1], c.data) for c in simulator.callbacks] == [("a", "order 7"), ("b", "b"), ("c", "")]
    assert simulator.violations == []


@pytest.mark.parametrize("name", ["callback", "callback_data"])
async def test_two_callbacks_are_a_contradiction(name: str) -> None:
    """Nothing is sent; the error names the parameter."""
    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match=f"leave out the parameter {name}"):
            one: dict[str, Any] = {name: "https://me.example/a"}
            other: dict[str, Any] = {name: "https://me.example/b"}
            await asr.submit(Job(PLAIN, **one), **other)
        with pytest.raises(InputError, match="leave the Job's out"):
            await receiver_of(asr).submit(Job(PLAIN, callback="https://me.example/a"))
    assert not simulator.requests


async def test_a_job_keeps_the_callback_that_it_has_from_here() -> None:
    """To make a job of a job changes nothing."""
    async with client(Simulator()) as asr:
        job = receiver_of(asr).job(PLAIN)
        assert receiver_of(asr).job(job) == job


async def test_flash_is_refused() -> None:
    """It answers at once."""
    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match="flash answers at once"):
            await receiver_of(asr).transcribe(PLAIN, edition="flash")
    assert not simulator.requests


# ---- the ASGI application ----


@pytest.fixture
async def asr() -> AsyncIterator[VolcASR]:
    async with client(Simulator()) as one:
        yield one


def changed(url: str, at: int) -> str:
    """The address with one character changed."""
    return url[:at] + ("A" if url[at] != "A" else "B") + url[len(url) + at + 1 :]


async def test_strangers_learn_nothing(asr: VolcASR) -> None:
    """Whatever is wrong with a token, the answer is the same, and no body is read."""
    receiver = receiver_of(asr)
    good, other = receiver.url_for(OTHER_ID), receiver.url_for(str(uuid4()))
    name, _, mac = good.rpartition("/")[2].partition("-")
    wrong = [
        good[:-1],
        good + "=",
        good + "/x",
        changed(good, -1),
        changed(good, -43),
        f"{HERE}/{name}",
        f"{HERE}/{name}-",
        f"{HERE}/{name.upper()}-{mac}",
        f"{HERE}/{name}-{other.rpartition('-')[2]}",
        f"{HERE}/{OTHER_ID}-{mac}",
        f"{HERE}/",
        f"{HERE}/%00%ff甲",
        HERE + "/" + "x" * 10_000,
        receiver_of(asr, secret="another-secret-of-mine").url_for(OTHER_ID),
    ]

    async def unread() -> Message:
        raise AssertionError("a stranger's body was read")

    for url in wrong:
        sent: list[Message] = []

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        path = httpx.URL(url).path
        await receiver({"type": "http", "method": "POST", "path": path}, unread, send)
        assert sent == [
            {"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]},
            {"type": "http.response.body", "body": b""},
        ]
    assert await quiet(receiver, good) == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_posts(asr: VolcASR, method: str) -> None:
    """Other methods are 405, with a right token and without."""
    receiver = receiver_of(asr)
    for url in (receiver.url_for(OTHER_ID), f"{HERE}/x"):
        assert await quiet(receiver, url, method) == 405


@pytest.mark.parametrize("content", [b"", b"no JSON", b"\xff\x00", b'{"resp": {"code": "1000"}}', b"[" * 100_000])
async def test_any_body_will_do(asr: VolcASR, content: bytes) -> None:
    """It is not read."""
    receiver = receiver_of(asr)
    assert await quiet(receiver, receiver.url_for(OTHER_ID), content=content) == 200


@pytest.mark.parametrize("prefix", ["", "/", "/a/b", "/volcasr"])
@pytest.mark.parametrize("suffix", ["", "/", "?from=service"])
async def test_any_mount_path_will_do(asr: VolcASR, prefix: str, suffix: str) -> None:
    """The last segment says it all."""
    receiver = receiver_of(asr, public_url=f"http://127.0.0.1:8000{prefix}")
    assert await quiet(receiver, receiver.url_for(OTHER_ID) + suffix) == 200


async def test_mounted_in_starlette(asr: VolcASR) -> None:
    """As a user would."""
    starlette = pytest.importorskip("starlette.applications")
    app = starlette.Starlette()
    receiver = receiver_of(asr)
    app.mount("/volcasr", receiver)
    assert await quiet(app, receiver.url_for(OTHER_ID)) == 200
    assert await quiet(app, f"{HERE}/nobody") == 404


class Line:
    """A connection whose body comes piece by piece, for ever unless it ends; notes what was asked for and sent."""

    def __init__(
        self, receiver: CallbackReceiver, pieces: int, *, pause: float = 0.0, end: Message | None = None
    ) -> None:
        self.pieces, self.pause, self.end = pieces, pause, end
        self.read = 0
        self.sent: list[Message] = []
        path = httpx.URL(receiver.url_for(OTHER_ID)).path
        self.scope: Message = {"type": "http", "method": "POST", "path": path}

    async def receive(self) -> Message:
        await anyio.sleep(self.pause)
        if self.read == self.pieces:
            if self.end is None:
                await anyio.sleep_forever()
            assert self.end is not None
            return self.end
        self.read += 1
        return {"type": "http.request", "body": bytes(1024 * 1024), "more_body": True}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return int(self.sent[0]["status"]) if self.sent else None


async def test_a_huge_body_is_read_to_a_bound(asr: VolcASR) -> None:
    """And answered then: the hint is worth the same."""
    receiver = receiver_of(asr)
    line = Line(receiver, 1000)
    await receiver(line.scope, line.receive, line.send)
    assert (line.status, line.read) == (200, 17)


async def test_a_transcript_of_hours_is_read_to_its_end(asr: VolcASR) -> None:
    """Ten megabytes are no reason to break off."""
    receiver = receiver_of(asr)
    line = Line(receiver, 10, end={"type": "http.request", "body": b"", "more_body": False})
    await receiver(line.scope, line.receive, line.send)
    assert (line.status, line.read) == (200, 10)


@pytest.mark.parametrize(("pieces", "pause"), [(0, 0), (1, 0), (1000, 3)])
async def test_a_slow_body_has_a_deadline(asr: VolcASR, pieces: int, pause: int) -> None:
    """The service's connection is not held for ever."""
    receiver = receiver_of(asr)
    line, started = Line(receiver, pieces, pause=pause), anyio.current_time()
    await receiver(line.scope, line.receive, line.send)
    assert line.status == 200
    assert anyio.current_time() - started < 11


async def test_a_slow_body_holds_up_nobody() -> None:
    """The waiting call asks when the head of the callback is here."""
    simulator = Simulator(processing_time=20)
    async with client(simulator) as asr:
        receiver = receiver_of(asr)
        task = await receiver.submit(Job(PLAIN, request_id=OTHER_ID))
        async with waiting(asr, task, poll=PollPolicy(first=100)) as found, anyio.create_task_group() as tasks:
            await anyio.sleep(21)
            line = Line(receiver, 0)
            tasks.start_soon(receiver, line.scope, line.receive, line.send)
        assert found["s"] < 22


async def test_a_caller_that_leaves_is_not_answered(asr: VolcASR) -> None:
    """There is nobody to hear it."""
    receiver = receiver_of(asr)
    line = Line(receiver, 2, end={"type": "http.disconnect"})
    await receiver(line.scope, line.receive, line.send)
    assert line.sent == []


async def test_other_scopes(asr: VolcASR) -> None:
    """Started and stopped alone under a server; websockets are turned away; anything newer is the server's to know."""
    receiver = receiver_of(asr)

    async def talk(kind: str, *messages: str) -> list[str]:
        left, sent = list(messages), []

        async def receive() -> Message:
            return {"type": left.pop(0)}

        async def send(message: Message) -> None:
            sent.append(message["type"])

        await receiver({"type": kind, "path": "/"}, receive, send)
        return sent

    assert await talk("lifespan", "lifespan.startup", "lifespan.shutdown") == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert await talk("websocket", "websocket.connect") == ["websocket.close"]
    with pytest.raises(ValueError, match="does not speak webtransport"):
        await talk("webtransport")


# ---- what it is made with ----


async def test_the_secret_decides(asr: VolcASR) -> None:
    """Processes that share it take each other's callbacks, also after a restart; without one nobody else does."""
    url = receiver_of(asr).url_for(OTHER_ID)
    assert url == receiver_of(asr, secret=SECRET.encode()).url_for(OTHER_ID.replace("-", "").upper())
    mine, theirs = receiver_of(asr, secret=None), receiver_of(asr, secret=None)
    assert await quiet(mine, mine.url_for(OTHER_ID)) == 200
    assert await quiet(theirs, mine.url_for(OTHER_ID)) == 404


async def test_nothing_shows_the_secret(asr: VolcASR, caplog: pytest.LogCaptureFixture) -> None:
    """Neither its repr nor the log has it, or a token."""
    caplog.set_level("DEBUG", "volcasr_async")
    receiver = receiver_of(asr)
    await quiet(receiver, url := receiver.url_for(OTHER_ID))
    shown = repr(receiver) + str(vars(receiver).keys()) + caplog.text
    assert OTHER_ID in caplog.text
    assert SECRET not in shown
    assert url[-43:] not in shown


@pytest.mark.parametrize(
    "url",
    [
        *("", "me.example/x", "ftp://me.example", "https://", "https://u:p@me.example", "https://me.example/?a=b"),
        *("https://me.example/#x", "https://me.example/a b", "https://甲.example", "https://[x", None, 7),
    ],
)
async def test_urls_that_cannot_serve(asr: VolcASR, url: Any) -> None:
    """The error says what is taken, and repeats no password."""
    with pytest.raises(InputError, match=r"https://me\.example/volcasr") as caught:
        receiver_of(asr, public_url=url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "short", b"short", 12345678901234567890])
async def test_secrets_that_cannot_serve(asr: VolcASR, secret: Any) -> None:
    """The error has the line that makes a good one."""
    with pytest.raises(InputError, match="token_urlsafe") as caught:
        receiver_of(asr, secret=secret)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize("request_id", ["", "x", None, 7])
async def test_ids_that_are_none(asr: VolcASR, request_id: Any) -> None:
    """The error says where to take one."""
    with pytest.raises(InputError, match=r"Task\.request_id"):
        receiver_of(asr).url_for(request_id)


# ---- real sockets ----


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_over_real_sockets(real_time: None) -> None:
    """The simulator on a port calls a uvicorn on another."""
    uvicorn = pytest.importorskip("uvicorn")
    simulator = Simulator(processing_time=0.4, faults=[Fault("forged-callback")])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with simulator.serve() as base, simulator.send_callbacks(), client(simulator, base_url=base) as asr:
            receiver = receiver_of(asr, public_url=f"http://127.0.0.1:{port}", poll=PollPolicy(first=60))
            server = uvicorn.Server(uvicorn.Config(receiver, log_level="error", ws="none"))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, [listener])
                with anyio.fail_after(20):
                    assert (await receiver.transcribe(PLAIN, edition=Standard())).text
                server.should_exit = True
    assert [(d.kind, d.status) for d in simulator.deliveries] == [("forged-callback", 404), ("callback", 200)]
