"""The settings of a simulator: given, read and changed; what is no setting is refused."""

import inspect
import uuid

import anyio
import pytest
from sim_calls import Calls, body, code

from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

CHANGED = {
    "seed": 3,
    "qps": 5,
    "qps_window": 2.0,
    "concurrency": 4,
    "processing_time": 0,
    "processing_sigma": 0.5,
    "queue_time": 1,
    "reply_delay": 0.1,
    "flash_time": 3,
    "api_keys": frozenset({"good"}),
    "app_keys": {"app": "key"},
    "secret_keys": {"app": "secret"},
    "resources": frozenset({"volc.bigasr.auc"}),
    "clusters": frozenset({"c"}),
    "retention": 60,
    "lag": 1,
    "window_audio_hours": None,
    "faults": (Fault("reset"),),
    "reuse_charges": True,
    "submit_body": "task-id",
    "task_ids": "own",
    "echo_request_id": True,
    "v1_int_code": True,
}


def test_every_parameter_is_an_attribute_and_a_setting() -> None:
    """What `Simulator` takes can be read and changed by the same name."""
    parameters = inspect.signature(Simulator).parameters
    assert CHANGED.keys() == parameters.keys() == Simulator().settings.keys()
    simulator = Simulator()
    for name, value in CHANGED.items():
        setattr(simulator, name, value)
        assert getattr(simulator, name) == value
    assert simulator.settings == CHANGED == Simulator(**CHANGED).settings  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("procesing_time", "did you mean 'processing_time'?"),
        ("fault", "did you mean 'faults'?"),
        ("xyz", "settings are"),
    ],
)
def test_an_unknown_attribute_is_refused(name: str, suggestion: str) -> None:
    """It would change nothing, and the test would believe that it had."""
    simulator = Simulator()
    with pytest.raises(AttributeError, match=f"'{name}' is no setting of a simulator.*{suggestion}"):
        setattr(simulator, name, 0)
    with pytest.raises(TypeError, match=f"'{name}' is no setting of a simulator.*{suggestion}"):
        simulator.configure(**{name: 0})


@pytest.mark.parametrize("name", ["charges", "requests", "tasks", "app", "settings"])
def test_a_view_cannot_be_set(name: str) -> None:
    """Only settings can."""
    with pytest.raises(AttributeError, match=name):
        setattr(Simulator(), name, [])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("processing_time", -1, "processing_time is -1; it is a number of seconds, not below 0"),
        ("processing_time", "0", "processing_time is '0'; it is a number of seconds"),
        ("processing_time", None, "processing_time is None; it is a number of seconds"),
        ("lag", float("nan"), "lag is nan"),
        ("retention", "1 h", "retention is '1 h'.*None is possible too"),
        ("qps", True, "qps is True; it is a number"),
        ("qps", 0.1, "lets no request through within 1.0 s"),
        ("concurrency", 0, "concurrency 0 lets no request through"),
        ("api_keys", "good", r"api_keys is one string; .*api_keys=\[...\]"),
        ("resources", "volc.bigasr.auc", "resources is one string"),
        ("task_ids", "mine", "unknown kind of task ids 'mine'. Use one of: request, own, both"),
        ("submit_body", "none", "unknown submit_body 'none'"),
        ("faults", ["reset"], "faults is not a list of Fault values"),
        ("faults", None, "faults is not a list of Fault values"),
        ("faults", Fault("reset"), "faults is not a list of Fault values"),
    ],
)
def test_a_value_that_cannot_be_changes_nothing(name: str, value: object, message: str) -> None:
    """It is refused when the simulator is made, and when the setting is changed."""
    with pytest.raises(ValueError, match=message):
        Simulator(**{name: value})  # type: ignore[arg-type]
    simulator = Simulator()
    before = simulator.settings
    with pytest.raises(ValueError, match=message):
        simulator.configure(**{"seed": 9, name: value})
    assert simulator.settings == before


async def test_a_change_holds_for_the_requests_that_follow(simulator: Simulator, calls: Calls) -> None:
    """Tasks that were accepted before keep their time."""
    slow, quick = str(uuid.uuid4()), str(uuid.uuid4())
    simulator.processing_time = 100
    await calls.submit(task=slow)
    simulator.processing_time = 0
    await calls.submit(task=quick)
    assert [task.state for task in simulator.tasks] == ["running", "done"]
    assert code(await calls.query(quick)) == "20000000"
    assert code(await calls.query(slow)) == "20000001"


async def test_a_quota_may_come_and_go(simulator: Simulator, calls: Calls) -> None:
    """`qps` and `qps_window` together, and back."""
    simulator.configure(qps=1, qps_window=1.5)
    answers = [code(await calls.submit()) for _ in range(2)]
    simulator.qps = None
    answers.append(code(await calls.submit()))
    assert [answer == "20000000" for answer in answers] == [True, False, True]


async def test_new_faults_count_from_the_beginning(simulator: Simulator, calls: Calls) -> None:
    """`times` was used up by the old ones."""
    answers = []
    for _ in range(2):
        simulator.faults = [Fault("refuse-busy", on="submit", times=1)]
        task = str(uuid.uuid4())
        answers += [code(await calls.submit(task=task)) for _ in range(2)]
    assert answers == ["55000031", "20000000"] * 2


async def test_views_are_copies(simulator: Simulator, calls: Calls) -> None:
    """A test that keeps one compares it with what comes later."""
    before = simulator.requests, simulator.answers, simulator.charges, simulator.tasks
    await calls.submit()
    assert before == ({}, {}, [], [])
    assert [len(view) for view in (simulator.requests, simulator.answers, simulator.charges, simulator.tasks)] == [
        1
    ] * 4


async def test_tasks_tell_how_far_they_are(simulator: Simulator, calls: Calls) -> None:
    """From the queue to the end, and how they end."""
    simulator.configure(queue_time=10, processing_time=10, retention=10, lag=1)
    await calls.submit(body("https://example.com/silence.mp3?signature=secret"))
    states = []
    for _ in range(4):
        states.append(simulator.tasks[0].state)
        await anyio.sleep(10)
    assert states == ["queued", "running", "done", "gone"]
    task = simulator.tasks[0]
    assert (task.ending, task.source, task.edition) == ("silence", "https://example.com/silence.mp3", "standard")
