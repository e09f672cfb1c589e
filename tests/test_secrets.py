"""Secrets are planted everywhere, and looked for wherever something is shown or written."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from ground import CLUSTER, ID, answer, order_of, speak, task_of

from volcasr_async import (
    ApiKey,
    AppKey,
    AudioBytes,
    AudioUrl,
    Flash,
    InputError,
    Job,
    Options,
    Standard,
    SubmitUncertain,
    VolcASRError,
    WaitTimeout,
)
from volcasr_async.protocol.messages import Access

PAIR = AppKey("app", "S3CRET-access", "S3CRET-secret")
LINK = "https://user:S3CRET-pw@tos.example.com/a.mp3?X-Tos-Signature=S3CRET-sig'S3CRET#S3CRET"
JOB = Job(LINK, key=LINK, request_id=ID, callback="https://x.example/cb?token=S3CRET")
EDITIONS = (Standard(), Flash(), CLUSTER)


def shown(value: Any) -> str:
    rich = value.__rich_repr__() if hasattr(value, "__rich_repr__") else ""
    return f"{value!r} {value} {list(rich)}"


@pytest.mark.parametrize(
    "value",
    [ApiKey("S3CRET"), PAIR, AudioUrl(LINK), AudioBytes(b"S3CRET"), JOB, Job(LINK), Access(PAIR),
     speak(CLUSTER, PAIR).open(order_of(LINK, CLUSTER)), speak(Standard(), PAIR).follow(task_of()), order_of(LINK)],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_nothing_is_shown(value: Any) -> None:
    """Neither repr nor str nor rich shows a secret."""
    assert "S3CRET" not in shown(value)


def test_labels_and_tasks() -> None:
    """Names of jobs and tasks hold no query, and neither does a task's JSON."""
    assert "S3CRET" not in JOB.name + AudioUrl(LINK).label
    for edition in (Standard(), CLUSTER):
        dialect = speak(edition, PAIR)
        order = order_of(AudioUrl(LINK), edition, key=LINK)
        task = dialect.claim(order, at=0.0) or task_of(edition, key=order.job.name)
        assert "S3CRET" not in task.to_json() + shown(task)


@pytest.mark.parametrize("value", [AudioUrl(LINK), JOB, Job(LINK)], ids=lambda v: type(v).__name__)
def test_pickles_hold_no_query(value: Any) -> None:
    """A pickle leaves the query out, and what came out of it cannot be sent."""
    data = pickle.dumps(value)
    assert b"S3CRET" not in data
    with pytest.raises(InputError, match="pickle"):
        order_of(getattr(pickle.loads(data), "source", pickle.loads(data)))


def test_a_cut_callback_is_not_sent() -> None:
    """A job that lost its callback's query is refused."""
    job = pickle.loads(pickle.dumps(Job("https://e.com/a.mp3", callback="https://x.example/cb?token=S3CRET")))
    with pytest.raises(InputError, match="callback"):
        order_of(job.source, callback=job.callback)


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda e: e.name)
@pytest.mark.parametrize("code", [None, 45000001, 45000006, 45000010, 45000292, 55000000, 1001, 20000009])
@pytest.mark.parametrize("status", [200, 403, 502])
def test_errors_of_the_dialects(edition: Any, code: int | None, status: int) -> None:
    """Whatever link the service repeats, no error shows or pickles its secrets."""
    dialect, order = speak(edition, PAIR), order_of(LINK, edition)
    said = f"download of {LINK} failed"
    reply = answer(code, said, {"header": {"message": said}, "url": LINK}, status=status)
    reads: tuple[Callable[[], object], ...] = (
        lambda: dialect.read_open(order, reply, at=0.0),
        lambda: dialect.read_follow(task_of(edition), reply),
    )
    for read in reads:
        with pytest.raises(VolcASRError) as caught:
            read()
        error = caught.value
        assert "S3CRET" not in f"{error!r} {error} {vars(error)}"
        assert b"S3CRET" not in pickle.dumps(error)


@pytest.mark.parametrize("kind", [SubmitUncertain, WaitTimeout])
def test_errors_with_a_job(kind: Any) -> None:
    """An error carries its job without its secrets, through a pickle and a copy too."""
    error = kind("lost", job=JOB)
    assert b"S3CRET" not in pickle.dumps(error)
    assert "S3CRET" not in f"{error!r} {vars(copy.copy(error))}"


@pytest.mark.parametrize(
    "bad", [LINK.replace("https", "tos"), LINK.removeprefix("https://"), "//" + LINK[8:], "https://[S3CRET"]
)
def test_refused_links(bad: str) -> None:
    """A link that is refused is not shown with its query."""
    with pytest.raises(InputError) as caught:
        AudioUrl(bad)
    assert "S3CRET" not in str(caught.value) + repr(caught.value.__cause__)
    assert Options() == Options()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: AudioUrl(LINK, format=LINK),
        lambda: Job(LINK, edition=LINK),  # type: ignore[arg-type]  # on purpose
        lambda: Job(LINK, request_id=LINK),
    ],
)
def test_a_link_in_the_wrong_place(wrong: Any) -> None:
    """What refuses it does not repeat its query."""
    with pytest.raises(InputError) as caught:
        order_of(wrong())
    assert "S3CRET" not in f"{caught.value!r} {caught.value} {caught.value.args}"
