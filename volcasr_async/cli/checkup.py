"""What `volcasr doctor` can see without a network: credentials, addresses, libraries."""

from __future__ import annotations

import os
import platform
import re
import stat
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.parse import urlsplit

from volcasr_async.cli.connection import Connection
from volcasr_async.cli.console import CommandError, explained
from volcasr_async.cli.engines import chosen_engine, why_not_aiohttp
from volcasr_async.cli.finding import Finding
from volcasr_async.cli.proxies import used_proxy
from volcasr_async.credentials import ApiKey, Credentials
from volcasr_async.environment import BASE_URL, checked_base_url, is_loopback
from volcasr_async.errors import ConfigurationError

_DISTRIBUTION = "volcasr-async"
_CORE = (_DISTRIBUTION, "httpx", "anyio", "msgspec")
_SECRETS = ("VOLCASR_API_KEY", "VOLCASR_APP_KEY", "VOLCASR_ACCESS_KEY", "VOLCASR_SECRET_KEY")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
EXTRAS = {
    "cli": "this command",
    "testing": "the simulator on a port",
    "speed": "half the CPU a request, faster uploads",
    "probe": "lengths and sample rates of MP3, M4A and others before they are sent",
    "otel": "OpenTelemetry traces and metrics",
    "subtitles": "whole Chinese words in subtitles; ASS and other formats of pysubs2",
}
"""Extras, and what each is for."""


def credentials_of(connection: Connection) -> tuple[Finding, Credentials | None]:
    """Look at the credentials; shows none of them."""
    present = [name for name in _SECRETS if os.environ.get(name)]
    try:
        who = connection.who()
    except (ConfigurationError, CommandError) as error:
        message, cure = explained(error)
        seen = f" (the environment has {', '.join(present)})" if present else ""
        return Finding("credentials", "failed", message + seen, cure), None
    if connection.credentials is None:
        return Finding("credentials", "ok", f"{_kind(who)}: {' and '.join(present)} of the environment"), who
    unused = f"; {' and '.join(present)} of the environment: not used" if present else ""
    return Finding("credentials", "ok", f"{_kind(who)}: {_with_mode(connection.credentials)}{unused}"), who


def _kind(who: Credentials) -> str:
    if isinstance(who, ApiKey):
        return "an API key of the new console"
    signed = ", and a secret key, with which v1 is signed" if who.secret_key is not None else ""
    return f"app id and access token of the old console{signed}"


def _with_mode(path: Path) -> str:
    return f"{path} (mode {stat.S_IMODE(path.stat().st_mode):03o})"


def base_url_of(connection: Connection) -> tuple[Finding, str | None]:
    """Look at where requests go."""
    said = connection.base_url or os.environ.get("VOLCASR_BASE_URL")
    whence = "--base-url" if connection.base_url else "VOLCASR_BASE_URL" if said else "the service's own"
    try:
        base = checked_base_url(said or BASE_URL)
    except ConfigurationError as error:
        return Finding("base URL", "failed", f"{error} ({whence})"), None
    here = ": this machine, a simulator perhaps" if is_loopback(urlsplit(base).hostname or "") else ""
    return Finding("base URL", "ok", f"{base} ({whence}){here}"), base


def proxy_of(base_url: str) -> tuple[Finding, str | None]:
    """Name the proxy of the environment that is used, without its name and password; `None` for none."""
    names = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    seen = f"; the environment has {', '.join(names)}" if names else ""
    try:
        proxy = used_proxy(base_url)
    except CommandError as error:
        return Finding("proxy", "failed", str(error), error.cure), None
    return Finding("proxy", "note" if proxy else "ok", f"{proxy or 'none'}{seen}"), proxy


# ---- libraries ----


def engine_of(connection: Connection) -> Finding:
    """Name the library that carries the requests."""
    name, why = chosen_engine(connection.engine), why_not_aiohttp()
    if name == "aiohttp":
        if why is not None:
            return Finding(
                "engine", "failed", f"aiohttp was asked for: {why}", f"{_install('speed')}, or --engine httpx"
            )
        return Finding("engine", "ok", f"aiohttp {version('aiohttp')}")
    asked = "as --engine says" if connection.engine else why
    return Finding("engine", "ok", f"httpx {version('httpx')}, {asked}")


def python() -> Finding:
    """Name the interpreter and the libraries that are always there."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _CORE)
    return Finding("python", "ok", f"{platform.python_version()}, {platform.system()}; {libraries}")


def extras() -> Iterator[Finding]:
    """Tell for each extra whether it is installed, and what it is for."""
    wanted = _wanted()
    for name, purpose in EXTRAS.items():
        versions = {library: _installed(library) for library, _ in wanted.get(name, ())}
        missing = [
            library if versions[library] is None else f"{library} {least} or later"
            for library, least in wanted.get(name, ())
            if _as_numbers(versions[library] or "") < _as_numbers(least)
        ]
        if missing:
            said = f"missing ({', '.join(missing)}): {purpose}"
            yield Finding(f"[{name}]", "note", said, _install(name))
        elif versions:
            said = ", ".join(f"{library} {found}" for library, found in versions.items())
            yield Finding(f"[{name}]", "ok", f"{said}: {purpose}")


def _wanted() -> dict[str, list[tuple[str, str]]]:
    """Read from our own distribution which libraries an extra asks for, with the oldest version that will do."""
    found: dict[str, list[tuple[str, str]]] = {}
    pattern = re.compile(r"([\w.-]+)\s*(?:\[[^\]]*\])?\s*(?:>=\s*([\d.]+))?.*extra == ['\"](\w+)['\"]")
    for line in requires(_DISTRIBUTION) or ():
        if (match := pattern.match(line)) and match[1] != _DISTRIBUTION:
            found.setdefault(match[3], []).append((match[1], match[2] or "0"))
    return found


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _as_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _install(extra: str) -> str:
    return f'pip install "{_DISTRIBUTION}[{extra}]"'
