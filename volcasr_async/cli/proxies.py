"""The proxy that the environment names, without its name and password."""

from __future__ import annotations

import urllib.request
from importlib.util import find_spec
from urllib.parse import urlsplit

from volcasr_async.cli.console import WRONG_USAGE, CommandError
from volcasr_async.environment import is_loopback

_SCHEMES = ("http", "https", "socks5", "socks5h")


def used_proxy(base_url: str) -> str | None:
    """Tell which proxy the requests to *base_url* go through; `CommandError` for one that nobody can use."""
    parts = urlsplit(base_url)
    host, found = parts.hostname or "", urllib.request.getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    shown = without_user(proxy)
    if shown is None or urlsplit(shown).scheme not in _SCHEMES:
        said = "the proxy of the environment is no URL" + (f" that is known: {shown}" if shown else "")
        raise CommandError(said, "Set HTTPS_PROXY to http://HOST:PORT, or unset it", status=WRONG_USAGE)
    if shown.startswith("socks") and find_spec("socksio") is None:
        raise CommandError(
            f"the proxy of the environment is {shown}, and SOCKS needs one more library",
            'pip install "httpx[socks]"',
            status=WRONG_USAGE,
        )
    return shown


def without_user(proxy: str) -> str | None:
    """Write a proxy without its name and password; `None` where it cannot be read."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.hostname else None
