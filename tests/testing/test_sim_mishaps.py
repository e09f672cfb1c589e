"""Faults after which a task may or may not be there: pages, codes that say nothing, foreign answers, a failover, lost tasks."""

import re
import uuid
from typing import Any

import anyio
import httpx
import pytest
from sim_calls import URL, Calls, body, code, said, v1_body
from test_sim_callbacks import Box
from test_sim_faults import outcome

from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

STATUSES = [200, 302, 400, 401, 403, 404, 408, 410, 413, 429, 502, 504, 520]
NOTHING_ACCEPTED = ["gateway-page", "unlisted-code", "generic-error", "foreign-reply"]
ACCEPTED = ["gateway-page-after", "server-error-after", "unlisted-code-after", "forgotten", "lost-and-forgotten"]
LOST = "cannot find task"


def new_id() -> str:
    return str(uuid.uuid4())


def not_found(reply: httpx.Response) -> bool:
    """In either family."""
    return LOST in reply.headers.get("x-api-message", "") + reply.text and code(reply) in {"45000000", "1001"}


async def v1_task(calls: Calls, url: str = URL) -> str:
    return str((await calls.v1_submit(v1_body(url))).json()["resp"]["id"])


@pytest.mark.parametrize("kind", NOTHING_ACCEPTED + ACCEPTED + ["failover"])
@pytest.mark.parametrize("edition", ["standard", "idle", "v1"])
async def test_what_a_submit_leaves_behind(kind: str, edition: str) -> None:
    """Nothing, or exactly one charge."""
    simulator = Simulator(faults=[Fault(kind)])
    async with Calls(simulator) as calls:
        await outcome(calls.v1_submit() if edition == "v1" else calls.submit(edition=edition))
    assert len(simulator.charges) == (kind not in NOTHING_ACCEPTED)
    assert said(simulator) == []


@pytest.mark.parametrize("kind", NOTHING_ACCEPTED)
async def test_an_id_that_was_not_accepted_is_new(kind: str) -> None:
    """The same id is taken afterwards."""
    simulator, request_id = Simulator(faults=[Fault(kind, times=1)]), new_id()
    async with Calls(simulator) as calls:
        await calls.submit(task=request_id)
        assert not_found(await calls.query(request_id))
        assert code(await calls.submit(task=request_id)) == "20000000"
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("kind", ["gateway-page-after", "server-error-after", "unlisted-code-after"])
async def test_an_id_that_was_accepted_is_known(kind: str) -> None:
    """A query finds the task, and the repeated id is refused."""
    simulator, request_id = Simulator(faults=[Fault(kind, times=1)]), new_id()
    async with Calls(simulator) as calls:
        await calls.submit(task=request_id)
        assert code(await calls.query(request_id)) == "20000001"
        assert code(await calls.submit(task=request_id)) == "45000001"
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("kind", [*NOTHING_ACCEPTED, "gateway-page-after", "server-error-after", "unlisted-code-after"])
@pytest.mark.parametrize("edition", ["standard", "v1"])
async def test_a_task_outlives_what_its_queries_are_told(kind: str, edition: str) -> None:
    """The next query has the result."""
    simulator = Simulator(faults=[Fault(kind, on="query", times=2)])
    async with Calls(simulator) as calls:
        if edition == "v1":
            task, query, good = await v1_task(calls), calls.v1_query, "1000"
        else:
            task, query, good = new_id(), calls.query, "20000000"  # type: ignore[assignment]  # as the calls differ
            await calls.submit(task=task)
        await anyio.sleep(3)
        found = [await query(task) for _ in range(3)]
    assert code(found[2]) == good
    assert [reply.text for reply in found[:2]] != [found[2].text] * 2
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("kind", ["gateway-page", "gateway-page-after"])
@pytest.mark.parametrize("status", STATUSES)
async def test_pages_hold_no_code(kind: str, status: int) -> None:
    """HTML with the status and without any header of the service, in both families and on every call."""
    simulator = Simulator(faults=[Fault(kind, status=status)])
    async with Calls(simulator) as calls:
        found = [await calls.submit(), await calls.query(new_id()), await calls.flash(), await calls.v1_submit()]
    for reply in found:
        assert reply.status_code == status
        assert reply.headers["content-type"] == "text/html"
        assert reply.text.startswith("<html>")
        assert not [name for name in reply.headers if name.startswith("x-")]
    assert len(simulator.charges) == (3 if kind == "gateway-page-after" else 0)
    assert simulator.answers == {f"http-{status}": 4}


async def test_a_page_is_a_502_by_default() -> None:
    """As the older kind."""
    async with Calls(Simulator(faults=[Fault("gateway-page")])) as calls:
        assert (await calls.submit()).status_code == 502


async def test_a_page_may_say_when_to_come_back() -> None:
    """A gateway's own limit, also where the service had taken the request; a success says nothing of it."""
    for kind in ("gateway-page", "gateway-page-after"):
        async with Calls(Simulator(faults=[Fault(kind, status=429, retry_after=3600)])) as calls:
            assert (await calls.submit()).headers["retry-after"] == "3600"
    async with Calls(Simulator(faults=[Fault("slow-body", seconds=0, retry_after=1)])) as calls:
        assert "retry-after" not in (await calls.submit()).headers


@pytest.mark.parametrize(
    ("kind", "v3", "v1"),
    [
        ("server-error-after", "55000000", "1099"),
        ("unlisted-code", "45000999", "1050"),
        ("unlisted-code-after", "45000999", "1050"),
        ("generic-error", "45000000", "1001"),
        ("failover", "55000000", "1099"),
        ("forgotten", "20000000", "1000"),
        ("lost-and-forgotten", "RemoteProtocolError", "RemoteProtocolError"),
        ("foreign-reply", "20000000", "1000"),
    ],
)
async def test_codes_at_submit(kind: str, v3: str, v1: str) -> None:
    """Each kind as an httpx client sees it."""
    async with Calls(Simulator(faults=[Fault(kind)])) as calls:
        assert await outcome(calls.submit()) == v3
        assert await outcome(calls.v1_submit()) == v1


@pytest.mark.parametrize("settings", [{"faults": [Fault("generic-error")]}])
async def test_the_generic_error_is_not_about_a_missing_task(calls: Calls) -> None:
    """Only the text tells the two apart."""
    for reply in (await calls.submit(), await calls.query(new_id()), await calls.v1_submit()):
        assert not not_found(reply)


@pytest.mark.parametrize(
    ("kind", "charged"), [("server-error-after", 1), ("unlisted-code-after", 1), ("unlisted-code", 0)]
)
async def test_codes_on_flash(kind: str, charged: int) -> None:
    """The work is charged or not done, and the result is lost either way."""
    simulator = Simulator(faults=[Fault(kind)])
    async with Calls(simulator) as calls:
        assert code(await calls.flash()) in {"55000000", "45000999"}
    assert len(simulator.charges) == charged


@pytest.mark.parametrize("settings", [{"faults": [Fault("not-found", times=2, after=1)], "lag": 1}])
async def test_a_task_that_is_not_found_although_it_is_there(calls: Calls) -> None:
    """Only queries that would have found it count."""
    task = new_id()
    await calls.submit(task=task)
    assert not_found(await calls.query(task))  # the lag, which uses up nothing
    await anyio.sleep(2)
    assert [not_found(await calls.query(task)) for _ in range(4)] == [False, True, True, False]
    other = await v1_task(calls)
    found = [await calls.v1_query(other) for _ in range(4)]
    assert [not_found(reply) for reply in found] == [False, True, True, False]
    assert found[1].json()["resp"]["id"] == other


@pytest.mark.parametrize("settings", [{"faults": [Fault("body-error", times=1)]}])
async def test_an_error_in_the_body_under_a_good_header(calls: Calls) -> None:
    """Queries of v3 only: v1 has no other place than the body."""
    task = new_id()
    await calls.submit(task=task)
    reply = await calls.query(task)
    assert (reply.headers["x-api-status-code"], reply.json()["code"]) == ("20000000", 45000151)
    assert reply.json()["message"]
    assert code(await calls.query(task)) == "20000001"
    assert code(await calls.v1_query(await v1_task(calls))) == "2000"


@pytest.mark.parametrize("settings", [{"faults": [Fault("empty-text")]}])
async def test_an_empty_text_while_the_task_is_running(simulator: Simulator, calls: Calls) -> None:
    """The duration is right, and the text comes when the task has ended; flash is not affected."""
    simulator.add_audio("a.wav", make_wav(7))
    task = new_id()
    await calls.submit(body("https://x/audio/a.wav"), task=task)
    other = await v1_task(calls)
    reply = await calls.query(task)
    assert (code(reply), reply.json()) == ("20000000", {"audio_info": {"duration": 7000}, "result": {"text": ""}})
    assert (await calls.v1_query(other)).json()["resp"]["text"] == ""
    await anyio.sleep(3)
    assert (await calls.query(task)).json()["result"]["text"]
    assert (await calls.v1_query(other)).json()["resp"]["text"]
    assert (await calls.flash()).json()["result"]["text"]


@pytest.mark.parametrize("settings", [{"faults": [Fault("foreign-reply")]}])
async def test_another_requests_answer(simulator: Simulator, calls: Calls) -> None:
    """A success with other words, under an id that is not the request's and never the same twice."""
    task = new_id()
    replies = [await calls.submit(task=task), await calls.query(task), await calls.flash(task=task)]
    ids = [reply.headers["x-api-request-id"] for reply in replies]
    assert [code(reply) for reply in replies] == ["20000000"] * 3
    v1 = [(await calls.v1_submit()).json()["resp"], (await calls.v1_query(task)).json()["resp"]]
    ids += [found["id"] for found in v1]
    assert len({task, *map(str, map(uuid.UUID, ids))}) == 6
    assert replies[0].json() == {}
    texts = [reply.json()["result"]["text"] for reply in replies[1:]] + [v1[1]["text"]]
    assert texts == ["someone else's words"] * 3
    assert simulator.charges == []


@pytest.mark.parametrize("settings", [{"faults": [Fault("foreign-reply", on="submit")], "task_ids": "own"}])
async def test_another_requests_task_id(simulator: Simulator, calls: Calls) -> None:
    """Where the service makes ids, the foreign reply holds one, which this account cannot find."""
    reply = await calls.submit()
    assert reply.json() == {"task_id": reply.headers["x-api-request-id"]}
    assert not_found(await calls.query(reply.json()["task_id"]))
    assert simulator.charges == []


@pytest.mark.parametrize("settings", [{"echo_request_id": True, "faults": [Fault("foreign-reply", on="query")]}])
async def test_an_echo_does_not_hide_the_foreign_id(calls: Calls) -> None:
    """One header, and it is the other request's."""
    task = new_id()
    assert (await calls.submit(task=task)).headers["x-api-request-id"] == task
    assert (await calls.query(task)).headers.get_list("x-api-request-id") != [task]


@pytest.mark.parametrize("kind", ["forgotten", "lost-and-forgotten"])
@pytest.mark.parametrize("task_ids", ["request", "own", "both"])
async def test_a_forgotten_task(kind: str, task_ids: Any) -> None:
    """No query finds it, its callback does not come, and its id counts as new: the second submit is charged again."""
    simulator, request_id = Simulator(task_ids=task_ids, faults=[Fault(kind, times=1)]), new_id()
    box = Box()
    content = {**body(), "callback": "https://me/cb"}
    async with Calls(simulator) as calls, simulator.send_callbacks(box):
        answered = await outcome(calls.submit(content, task=request_id))
        assert answered == ("20000000" if kind == "forgotten" else "RemoteProtocolError")
        for name in (request_id, simulator.charges[0].task_id):
            assert not_found(await calls.query(name))
        await anyio.sleep(10)
        assert box.posts == []
        assert (await calls.http.get("/_simulator")).json()["tasks"]["gone"] == 1
        assert code(await calls.submit(content, task=request_id)) == "20000000"
        await anyio.sleep(10)
        assert code(await calls.query(simulator.charges[1].task_id)) == "20000000"
    assert len(box.posts) == 1
    assert len(simulator.charges) == 2
    assert said(simulator) == []


@pytest.mark.parametrize("settings", [{"faults": [Fault("forgotten", times=1)]}])
async def test_callbacks_of_a_forgotten_id_that_came_again(simulator: Simulator, calls: Calls) -> None:
    """Whoever begins to send later sends one, for the task that is there."""
    box, request_id = Box(), new_id()
    for _ in range(2):
        await calls.submit({**body(), "callback": "https://me/cb"}, task=request_id)
    async with simulator.send_callbacks(box):
        await anyio.sleep(10)
    assert len(box.posts) == 1


@pytest.mark.parametrize("settings", [{"faults": [Fault("forgotten", url="first")]}])
async def test_a_forgotten_task_of_v1(simulator: Simulator, calls: Calls) -> None:
    """The same, for one recording only; flash has nothing to forget."""
    task = await v1_task(calls, "https://example.com/first.mp3")
    assert not_found(await calls.v1_query(task))
    assert code(await calls.v1_query(await v1_task(calls))) == "2000"
    assert (await calls.flash(body("https://example.com/first.mp3"))).json()["result"]["text"]
    assert len(simulator.charges) == 3


@pytest.mark.parametrize("settings", [{"faults": [Fault("forgotten")], "reuse_charges": True}])
async def test_an_id_that_is_forgotten_each_time(simulator: Simulator, calls: Calls) -> None:
    """It is no repetition, however often it comes."""
    request_id = new_id()
    assert [code(await calls.submit(task=request_id)) for _ in range(4)] == ["20000000"] * 4
    assert len(simulator.charges) == 4
    assert said(simulator) == []


@pytest.mark.parametrize("settings", [{"faults": [Fault("failover", after=3)], "processing_time": 0}])
async def test_a_failover_hits_everything_at_once(simulator: Simulator, calls: Calls) -> None:
    """For 40 s no task is found and no submit is confirmed, whatever the recording and the family. Then all is there."""
    one, two = new_id(), await v1_task(calls)
    await calls.submit(task=one)
    assert code(await calls.query(one)) == "20000000"
    assert not_found(await calls.query(one))  # the fourth request begins it
    assert not_found(await calls.v1_query(two))
    inside, v1_inside = new_id(), "https://example.com/inside.mp3"
    assert code(await calls.submit(body("https://example.com/other.mp3"), task=inside)) == "55000000"
    assert code(await calls.submit(task=inside)) == "55000000"  # refused as repeated, were the service well
    assert code(await calls.v1_submit(v1_body(v1_inside))) == "1099"
    assert code(await calls.flash()) == "20000000"
    await anyio.sleep(39)
    assert not_found(await calls.query(inside))
    await anyio.sleep(1)
    assert [code(await calls.query(task)) for task in (one, inside)] == ["20000000"] * 2
    assert code(await calls.v1_query(two)) == "1000"
    assert code(await calls.submit(task=inside)) == "45000001"
    assert [charge.edition for charge in simulator.charges] == ["v1", "standard", "standard", "v1", "flash"]
    await anyio.sleep(100)
    assert [code(await calls.query(one)) for _ in range(5)] == ["20000000"] * 5


@pytest.mark.parametrize(
    "settings", [{"faults": [Fault("failover", seconds=5, times=2, after=1, on="query", url="/a")]}]
)
async def test_failovers_one_after_the_other(simulator: Simulator, calls: Calls) -> None:
    """`on` and `url` choose what begins one; `after` counts before each."""
    task, other = new_id(), new_id()
    await calls.submit(task=task)
    await calls.submit(body("https://example.com/b.mp3"), task=other)
    await anyio.sleep(3)

    async def found() -> list[str]:
        return [code(await calls.query(name)) for name in (other, task, other, task, other)]

    good, bad = "20000000", "45000000"
    for _ in range(2):
        assert await found() == [good, good, good, bad, bad]
        assert code(await calls.submit()) == "55000000"
        await anyio.sleep(5)
    assert await found() == [good] * 5
    simulator.reset()
    await calls.submit(task=task)
    assert [code(await calls.query(task)) for _ in range(2)] == ["20000001", bad]


async def test_a_share_of_requests_begins_a_failover() -> None:
    """The same seed begins it at the same request; a share of nothing never does."""

    async def first(seed: int, share: float) -> int:
        async with Calls(Simulator(seed=seed, faults=[Fault("failover", share=share)])) as calls:
            found = [code(await calls.submit(body(f"https://x/{number}"))) for number in range(60)]
        return found.index("55000000") if "55000000" in found else 60

    starts = [await first(seed, 0.1) for seed in range(6)]
    assert starts == [await first(seed, 0.1) for seed in range(6)]
    assert len(set(starts)) > 2
    assert await first(0, 0.0) == 60


@pytest.mark.parametrize("settings", [{"faults": [Fault("failover", seconds=5), Fault("reset")]}])
async def test_no_other_fault_within_a_failover(calls: Calls) -> None:
    """One thing at a time."""
    assert await outcome(calls.submit()) == "55000000"
    await anyio.sleep(6)
    assert await outcome(calls.submit()) == "ReadError"


@pytest.mark.parametrize("kind", ["not-found", "body-error", "empty-text", "forgotten", "failover", "gateway-page"])
async def test_the_new_kinds_have_shares_too(kind: str) -> None:
    """The same requests are hit in every run."""

    async def run() -> list[str]:
        simulator = Simulator(faults=[Fault(kind, share=0.3)])
        async with Calls(simulator) as calls:
            found = []
            for number in range(40):
                task = str(uuid.UUID(int=number, version=4))
                await calls.submit(body(f"https://example.com/{number}"), task=task)
                found.append((await calls.query(task)).text)
                await anyio.sleep(0.01)
        return found

    first = await run()
    assert len(set(first)) > 1 or kind == "not-found"
    assert first == await run()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("gateway-page,status=404", Fault("gateway-page", status=404)),
        (
            "gateway-page-after:submit=0.5,status=410,times=2",
            Fault("gateway-page-after", 0.5, "submit", None, 2, status=410),
        ),
        ("failover:query,seconds=8,after=20", Fault("failover", on="query", seconds=8.0, after=20)),
        ("lost-and-forgotten:submit=0.1", Fault("lost-and-forgotten", share=0.1, on="submit")),
    ],
)
def test_the_new_kinds_can_be_spelt(text: str, fault: Fault) -> None:
    """The form of the command line."""
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("gateway-page,status=204", "status 204 has no page"),
        ("gateway-page,status=101", "status 101 has no page"),
        ("gateway-page,status=40.5", "40.5 in 'gateway-page,status=40.5' is not a whole number"),
        (f"reset,times={'9' * 400}", "is not a whole number"),
        ("not-found:submit", "not-found concerns query only. Leave out `on`, which is 'submit'"),
        ("forgotten:query", "forgotten concerns submit only"),
        ("failover:flash", "failover concerns submit and query only"),
    ],
)
def test_what_makes_no_sense(text: str, hint: str) -> None:
    """The error names the cure."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        Fault.parse(text)
