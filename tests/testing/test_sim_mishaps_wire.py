"""The faults of `test_sim_mishaps` over a socket."""

import uuid

import anyio
import httpx
import pytest
from sim_calls import Calls, code

from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("status", [404, 429, 502, 520])
async def test_pages(status: int) -> None:
    """With the right length and a connection that goes on, also for a status that HTTP does not list."""
    simulator = Simulator(faults=[Fault("gateway-page", status=status, times=1)])
    async with simulator.serve() as url, Calls(simulator, url) as calls:
        task = str(uuid.uuid4())
        reply = await calls.submit(task=task)
        assert (reply.status_code, reply.headers["content-type"]) == (status, "text/html")
        assert f"<title>{status}" in reply.text
        assert code(await calls.submit(task=task)) == "20000000"


async def test_a_task_that_is_lost_with_its_answer() -> None:
    """The connection ends without an answer; the id is then as new."""
    simulator, task = Simulator(faults=[Fault("lost-and-forgotten", times=1)]), str(uuid.uuid4())
    async with simulator.serve() as url, Calls(simulator, url) as calls:
        with pytest.raises(httpx.RemoteProtocolError):
            await calls.submit(task=task)
        assert code(await calls.query(task)) == "45000000"
        assert code(await calls.submit(task=task)) == "20000000"
    assert len(simulator.charges) == 2


async def test_a_failover_on_the_clock() -> None:
    """It ends by itself."""
    simulator, task = Simulator(processing_time=0, faults=[Fault("failover", seconds=0.3)]), str(uuid.uuid4())
    async with simulator.serve() as url, Calls(simulator, url) as calls:
        assert code(await calls.submit(task=task)) == "55000000"
        assert code(await calls.query(task)) == "45000000"
        await anyio.sleep(0.35)
        assert code(await calls.query(task)) == "20000000"
    assert len(simulator.charges) == 1


async def test_another_requests_reply() -> None:
    """The header names a request that was never sent."""
    simulator, task = Simulator(faults=[Fault("foreign-reply", on="query")]), str(uuid.uuid4())
    async with simulator.serve() as url, Calls(simulator, url) as calls:
        await calls.submit(task=task)
        reply = await calls.query(task)
    assert reply.headers["x-api-request-id"] != task
    assert reply.json()["result"]["text"] == "someone else's words"
