"""A simulator in a thread of its own, and one that several event loops use one after the other or at once."""

import asyncio
import json
import threading
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest
from sim_calls import PATHS, Calls, body, code, v3_headers

from volcasr_async.testing import Fault, Simulator

BACKENDS = ["asyncio", "trio"]


def post(url: str, verb: int, task: str, source: str = "https://example.com/a.mp3") -> str:
    """Submit (0) or query (1) from a sync client; return the code."""
    headers = {name: value or "" for name, value in v3_headers(task, PATHS["standard"][2]).items()}
    content = json.dumps(body(source)) if verb == 0 else "{}"
    with httpx.Client(trust_env=False) as http:
        return code(http.post(url + PATHS["standard"][verb], headers=headers, content=content))


def test_sync_clients_are_served() -> None:
    """The thread of the test is blocked meanwhile."""
    simulator = Simulator(processing_time=0)
    task = str(uuid.uuid4())
    with simulator.serve_in_thread() as url:
        assert [post(url, verb, task) for verb in (0, 1)] == ["20000000"] * 2
        with urllib.request.urlopen(f"{url}/_simulator") as reply:
            assert json.load(reply)["charges"] == 1
    assert [(charge.task_id, charge.edition) for charge in simulator.charges] == [(task, "standard")]
    with pytest.raises(httpx.ConnectError):
        post(url, 0, task)


@pytest.mark.parametrize("backend", BACKENDS)
def test_async_clients_are_served(backend: str) -> None:
    """Whatever event loop the test has."""
    simulator = Simulator(processing_time=0)

    async def call(url: str) -> str:
        async with Calls(simulator, url) as calls:
            task = str(uuid.uuid4())
            await calls.submit(task=task)
            assert [task.state for task in simulator.tasks] == ["done"]
            return code(await calls.query(task))

    with simulator.serve_in_thread() as url:
        assert anyio.run(call, url, backend=backend) == "20000000"


def test_it_may_be_served_again() -> None:
    """What it remembers stays, and tasks go on."""
    simulator = Simulator(processing_time=0.05)
    task = str(uuid.uuid4())
    with simulator.serve_in_thread() as url:
        post(url, 0, task)
    assert simulator.tasks[0].state == "running"
    time.sleep(0.06)
    assert simulator.tasks[0].state == "done"  # outside any event loop
    assert "1 done" in repr(simulator)
    with simulator.serve_in_thread() as url:
        assert post(url, 1, task) == "20000000"


def test_an_error_of_the_block_comes_out_as_itself() -> None:
    """And the thread ends."""
    before = set(threading.enumerate())  # other tests may have a simulator for their session
    with pytest.raises(ZeroDivisionError), Simulator().serve_in_thread():
        _ = 1 / 0
    assert set(threading.enumerate()) <= before


def test_a_port_in_use_is_told_at_once() -> None:
    """By the error of the system."""
    with Simulator().serve_in_thread() as url:
        second = Simulator().serve_in_thread(port=int(url.rpartition(":")[2]))
        with pytest.raises(OSError, match="in use"):
            second.__enter__()


def test_settings_change_while_it_serves() -> None:
    """From the thread of the test."""
    simulator = Simulator(processing_time=100)
    with simulator.serve_in_thread() as url:
        tasks = [str(uuid.uuid4()) for _ in range(2)]
        post(url, 0, tasks[0])
        simulator.processing_time = 0
        post(url, 0, tasks[1])
        assert [post(url, 1, task) for task in tasks] == ["20000001", "20000000"]
        simulator.faults = [Fault("refuse-busy", on="query")]
        assert post(url, 1, tasks[0]) == "55000031"
        simulator.reset()
        assert simulator.requests == {}


def test_views_hold_while_many_requests_come() -> None:
    """Each is one moment: a charge has its task, whatever the other threads do."""
    simulator = Simulator(processing_time=0)
    with simulator.serve_in_thread() as url, ThreadPoolExecutor(4) as pool:
        ends = [pool.submit(post, url, 0, str(uuid.uuid4()), f"https://example.com/{n}.mp3") for n in range(20)]
        seen = 0
        while not all(end.done() for end in ends):
            assert sum(simulator.charges_by_source.values()) <= len(simulator.tasks) <= simulator.requests["submit"]
            simulator.configure(seed=0, qps=None, processing_time=0)
            seen += len(repr(simulator)) > 0
        assert {end.result() for end in ends} == {"20000000"}
    assert seen
    assert len(simulator.charges) == len(simulator.tasks) == 20


def test_callbacks_are_sent_from_the_thread() -> None:
    """To a server that the sync test runs."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    received: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Write nothing."""

    simulator = Simulator(processing_time=0.05)
    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver, simulator.serve_in_thread(callbacks=True) as url:
        task = str(uuid.uuid4())
        headers = {name: value or "" for name, value in v3_headers(task, PATHS["standard"][2]).items()}
        asked = {**body(), "callback": f"http://127.0.0.1:{receiver.server_port}/done"}
        with httpx.Client(trust_env=False) as http:
            http.post(url + PATHS["standard"][0], headers=headers, content=json.dumps(asked))
        receiver.timeout = 20
        receiver.handle_request()
    assert [callback["task_id"] for callback in received] == [task]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_task_goes_on_in_the_next_event_loop(backend: str) -> None:
    """FastAPI's TestClient runs each request in a loop of its own, and each run of trio has another time."""
    simulator = Simulator(processing_time=0)
    task = str(uuid.uuid4())

    async def call(verb: str) -> str:
        async with Calls(simulator) as calls:
            return code(await (calls.submit(task=task) if verb == "submit" else calls.query(task)))

    assert [anyio.run(call, verb, backend=backend) for verb in ("submit", "query")] == ["20000000"] * 2
    simulator.processing_time = 1000
    task = str(uuid.uuid4())
    assert [anyio.run(call, verb, backend=backend) for verb in ("submit", "query", "query")] == [
        "20000000",
        "20000001",
        "20000001",
    ]


# ---- contexts that one task enters and another leaves, as fixtures of pytest-asyncio do ----


def left_in_another_task(simulator: Simulator, opened: Any) -> list[str]:
    with asyncio.Runner() as runner:
        url = runner.run(opened.__aenter__())

        async def call() -> list[str]:
            async with Calls(simulator, url) as calls:
                task = str(uuid.uuid4())
                return [code(await calls.submit(task=task)), code(await calls.query(task))]

        answers = runner.run(call())
        runner.run(opened.__aexit__(None, None, None))
        return answers


def test_serve_may_be_left_in_another_task() -> None:
    """It listens from the setup to the teardown, and then no more."""
    simulator = Simulator(processing_time=0)
    assert left_in_another_task(simulator, simulator.serve()) == ["20000000"] * 2


def test_send_callbacks_may_be_left_in_another_task() -> None:
    """The same for callbacks."""
    simulator = Simulator()
    with asyncio.Runner() as runner:
        sending = simulator.send_callbacks()
        runner.run(sending.__aenter__())
        runner.run(sending.__aexit__(None, None, None))


def test_serve_left_in_another_event_loop_says_what_to_use() -> None:
    """It cannot work: the sockets belong to the first loop."""
    serving = Simulator().serve()
    asyncio.run(serving.__aenter__())
    with pytest.raises(RuntimeError, match=r"Simulator.serve\(\) was entered in one event loop.*volcasr_simulator_url"):
        asyncio.run(serving.__aexit__(None, None, None))


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_serving_raises_is_raised_where_it_was_asked_for(backend: str) -> None:
    """Not in a group, and not in a task that nobody reads."""

    async def serve_twice() -> None:
        async with Simulator().serve() as url:
            with pytest.raises(OSError, match="in use"):
                async with Simulator().serve(port=int(url.rpartition(":")[2])):
                    pass
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        anyio.run(serve_twice, backend=backend)
