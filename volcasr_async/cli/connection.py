"""The way to the service: credentials from a file or the environment, and a client from flags."""

from __future__ import annotations

import os
import re
import shlex
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from msgspec import Struct
from msgspec.structs import replace

from volcasr_async.cli.console import WRONG_USAGE, CommandError, show_log
from volcasr_async.cli.engines import ENGINES, chosen_engine, engine_name
from volcasr_async.cli.flags import completing, flags_of
from volcasr_async.cli.options import above_zero
from volcasr_async.cli.proxies import used_proxy
from volcasr_async.cli.texts import decoded
from volcasr_async.credentials import ApiKey, AppKey, Credentials
from volcasr_async.editions import AucV1, Edition
from volcasr_async.environment import base_url_of, credentials_from, takes_private_links
from volcasr_async.job import as_edition
from volcasr_async.keys import checked_key
from volcasr_async.models import Task
from volcasr_async.policies import Limits
from volcasr_async.spelling import RESOURCE_IDS

if TYPE_CHECKING:
    from volcasr_async.client import VolcASR

_PANEL = "Service"
_FORM = 'api_key = "..." or app_key = "..." with access_key = "..." (and secret_key = "..." for signed v1)'
_KEYS = {"api_key", "app_key", "access_key", "secret_key"}
_HARMLESS = re.compile(r"[a-z_-]{1,20}")


class Connection(Struct, frozen=True, kw_only=True):
    """Which service, as whom; each flag goes before the environment."""

    credentials: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="TOML file with the credentials, readable by its owner only.", rich_help_panel=_PANEL
        ),
    ] = None
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another host, or a simulator.", rich_help_panel=_PANEL)
    ] = None
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="The cluster, for v1.", rich_help_panel=_PANEL)
    ] = None
    resource_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Another resource id of the edition.",
            rich_help_panel=_PANEL,
            autocompletion=completing(*RESOURCE_IDS),
        ),
    ] = None
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(ENGINES),
            parser=engine_name,
            autocompletion=completing(*ENGINES),
            help="The HTTP library; by default aiohttp where it is installed.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log on stderr.", rich_help_panel=_PANEL)] = False

    def client(self, limits: Limits | None = None, *, who: Credentials | None = None, **more: Any) -> VolcASR:
        """Make the client, with *more* of what it takes; call it inside the event loop. *who* has been read before."""
        from volcasr_async.client import VolcASR

        show_log(verbose=self.verbose)
        known = who if who is not None or self.credentials is None else read_credentials(self.credentials)
        used_proxy(base_url_of(self.base_url, os.environ))  # refuses one that is broken
        http = chosen_engine(self.engine)
        return VolcASR(known, base_url=self.base_url, limits=limits or Limits(), http=http, **more)

    @property
    def takes_private_links(self) -> bool:
        """Whether the service is in a private network, as the simulator is."""
        base_url = base_url_of(self.base_url, os.environ)
        return takes_private_links(urlsplit(base_url).hostname or "")

    def who(self) -> Credentials:
        """Read the credentials: those of the flag, or of the environment."""
        return read_credentials(self.credentials) if self.credentials is not None else credentials_from(os.environ)

    def edition(self, name: str) -> Edition:
        """Make the edition of that name, with the flags' resource id or cluster."""
        return self.overriding(self.named(name))

    def named(self, name: str) -> Edition:
        """Make the edition of that name as a line of a list means it: v1 with its cluster, others as they are."""
        return as_edition(name, cluster=self.cluster or os.environ.get("VOLCASR_CLUSTER"))

    def overriding(self, edition: Edition) -> Edition:
        """Put the flags' resource id or cluster into *edition*."""
        if isinstance(edition, AucV1):
            if self.resource_id is not None:
                raise CommandError("v1 has no resource id: give --cluster instead", status=WRONG_USAGE)
            return AucV1(self.cluster) if self.cluster else edition
        if self.cluster is not None:
            raise CommandError(
                f"--cluster belongs to v1, the {edition.name} edition has --resource-id", status=WRONG_USAGE
            )
        return replace(edition, resource_id=self.resource_id) if self.resource_id else edition

    def resume_line(self, task: Task) -> str:
        """Write the command that goes on with *task*, to be copied into a shell."""
        words = ["volcasr", "wait", task.to_json()]
        for name in ("credentials", "base_url"):
            if (value := getattr(self, name)) is not None:
                words += ["--" + name.replace("_", "-"), str(value)]
        return shlex.join(words)


class Pace(Struct, frozen=True, kw_only=True):
    """The request budget."""

    qps: Annotated[
        float | None,
        typer.Option(
            metavar="N", callback=above_zero, help="Requests a second at most; 20 by default.", rich_help_panel=_PANEL
        ),
    ] = None
    concurrency: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Requests at once at most; 20 by default.", rich_help_panel=_PANEL),
    ] = None

    @property
    def limits(self) -> Limits:
        """What the client is given."""
        said: dict[str, Any] = {"qps": self.qps, "concurrency": self.concurrency}
        return Limits(**{name: value for name, value in said.items() if value is not None})


CONNECTION = flags_of(Connection)
PACE = flags_of(Pace)


def read_credentials(path: Path) -> Credentials:
    """Read a credentials file; refuses one that others than its owner can read."""
    found = _table(path)
    if unknown := found.keys() - _KEYS:
        name = f"{min(unknown)!r}" if _HARMLESS.fullmatch(min(unknown)) else "a key"  # it may be a pasted secret
        raise _refusal(f"{path} holds {name} that is not known", f"It takes {_FORM}")
    if not all(isinstance(value, str) for value in found.values()):
        raise _refusal(f"{path} holds a value that is no text", "Put each value in double quotes")
    found = {name: checked_key(f"{name} in {path}", value) for name, value in found.items()}
    match sorted(found):
        case ["api_key"]:
            return ApiKey(found["api_key"])
        case ["access_key", "app_key"] | ["access_key", "app_key", "secret_key"]:
            return AppKey(found["app_key"], found["access_key"], found.get("secret_key"))
        case _:
            raise _refusal(f"{path} does not hold exactly one kind of credentials", f"It takes {_FORM}")


def _table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise _refusal(f"{path} can be read by others than its owner", f"chmod 600 {shlex.quote(str(path))}")
            return tomllib.loads(decoded(file.read()))
    except OSError as error:
        raise _refusal(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise _refusal(f"{path} is not UTF-8 text", "Save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        # Where, and no more: what tomllib quotes may be a pasted secret.
        place = "".join(str(error).rpartition(" (at ")[1:]) if " (at " in str(error) else ""
        raise _refusal(f"{path} is no TOML{place}", f"It takes {_FORM}") from None


def _refusal(message: str, cure: str = "") -> CommandError:
    return CommandError(message, cure, status=WRONG_USAGE)
