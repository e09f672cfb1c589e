"""The example for Celery: eagerly in the process of the test, and by a real worker with two processes."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from volcasr_async import TransportError
from volcasr_async.testing import Fault, Simulator

pytest.importorskip("celery")
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def example() -> Any:
    """The module, fresh: its client is made for this test's key."""
    spec = importlib.util.spec_from_file_location("celery_tasks", EXAMPLES / "celery_tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.app.conf.task_always_eager = True
    return module


def test_eager(example: Any, volcasr_simulator_url: str, volcasr_simulator: Simulator) -> None:
    """As most projects test their tasks."""
    for name in "ab":
        assert example.transcribe.delay(f"https://example.com/{name}.mp3").get()["text"]
    assert set(volcasr_simulator.charges_by_source.values()) == {1}
    assert volcasr_simulator.violations == []


def test_a_task_that_comes_again_is_charged_once(
    example: Any, volcasr_simulator_url: str, volcasr_simulator: Simulator
) -> None:
    """A worker was killed, and the broker delivers its task to another one."""
    name = str(uuid.uuid4())
    texts = set()
    for _ in range(2):
        example.client.cache_clear()  # another process knows nothing of the first
        texts.add(example.transcribe.apply_async(["https://example.com/a.mp3"], task_id=name).get()["text"])
    assert len(texts) == 1
    assert len(volcasr_simulator.charges) == 1


def test_a_retry_is_charged_once(
    example: Any, volcasr_simulator_url: str, volcasr_simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task is accepted and then unreachable: the retry has the same id."""
    asr = example.client()
    transcribe, calls = asr.transcribe, []

    async def broken_at_first(job: Any, **more: Any) -> Any:
        calls.append(job.request_id)
        found = await transcribe(job, **more)
        if len(calls) == 1:
            raise TransportError("the network is gone", sent="yes")
        return found

    monkeypatch.setattr(asr, "transcribe", broken_at_first)
    assert example.transcribe.delay("https://example.com/a.mp3").get()["text"]
    assert len(calls) == 2
    assert len(set(calls)) == 1
    assert len(volcasr_simulator.charges) == 1


CONFIG = """
broker_url = "filesystem://"
broker_transport_options = {"data_folder_in": "broker", "data_folder_out": "broker", "control_folder": "control"}
result_backend = "file://results"
worker_cancel_long_running_tasks_on_connection_loss = True
"""
CALLER = """
import celery_tasks
ends = [celery_tasks.transcribe.delay(f"https://example.com/{number}.mp3") for number in range(6)]
print([len(end.get(timeout=90, interval=0.1)["text"]) > 0 for end in ends])
"""


@pytest.fixture
def worker(volcasr_simulator_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A worker with a pool of two processes; gives the environment of its callers."""
    for folder in ("broker", "control", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "celeryconfig.py").write_text(CONFIG)
    places = os.pathsep.join([str(ROOT), str(EXAMPLES), str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environ = os.environ | {"PYTHONPATH": places, "CELERY_CONFIG_MODULE": "celeryconfig"}
    command = [sys.executable, "-m", "celery", "-A", "worker_app", "worker", "--concurrency", "2", "--loglevel", "INFO"]
    (tmp_path / "worker_app.py").write_text(
        "from celery_tasks import app\napp.config_from_object('celeryconfig', force=True)\n"
        "app.conf.update(task_acks_late=True)\n"
    )
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=tmp_path,
            env=environ,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        yield environ
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()


def test_a_worker_with_two_processes(worker: dict[str, str], volcasr_simulator: Simulator, tmp_path: Path) -> None:
    """The pool forks, each process has a client of its own, and the rate is split between them."""
    volcasr_simulator.configure(
        processing_time=0.2, qps=20, faults=[Fault("lost-answer", on="submit", times=1, url="/3")]
    )
    call = CALLER.replace("import celery_tasks", "import worker_app, celery_tasks")
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=tmp_path, env=worker, capture_output=True, text=True, timeout=150, check=False
    )
    log = (tmp_path / "log").read_text()
    assert done.returncode == 0, done.stderr + log
    assert json.loads(done.stdout.lower()) == [True] * 6
    assert set(volcasr_simulator.charges_by_source.values()) == {1}
    assert volcasr_simulator.refused == 0
    assert len({line.split("ForkPoolWorker-")[1][0] for line in log.splitlines() if "ForkPoolWorker-" in line}) == 2
