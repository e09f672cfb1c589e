"""Thousands of histories: a service that behaves badly in every way, batches that are killed, journals that are restored.

Each history is a few runs of one list against one service and one journal, in virtual time, and a last run in calm. Then:

- no recording was charged twice without permission;
- every recording that was charged is done, or was reported as charged with its task or its request id;
- every run ended.

**The boundary.** Nobody can tell a submit that never arrived from one that was accepted, whose answer was lost, and that the service
then denies for longer than `grace`: because it has forgotten the task, because it knows the task under an id of its own that no
reply has told yet, or because a failover lasts longer. Where such a service also charges for a repeated request id, a second
charge is possible. The library says so before it sends (a WARNING), which the histories check.

`HISTORIES=2000 HYPOTHESIS_PROFILE=thorough pytest tests/charges/test_histories.py` tries others, and more of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from history_kit import FINAL, Behaviour, MemoryJournal, Service
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volcasr_async import AppKey, AucV1, Done, Failed, Flash, Idle, Limits, RetryPolicy, Standard, VolcASR
from volcasr_async.errors import SubmitUncertain, VolcASRError
from volcasr_async.testing import VirtualTimeLoop

COUNT = int(os.environ.get("HISTORIES", "60"))
LINKS = [f"https://example.com/{number}.mp3" for number in range(6)]
EDITIONS: dict[str, Any] = {"standard": Standard(), "v1": AucV1("common"), "flash": Flash(), "idle": Idle()}
ENDS_WITHIN_S = 12 * 3600.0


class Warned(logging.Handler):
    """Remembers the request ids of the submits that count as not charged, because queries have not found them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.denied: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if "the service does not know the submit" in record.getMessage():
            self.denied[str(record.__dict__["volcasr_request_id"])] += 1


@contextmanager
def warnings_seen() -> Iterator[Warned]:
    log, handler = logging.getLogger("volcasr_async.charges"), Warned()
    log.addHandler(handler)
    try:
        yield handler
    finally:
        log.removeHandler(handler)


class History:
    """What came of the runs of one list."""

    def __init__(self, how: Behaviour, **policy: Any) -> None:
        self.service, self.journal = Service(how), MemoryJournal(how.seed)
        self.edition, self.policy = EDITIONS[how.edition], policy
        self.reported: dict[str, VolcASRError] = {}
        self.texts: dict[str, str] = {}

    async def run(self, *, killed_after: float | None = None, **more: Any) -> None:
        """Run the list once; a killed process takes along what its journal has not settled."""
        journal, retry = self.journal.open(), RetryPolicy(reply_timeout=60.0, **(self.policy | more))
        asr = VolcASR(
            AppKey("app", "token"), edition=self.edition, base_url="http://127.0.0.1:9", http=self.service,
            limits=Limits(qps=50, concurrency=4), retry=retry, observe=False,
        )  # fmt: skip
        with anyio.fail_after(ENDS_WITHIN_S), anyio.CancelScope() as process:
            loop = asyncio.get_running_loop()
            kill = loop.call_later(ENDS_WITHIN_S if killed_after is None else killed_after, self._kill, process)
            async with asr, asr.batch(LINKS, journal=journal) as batch:
                try:
                    async for outcome in batch:
                        self._take(outcome)
                except VolcASRError as error:
                    assert error.account_wide, error  # noqa: PT017 - what ended the batch is not what is tested
            kill.cancel()  # a run that has ended is not killed, nor is the next one in its place

    def _kill(self, process: anyio.CancelScope) -> None:
        self.journal.kill()
        process.cancel()

    def _take(self, outcome: Done | Failed) -> None:
        source = outcome.job.name
        if isinstance(outcome, Done):
            assert outcome.transcript.text == source, "one recording got the text of another"
            self.texts[source] = outcome.transcript.text
            self.reported.pop(source, None)
        else:
            self.reported[source] = outcome.error

    def check(self, warned: Warned, *, permitted: bool = False) -> None:
        charges = Counter(self.service.charges)
        denied = {self._source_of(name) for name in warned.denied}
        for source, count in charges.items():
            if source in denied and self.service.denied[source] >= 3:
                continue  # the boundary: the service denied a task that it charges for, and the library said what it does
            ended = sum(1 for task in self.service.tasks.values() if task.source == source and task.ending is not None)
            assert count <= 1 + ended or permitted, f"{source} was charged {count} times"
            row, error = self.journal.rows[source], self.reported.get(source)
            assert row.state == "done" or row.charged != "no", f"{source} is charged, and the journal says {row}"
            assert source in self.texts or (error is not None and error.charged != "no"), f"{source} is lost: {error!r}"
            if source not in self.texts and self.service.how.edition in ("standard", "idle"):
                assert getattr(error, "task", None) is not None, f"{source} is charged, and {error!r} names no task"

    def _source_of(self, request_id: str) -> str:
        task = self.service.tasks.get(self.service.by_request.get(request_id, ""))
        return task.source if task is not None else ""


def play(coroutine: Any) -> Any:
    """Run in virtual time."""
    return anyio.run(lambda: coroutine, backend_options={"loop_factory": VirtualTimeLoop})


STEPS = st.lists(
    st.tuples(st.sampled_from(["run", "kill", "kill", "restore"]), st.floats(0, 1, exclude_max=True)),
    min_size=1,
    max_size=4,
)
BEHAVIOURS = st.builds(
    Behaviour,
    edition=st.sampled_from(["standard", "standard", "idle", "v1", "flash"]),
    task_ids=st.sampled_from(["request", "request", "own", "both"]),
    repeated=st.sampled_from(["refused", "refused", "charged", "joined"]),
    share=st.sampled_from([0.0, 0.1, 0.3, 0.6]),
    forgets=st.sampled_from([0.0, 0.0, 0.0, 0.2]),
    failovers=st.lists(st.tuples(st.floats(0, 120), st.floats(1, 60)), max_size=2).map(tuple),
    processing_s=st.sampled_from([1.0, 20.0, 200.0]),
    seed=st.integers(0, 2**32),
)


async def whole_history(how: Behaviour, steps: list[tuple[str, float]]) -> History:
    history = History(how)
    history.service.began = anyio.current_time()
    for step, share in steps:
        match step:
            case "run":
                await history.run()
            case "kill":
                await history.run(killed_after=0.01 + 120 * share**3)
            case _:
                history.journal.restore(share)
    history.service.calm = True
    await history.run()
    return history


@settings(max_examples=COUNT, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
@given(BEHAVIOURS, STEPS)
def test_nothing_is_charged_twice_and_nothing_charged_is_lost(how: Behaviour, steps: list[tuple[str, float]]) -> None:
    """Whatever the service does, and wherever a run is killed or a journal restored."""
    with warnings_seen() as warned:
        history = play(whole_history(how, steps))
    history.check(warned)


@settings(max_examples=max(COUNT // 4, 10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BEHAVIOURS, STEPS)
def test_permission_leaves_nothing_uncertain(how: Behaviour, steps: list[tuple[str, float]]) -> None:
    """With `pay_again` a last run in calm brings every recording, or a code that the service ended it with."""

    async def history() -> History:
        played = await whole_history(how, steps)
        await played.run(pay_again=True)
        return played

    with warnings_seen() as warned:
        played = play(history())
    played.check(warned, permitted=True)
    for source in LINKS:
        error = played.reported.get(source)
        assert source in played.texts or getattr(error, "code", None) in (*FINAL, 1012, 1014), error


@pytest.mark.parametrize("seed", [9, 15, 33])
def test_a_refusal_as_repeated_in_a_later_run_is_no_proof(seed: int) -> None:
    """An earlier run lost the answer, queries denied the task, and another failure followed: the task may exist."""
    how = Behaviour(task_ids="own", repeated="refused", share=0.6, failovers=((0.0, 1.0),), seed=seed)

    async def history() -> History:
        played = await whole_history(how, [("run", 0.0)])
        await played.run(pay_again=True)
        return played

    with warnings_seen() as warned:
        played = play(history())
    played.check(warned, permitted=True)
    assert [source for source in LINKS if source not in played.texts] == []


@pytest.mark.parametrize("edition", ["standard", "v1", "flash"])
def test_a_calm_service_charges_each_once(edition: Any) -> None:
    """Without a fault every recording is done, whatever was killed."""
    with warnings_seen() as warned:
        history = play(
            whole_history(Behaviour(edition=edition, share=0.0), [("kill", 0.3), ("kill", 0.6), ("run", 0.0)])
        )
    history.check(warned)
    uncertain = [error for error in history.reported.values() if isinstance(error, SubmitUncertain)]
    assert len(history.texts) + len(uncertain) == len(LINKS)
    assert not uncertain or edition != "standard"
