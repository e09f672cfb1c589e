"""A journal belongs to a service, and remembers the key that it was last used with."""

from pathlib import Path
from typing import Any

import pytest
from charges_kit import (
    STANDARD,
    charged_of,
    cut_off,
    failures,
    links,
    names,
    once_each,
    polled,
    queried,
    rows,
    run,
    warnings_of,
)

from volcasr_async import ApiKey, AppKey, RetryPolicy, SubmitUncertain, TaskNotFound
from volcasr_async.editions import Edition
from volcasr_async.errors import JournalError
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

LIST = links(6)
OTHER = AppKey("other-app", "other-token-secret")
REAL = "https://openspeech.bytedance.com"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@polled
@pytest.mark.parametrize("other", [REAL, "https://example.com", "https://openspeech.bytedance.com:8443"])
async def test_the_journal_of_another_service_is_refused(journal: Path, edition: Edition, other: str) -> None:
    """The texts of a simulator are no results of the real service; nothing is sent."""
    simulator, real = Simulator(), Simulator()
    await run(simulator, LIST, client_with={"edition": edition}, journal=journal)
    with pytest.raises(JournalError) as caught:
        await run(real, LIST, client_with={"edition": edition, "base_url": other}, journal=journal)
    assert "belongs to the service at loopback" in str(caught.value)
    assert not real.charges
    assert await run(simulator, LIST, client_with={"edition": edition}, journal=journal) == []


async def test_the_journal_of_the_real_service_is_refused_by_a_simulator(journal: Path) -> None:
    """And the other way round."""
    real, simulator = Simulator(), Simulator()
    await run(real, LIST, client_with={"base_url": REAL}, journal=journal)
    with pytest.raises(JournalError, match="belongs to the service at"):
        await run(simulator, LIST, journal=journal)
    assert not simulator.charges
    assert await run(real, LIST, client_with={"base_url": REAL}, journal=journal) == []


@pytest.mark.parametrize(
    "other", ["http://127.0.0.1:8080", "http://localhost:9", "http://[::1]:9", "http://127.0.0.2:1"]
)
async def test_every_address_of_this_machine_is_one_simulator(
    journal: Path, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It listens somewhere else each time."""
    simulator = Simulator()
    await run(simulator, LIST, journal=journal)
    assert await run(simulator, LIST, client_with={"base_url": other}, journal=journal) == []
    assert warnings_of(caplog) == []


@queried
@pytest.mark.parametrize("pay_again", [False, True])
async def test_another_key_is_reported_and_open_tasks_are_only_queried(
    journal: Path, edition: Edition, pay_again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What the old key submitted cannot be found with the new one: it stays charged, and is not submitted again."""
    simulator = Simulator(processing_time=20)
    told: dict[str, Any] = {"journal": journal}
    await cut_off(simulator, LIST, after_s=5, client_with={"edition": edition}, **told)
    assert set(rows(journal)) == {"accepted"}
    assert warnings_of(caplog) == []
    client_with = {"edition": edition, "credentials": OTHER, "retry": RetryPolicy(pay_again=pay_again)}
    for _ in range(2):
        outcomes = await run(simulator, LIST, client_with=client_with, **told)
        assert failures(outcomes, TaskNotFound) == LIST
        assert charged_of(outcomes) == {"yes"}
        assert once_each(simulator, LIST)
        assert simulator.requests["submit"] == 6
    assert [line for line in warnings_of(caplog) if "other credentials" in line]
    assert names(await run(simulator, LIST, client_with={"edition": edition}, **told)) == LIST
    assert once_each(simulator, LIST)


@pytest.mark.parametrize(
    "other", [OTHER, AppKey("1234567890", "another-token"), ApiKey("0123456789abcdef-another-key")]
)
async def test_each_other_key_is_reported_once(journal: Path, other: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The message holds no key, and new recordings are submitted with the new one."""
    simulator = Simulator()
    await run(simulator, LIST, journal=journal)
    outcomes = await run(simulator, links(9), client_with={"credentials": other}, journal=journal)
    assert names(outcomes) == sorted(set(links(9)) - set(LIST))
    [line] = warnings_of(caplog)
    assert "other credentials" in line
    assert "secret" not in line
    caplog.clear()
    assert await run(simulator, links(9), client_with={"credentials": other}, journal=journal) == []
    assert warnings_of(caplog) == []
    assert once_each(simulator, links(9))


@queried
@pytest.mark.parametrize("pay_again", [False, True])
async def test_a_submit_of_another_key_that_was_not_answered(journal: Path, edition: Edition, pay_again: bool) -> None:
    """That the new key does not find it proves nothing, so it is uncertain and not submitted again."""
    simulator = Simulator(faults=[Fault("stall", on="submit", times=1)])
    retry = RetryPolicy(reply_timeout=500)
    await cut_off(simulator, LIST, after_s=5, client_with={"edition": edition, "retry": retry}, journal=journal)
    assert set(rows(journal)) == {"sent"}
    client_with = {"edition": edition, "credentials": OTHER, "retry": RetryPolicy(pay_again=pay_again)}
    outcomes = await run(simulator, LIST, client_with=client_with, journal=journal)
    assert failures(outcomes, SubmitUncertain) == LIST
    assert charged_of(outcomes) == {"maybe"}
    assert once_each(simulator, LIST)


async def test_redo_submits_with_another_key(journal: Path) -> None:
    """It is a permission for each recording of the list."""
    simulator = Simulator(processing_time=20)
    await cut_off(simulator, LIST, after_s=5, journal=journal)
    client_with = {"edition": STANDARD, "credentials": OTHER}
    assert names(await run(simulator, LIST, client_with=client_with, journal=journal, redo=True)) == LIST
    assert set(simulator.charges_by_source.values()) == {2}
