"""Row 4 of the attack on 0.1.0: a request handler that is called again with the same `Job`, and so with the same request id."""

from typing import Any

import anyio
import pytest
from charges_kit import STANDARD, V1, polled, queried
from io_kit import PLAIN, client, is_idle

from volcasr_async import InvalidRequest, Job
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio


@polled
async def test_one_call_after_the_other(edition: Edition) -> None:
    """The later calls return the result of the first, which is charged once."""
    simulator, job = Simulator(), Job(PLAIN)
    async with client(simulator, edition=edition) as asr:
        texts = {(await asr.transcribe(job)).text for _ in range(3)}
        assert is_idle(asr)
    assert len(texts) == len(simulator.charges) == 1
    assert simulator.requests["submit"] == 1


@queried
@pytest.mark.parametrize("lag", [0.0, 2.0])
async def test_a_call_of_another_client(edition: Edition, lag: float) -> None:
    """A refusal of the repeated id is followed by queries, so another process gets the result, too."""
    simulator, job = Simulator(lag=lag), Job(PLAIN)
    texts = set()
    for _ in range(2):
        async with client(simulator, edition=edition) as asr:
            texts.add((await asr.transcribe(job)).text)
    assert len(texts) == len(simulator.charges) == 1
    assert simulator.requests["submit"] == 2


@queried
async def test_the_call_of_another_client_while_the_task_runs(edition: Edition) -> None:
    """It is found, and waited for."""
    simulator, job, texts = Simulator(processing_time=20), Job(PLAIN), []

    async def call(after_s: float) -> None:
        async with client(simulator, edition=edition) as asr:
            await anyio.sleep(after_s)
            texts.append((await asr.transcribe(job)).text)

    async with anyio.create_task_group() as tasks:
        for after_s in (0.0, 0.0, 5.0):
            tasks.start_soon(call, after_s)
    assert len(texts) == 3
    assert len(set(texts)) == len(simulator.charges) == 1


@polled
@pytest.mark.parametrize("reply_delay", [0.0, 1.0])
async def test_calls_at_the_same_time(edition: Edition, reply_delay: float) -> None:
    """One of them submits, and the others follow its task."""
    simulator, job, texts = Simulator(processing_time=20, reply_delay=reply_delay), Job(PLAIN), []

    async def call(asr: Any) -> None:
        texts.append((await asr.transcribe(job)).text)

    async with client(simulator, edition=edition) as asr, anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(call, asr)
    assert len(texts) == 8
    assert len(set(texts)) == len(simulator.charges) == 1
    assert simulator.requests["submit"] == 1


@polled
async def test_a_call_after_one_that_was_cancelled(edition: Edition) -> None:
    """The task of the first is waited for, whether its acceptance had been heard or not."""
    simulator, job = Simulator(processing_time=20, reply_delay=1.0), Job(PLAIN)
    async with client(simulator, edition=edition) as asr:
        with anyio.move_on_after(5):
            await asr.transcribe(job)
        assert (await asr.transcribe(job)).text
    assert len(simulator.charges) == 1


@queried
async def test_a_call_after_one_that_was_cancelled_before_its_answer(edition: Edition) -> None:
    """The refusal of the repeated id brings the queries that find its task."""
    simulator, job = Simulator(processing_time=20, reply_delay=1.0), Job(PLAIN)
    async with client(simulator, edition=edition) as asr:
        with anyio.move_on_after(0.5):
            await asr.transcribe(job)
        assert (await asr.transcribe(job)).text
    assert len(simulator.charges) == 1


async def test_another_edition_is_another_task() -> None:
    """A request id that v1 has accepted says nothing to standard."""
    simulator, job = Simulator(), Job(PLAIN)
    async with client(simulator) as asr:
        await asr.transcribe(job, edition=V1)
        await asr.transcribe(job, edition=STANDARD)
    assert [charge.edition for charge in simulator.charges] == ["v1", "standard"]


@queried
async def test_a_refusal_that_is_none_of_these_costs_five_seconds(edition: Edition) -> None:
    """A submit that holds something invalid is asked about three times, and then refused, uncharged."""
    simulator = Simulator(faults=[Fault("generic-error", on="submit")])
    began = anyio.current_time()
    async with client(simulator, edition=edition) as asr:
        with pytest.raises(InvalidRequest) as caught:
            await asr.transcribe(Job(PLAIN))
    assert caught.value.charged == "no"
    assert anyio.current_time() - began <= 5
    assert (simulator.requests["submit"], simulator.requests["query"]) == (1, 3)
    assert not simulator.charges
