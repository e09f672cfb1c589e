"""Which HTTP library carries the requests: the fast one where it is installed, else the usual one."""

from __future__ import annotations

import re
import urllib.request
from typing import TYPE_CHECKING, cast

import typer

if TYPE_CHECKING:
    from volcasr_async.client import Engine

ENGINES = ("httpx", "aiohttp")
_OLDEST_AIOHTTP = (3, 12)


def engine_name(text: str) -> str:
    """Read the name of an engine."""
    if text not in ENGINES:
        message = f"there is no engine {text!r}; there are {', '.join(ENGINES)}"
        raise typer.BadParameter(message)
    return text


def chosen_engine(name: str | None) -> Engine:
    """Take the one that was asked for, or the fastest that is installed and knows the way."""
    return cast("Engine", name or ("aiohttp" if why_not_aiohttp() is None else "httpx"))


def why_not_aiohttp() -> str | None:
    """Say why the fast engine is not the usual one here; `None` where it is."""
    try:
        import aiohttp
    except ImportError:
        return "aiohttp is not installed"
    if tuple(int(part) for part in re.findall(r"\d+", aiohttp.__version__)[:2]) < _OLDEST_AIOHTTP:
        return f"aiohttp {aiohttp.__version__} is older than 3.12"
    if any(proxy.startswith("socks") for proxy in urllib.request.getproxies().values()):
        return "aiohttp knows no SOCKS proxy"
    return None
