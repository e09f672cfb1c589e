"""What the environment says: the one place that reads it, when a client is made."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from volcasr_async.addresses import host_reason
from volcasr_async.credentials import ApiKey, AppKey, Credentials
from volcasr_async.errors import ConfigurationError
from volcasr_async.keys import checked_key
from volcasr_async.policies import PollPolicy

BASE_URL = "https://openspeech.bytedance.com"

_HOW = "set VOLCASR_API_KEY (new console), or VOLCASR_APP_KEY and VOLCASR_ACCESS_KEY (old console), or pass credentials"


def credentials_from(environ: Mapping[str, str]) -> Credentials:
    """Read the credentials; `ConfigurationError` for none, half of a pair, or both kinds."""
    key, app = environ.get("VOLCASR_API_KEY"), environ.get("VOLCASR_APP_KEY")
    access = environ.get("VOLCASR_ACCESS_KEY")
    if key and (app or access):
        raise ConfigurationError(
            "both kinds of credentials are set, and the service takes one: unset VOLCASR_API_KEY, or VOLCASR_APP_KEY and "
            "VOLCASR_ACCESS_KEY"
        )
    if key:
        return ApiKey(checked_key("VOLCASR_API_KEY", key))
    if app and access:
        app, access = checked_key("VOLCASR_APP_KEY", app), checked_key("VOLCASR_ACCESS_KEY", access)
        secret = environ.get("VOLCASR_SECRET_KEY")
        return AppKey(app, access, checked_key("VOLCASR_SECRET_KEY", secret) if secret else None)
    if app or access:
        names = ("VOLCASR_ACCESS_KEY", "VOLCASR_APP_KEY")
        missing, present = names if app else reversed(names)
        raise ConfigurationError(
            f"half of the old console's pair is set: {missing} is missing. Set it too, or unset {present} and set "
            "VOLCASR_API_KEY"
        )
    raise ConfigurationError(f"there are no credentials: {_HOW}")


def poll_from(environ: Mapping[str, str]) -> PollPolicy:
    """Read when a task is asked about, where the program does not say it; `ConfigurationError` for what is no such time.

    The variables are for tests and simulators: the program itself uses `PollPolicy`.
    """
    said: dict[str, float] = {}
    for name in ("first", "shortest"):
        variable = f"VOLCASR_POLL_{name.upper()}"
        text = environ.get(variable)
        if text:
            try:
                said[name] = float(text)
                PollPolicy(**{name: said[name]})
            except ValueError:  # an InputError is one too
                least = "at least 0" if name == "first" else "above 0"
                raise ConfigurationError(f"{variable} is {text!r}; it is a number of seconds, {least}") from None
    return PollPolicy(**said)


def base_url_of(given: str | None, environ: Mapping[str, str]) -> str:
    """Return the base URL that is used: *given*, else that of the environment, else the service's own."""
    return checked_base_url(given or environ.get("VOLCASR_BASE_URL") or BASE_URL)


def checked_base_url(url: str) -> str:
    """Take the base URL: https, or http to this machine; credentials would travel in the clear otherwise."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Without a cause: its text may quote a password that was put into the URL.
        raise ConfigurationError(f"the base URL cannot be read; the service's is {BASE_URL}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"the base URL must begin with https:// and name a host; the service's is {BASE_URL}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError("the base URL may hold a host, a port and a path only; credentials go elsewhere")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"plain http would show the credentials on the way to {host}: use https")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def takes_private_links(host: str) -> bool:
    """Return whether a service on *host* may reach private addresses: only one that is in a private network itself."""
    return host_reason(host) is not None
