"""Callbacks that the simulator sends: when, to whom, what, and what the faults add."""

import json
import uuid
from typing import Any

import anyio
import httpx
import pytest
from sim_calls import Calls, body, sample, shape, v1_body

from volcasr_async.testing import Delivery, Fault, Simulator
from volcasr_async.testing.asgi import Message, Receive, Send
from volcasr_async.testing.posting import Receiver

pytestmark = pytest.mark.anyio

HERE = "https://me.example/callbacks/token-A"


class Box:
    """An ASGI application that keeps what was posted to it, and when."""

    def __init__(self, *, status: int = 200, pause: float = 0.0) -> None:
        self.status, self.pause = status, pause
        self.posts: list[tuple[float, str, Any]] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        content = (await receive())["body"]
        self.posts.append((anyio.current_time(), scope["path"], json.loads(content)))
        await anyio.sleep(self.pause)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def submit(
    calls: Calls,
    *,
    url: str = "https://example.com/a.mp3",
    callback: str = HERE,
    edition: str = "standard",
    task: str | None = None,
    **more: Any,
) -> str:
    task = task or str(uuid.uuid4())
    await calls.submit({**body(url), "callback": callback, **more}, task=task, edition=edition)
    return task


async def test_it_comes_when_the_task_ends(calls: Calls, simulator: Simulator) -> None:
    """Once, at that moment, and the answer's status is kept."""
    box, started = Box(), anyio.current_time()
    async with simulator.send_callbacks(box):
        task = await submit(calls, callback_data="order 7")
        await anyio.sleep(100)
    [(at, path, found)] = box.posts
    assert 2 <= at - started < 2.1
    assert path == "/callbacks/token-A"
    assert (found["task_id"], found["code"], found["callback_data"]) == (task, 20000000, "order 7")
    assert found["result"]["text"]
    [delivery] = simulator.deliveries
    assert delivery == Delivery(task, "callback", HERE, delivery.at, 200)
    assert simulator.violations == []


@pytest.mark.parametrize("asked", [{}, {"enable_query": "True"}])
async def test_v1_holds_what_a_query_would_answer(
    calls: Calls, simulator: Simulator, asked: dict[str, Any] | dict[str, str]
) -> None:
    """As doc 80820 says, also where the query itself is refused."""
    box = Box()
    async with simulator.send_callbacks(box):
        await calls.v1_submit(v1_body(request={"callback": HERE}, additions=asked))
        await anyio.sleep(3)
    [(_, _, found)] = box.posts
    documented = sample("v1_callback_payload")["body"]["resp"]
    assert {name: type(value) for name, value in found["resp"].items()} == {
        **{name: type(value) for name, value in documented.items()},
        "code": int,
    }
    assert shape(found["resp"]["utterances"][0])["text"] == "str"


@pytest.mark.parametrize("edition", ["standard", "idle", "v1"])
async def test_bad_ends_are_told_too(calls: Calls, simulator: Simulator, edition: str) -> None:
    """With the code that the query has."""
    box, url = Box(), "https://example.com/silence.mp3"
    async with simulator.send_callbacks(box):
        if edition == "v1":
            await calls.v1_submit(v1_body(url, request={"callback": HERE}))
        else:
            await submit(calls, url=url, edition=edition)
        await anyio.sleep(3)
    [(_, _, found)] = box.posts
    assert (found["resp"]["code"] if edition == "v1" else found["code"]) in {1013, 20000003}


async def test_a_task_that_never_ends_calls_nobody(calls: Calls, simulator: Simulator) -> None:
    """For as long as one waits."""
    box = Box()
    async with simulator.send_callbacks(box):
        await submit(calls, url="https://example.com/never.mp3")
        await anyio.sleep(10_000)
    assert box.posts == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("late-callback"), [(32, "A", "late-callback", "truth")]),
        (Fault("late-callback", seconds=5), [(7, "A", "late-callback", "truth")]),
        (Fault("repeated-callback"), [(2, "A", "callback", "truth"), (3, "A", "repeated-callback", "truth")]),
        (Fault("early-callback"), [(1, "A", "early-callback", "lie"), (2, "A", "callback", "truth")]),
        (Fault("forged-callback"), [(1, "B", "forged-callback", "lie"), (2, "A", "callback", "truth")]),
        (Fault("lost-callback"), []),
        (Fault("lost-callback", share=0), [(2, "A", "callback", "truth")]),
        (Fault("lost-callback", url="other"), [(2, "A", "callback", "truth")]),
    ],
)
@pytest.mark.parametrize("edition", ["standard", "v1"])
async def test_faults(fault: Fault, said: list[tuple[int, str, str, str]] | list[Any], edition: str) -> None:
    """Each kind: when, to which address, and whether it is true."""
    simulator, box = Simulator(faults=[fault]), Box()
    async with Calls(simulator) as calls, simulator.send_callbacks(box):
        started = anyio.current_time()
        if edition == "v1":
            await calls.v1_submit(v1_body(request={"callback": HERE}))
        else:
            await submit(calls)
        await anyio.sleep(60)
    seen = []
    for (at, path, found), delivery in zip(box.posts, simulator.deliveries, strict=True):
        text = found["resp"]["text"] if edition == "v1" else found["result"]["text"]
        lie = "somebody made up" in text
        seen.append((round(at - started), path[-1], delivery.kind, "lie" if lie else "truth"))
    assert seen == said


async def test_faults_of_callbacks_add_up() -> None:
    """Late and twice is both; the first task of a URL only, with `times=1`."""
    faults = [Fault("late-callback", seconds=10), Fault("repeated-callback", times=1), Fault("lost-answer", share=0)]
    simulator, box = Simulator(faults=faults), Box()
    async with Calls(simulator) as calls, simulator.send_callbacks(box):
        one, two = await submit(calls), await submit(calls)
        await anyio.sleep(60)
    assert [d.kind for d in simulator.deliveries if d.task_id == one] == ["late-callback", "repeated-callback"]
    assert [d.kind for d in simulator.deliveries if d.task_id == two] == ["late-callback"]


@pytest.mark.parametrize("on", ["query", "flash"])
async def test_a_fault_of_callbacks_belongs_to_a_submit(on: str) -> None:
    """Said when it is made."""
    with pytest.raises(ValueError, match="leave out `on`"):
        Fault("late-callback", on=on)
    assert Fault.parse("late-callback=0.5,seconds=3") == Fault("late-callback", share=0.5, seconds=3)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_seed_draws_the_same(seed: int) -> None:
    """Twice the same run, callback by callback."""

    async def run() -> list[str]:
        simulator, box = Simulator(seed=seed, faults=[Fault("lost-callback", share=0.5)]), Box()
        async with Calls(simulator) as calls, simulator.send_callbacks(box):
            for number in range(20):
                await submit(calls, url=f"https://example.com/{number}.mp3", callback=f"https://me.example/{number}")
            await anyio.sleep(60)
        return sorted(path for _, path, _ in box.posts)  # trio shuffles what is due at the same moment

    first = await run()
    assert 0 < len(first) < 20
    assert first == await run()


async def test_what_came_before_is_sent_when_somebody_sends(calls: Calls, simulator: Simulator) -> None:
    """And only once, however often one begins to send."""
    box = Box()
    await submit(calls)
    await anyio.sleep(60)
    assert simulator.deliveries == []
    for _ in range(2):
        async with simulator.send_callbacks(box):
            await anyio.sleep(1)
    assert len(box.posts) == 1


async def test_a_reset_forgets_what_was_to_be_sent(calls: Calls, simulator: Simulator) -> None:
    """Nothing of the run before comes into the next."""
    box = Box()
    async with simulator.send_callbacks(box):
        task = await submit(calls)
        await anyio.sleep(1)
        simulator.reset()
        started = anyio.current_time()
        assert await submit(calls, task=task) == task
        await anyio.sleep(60)
    assert [round(at - started) for at, _, _ in box.posts] == [2]


async def test_only_one_may_send(simulator: Simulator) -> None:
    """Two would send everything twice."""
    async with simulator.send_callbacks(Box()):
        with pytest.raises(RuntimeError, match="sends its callbacks already"):
            async with simulator.send_callbacks(Box()):
                pass


async def test_the_block_s_error_comes_out_as_itself(simulator: Simulator) -> None:
    """Not in a group."""
    with pytest.raises(KeyError):
        async with simulator.send_callbacks(Box()):
            raise KeyError
    async with simulator.send_callbacks(Box()):
        pass


async def test_a_slow_receiver_holds_up_nobody(calls: Calls, simulator: Simulator) -> None:
    """It is given up after ten seconds; the next callback has long been sent."""
    box = Box(pause=100)
    async with simulator.send_callbacks(box):
        started = anyio.current_time()
        await submit(calls, url="https://example.com/1.mp3")
        await submit(calls, url="https://example.com/2.mp3")
        await anyio.sleep(60)
    assert [round(at - started) for at, _, _ in box.posts] == [2, 2]
    assert [d.status for d in simulator.deliveries] == [None, None]


async def test_answers_are_kept_whatever_they_are(calls: Calls, simulator: Simulator) -> None:
    """A status, or the 500 of an application that breaks."""

    async def broken(scope: Message, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    kinds: list[tuple[Receiver, int]] = [(Box(status=403), 403), (broken, 500)]
    for app, status in kinds:
        async with simulator.send_callbacks(app):
            await submit(calls)
            await anyio.sleep(3)
        assert simulator.deliveries[-1].status == status


@pytest.mark.parametrize("callback", [HERE, "no address", "https://[x"])
async def test_an_httpx_transport_will_do(calls: Calls, simulator: Simulator, callback: str) -> None:
    """Also one that fails, and whatever the client named as its address."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    async with simulator.send_callbacks(httpx.MockTransport(fail)):
        await submit(calls, callback=callback)
        await anyio.sleep(3)
    assert [d.status for d in simulator.deliveries] == [None]
