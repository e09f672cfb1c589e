"""Small requests: CPU of the client's process for each, ours and what people would use instead.

All do the same: a fresh request id, headers, a body with a link, status checked, JSON decoded. A figure is the median of the
rounds; `/ aiohttp` is the median of the ratios to aiohttp by hand in the same round and cell, where rivals take turns in an
order that rotates. `server %` is the share of the time that the server's process was busy: far below 100, it is not the
bottleneck, and the row of the raw protocol at 50 connections and 0 ms shows what it can do. Ours opens 64 connections at
most. `requests.post` is what the vendor's demo calls, a connection for each request; a session for each thread is that
improved. httpx at 200 connections is measured in the first round only.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks import measure
from benchmarks.report import OURS
from benchmarks.rivals.booth import booth
from benchmarks.server import serving

CONNECTIONS = (1, 20, 50, 200)
DELAYS_S = (0.0, 0.03)
_REQUESTS, _WAIT_S = 500, 0.7


class Rival(NamedTuple):
    """Who it is, where its code is; how much slower than the rest, for it gets fewer requests then.

    *only*: at so many connections; *once*: at so many in the first round only; *needs*: a module that may not be there.
    """

    name: str
    where: str
    slow: float = 1.0
    only: Sequence[int] = ()
    once: Sequence[int] = ()
    needs: str = "httpx"


BY_HAND = "aiohttp by hand"
RIVALS = (
    Rival(OURS["default"], "ours.default"),
    Rival(OURS["[speed]"], "ours.speed"),
    Rival(BY_HAND, "aiohttp_session.exchanging"),
    Rival("httpx AsyncClient.post", "httpx_pool.exchanging", slow=5, once=(200,)),
    Rival("httpx2 AsyncClient.post", "httpx_pool.exchanging_httpx2", slow=1.5),
    Rival("requests.post in threads (vendor's demo)", "vendor_demo.as_it_is", slow=2),
    Rival("requests.Session in threads", "vendor_demo.session", slow=1.5),
    Rival("raw asyncio protocol (the limit)", "raw_protocol.exchanging"),
    Rival("ours over httpx-aiohttp", "ours.httpx_aiohttp", only=(50,), needs="httpx_aiohttp"),
    Rival("ours over pyreqwest", "ours.pyreqwest", only=(50,), needs="pyreqwest"),
)
_PLACES = {rival.name: place for place, rival in enumerate(RIVALS)}


class Cell(NamedTuple):
    """One square of the table."""

    delay_s: float
    connections: int


Taken = dict[tuple[Cell, str], dict[int, dict[str, float]]]
"""What was measured: cell and rival, round, figures."""


def run(
    scale: float = 1.0, rounds: int = 3, connections: Sequence[int] = CONNECTIONS, rivals: Sequence[Rival] = RIVALS
) -> list[dict[str, Any]]:
    """Measure every rival in every cell once a round; *scale* shrinks the number of requests."""
    rivals = [rival for rival in rivals if importlib.util.find_spec(rival.needs)]
    cells = [Cell(delay, count) for delay in DELAYS_S for count in connections]
    taken: Taken = {}
    with contextlib.ExitStack() as stack:
        urls = {delay: stack.enter_context(serving(delay)) for delay in DELAYS_S}
        booths = {rival: stack.enter_context(booth(rival.where)) for rival in rivals}
        for turn in range(rounds):
            for place, cell in enumerate(cells):
                for rival in _turned(rivals, turn * 3 + place):
                    if _takes_part(rival, cell.connections, turn):
                        requests = round(_requests(cell) * scale / rival.slow)
                        figures = booths[rival].measure(urls[cell.delay_s], cell.connections, requests)
                        taken.setdefault((cell, rival.name), {})[turn] = figures
    return list(_rows(taken))


def _takes_part(rival: Rival, connections: int, turn: int) -> bool:
    return not (rival.only and connections not in rival.only) and not (turn and connections in rival.once)


def _turned(rivals: Sequence[Rival], turns: int) -> list[Rival]:
    turns %= len(rivals)
    return [*rivals[turns:], *rivals[:turns]]


def _requests(cell: Cell) -> float:
    """How many requests measure a cell: fewer where most of the time would be waiting."""
    return min(_REQUESTS, cell.connections / cell.delay_s * _WAIT_S) if cell.delay_s else _REQUESTS


def _rows(taken: Taken) -> Iterator[dict[str, Any]]:
    for cell, name in sorted(taken, key=lambda key: (key[0], _PLACES[key[1]])):
        rounds, by_hand = taken[cell, name], taken[cell, BY_HAND]
        ratios = [figures["cpu_us"] / by_hand[turn]["cpu_us"] for turn, figures in rounds.items()]
        yield {
            "name": name,
            "connections": cell.connections,
            "server ms": round(1000 * cell.delay_s),
            "CPU us": round(measure.median(figures["cpu_us"] for figures in rounds.values())),
            "/ aiohttp": round(measure.median(ratios), 2),
            "requests/s": round(measure.median(figures["requests_per_s"] for figures in rounds.values())),
            "server %": round(100 * measure.median(figures["server_share"] for figures in rounds.values()), 1),
        }
