"""What the tests of charges share: services that cannot be reached, batches that are cut off, journals of another age."""

import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from io_kit import BASE, PAIR, client

from volcasr_async import AucV1, Failed, Flash, Idle, Limits, Standard, VolcASR
from volcasr_async.editions import Edition
from volcasr_async.testing import Simulator

# What the tests of batches share is found here too.
sys.path.append(str(Path(__file__).parents[1] / "batch"))

from batch_kit import Mortal, change, errors, links, names, outcomes_of, rows, run

__all__ = ["Mortal", "change", "errors", "links", "names", "outcomes_of", "rows", "run"]

HOUR_S = 3600.0
STANDARD, IDLE, FLASH, V1 = Standard(), Idle(), Flash(), AucV1("volc_auc_common")
POLLED: list[Edition] = [STANDARD, IDLE, V1]
QUERIED: list[Edition] = [STANDARD, IDLE]
DIRECT: list[Edition] = [FLASH, V1]
polled = pytest.mark.parametrize("edition", POLLED, ids=lambda edition: edition.name)
queried = pytest.mark.parametrize("edition", QUERIED, ids=lambda edition: edition.name)
direct = pytest.mark.parametrize("edition", DIRECT, ids=lambda edition: edition.name)
standard_and_v1 = pytest.mark.parametrize("edition", [STANDARD, V1], ids=lambda edition: edition.name)


class Down(httpx.AsyncBaseTransport):
    """The way to a simulator, which refuses every connection while `is_down` says so; counts what it refused."""

    def __init__(self, simulator: Simulator, is_down: Callable[[], bool]) -> None:
        self._inner, self._is_down, self.refused = simulator.transport(), is_down, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._is_down():
            self.refused += 1
            raise httpx.ConnectError("connection refused", request=request)
        return await self._inner.handle_async_request(request)


def client_over(http: httpx.AsyncBaseTransport, **more: Any) -> VolcASR:
    """Give a client whose requests take this way."""
    more.setdefault("limits", Limits(qps=None))
    return VolcASR(PAIR, http=http, base_url=BASE, **more)


async def cut_off(simulator: Simulator, items: Any, *, after_s: float, client_with: Any = None, **more: Any) -> None:
    """Run a batch, and leave it after so many seconds."""
    async with client(simulator, **(client_with or {})) as asr:
        with anyio.move_on_after(after_s):
            await outcomes_of(asr, items, **more)


def make_older(journal: Path, seconds: float) -> None:
    """Let so much time pass for every row: those that a journal holds are on the real clock."""
    change(
        journal,
        "UPDATE job SET planned_at = planned_at - ?, updated_at = updated_at - ?, "
        "task = json_set(task, '$.submitted_at', json_extract(task, '$.submitted_at') - ?)",
        seconds,
        seconds,
        seconds,
    )


def once_each(simulator: Simulator, names: Iterable[str]) -> bool:
    """Tell whether exactly these recordings were charged, each once."""
    return dict(simulator.charges_by_source) == dict.fromkeys(names, 1)


def failures(outcomes: list[Any], kind: type[Exception]) -> list[str]:
    """List the recordings that failed with this error."""
    return sorted(one.job.name for one in outcomes if isinstance(one, Failed) and isinstance(one.error, kind))


def charged_of(outcomes: list[Any]) -> set[str]:
    """List the charge states of what failed."""
    return {one.error.charged for one in outcomes if isinstance(one, Failed)}


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List what the logger of charges has written at WARNING."""
    found = [r for r in caplog.records if r.name == "volcasr_async.charges" and r.levelno == logging.WARNING]
    return [record.getMessage() for record in found]


def tasks_in(lines: list[str]) -> set[str]:
    """List the request ids of the tasks whose JSON stands in these lines of a log."""
    found = set()
    for line in lines:
        if "{" in line:
            told, _ = json.JSONDecoder().raw_decode(line[line.index("{") :])
            found.add(told["request_id"])
    return found


def copy_of(journal: Path, name: str = "copy.db") -> Path:
    """Copy the main file of a journal, as a backup does."""
    return Path(shutil.copy(journal, journal.parent / name))


def restore(copy: Path, journal: Path) -> None:
    """Put an earlier copy in the place of a journal; the file with the number of its commits stays."""
    for suffix in ("-wal", "-shm"):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
    shutil.copy(copy, journal)
