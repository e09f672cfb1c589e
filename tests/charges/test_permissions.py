"""What is submitted again: with `redo`, with `pay_again`, and without any permission."""

from pathlib import Path
from typing import Any

import pytest
from charges_kit import DIRECT, FLASH, QUERIED, STANDARD, V1, change, charged_of, errors, links, names, rows, run

from volcasr_async import RetryPolicy, SubmitUncertain, TaskNotFound
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

LIST = links(4)
STATES = [
    ("planned", "no"), ("sent", "maybe"), ("accepted", "yes"), ("done", "yes"), ("failed", "no"), ("failed", "yes"),
    ("uncertain", "maybe"), ("missing", "yes"),
]  # fmt: skip
every_state = pytest.mark.parametrize(("state", "charged"), STATES)
every_edition = pytest.mark.parametrize("edition", [*QUERIED, *DIRECT], ids=lambda edition: edition.name)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def left_in(journal: Path, edition: Edition, state: str, charged: str) -> set[str]:
    """Leave the list in this state, by a service that later knows nothing of it; give the request ids."""
    simulator = Simulator()
    assert len(names(await run(simulator, LIST, client_with={"edition": edition}, journal=journal))) == 4
    task = "task" if state in ("accepted", "done", "missing") or charged == "yes" or edition in QUERIED else "NULL"
    change(journal, f"UPDATE job SET state = ?, charged = ?, delivered = 0, task = {task}", state, charged)
    if state != "done":
        change(journal, "DELETE FROM transcript")
    return {charge.request_id for charge in simulator.charges} - {""}


@every_edition
@every_state
async def test_redo_submits_what_is_in_any_state(journal: Path, edition: Edition, state: str, charged: str) -> None:
    """Once, as a new task under a new request id, except for what was never charged, whose id is used again."""
    before = await left_in(journal, edition, state, charged)
    simulator = Simulator(seed=1)
    outcomes = await run(simulator, LIST, client_with={"edition": edition}, journal=journal, redo=True)
    assert names(outcomes) == LIST
    assert dict(simulator.charges_by_source) == dict.fromkeys(LIST, 1)
    assert set(rows(journal)) == {"done"}
    if edition is not V1:  # which sends no request id
        assert ({charge.request_id for charge in simulator.charges} == before) is (charged == "no")
    assert await run(simulator, LIST, client_with={"edition": edition}, journal=journal) == []


@every_edition
@every_state
async def test_what_is_submitted_without_permission(journal: Path, edition: Edition, state: str, charged: str) -> None:
    """What costs nothing or ended with a listed code, and on standard and idle a submit that queries prove not to have arrived."""
    await left_in(journal, edition, state, charged)
    simulator = Simulator(seed=1)
    outcomes = await run(simulator, LIST, client_with={"edition": edition}, journal=journal)
    submitted = state in ("planned", "failed") or (state == "sent" and edition in QUERIED)
    assert (len(simulator.charges) == 4) is submitted
    assert names(outcomes) == (LIST if submitted or state == "done" else [])
    if not submitted and state != "done":
        kinds = {type(error) for error in errors(outcomes)}
        assert kinds == (
            {TaskNotFound} if state in ("accepted", "missing") and edition is not FLASH else {SubmitUncertain}
        )
        assert charged_of(outcomes) == {charged}


@every_edition
@every_state
async def test_pay_again_submits_what_cannot_be_had_any_more(
    journal: Path, edition: Edition, state: str, charged: str
) -> None:
    """Everything is done at the end, and what is done already is not submitted."""
    if edition is FLASH and state in ("accepted", "missing"):
        pytest.skip("flash has no task that is waited for")
    await left_in(journal, edition, state, charged)
    simulator = Simulator(seed=1)
    client_with = {"edition": edition, "retry": RetryPolicy(pay_again=True)}
    outcomes = await run(simulator, LIST, client_with=client_with, journal=journal)
    assert names(outcomes) == LIST
    assert dict(simulator.charges_by_source) == ({} if state == "done" else dict.fromkeys(LIST, 1))
    assert set(rows(journal)) == {"done"}


@every_edition
@pytest.mark.parametrize("state", ["sent", "accepted", "missing", "uncertain"])
async def test_pay_again_queries_first(journal: Path, edition: Edition, state: str) -> None:
    """What the service still has is fetched, and not charged again, with a permission or without."""
    simulator = Simulator(seed=1)
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    await run(simulator, LIST, **told)
    charged = "yes" if state in ("accepted", "missing") else "maybe"
    change(journal, "UPDATE job SET state = ?, charged = ?, delivered = 0", state, charged)
    change(journal, "DELETE FROM transcript")
    told["client_with"] = {"edition": edition, "retry": RetryPolicy(pay_again=True)}
    outcomes = await run(simulator, LIST, **told)
    assert names(outcomes) == LIST
    found = edition in QUERIED or (edition is V1 and charged == "yes")
    assert set(simulator.charges_by_source.values()) == {1 if found else 2}


@pytest.mark.parametrize(
    ("edition", "policy"),
    [
        (STANDARD, {"resubmit_v1": True, "resend_flash": True}),
        (V1, {"resend_flash": True}),
        (FLASH, {"resubmit_v1": True}),
    ],
    ids=str,
)
async def test_each_part_permits_its_own_edition_only(journal: Path, edition: Edition, policy: dict[str, bool]) -> None:
    """The other parts leave what is uncertain as it is."""
    await left_in(journal, edition, "uncertain", "maybe")
    simulator = Simulator(seed=1)
    client_with = {"edition": edition, "retry": RetryPolicy(**policy)}
    outcomes = await run(simulator, LIST, client_with=client_with, journal=journal)
    assert {type(error) for error in errors(outcomes)} == {SubmitUncertain}
    assert not simulator.charges


@pytest.mark.parametrize("edition", QUERIED, ids=lambda edition: edition.name)
async def test_a_task_that_is_gone_is_replaced_once_in_a_run(journal: Path, edition: Edition) -> None:
    """`pay_again` permits one new task after another one that was lost."""
    simulator = Simulator(faults=[Fault("forgotten")])
    client_with = {"edition": edition, "retry": RetryPolicy(pay_again=True)}
    outcomes = await run(simulator, LIST, client_with=client_with, journal=journal)
    assert {type(error) for error in errors(outcomes)} == {TaskNotFound}
    assert set(simulator.charges_by_source.values()) == {2}
    assert set(rows(journal)) == {"missing"}
