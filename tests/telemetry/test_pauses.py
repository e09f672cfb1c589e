"""Long pauses that the service asks for are logged once, at WARNING."""

import logging
from functools import partial

import anyio
import httpx
import pytest
from io_kit import KEY, PLAIN, client

from volcasr_async import Limits, VolcASR
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio
OK = {"X-Api-Status-Code": "20000000"}


def pauses(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record for record in caplog.records if "pause for" in record.getMessage()]
    assert {(record.name, record.levelno) for record in found} <= {("volcasr_async.rate", logging.WARNING)}
    return [record.getMessage() for record in found]


@pytest.mark.parametrize(
    ("code", "what", "pause_s"),
    [("45000292", "all requests", 3600), ("55000031", "all requests", 60), ("45000131", "submits", 180)],
)
async def test_a_long_pause_is_logged_once(
    caplog: pytest.LogCaptureFixture, code: str, what: str, pause_s: int
) -> None:
    """Ten requests meet it at the same time: one line, with its length and its reason."""
    asked = {"Retry-After": str(pause_s)} if code != "45000131" else {}
    calls = 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        refused = calls <= 10
        await anyio.sleep(0.1)
        headers = {"X-Api-Status-Code": code, "X-Api-Message": "told so", **asked}
        return httpx.Response(429 if refused else 200, headers=headers if refused else OK, content=b"{}")

    async with VolcASR(KEY, http=httpx.MockTransport(answer), limits=Limits(qps=None)) as asr:
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(partial(asr.submit, PLAIN, timeout=10_000))
        assert anyio.current_time() - began >= pause_s
    [line] = pauses(caplog)
    assert line.startswith(f"{what} pause for {pause_s} s")
    assert code in line


async def test_the_next_pause_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    """It is another one."""
    simulator = Simulator(faults=[Fault("rate-limited", retry_after=100.0, times=2)])
    async with client(simulator) as asr:
        await asr.submit(PLAIN)
    assert len(pauses(caplog)) == 2


async def test_a_short_pause_is_not_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Ten seconds, and a refusal that asks for none."""
    for retry_after in (10.0, None):
        simulator = Simulator(faults=[Fault("rate-limited", retry_after=retry_after, times=1)])
        async with client(simulator) as asr:
            await asr.submit(PLAIN)
    assert pauses(caplog) == []
