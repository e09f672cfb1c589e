"""Rows 1 and 2 of the attack on 0.1.0, and where the others are tested.

High severity:
 1, 2  here
 3     test_older_journal.py, and with real processes tests/crash/test_crash_journal.py
 4     test_same_job_again.py
 5     tests/crash/test_crash_stdout.py
 6     test_no_journal.py
 7     tests/test_event_loops.py

Medium severity:
 8, 9  test_late_resume.py
 10    test_refused_connections.py, and with real processes tests/crash/test_crash_journal.py
 11    tests/test_stopped.py
 12    tests/test_budget_confirm.py
 13-15 test_attack_medium.py
 16    test_journal_not_written.py

Low severity:
 another host or key           test_other_service.py
 a relative path               test_attack_low.py
 a journal that is deleted     test_journal_not_written.py (while it is used), test_older_journal.py (between two runs)
 a file that is replaced       tests/test_audio.py
 empty text, a foreign reply   test_attack_low.py
 an error code in the body     test_attack_low.py
 a network outage of 60 s      test_attack_low.py
 429 with Retry-After: 3600    tests/telemetry/test_pauses.py
 URL jobs behind local files   tests/batch/test_batch_order.py
 a full disk at the opening    test_journal_not_written.py
 `.part` names of two batches  tests/security/test_files.py
 a replayed callback           tests/test_callbacks.py
"""

from pathlib import Path
from typing import Any

import pytest
from charges_kit import charged_of, cut_off, direct, errors, links, names, once_each, polled, queried, rows, run

from volcasr_async import RetryPolicy, SubmitUncertain
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator

pytestmark = pytest.mark.anyio

LIST = links(9)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


AT_QUERY = [
    *[Fault("gateway-page", on="query", times=1, status=status) for status in (400, 404, 408, 410, 429)],
    Fault("generic-error", on="query", times=1),
    Fault("unlisted-code", on="query", times=1),
    Fault("server-error", on="query", times=4),
    Fault("not-found", on="query", times=5),
    Fault("failover", on="query"),
]
AFTER_SUBMIT = [
    *[Fault("gateway-page-after", on="submit", times=1, status=status) for status in (400, 404, 408, 410)],
    Fault("unlisted-code-after", on="submit", times=1),
    Fault("server-error-after", on="submit", times=3),
    Fault("failover", on="submit", seconds=5),
    Fault("failover", on="submit"),
]


def said(fault: Fault) -> str:
    return f"{fault.kind}-{fault.status}" if "page" in fault.kind else f"{fault.kind}-{fault.seconds or fault.times}"


@polled
@pytest.mark.parametrize("fault", AT_QUERY, ids=said)
async def test_a_reply_that_says_nothing_ends_no_accepted_task(journal: Path, edition: Edition, fault: Fault) -> None:
    """Row 1: the task is queried again, its result comes in the same run, and the next run has nothing to do."""
    simulator = Simulator(faults=[fault])
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    first, second = await run(simulator, LIST, **told), await run(simulator, LIST, **told)
    assert once_each(simulator, LIST)
    assert (names(first), second) == (LIST, [])


@queried
@pytest.mark.parametrize("fault", AFTER_SUBMIT, ids=said)
async def test_an_accepted_submit_with_another_answer_is_charged_once(
    journal: Path, edition: Edition, fault: Fault
) -> None:
    """Row 1: the service is asked about the task, which is found."""
    simulator = Simulator(faults=[fault])
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    first, second = await run(simulator, LIST, **told), await run(simulator, LIST, **told)
    assert once_each(simulator, LIST)
    assert (names(first), second) == (LIST, [])


@direct
@pytest.mark.parametrize(
    "fault",
    [
        *[Fault("gateway-page-after", times=1, status=status) for status in (400, 404, 408, 410, 413)],
        Fault("unlisted-code-after", times=1),
        Fault("server-error-after", times=3),
    ],
    ids=said,
)
async def test_where_nobody_can_ask_such_an_answer_is_uncertain(journal: Path, edition: Edition, fault: Fault) -> None:
    """Row 1 on flash and v1: nothing is sent again, in this run or the next, until that is permitted."""
    on = "flash" if edition.name == "flash" else "submit"
    simulator = Simulator(faults=[Fault(fault.kind, on=on, times=fault.times, status=fault.status)])
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    first, second = await run(simulator, LIST, **told), await run(simulator, LIST, **told)
    assert once_each(simulator, LIST)
    assert charged_of(first) == charged_of(second) == {"maybe"}
    assert len(errors(first)) == len(errors(second)) == len(LIST)
    assert set(rows(journal)) == {"uncertain"}
    assert all(isinstance(error, SubmitUncertain) for error in errors(second))
    permitted: dict[str, Any] = {"client_with": {"edition": edition, "retry": RetryPolicy(pay_again=True)}}
    assert names(await run(Simulator(), LIST, journal=journal, **permitted)) == LIST


@queried
@pytest.mark.parametrize("task_ids", ["own", "both"])
async def test_tasks_with_ids_of_the_services_own(journal: Path, edition: Edition, task_ids: Any) -> None:
    """Row 2: they are queried by these ids, charged once, and known to the next run."""
    simulator = Simulator(task_ids=task_ids)
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    first, second = await run(simulator, LIST, **told), await run(simulator, LIST, **told)
    assert once_each(simulator, LIST)
    assert (names(first), second) == (LIST, [])


@queried
@pytest.mark.parametrize("task_ids", ["own", "both"])
async def test_an_accepted_task_with_an_id_of_its_own_is_found_by_the_next_run(
    journal: Path, edition: Edition, task_ids: Any
) -> None:
    """Row 2: the journal keeps the id that the service gave."""
    simulator = Simulator(task_ids=task_ids)
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    await cut_off(simulator, LIST, after_s=1.0, **told)
    assert set(rows(journal)) == {"accepted"}
    assert names(await run(simulator, LIST, **told)) == LIST
    assert once_each(simulator, LIST)


@queried
async def test_a_lost_answer_hides_an_id_of_the_services_own(journal: Path, edition: Edition) -> None:
    """Row 2: once a differing id was seen, "cannot find task" proves nothing, so nothing is sent again unasked."""
    recordings = links(30)
    simulator = Simulator(
        task_ids="own", reuse_charges=True, faults=[Fault("lost-answer", on="submit", times=1, url="/2")]
    )
    told: dict[str, Any] = {"client_with": {"edition": edition}, "journal": journal}
    hidden = sorted(link for link in recordings if "/2" in link)
    first, second = await run(simulator, recordings, **told), await run(simulator, recordings, **told)
    assert once_each(simulator, recordings)
    assert names(first) == sorted(set(recordings) - set(hidden))
    assert names(second) == []
    for outcomes in (first, second):
        assert {type(error) for error in errors(outcomes)} == {SubmitUncertain}
        assert len(errors(outcomes)) == len(hidden)
        assert charged_of(outcomes) == {"maybe"}
    permitted: dict[str, Any] = {"client_with": {"edition": edition, "retry": RetryPolicy(pay_again=True)}}
    assert names(await run(Simulator(task_ids="own"), recordings, journal=journal, **permitted)) == hidden
