"""Every fault in every phase of an exchange, for every edition and engine, on real sockets.

In each cell: it ends, by an error of the tree or a result, at most one charge, no slot, connection or descriptor left, and
the same client works on. `WRITE_FAULTS=1 pytest tests/faults` writes the page anew.
"""

import gc
import gzip
import os
import ssl
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import anyio
import fault_list
import pytest
import trustme
from cells import Cell, Does, Engine, Found, run
from fault_kit import Keeper, keeper
from fault_list import FAULTS
from fault_page import BEGIN, END, Outcomes, outcomes_of, printed

PAGE = Path(__file__).parents[2] / "docs/faults.md"
COLUMNS: list[tuple[str, Does]] = [
    ("flash", "flash"),
    ("standard", "submit"),
    ("v1", "submit"),
    ("standard", "query"),
    ("v1", "query"),
]
IDLE: list[tuple[str, Does]] = [("idle", "submit"), ("idle", "query")]
AT_ONCE = {"quick": 24, "slow": 100, "heavy": 2}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Keeper, ssl.SSLContext]]:
    """The services' thread, and TLS that the client trusts."""
    authority, stranger = trustme.CA(), trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    contexts = []
    for signer in (authority, stranger):
        contexts.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        signer.issue_cert("127.0.0.1").configure_cert(contexts[-1])
    fault_list.STRANGER[:] = [contexts[1]]
    fault_list.BOMB[:] = [gzip.compress(bytes(200_000_000))]
    with pytest.MonkeyPatch.context() as patch, keeper() as kept:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield kept, contexts[0]


def cells_of(engine: Engine, columns: list[tuple[str, Does]], *, stays: bool) -> Iterator[Cell]:
    for fault in FAULTS:
        if not stays and (fault.heavy or fault.gate in ("refused", "full")):
            continue
        if engine == "client" and (fault.surplus or fault.heavy or fault.slow):
            continue
        one: list[tuple[str, Does]] = [("standard", "query")]
        few = one if fault.heavy and engine == "aiohttp" else columns
        for edition, does in few:
            yield Cell(fault, edition, "wait" if does == "query" and not stays else does, engine, stays)


async def all_of(cells: list[Cell], kept: Keeper, secure: ssl.SSLContext) -> dict[Cell, Found]:
    """Try them, as many at once as disturb each other little; the slow ones mostly wait."""
    found = {}

    async def one(cell: Cell, limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            found[cell] = await run(cell, kept, secure)

    for kind, most in AT_ONCE.items():
        limiter = anyio.CapacityLimiter(most)
        async with anyio.create_task_group() as tasks:
            for cell in cells:
                if kind == (
                    "heavy" if cell.fault.heavy else "slow" if cell.fault.slow or cell.fault.never else "quick"
                ):
                    tasks.start_soon(one, cell, limiter)
    return found


def tried(cells: Iterable[Cell], service: tuple[Keeper, ssl.SSLContext], backend: str = "asyncio") -> Outcomes:
    """Try them in an event loop of their own, after which no descriptor is left."""
    gc.collect()
    before = open_descriptors()
    found = anyio.run(partial(all_of, list(cells), *service), backend=backend)
    gc.collect()
    assert open_descriptors() == before
    return outcomes_of(found)


def open_descriptors() -> int:
    listed = Path("/proc/self/fd")
    return len(list(listed.iterdir())) if listed.exists() else 0


@pytest.fixture(scope="module")
def usual(service: tuple[Keeper, ssl.SSLContext]) -> Outcomes:
    """What the default engine gives on asyncio."""
    idle = [cell for cell in cells_of("httpx", IDLE, stays=True) if not cell.fault.heavy]
    return tried(idle + [cell for stays in (True, False) for cell in cells_of("httpx", COLUMNS, stays=stays)], service)


def test_the_page_tells_what_happens(usual: Outcomes, service: tuple[Keeper, ssl.SSLContext]) -> None:
    """The page is what the matrix gives, with both engines of the library."""
    other = tried((cell for stays in (True, False) for cell in cells_of("aiohttp", COLUMNS, stays=stays)), service)
    page = PAGE.read_text("utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    now = before + printed(usual | other) + after
    if os.environ.get("WRITE_FAULTS"):
        page = now
        PAGE.write_text(page, "utf-8")
    assert now == page, (
        "what happens is not what docs/faults.md says: WRITE_FAULTS=1 pytest tests/faults writes it anew"
    )


def differing(found: Outcomes, usual: Outcomes) -> dict[tuple[str, str, str, str, bool], tuple[str, str]]:
    """List where outcomes differ from those of the default engine on asyncio, and idle's from standard's."""
    pairs = {}
    for key, told in found.items():
        phase, name, column, _, stays = key
        expected = usual[phase, name, column.replace("idle", "standard"), "httpx", stays]
        if told != expected:
            pairs[key] = told, expected
    return pairs


def test_idle_is_as_standard(usual: Outcomes) -> None:
    """The idle edition meets every fault as the standard edition does."""
    assert differing({key: told for key, told in usual.items() if "idle" in key[2]}, usual) == {}


def test_trio_is_as_asyncio(usual: Outcomes, service: tuple[Keeper, ssl.SSLContext]) -> None:
    """Another event loop changes nothing."""
    cells = [cell for cell in cells_of("httpx", COLUMNS, stays=True) if not cell.fault.heavy]
    assert differing(tried(cells, service, backend="trio"), usual) == {}


def test_a_client_of_the_callers_is_as_ours(usual: Outcomes, service: tuple[Keeper, ssl.SSLContext]) -> None:
    """An httpx client that was passed in gives the same, but for what comes after a reply, which it does not notice.

    Faults that are slow are left out: httpcore forgets a connection whose handshake in TLS was given up.
    """
    assert differing(tried(cells_of("client", COLUMNS, stays=True), service), usual) == {}
