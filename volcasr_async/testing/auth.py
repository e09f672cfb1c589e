"""The four ways of proving who one is, and what the service says when the proof fails."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from volcasr_async.testing import replies
from volcasr_async.testing.config import Config

Note = Callable[[str], None]

_BEARER = re.compile(r"Bearer;( *)(.+)", re.DOTALL)
_HMAC = re.compile(r'HMAC256; *access_token="([^"]*)"; *mac="([^"]*)"(?:; *h="([^"]*)")?')


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request as either face reads it: lower-case header names, repeated ones joined with a comma."""

    method: str
    target: str
    headers: Mapping[str, str]
    http_version: str = "1.1"

    @property
    def path(self) -> str:
        """The target without its query part."""
        return self.target.partition("?")[0]

    @property
    def request_id(self) -> str:
        """The v3 request id, or an empty string."""
        return self.headers.get("x-api-request-id", "")

    @property
    def content_length(self) -> int | None:
        """The announced length of the body."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdecimal() else None


def v3_account(head: Head, config: Config, note: Note) -> str | replies.Answer:
    """The account that a v3 request belongs to, or the gateway's 401."""
    headers = head.headers
    key, app, access = (headers.get(name, "") for name in ("x-api-key", "x-api-app-key", "x-api-access-key"))
    if bool(key) + bool(app or access) + bool(headers.get("authorization")) > 1:
        note("more than one authentication mode in one request")
    if key:
        if config.api_keys is None or key in config.api_keys:
            return f"key:{key}"
        return replies.unauthorised("Invalid X-Api-Key", head.request_id)
    if app and access:
        if config.app_keys is None or hmac.compare_digest(config.app_keys.get(app, "").encode(), access.encode()):
            return f"app:{app}"
        return replies.unauthorised("load grant: requested grant not found in SaaS storage", head.request_id)
    if "x-api-app-id" in headers:
        note("X-Api-App-Id belongs to sibling services; here it is X-Api-App-Key")
    note("no authentication: X-Api-Key, or X-Api-App-Key with X-Api-Access-Key")
    return replies.unauthorised("missing Authorization header", head.request_id)


def v1_allowed(head: Head, body: bytes, claim: tuple[str, str], *, config: Config, note: Note) -> bool:
    """Whether the header, and the app id and token in the body (`claim`), prove the same right."""
    app, token = claim
    given = head.headers.get("authorization", "")
    if any(name in head.headers for name in ("x-api-key", "x-api-app-key")):
        note("more than one authentication mode in one request")
    known = config.app_keys is None or (token != "" and config.app_keys.get(app) == token)
    signed = _HMAC.fullmatch(given)
    if signed:
        if signed.group(1) != token:
            note("the access token in Authorization is not the one in the body")
        secret = (config.secret_keys or {}).get(app)
        if config.secret_keys is not None and secret is None:
            return False
        return known and (secret is None or _signed_well(head, body, secret, signed))
    return known and _bearer(given, token, config=config, note=note)


def _bearer(given: str, token: str, *, config: Config, note: Note) -> bool:
    found = _BEARER.fullmatch(given)
    if found is None:
        note("Authorization is neither `Bearer; <token>` nor HMAC256")
        return False
    if found.group(1) != " ":
        note("Authorization has no single blank behind `Bearer;`")  # reported to work
    if found.group(2) != token:
        note("the access token in Authorization is not the one in the body")
        return config.app_keys is None
    return True


def _signed_well(head: Head, body: bytes, secret: str, signed: re.Match[str]) -> bool:
    """The signed text: request line, the named headers' values, each with a line feed, then the body (doc 2534847)."""
    names = (signed.group(3) or "Host").split(",")
    lines = [f"{head.method} {head.target} HTTP/1.1", *(head.headers.get(name.strip().lower(), "") for name in names)]
    text = "".join(line + "\n" for line in lines).encode() + body
    mac = base64.urlsafe_b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(mac.rstrip("=").encode(), signed.group(2).rstrip("=").encode("utf-8", "replace"))
