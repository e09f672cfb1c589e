"""The example service under a real uvicorn, at the simulator on a port: what its clients see, and what stays when they go."""

import hashlib
import importlib.util
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
import uvicorn
from anyio.abc import ByteStream

from volcasr_async import Job, Standard, SubmitUncertain, Task, errors
from volcasr_async.errors import VolcASRError
from volcasr_async.public_messages import MESSAGES
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]

DOCS = Path(__file__).parents[1] / "docs"
PLAIN = "https://example.com/audio.mp3"
WAV = make_wav(60)
SPEECH = files("volcasr_async.cli").joinpath("demo.wav").read_bytes()


@pytest.fixture
def anyio_backend() -> str:
    """Uvicorn runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("web_service", DOCS / "examples" / "web_service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Service(httpx.AsyncClient):
    """A client of the running service, and what can be seen of it from outside."""

    def __init__(self, address: tuple[str, int], server: uvicorn.Server, simulator: Simulator) -> None:
        super().__init__(base_url="http://{}:{}".format(*address), timeout=20)
        self.address, self.server, self.simulator = address, server, simulator

    @asynccontextmanager
    async def raw(self, head: str, body: bytes = b"") -> AsyncIterator[ByteStream]:
        """Send a request by hand; leaving the block closes the connection without reading on."""
        async with await anyio.connect_tcp(*self.address) as stream:
            await stream.send(f"{head}\r\nHost: localhost\r\n\r\n".encode() + body)
            yield stream

    async def is_quiet(self) -> None:
        """Wait until no request is served any more and nothing is held; fails where something stays."""
        await until(lambda: not self.server.server_state.tasks)
        stats = (await self.get("/health")).json()
        assert (stats["in_air"], stats["waiting"], stats["upload_bytes"]) == (0, 0, 0)


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - what happens in the server's thread sets no event here
            await anyio.sleep(0.01)


Serving = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def serving(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Serving:
    """Give the function that starts the service at a simulator, for as long as its context lasts."""

    @asynccontextmanager
    async def serve(simulator: Simulator, **environment: str) -> AsyncIterator[Service]:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(example.app, lifespan="on", ws="none", log_config=None, timeout_graceful_shutdown=3)
        server = uvicorn.Server(config)
        async with simulator.serve() as base_url:
            for name, value in {"VOLCASR_BASE_URL": base_url, "VOLCASR_API_KEY": "key-secret"}.items():
                monkeypatch.setenv(name, value)
            for name, value in {"TASKS_FILE": str(tmp_path / "tasks.db"), **environment}.items():
                monkeypatch.setenv(name, value)
            thread = threading.Thread(target=server.run, args=([listening],))
            thread.start()
            try:
                await until(lambda: server.started)
                async with Service(listening.getsockname(), server, simulator) as service:
                    yield service
            finally:
                server.should_exit = True
                with anyio.fail_after(10):
                    await anyio.to_thread.run_sync(thread.join)
                listening.close()
        assert "Exception in ASGI application" not in caplog.text

    return serve


# ---- recordings ----


async def test_a_recording_passes_through(serving: Serving) -> None:
    """What was uploaded is what the service gets, byte for byte."""
    simulator = Simulator()
    async with serving(simulator) as service:
        answer = await service.post("/transcripts", content=SPEECH, headers={"Content-Type": "audio/wav"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["text"]
        assert answer.json()["duration_ms"] > 0
        await service.is_quiet()
    [upload] = simulator.uploads
    assert upload.sha256 == hashlib.sha256(SPEECH).hexdigest()
    assert simulator.violations == []


async def test_a_label_that_contradicts_the_bytes(serving: Serving) -> None:
    """Whatever the Content-Type says, the bytes decide."""
    async with serving(Simulator()) as service:
        for label in ("audio/mpeg", "audio/webm;codecs=opus", "audio/wav; rate=16000", "application/octet-stream"):
            answer = await service.post("/transcripts", content=SPEECH, headers={"Content-Type": label})
            assert answer.status_code == 200, answer.text


async def test_a_large_recording_in_odd_pieces(serving: Serving) -> None:
    """A body that comes slowly, in pieces of any size, arrives whole."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(WAV), 99_991):
            yield WAV[start : start + 99_991]
            await anyio.lowlevel.checkpoint()

    simulator = Simulator()
    async with serving(simulator) as service:
        headers = {"Content-Length": str(len(WAV)), "Content-Type": "audio/wav"}
        answer = await service.post("/transcripts", content=pieces(), headers=headers)
        assert answer.status_code == 200, answer.text
        await service.is_quiet()
    assert [upload.sha256 for upload in simulator.uploads] == [hashlib.sha256(WAV).hexdigest()]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: 100000001", 413),
        ("Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked", 411),
        ("Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100065537", 413),
        ("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5", 415),
        ("Content-Length: 0", 422),
    ],
)
async def test_bodies_that_are_refused_unread(serving: Serving, head: str, status: int) -> None:
    """No length, too long, a form that holds no files, nothing at all: answered before a byte is asked for."""
    simulator = Simulator()
    async with serving(simulator) as service:
        async with service.raw(f"POST /transcripts HTTP/1.1\r\n{head}") as stream:
            with anyio.fail_after(5):
                assert (await stream.receive()).startswith(b"HTTP/1.1 %d " % status)
        await service.is_quiet()
    assert sum(simulator.requests.values()) == 0


# ---- forms ----


@pytest.mark.parametrize(
    "file",
    [
        ("blob", SPEECH, "audio/wav"),
        ("blob.webm", SPEECH, "audio/webm;codecs=opus"),
        ("C:\\fakepath\\会议.mp3", WAV, "audio/mpeg"),
        ("a.wav", WAV),
    ],
    ids=["blob", "another name", "a Windows name, on disk", "on disk"],
)
async def test_a_form_passes_through(serving: Serving, file: Any) -> None:
    """What a browser sends as a form reaches the service byte for byte, whatever it is called."""
    simulator = Simulator()
    async with serving(simulator) as service:
        answer = await service.post("/transcripts", files={"file": file}, data={"note": "from the meeting"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["text"]
        await service.is_quiet()
    assert [upload.sha256 for upload in simulator.uploads] == [hashlib.sha256(file[1]).hexdigest()]
    assert simulator.violations == []


async def test_an_upload_is_sent_again(serving: Serving) -> None:
    """A form can be sent twice: after a refusal for the rate its caller has nothing to do."""
    simulator = Simulator(faults=[Fault("rate-limited", on="flash", times=1)])
    async with serving(simulator) as service:
        assert (await service.post("/transcripts", files={"file": ("a.wav", WAV)})).status_code == 200
    assert simulator.requests["flash"] == 2
    assert len(simulator.charges) == 1


RECORDED = {
    "Chrome": (b"\x1a\x45\xdf\xa3" + bytes(range(1, 256)) * 99, "audio/webm", "recording_format"),
    "Safari": (b"\0\0\0\x20ftypmp42\0\0\0\0" + bytes(range(1, 256)) * 99, "audio/mp4", "recording_format"),
    "a phone": (b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(range(1, 256)) * 99, "audio/x-m4a", "recording_format"),
    "an error page": (b"<!DOCTYPE html><title>502</title>" * 99, "audio/wav", "recording_not_audio"),
}


@pytest.mark.parametrize("case", RECORDED)
@pytest.mark.parametrize("as_form", [True, False], ids=["form", "body"])
async def test_recordings_that_flash_does_not_take(serving: Serving, case: str, as_form: bool) -> None:
    """Rejected by their bytes before anything is sent; the answer has the code and the message for the caller."""
    data, kind, code = RECORDED[case]
    simulator = Simulator()
    async with serving(simulator) as service:
        if as_form:
            answer = await service.post("/transcripts", files={"file": ("blob", data, kind)})
        else:
            answer = await service.post("/transcripts", content=data, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error"]) == (422, code)
        assert "ffmpeg" not in answer.json()["message"]
        await service.is_quiet()
    assert sum(simulator.requests.values()) == 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"files": {"audio": ("a.wav", SPEECH)}}, 422),
        ({"files": {"file": (None, "text")}}, 422),
        ({"files": [("file", ("a.wav", SPEECH)), ("file", ("b.wav", SPEECH))]}, 400),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"files": {"file": ("a.wav", b"")}}, 422),
    ],
    ids=["another field", "a text", "two files", "broken", "without a boundary", "an empty file"],
)
async def test_forms_that_are_refused(serving: Serving, sent: Any, status: int) -> None:
    """The caller learns it; nothing is sent to the service."""
    simulator = Simulator()
    async with serving(simulator) as service:
        assert (await service.post("/transcripts", **sent)).status_code == status
        await service.is_quiet()
    assert sum(simulator.requests.values()) == 0


async def test_a_client_that_leaves_during_its_form(serving: Serving) -> None:
    """Half a form is sent to nobody."""
    simulator = Simulator()
    async with serving(simulator) as service:
        head = (
            f"POST /transcripts HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(WAV)}"
        )
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        async with service.raw(head, part + WAV[: len(WAV) // 2]):
            await until(lambda: service.server.server_state.tasks)
        await service.is_quiet()
    assert sum(simulator.requests.values()) == 0


async def test_a_client_that_leaves_while_its_form_is_recognised(serving: Serving) -> None:
    """The request to the service is given up, as that of a body is."""
    simulator = Simulator(flash_time=60)
    async with serving(simulator) as service:
        body = httpx.Request("POST", "http://localhost", files={"file": ("a.wav", WAV)})
        head = f"POST /transcripts HTTP/1.1\r\nContent-Type: {body.headers['content-type']}\r\n"
        head += f"Content-Length: {body.headers['content-length']}"
        async with service.raw(head, body.read()):
            await until(lambda: simulator.requests["flash"])
        await service.is_quiet()


async def test_both_kinds_of_bodies_are_documented(serving: Serving) -> None:
    """The page of the API offers a file to choose."""
    async with serving(Simulator()) as service:
        described = (await service.get("/openapi.json")).json()["paths"]["/transcripts"]["post"]["requestBody"]
    assert described["content"]["multipart/form-data"]["schema"]["properties"]["file"]["format"] == "binary"


# ---- links ----


async def test_a_link_becomes_a_task(serving: Serving) -> None:
    """202 with an id; asked about it is not finished; waited for it brings the transcript."""
    simulator = Simulator(processing_time=1)
    async with serving(simulator) as service:
        accepted = await service.post("/tasks", json={"url": PLAIN + "?signature=signed-secret"})
        assert accepted.status_code == 202
        place = accepted.headers["location"]
        assert place == f"/tasks/{accepted.json()['id']}"
        assert (await service.get(place)).json()["state"] in ("queued", "processing")
        done = (await service.get(place, params={"wait": 30})).json()
        assert (done["state"], bool(done["text"])) == ("done", True)
        await service.is_quiet()
    assert len(simulator.charges) == 1


async def test_a_wait_that_ends_before_the_task(serving: Serving) -> None:
    """It says how the task stands, and is no error."""
    async with serving(Simulator(processing_time=100)) as service:
        place = (await service.post("/tasks", json={"url": PLAIN})).headers["location"]
        answer = await service.get(place, params={"wait": 0.1})
        assert (answer.status_code, answer.json()) == (200, {"state": "processing"})


async def test_tasks_survive_a_restart(serving: Serving) -> None:
    """Another process with the same file answers for the task, and nothing is charged again."""
    simulator = Simulator(processing_time=0.1)
    async with serving(simulator) as service:
        place = (await service.post("/tasks", json={"url": PLAIN})).headers["location"]
    async with serving(simulator) as service:
        assert (await service.get(place, params={"wait": 30})).json()["text"]
        assert (await service.get("/tasks/unknown")).status_code == 404
    assert len(simulator.charges) == 1


async def test_a_submit_whose_answer_was_lost(serving: Serving) -> None:
    """The caller gets its task all the same, charged once."""
    simulator = Simulator(processing_time=0.1, faults=[Fault("lost-answer", on="submit", times=1)])
    async with serving(simulator) as service:
        accepted = await service.post("/tasks", json={"url": PLAIN})
        assert accepted.status_code == 202
        assert (await service.get(accepted.headers["location"], params={"wait": 30})).json()["text"]
    assert len(simulator.charges) == 1


class Failing:
    """A client whose submits fail."""

    def __init__(self, error: VolcASRError) -> None:
        self.error = error
        self.stored: Task | None = None

    async def submit(self, job: Job, **_: object) -> None:
        self.stored = await self.tasks.find(job.request_id)
        raise self.error

    async def through(self, example: ModuleType, tasks: Any) -> Any:
        self.tasks = tasks
        return await example.submit(example.Link(url=PLAIN), self, tasks, example.Response())


def uncertain(task: Task | None) -> SubmitUncertain:
    return SubmitUncertain("lost", task=task)


async def test_a_submit_that_stays_uncertain(example: ModuleType, tmp_path: Path) -> None:
    """The request id is stored before the submit. With a task it is the answer; without one the error is raised."""
    tasks = example.Tasks(str(tmp_path / "tasks.db"))
    task = Task(id="0a", edition=Standard(), request_id="0a", submitted_at=0.0)
    client = Failing(uncertain(task))
    answer = await client.through(example, tasks)
    assert client.stored is not None
    assert client.stored.request_id == answer["id"]
    assert await tasks.find(answer["id"]) == client.stored
    with pytest.raises(SubmitUncertain):
        await (client := Failing(uncertain(None))).through(example, tasks)
    assert client.stored is not None
    assert await tasks.find(client.stored.id) == client.stored


@pytest.mark.parametrize("charged", ["no", "maybe", "yes"])
async def test_a_submit_that_fails(example: ModuleType, tmp_path: Path, charged: errors.Charged) -> None:
    """The request id stays stored unless nothing can be charged."""
    tasks, error = example.Tasks(str(tmp_path / "tasks.db")), VolcASRError("failed")
    error.charged = charged
    with pytest.raises(VolcASRError, match="failed"):
        await (client := Failing(error)).through(example, tasks)
    assert client.stored is not None
    assert (await tasks.find(client.stored.id) is None) is (charged == "no")


async def test_a_task_with_an_id_of_the_services(serving: Serving) -> None:
    """The id in the answer is the stored request id; queries use the id that the service gave."""
    simulator = Simulator(processing_time=0.1, task_ids="own")
    async with serving(simulator) as service:
        place = (await service.post("/tasks", json={"url": PLAIN})).headers["location"]
    async with serving(simulator) as service:
        assert (await service.get(place, params={"wait": 30})).json()["text"]
    [charge] = simulator.charges
    assert place == f"/tasks/{charge.request_id}"
    assert charge.task_id != charge.request_id


async def test_events_tell_how_it_goes_on(serving: Serving) -> None:
    """Progress while it runs, then the transcript, then the end; a query that fails on the way is no end."""
    simulator = Simulator(processing_time=0.5, faults=[Fault("html-502", on="query", times=1)])
    async with serving(simulator) as service:
        place = (await service.post("/tasks", json={"url": PLAIN})).headers["location"]
        answer = await service.get(place + "/events")
        assert answer.headers["content-type"].startswith("text/event-stream")
        *_, (name, done) = told(answer.text)
        assert name == "done"
        assert done["text"]
        await service.is_quiet()


async def test_events_of_a_task_that_fails(serving: Serving) -> None:
    """The last event says why."""
    async with serving(Simulator(processing_time=0)) as service:
        place = (await service.post("/tasks", json={"url": "https://example.com/bad-format.mp3"})).headers["location"]
        [(name, why)] = told((await service.get(place + "/events")).text)
        assert (name, why["error"]) == ("failed", "recording_format")


def told(text: str) -> list[tuple[str, Any]]:
    return [(name, json.loads(data)) for name, data in re.findall(r"event: (\w+)\ndata: (.*)\n\n", text)]


# ---- errors ----


@pytest.mark.parametrize(
    ("url", "status", "name"),
    [
        ("ftp://example.com/a.mp3", 422, "link_invalid"),
        ("https://example.com/bad-format.mp3", 422, "recording_format"),
        ("https://example.com/download-failed.mp3", 422, "link_not_downloadable"),
    ],
)
async def test_errors_become_statuses(serving: Serving, url: str, status: int, name: str) -> None:
    """Submitting or asking, the caller learns the public code and message, and nothing internal."""
    async with serving(Simulator(processing_time=0)) as service:
        answer = await service.post("/tasks", json={"url": url})
        if answer.status_code == 202:
            answer = await service.get(answer.headers["location"])
        assert (answer.status_code, answer.json()["error"]) == (status, name)
        assert answer.json()["message"] == MESSAGES[answer.json()["error"]]
        assert "log id" not in answer.text


async def test_our_own_trouble_is_not_shown(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """A refused key is the operator's affair: 500 for the caller, the reason in the log."""
    async with serving(Simulator(api_keys={"another-key"})) as service:
        answer = await service.post("/tasks", json={"url": PLAIN + "?signature=signed-secret"})
        assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert "AuthenticationFailed" in caplog.text
    assert "secret" not in caplog.text + answer.text


async def test_a_full_budget_is_503_with_retry_after(serving: Serving) -> None:
    """Told to pause, the service answers 503 at once with the time that is left, and takes no body."""
    simulator = Simulator(faults=[Fault("rate-limited", on="flash", retry_after=40)])
    async with serving(simulator, MAX_WAITING="0") as service:
        # A stream can be sent once, so the refusal of the first is its caller's.
        for _ in ("RateLimited", "BudgetFull"):
            answer = await service.post("/transcripts", content=WAV)
            assert (answer.status_code, answer.json()["error"]) == (503, "busy")
            assert 30 <= int(answer.headers["retry-after"]) <= 40
        await service.is_quiet()
    assert simulator.requests["flash"] == 1


def test_every_error_has_its_documented_status(example: ModuleType) -> None:
    """The table names the classes and statuses that the code gives; what it leaves out is 502."""
    page = (DOCS / "web-services.md").read_text("utf-8")
    documented = {
        name: int(status)
        for names, status in re.findall(r"^\| ([^|]*`[^|]*) \| (\d{3})\b", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert len(documented) > 10

    def expected(kind: type[VolcASRError]) -> int:
        return next(documented[base.__name__] for base in kind.__mro__ if base.__name__ in documented)

    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, VolcASRError):
            assert example.status_of(kind("m")) == expected(kind), kind


# ---- clients that leave ----


async def test_a_client_that_leaves_during_its_upload(serving: Serving) -> None:
    """Half a recording is billed to nobody, and its connection is given up."""
    simulator = Simulator()
    async with serving(simulator) as service:
        head = f"POST /transcripts HTTP/1.1\r\nContent-Length: {len(WAV)}"
        async with service.raw(head, WAV[: len(WAV) // 2]):
            await until(lambda: service.server.server_state.tasks)
        await service.is_quiet()
        assert (await service.post("/transcripts", content=WAV)).status_code == 200
    assert len(simulator.charges) == 1


async def test_a_client_that_leaves_while_it_is_recognised(serving: Serving) -> None:
    """The request to the service is given up: nobody would read its answer."""
    simulator = Simulator(flash_time=60)
    async with serving(simulator) as service:
        head = f"POST /transcripts HTTP/1.1\r\nContent-Length: {len(WAV)}"
        async with service.raw(head, WAV):
            await until(lambda: simulator.requests["flash"])
            assert (await service.get("/health")).json()["in_air"] == 1
        await service.is_quiet()


async def test_a_client_that_leaves_while_it_waits(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """The wait ends with it, the task does not: it can be fetched later."""
    simulator = Simulator(processing_time=0.5)
    async with serving(simulator) as service:
        place = (await service.post("/tasks", json={"url": PLAIN})).headers["location"]
        async with service.raw(f"GET {place}?wait=60 HTTP/1.1"):
            await until(lambda: service.server.server_state.tasks)
        await service.is_quiet()
        assert "can be waited for" in caplog.text
        assert (await service.get(place, params={"wait": 30})).json()["text"]
    assert len(simulator.charges) == 1


async def test_a_client_that_leaves_its_events(serving: Serving) -> None:
    """Nobody asks about the task any more."""
    simulator = Simulator(processing_time=100)
    async with serving(simulator) as service:
        place = (await service.post("/tasks", json={"url": PLAIN})).headers["location"]
        async with service.raw(f"GET {place}/events HTTP/1.1") as stream:
            assert b"200 OK" in await stream.receive()
        await service.is_quiet()


async def test_a_client_that_leaves_before_its_task_has_an_id(serving: Serving, tmp_path: Path) -> None:
    """What the service takes is paid for, so it is written down although nobody hears of it."""
    simulator = Simulator(reply_delay=0.5)
    async with serving(simulator) as service:
        body = json.dumps({"url": PLAIN}).encode()
        head = f"POST /tasks HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        async with service.raw(head, body):
            await until(lambda: simulator.requests["submit"])
        await service.is_quiet()
        [charge] = simulator.charges
        assert (await service.get(f"/tasks/{charge.task_id}")).status_code == 200


async def test_nothing_secret_is_kept(serving: Serving, tmp_path: Path) -> None:
    """The file of tasks holds neither the key nor the signature of a link."""
    async with serving(Simulator()) as service:
        answer = await service.post("/tasks", json={"url": PLAIN + "?signature=signed-secret"})
    kept = (tmp_path / "tasks.db").read_bytes()
    assert answer.json()["id"].encode() in kept
    assert b"secret" not in kept


# ---- a process that is stopped ----


class Server:
    """A program in its own process, which prints its address."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self.output = process, output

    @property
    def url(self) -> str:
        """Wait for the address and return it."""
        deadline = time.monotonic() + 30
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", self.output.read_text())):
            assert time.monotonic() < deadline, self.output.read_text()
            assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.02)
        return found[0]

    def stop(self, number: signal.Signals) -> str:
        """Send a signal, wait for the end, and return the output."""
        self.process.send_signal(number)
        self.process.wait(30)
        return self.output.read_text()


@contextmanager
def running(output: Path, *arguments: object, **environment: str) -> Iterator[Server]:
    """Run a Python module as a process of its own, whose logging nobody configures."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOLCASR_")}
    environment = {**clean, "PYTHONPATH": str(DOCS.parent), "PYTHONUNBUFFERED": "1", **environment}
    command = [sys.executable, "-m", *map(str, arguments)]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            yield Server(process, output)
        finally:
            process.kill()
            process.wait()


def run_example(folder: Path, name: str, base_url: str, grace_s: int) -> AbstractContextManager[Server]:
    """Run the example with the tasks of *folder* and a grace period."""
    command = ("uvicorn", "--app-dir", DOCS / "examples", "web_service:app", "--port", "0")
    environment = {"VOLCASR_BASE_URL": base_url, "VOLCASR_API_KEY": "key-secret"}
    environment["TASKS_FILE"] = str(folder / "tasks.db")
    return running(folder / name, *command, "--timeout-graceful-shutdown", grace_s, **environment)


def charges_of(base_url: str) -> Counter[str]:
    return Counter(httpx.get(f"{base_url}/_simulator/charges").json())


def stored_ids(folder: Path) -> dict[str, str]:
    """Return the stored request ids by the link of their recording."""
    with closing(sqlite3.connect(folder / "tasks.db")) as file:
        rows = file.execute("SELECT id, task FROM tasks").fetchall()
    return {json.loads(task)["key"]: request_id for request_id, task in rows}


LINKS = [f"https://example.com/{name}-{number}.mp3" for name in ("held", "free") for number in range(6)]
UPLOADS = [make_wav(1 + number) for number in range(8)]
LOST = "may be charged, and its result is lost"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_what_is_charged_is_stored_or_logged(tmp_path: Path, number: signal.Signals) -> None:
    """Stop the example while half of its links and all of its uploads wait for the service.

    Each charged link is found by its stored request id after a restart, and charged once. Each charged upload whose answer
    did not reach its caller is logged at WARNING, without any configuration; after SIGKILL nothing can be logged.
    """
    faults = ("--fault", "stall:submit,url=held,seconds=60", "--fault", "stall:flash,seconds=60")
    simulator = ("volcasr_async", "simulate", "--port", "0", "--processing-time", "0.5", *faults)
    with running(tmp_path / "simulator.log", *simulator) as played:
        base_url = played.url
        with run_example(tmp_path, "first.log", base_url, 1) as first, ThreadPoolExecutor(20) as pool:
            links = [pool.submit(post, f"{first.url}/tasks", json={"url": link}) for link in LINKS]
            uploads = [pool.submit(post, f"{first.url}/transcripts", content=audio) for audio in UPLOADS]
            deadline = time.monotonic() + 30
            while charges_of(base_url).total() < len(LINKS) + len(UPLOADS):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            answered = [link for link, call in zip(LINKS, links, strict=True) if "free" in link and call.result()]
            text = first.stop(number)
        assert len(answered) == len(LINKS) / 2
        assert [call.result() for call in (*links[:6], *uploads)] == [None] * (6 + len(UPLOADS))
        charged = charges_of(base_url)
        lines = (len(UPLOADS), 6) if number == signal.SIGTERM else (0, 0)
        assert (text.count(LOST), text.count("can be waited for")) == lines
        assert "secret" not in text
        ids = stored_ids(tmp_path)
        with run_example(tmp_path, "second.log", base_url, 1) as second, ThreadPoolExecutor(len(LINKS)) as pool:
            places = [f"{second.url}/tasks/{ids[link]}?wait=30" for link in LINKS]
            found = [answer.json() for answer in pool.map(lambda place: httpx.get(place, timeout=40), places)]
        assert [(one["state"], bool(one["text"])) for one in found] == [("done", True)] * len(LINKS)
        assert [charges_of(base_url)[link] for link in LINKS] == [1] * len(LINKS)
        assert charges_of(base_url) == charged


def post(url: str, **request: Any) -> dict[str, Any] | None:
    """Send a request; return `None` where it was not answered with a result."""
    try:
        answer = httpx.post(url, timeout=60, **request)
    except httpx.TransportError:
        return None
    return answer.json() if answer.is_success else None
