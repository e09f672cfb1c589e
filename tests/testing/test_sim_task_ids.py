"""Which id a task has: the request id of its submit, or one that the service makes."""

import uuid
from typing import Any

import anyio
import pytest
from sim_calls import URL, Calls, body, code, said, v1_body
from test_sim_callbacks import Box

from volcasr_async.testing import Callback, Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

OWN: dict[str, Any] = {"task_ids": "own"}
BOTH: dict[str, Any] = {"task_ids": "both"}
NEW = [OWN, BOTH]


async def submitted(calls: Calls, request_id: str, **more: Any) -> str:
    """The task id in the reply."""
    reply = await calls.submit(task=request_id, **more)
    assert code(reply) == "20000000"
    found = reply.json()
    assert found.keys() == {"task_id"}
    return str(found["task_id"])


@pytest.mark.parametrize("settings", [{}, {"task_ids": "request"}])
async def test_the_request_id_is_the_task_by_default(simulator: Simulator, calls: Calls) -> None:
    """The reply's body is empty, the query names the request id."""
    request_id = str(uuid.uuid4())
    assert (await calls.submit(task=request_id)).json() == {}
    assert code(await calls.query(request_id)) == "20000001"
    assert (simulator.charges[0].task_id, simulator.charges[0].request_id) == (request_id, request_id)


@pytest.mark.parametrize("settings", NEW)
@pytest.mark.parametrize("edition", ["standard", "idle"])
async def test_the_service_makes_an_id(
    simulator: Simulator, calls: Calls, settings: dict[str, Any], edition: str
) -> None:
    """A query finds the task by that id; by the request id only with "both". The bill holds the two ids."""
    request_id = str(uuid.uuid4())
    task_id = await submitted(calls, request_id, edition=edition)
    assert uuid.UUID(task_id).version == 4
    assert task_id != request_id
    await anyio.sleep(3)
    found = await calls.query(task_id, edition=edition)
    assert found.json()["result"]["text"]
    assert "x-api-request-id" not in found.headers
    other = await calls.query(request_id, edition=edition)
    if settings == BOTH:
        assert other.json() == found.json()
    else:
        assert code(other) == "45000000"
        assert "cannot find task" in other.headers["x-api-message"]
    [charge] = simulator.charges
    assert (charge.task_id, charge.request_id) == (task_id, request_id)
    assert said(simulator) == []


@pytest.mark.parametrize("settings", [{**kind, "submit_body": given} for kind in NEW for given in ("object", "empty")])
async def test_the_body_of_a_submit_names_the_task(calls: Calls) -> None:
    """`submit_body` is a setting of the other kind: without the id a client could not go on."""
    await submitted(calls, str(uuid.uuid4()))


async def test_the_ids_are_the_same_in_every_run() -> None:
    """They depend on the seed and on the number of the task."""

    async def ids(seed: int) -> list[str]:
        async with Calls(Simulator(task_ids="own", seed=seed)) as calls:
            return [await submitted(calls, str(uuid.uuid4())) for _ in range(3)]

    assert await ids(0) == await ids(0) != await ids(1)
    assert len(set(await ids(0))) == 3


@pytest.mark.parametrize("settings", NEW)
async def test_a_repeated_request_id_is_refused(simulator: Simulator, calls: Calls) -> None:
    """45000001 as ever, and the second repetition is a violation. The task goes on."""
    request_id = str(uuid.uuid4())
    task_id = await submitted(calls, request_id)
    found = [await calls.submit(task=request_id) for _ in range(2)]
    assert [(code(reply), reply.json()) for reply in found] == [("45000001", {})] * 2
    assert code(await calls.query(task_id)) == "20000001"
    assert len(simulator.charges) == 1
    assert said(simulator) == ["an accepted id was submitted again more than once"]


@pytest.mark.parametrize("settings", [{**kind, "reuse_charges": True} for kind in NEW])
async def test_a_repeated_request_id_makes_a_second_task(
    simulator: Simulator, calls: Calls, settings: dict[str, Any]
) -> None:
    """Both tasks exist and are charged; with "both" the request id leads to the newer one."""
    request_id = str(uuid.uuid4())
    one = await submitted(calls, request_id, content=body(URL))
    two = await submitted(calls, request_id, content=body("https://example.com/silence.mp3"))
    await anyio.sleep(3)
    assert [code(await calls.query(task)) for task in (one, two)] == ["20000000", "20000003"]
    assert code(await calls.query(request_id)) == ("20000003" if settings["task_ids"] == "both" else "45000000")
    assert [(charge.task_id, charge.request_id) for charge in simulator.charges] == [
        (one, request_id),
        (two, request_id),
    ]


@pytest.mark.parametrize("settings", NEW)
async def test_a_callback_names_the_task(simulator: Simulator, calls: Calls) -> None:
    """Under its own id, in the record and in what is sent."""
    box = Box()
    async with simulator.send_callbacks(box):
        task_id = await submitted(calls, str(uuid.uuid4()), content={**body(), "callback": "https://me/cb"})
        await anyio.sleep(10)
    assert simulator.callbacks == [Callback(task_id, "standard", "https://me/cb", "")]
    assert [post[2]["task_id"] for post in box.posts] == [task_id]
    assert [delivery.task_id for delivery in simulator.deliveries] == [task_id]


@pytest.mark.parametrize("settings", NEW)
async def test_flash_and_v1_are_as_ever(simulator: Simulator, calls: Calls) -> None:
    """Flash has no task to ask for, and v1 has always made its ids."""
    request_id = str(uuid.uuid4())
    assert (await calls.flash(task=request_id)).json()["result"]["text"]
    v1_id = (await calls.v1_submit(v1_body())).json()["resp"]["id"]
    assert code(await calls.v1_query(v1_id)) == "2000"
    assert [charge.task_id for charge in simulator.charges] == [request_id, v1_id]
    assert code(await calls.query(v1_id)) == "45000000"


@pytest.mark.parametrize("settings", [{**OWN, "faults": [Fault("refuse-busy", times=2)]}])
async def test_faults_count_by_recording_under_either_id(calls: Calls) -> None:
    """`times` covers the submit and the queries of a task, whatever they name it by."""
    request_id = str(uuid.uuid4())
    for _ in range(2):
        assert code(await calls.submit(task=request_id)) == "55000031"
    task_id = await submitted(calls, request_id)
    assert code(await calls.query(task_id)) == "20000001"


@pytest.mark.parametrize("settings", [{**OWN, "faults": [Fault("lost-answer", on="submit", times=1)]}])
async def test_a_lost_answer_loses_the_id(simulator: Simulator, calls: Calls) -> None:
    """The request id finds nothing although the task is there, and its repetition is refused."""
    request_id = str(uuid.uuid4())
    with pytest.raises(Exception, match="disconnected"):
        await calls.submit(task=request_id)
    assert code(await calls.query(request_id)) == "45000000"
    assert code(await calls.submit(task=request_id)) == "45000001"
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("settings", NEW)
async def test_another_account_finds_nothing(calls: Calls) -> None:
    """By neither id."""
    request_id = str(uuid.uuid4())
    task_id = await submitted(calls, request_id)
    for name in (request_id, task_id):
        assert code(await calls.query(name, headers={"X-Api-Key": "another"})) == "45000000"


@pytest.mark.parametrize("settings", [{**OWN, "echo_request_id": True}])
async def test_replies_may_name_their_request(calls: Calls) -> None:
    """A query's reply names what the query named; a refusal without X-Api-* headers, and v1, name nothing."""
    request_id = str(uuid.uuid4())
    reply = await calls.submit(task=request_id)
    assert reply.headers["x-api-request-id"] == request_id
    task_id = reply.json()["task_id"]
    assert (await calls.query(task_id)).headers["x-api-request-id"] == task_id
    unknown = await calls.submit(task=request_id, headers={"X-Api-Key": None})
    assert (unknown.status_code, "x-api-request-id" in unknown.headers) == (401, False)
    assert "x-api-request-id" not in (await calls.v1_submit()).headers


@pytest.mark.usefixtures("real_time")
async def test_over_a_socket() -> None:
    """The same on a port."""
    simulator, request_id = Simulator(task_ids="own"), str(uuid.uuid4())
    async with simulator.serve() as url, Calls(simulator, url) as calls:
        task_id = await submitted(calls, request_id)
        assert code(await calls.query(task_id)) == "20000001"
        assert code(await calls.query(request_id)) == "45000000"


def test_a_kind_that_there_is_not() -> None:
    """Said when the simulator is made."""
    with pytest.raises(ValueError, match="kind of task ids 'new'"):
        Simulator(task_ids="new")  # type: ignore[arg-type]


async def test_the_view_has_the_bill(simulator: Simulator, calls: Calls) -> None:
    """Billed tasks, different recordings, seconds of audio."""
    simulator.add_audio("a.wav", make_wav(1.5))
    simulator.add_audio("b.wav", make_wav(2.25))
    for name in ("a.wav", "a.wav", "b.wav"):
        await calls.submit(body(f"https://x/audio/{name}?sign={uuid.uuid4()}"))
    view = (await calls.http.get("/_simulator")).json()
    assert (view["charges"], view["recordings"], view["audio_s"]) == (3, 2, 5.25)
