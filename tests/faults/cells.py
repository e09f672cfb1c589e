"""One cell of the matrix: a fault, a verb of an edition, an engine; what the caller gets, and what is left behind."""

from __future__ import annotations

import contextlib
import math
import ssl
import time
from collections.abc import Callable
from typing import Any, Literal

import anyio
import httpx
from fault_kit import Fault, Keeper, Service, Verb, full_port
from io_kit import PAIR, PLAIN, is_idle
from msgspec import Struct

from volcasr_async import (
    AucV1,
    Flash,
    Idle,
    Limits,
    PollPolicy,
    RetryPolicy,
    Standard,
    Task,
    Transcript,
    TransportError,
    VolcASR,
    VolcASRError,
)
from volcasr_async.testing import make_wav

Engine = Literal["httpx", "aiohttp", "client"]
Does = Literal["flash", "submit", "query", "wait"]

EDITIONS = {edition.name: edition for edition in (Flash(), Standard(), Idle(), AucV1("volc_auc_common"))}
SMALL, LARGE = make_wav(0.1), make_wav(160)  # 3 kB and 5 MB: more than the system takes off a sender's hands
_QUICK = {"attempts": 3, "first": 0.01, "longest": 0.02, "grace": 0.3}
_POLL = PollPolicy(first=0.01, growth=0.0, shortest=0.01, longest=0.02)
_PATIENT_S, _IMPATIENT_S = 10.0, 0.5
_NEWS_S = 0.3
_DEADLINE_S, _SHORT_DEADLINE_S = 20.0, 1.6


class Cell(Struct, frozen=True):
    """What is tried."""

    fault: Fault
    edition: str
    does: Does
    engine: Engine
    stays: bool

    @property
    def verb(self) -> Verb:
        return "query" if self.does == "wait" else self.does

    def __str__(self) -> str:
        often = "stays" if self.stays else "once"
        return f"{self.fault.phase}: {self.fault.name} [{self.edition} {self.does}, {self.engine}, {often}]"


class Found(Struct, frozen=True):
    """What came of it."""

    got: str
    sent: str
    tries: int
    asked: bool
    charges: int

    def told(self, *, reads: bool) -> str:
        """Say it in a phrase of the page; reading is never charged, and a result is what its one charge is for."""
        tries = f", {self.tries} tries" if self.tries > 1 else ""
        asked = ", asked about" if self.asked else ""
        if self.got.islower():
            return f"{self.got}{asked}{tries}"
        sent = f", sent={self.sent}" if self.sent else ""
        cost = "" if reads else f", {self.charges} charged"
        return f"`{self.got}`{sent}{asked}{tries}{cost}"


async def run(cell: Cell, keeper: Keeper, secure: ssl.SSLContext) -> Found:
    """Try it; raises what should not be, with the cell's name."""
    service = Service(cell.edition, secure if cell.fault.phase == "TLS" else None)
    await keeper.run(service.start())
    try:
        with anyio.fail_after(60):
            return await _tried(cell, service, keeper)
    except BaseException as error:
        error.add_note(f"in the cell {cell}")
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await keeper.run(service.stop())


async def _tried(cell: Cell, service: Service, keeper: Keeper) -> Found:
    http: Any = httpx.AsyncClient() if cell.engine == "client" else cell.engine
    patience = _IMPATIENT_S if cell.fault.slow else _PATIENT_S
    retry = RetryPolicy(**_QUICK, reply_timeout=patience)  # type: ignore[arg-type]
    asr = VolcASR(PAIR, base_url=service.url, http=http, limits=Limits(qps=None), retry=retry, poll=_POLL)
    try:
        async with asr:
            found = await _struck(cell, service, keeper, asr)
            assert is_idle(asr), f"{asr.stats} while nothing is done"
            if cell.fault.phase == "after the body":
                await anyio.sleep(
                    _NEWS_S
                )  # else the next request leaves before this one's connection is known to be gone
            await _works_on(cell, service, asr)
            await _until(lambda: len(service.open) <= 1, f"{len(service.open)} connections are open")
    finally:
        if cell.engine == "client":
            await http.aclose()
    await _until(lambda: not service.open, "a closed client has connections open")
    return found


async def _struck(cell: Cell, service: Service, keeper: Keeper, asr: VolcASR) -> Found:
    service.arm(cell.fault, cell.verb, math.inf if cell.stays else 1)
    with contextlib.ExitStack() as gate:
        if cell.fault.gate in ("refused", "full"):
            await keeper.run(service.stop())
            if cell.fault.gate == "full":
                gate.enter_context(full_port(service.port))
        got, sent = await _got(cell, asr)
    service.disarm()
    if cell.fault.gate in ("refused", "full"):
        await keeper.run(service.start())
    tries = service.seen[cell.verb] or asr.stats.started
    most = 0 if cell.verb == "query" else 1
    assert service.charges <= most, f"charged {service.charges} times"
    assert service.charges == most or not got.islower(), "a result that nobody was charged for"
    # Where the pace is refused all along, whether a query leaves before the short deadline is a matter of milliseconds.
    paced = cell.fault.refused and cell.fault.never and cell.stays
    asked = cell.verb == "submit" and service.seen["query"] > 0 and not paced
    return Found(got, sent, tries, asked, service.charges)


async def _got(cell: Cell, asr: VolcASR) -> tuple[str, str]:
    """Name what the caller gets: the result, or the error's class and what it says was sent."""
    try:
        result = await _done(cell, asr)
    except TransportError as error:
        return "TransportError", error.sent
    except VolcASRError as error:
        f"{error} {error!r}".encode()  # it can be written down
        return type(error).__name__, ""
    if isinstance(result, Transcript):
        assert "another" not in result.text, "a transcript of another recording's"
    if isinstance(result, Task):
        result.to_json().encode()
    return type(result).__name__.lower(), ""


async def _done(cell: Cell, asr: VolcASR) -> object:
    edition = EDITIONS[cell.edition]
    hasty = (cell.fault.never and cell.stays) or (
        cell.fault.slow and cell.does == "flash"
    )  # flash has five minutes for its answer
    deadline = _SHORT_DEADLINE_S if hasty else _DEADLINE_S
    task = Task(id="known", edition=edition, request_id="known", submitted_at=time.time() - 100)
    match cell.does:
        case "flash":
            source = LARGE if cell.fault.early else SMALL
            return await asr.transcribe(source, edition=edition, timeout=deadline)
        case "submit":
            return await asr.submit(PLAIN, edition=edition, timeout=deadline)
        case "query":
            return await asr.query(task)
        case "wait":
            return await asr.wait(task, timeout=deadline)


async def _works_on(cell: Cell, service: Service, asr: VolcASR) -> None:
    """Transcribe with the same client, now that nothing is wrong any more: it gets its own result, charged once."""
    before = service.charges
    source = SMALL if cell.edition == "flash" else PLAIN
    transcript = await asr.transcribe(source, edition=EDITIONS[cell.edition], timeout=_DEADLINE_S)
    assert transcript.text == "good"
    assert service.charges - before == 1, f"charged {service.charges - before} times afterwards"


async def _until(condition: Callable[[], object], otherwise: str) -> None:
    for _ in range(1000):
        if condition():
            return
        await anyio.sleep(0.005)
    raise AssertionError(otherwise)
