"""Who asks: the two kinds of credentials, one per request (doc 2534847, doc 2608628)."""

from __future__ import annotations

import hashlib
from typing import Any, Never

from msgspec import Struct
from msgspec.structs import force_setattr

from volcasr_async.errors import ConfigurationError, VolcASRError
from volcasr_async.keys import check_pair, checked_key, is_app_id

_TELLING = 6  # characters; fewer are a word of the message by chance, and no key


class ApiKey(Struct, frozen=True):
    """The new console's single key: every v3 edition and the overseas host.

    Blanks and line ends around it are removed. What is recognisably not a key of the speech console is a `ConfigurationError`.
    """

    key: str

    def __post_init__(self) -> None:
        key = checked_key("ApiKey(key)", self.key)
        if is_app_id(key):
            raise ConfigurationError(
                "ApiKey(key) looks like an APP ID of the old console, which needs its Access Token: pass AppKey(app_key, "
                "access_key) or set VOLCASR_APP_KEY and VOLCASR_ACCESS_KEY"
            )
        force_setattr(self, "key", key)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return (self.key,)

    def __repr__(self) -> str:
        return "ApiKey(key=***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("key", "***")]

    def __reduce__(self) -> Never:
        _refuse_pickle()


class AppKey(Struct, frozen=True):
    """The old console's pair of app id and access token: every v3 edition, and what v1 needs.

    With a `secret_key`, v1 requests are signed with HMAC256; without one they carry the bearer token.
    """

    app_key: str
    access_key: str
    secret_key: str | None = None

    def __post_init__(self) -> None:
        for name in ("app_key", "access_key", "secret_key"):
            if name != "secret_key" or self.secret_key is not None:
                force_setattr(self, name, checked_key(f"AppKey({name})", getattr(self, name)))
        check_pair(self.app_key, self.access_key)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown; the app id is no secret."""
        return (self.access_key,) if self.secret_key is None else (self.access_key, self.secret_key)

    def __repr__(self) -> str:
        secret = "" if self.secret_key is None else ", secret_key=***"
        return f"AppKey(app_key={self.app_key!r}, access_key=***{secret})"

    def __rich_repr__(self) -> list[tuple[Any, ...]]:
        return [("app_key", self.app_key), ("access_key", "***"), ("secret_key", self.secret_key and "***", None)]

    def __reduce__(self) -> Never:
        _refuse_pickle()


Credentials = ApiKey | AppKey


def account_digest(credentials: Credentials, salt: str) -> str:
    """Return a short digest that tells one account's credentials from another's, and from which no key can be read."""
    said = "\0".join((type(credentials).__name__, *credentials.secrets))
    return hashlib.blake2b(said.encode(), key=salt.encode()[:64], digest_size=8).hexdigest()


def veil(error: VolcASRError, credentials: Credentials) -> None:
    """Take secrets out of what the service said, should it repeat what it was sent."""
    secrets = [secret for secret in credentials.secrets if len(secret) >= _TELLING]

    def veiled(said: object) -> object:
        for secret in secrets if isinstance(said, str) else ():
            said = str(said).replace(secret, "***")
        return said

    error.args = tuple(map(veiled, error.args))
    for name in ("message", "excerpt"):
        if hasattr(error, name):
            setattr(error, name, veiled(getattr(error, name)))


def _refuse_pickle() -> Never:
    msg = "credentials do not pickle, so that no key is ever written to disk by accident; make them where they are used"
    raise TypeError(msg)
