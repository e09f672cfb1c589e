"""The one question of `volcasr doctor` that goes over the network: about a task that nobody has.

It costs nothing. "Cannot find task" is the good answer: the service is reached, knows the key, and lets it use the resource.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from volcasr_async.cli.causes import cure_of, tls_trouble
from volcasr_async.cli.console import plain
from volcasr_async.cli.engines import chosen_engine
from volcasr_async.cli.finding import Finding
from volcasr_async.cli.words import in_flags
from volcasr_async.credentials import ApiKey, Credentials
from volcasr_async.editions import AucV1, Edition, Idle, Standard
from volcasr_async.errors import (
    AuthenticationFailed,
    ConfigurationError,
    QuotaExceeded,
    RateLimited,
    ReplyError,
    ResourceNotGranted,
    ServerBusy,
    ServerError,
    ServiceError,
    TransportError,
    VolcASRError,
)
from volcasr_async.models import Task

_PATIENCE_S = 20.0
_MOST_OFF_S = 30.0
_POLLED: tuple[Edition, ...] = (Standard(), Standard("volc.seedasr.auc"), Idle())


class Asked(Struct, frozen=True):
    """What came of a question: the error, how long it took, and by how much this machine's clock is ahead, in seconds."""

    edition: Edition
    error: VolcASRError | None
    took_s: float
    ahead_s: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the service knows the key and lets it use the resource: it refused the task alone, or nothing."""
        account = (AuthenticationFailed, ResourceNotGranted, QuotaExceeded, RateLimited, ServerBusy, ServerError)
        return self.error is None or (isinstance(self.error, ServiceError) and not isinstance(self.error, account))


class Questioner:
    """Asks the service, as one who has *who* for credentials."""

    def __init__(self, base_url: str, who: Credentials, engine: str | None) -> None:
        self._base, self._who, self._engine = base_url, who, engine

    async def ask(self, edition: Edition) -> Asked:
        """Ask about a random task; nothing is charged for that."""
        from volcasr_async._transport import Door
        from volcasr_async.protocol.dialects import dialect_of
        from volcasr_async.protocol.messages import Access

        door = Door(self._base, connections=1, http=chosen_engine(self._engine))
        name = str(uuid4())
        task = Task(id=name, edition=edition, request_id=name, submitted_at=time.time(), accepted=False)
        began, ahead = time.monotonic(), None
        try:
            dialect = dialect_of(edition, Access(self._who, door.host, door.base_path))
            reply = await door.send(dialect.follow(task), None, reply_timeout=_PATIENCE_S)
            ahead = ahead_s(reply.headers.get("date"), now=time.time())
            dialect.read_follow(task, reply)
        except VolcASRError as error:
            return Asked(edition, error, time.monotonic() - began, ahead)
        finally:
            await door.aclose()
        return Asked(edition, None, time.monotonic() - began, ahead)

    async def granted_instead(self, refused: Edition) -> list[Edition]:
        """Find the resources that the key may use, where it may not use the one that was asked for."""
        asked = [await self.ask(edition) for edition in _POLLED if edition != refused]
        return [one.edition for one in asked if one.accepted]


def ahead_s(date: str | None, *, now: float) -> float | None:
    """Compare the clocks; `None` where the reply tells no time."""
    try:
        return now - parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


# ---- what it means ----


def clock(asked: Sequence[Asked]) -> Finding:
    """Say how far the clock is off: certificates and signed links depend on it."""
    ahead = next((one.ahead_s for one in asked if one.ahead_s is not None), None)
    if ahead is None:
        return Finding("clock", "note", "not compared: no reply told the time")
    if abs(ahead) <= _MOST_OFF_S:
        return Finding("clock", "ok", "as the service's")
    way = "ahead of" if ahead > 0 else "behind"
    cure = "Set it (NTP): signed links and certificates are dated"
    return Finding("clock", "note", f"{abs(ahead):.0f} s {way} the service's", cure)


def verdict(asked: Asked, who: Credentials, granted: Sequence[Edition], proxy: str | None) -> Finding:
    """Say what an answer means, and what to do about it."""
    check, error = f"service, {asked.edition.name}", asked.error
    if asked.accepted:
        said = f"reached in {asked.took_s:.2f} s, and takes these credentials for {resource_of(asked.edition)}"
        return Finding(check, "ok", said)
    said = in_flags(plain(str(error)))
    match error:
        case TransportError():
            return Finding(check, "failed", tls_trouble(error) or said, cure_of(error, proxy=proxy))
        case ReplyError():
            return Finding(check, "failed", said, "Something else answers there: check --base-url, proxy and network")
        case AuthenticationFailed():
            return Finding(check, "failed", _bare(error), _about_key(who, error.message))
        case ResourceNotGranted():
            return Finding(check, "failed", _bare(error), _about_resource(asked.edition, granted))
        case RateLimited() | ServerBusy() | ServerError():
            return Finding(check, "note", f"reached, but: {_bare(error)}", "Try again later; nothing is wrong here")
        case ConfigurationError():
            return Finding(check, "failed", said)
        case _:
            return Finding(check, "failed", said)


def resource_of(edition: Edition) -> str:
    """Name what the console grants."""
    return f"cluster {edition.cluster}" if isinstance(edition, AucV1) else edition.resource_id


def _bare(error: ServiceError) -> str:
    """Write the error without the hint, which is told better here."""
    return plain(str(error).removesuffix(error.hint)).rstrip(". ")


def _about_key(who: Credentials, message: str) -> str:
    """Explain 45000010 by the kind of key: each console has its own, and takes no other's."""
    if not isinstance(who, ApiKey):
        newer = "; an account of the new console has no such pair, and gives one API key: VOLCASR_API_KEY"
        if "grant not found" in message:
            return "This pair belongs to no app with speech recognition: copy APP ID and Access Token of one" + newer
        return "Copy APP ID and Access Token of the app from the old console again" + newer
    return (
        "Copy the API key of the speech console (Doubao speech) again; keys of Ark or of IAM are others. An APP ID with "
        "an Access Token (old console) goes into VOLCASR_APP_KEY and VOLCASR_ACCESS_KEY instead"
    )


def _about_resource(edition: Edition, granted: Sequence[Edition]) -> str:
    """Explain 45000030: the key is good, but the app has not been given this model."""
    if granted:
        flags = " or ".join(_flags(one) for one in granted)
        return f"The key is good, and may use: {flags}"
    if isinstance(edition, AucV1):
        return "Compare --cluster with what the console shows for this app"
    return (
        f"The key is good, but not for {resource_of(edition)}: open the service (model 1.0 is volc.bigasr.auc, 2.0 "
        "volc.seedasr.auc, off-peak volc.bigasr.auc_idle) for this app in the console, or name one that it has: --resource-id"
    )


def _flags(edition: Edition) -> str:
    name = f"--edition {edition.name} --resource-id {resource_of(edition)}"
    usual = replace(edition) == type(edition)() if not isinstance(edition, AucV1) else False
    return f"--edition {edition.name}" if usual else name
