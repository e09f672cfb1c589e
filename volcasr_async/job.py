"""One thing to transcribe, and the refusals that need no look at the audio."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4, uuid5

from msgspec import Struct, field
from msgspec.structs import asdict, force_setattr, replace

from volcasr_async._checks import check_type, type_of
from volcasr_async.addresses import unreachable_reason
from volcasr_async.containers import by_name
from volcasr_async.editions import EDITION_NAMES, AucV1, Edition, EditionName, Flash, Idle, Standard
from volcasr_async.errors import ConfigurationError, InputError, without_queries
from volcasr_async.options import Options, check_options
from volcasr_async.sources import LEFT_OUT, AudioUrl, Source, SourceLike, as_source, link_label
from volcasr_async.spelling import spell_edition, spell_language, strip_link

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}", re.ASCII)
_LINK = re.compile(r"https?://[^\s/?#][^\s]*", re.IGNORECASE)
_DEFAULT_OPTIONS = Options()
_STANDARD, _IDLE, _FLASH = Standard(), Idle(), Flash()  # one for all jobs: thousands wait at once


def _new_id() -> str:
    return str(uuid4())


class Job(Struct, frozen=True):
    """One thing to transcribe.

    `source` is a link (`str`), a `Path`, `bytes`, a binary file object, or one of `AudioUrl`, `AudioFile`, `AudioBytes`,
    `AudioFileObject` and `AudioStream`. `edition` is a value or a name, by default standard for a link and flash for local
    audio. `key` names the job to the caller (default: the link without its query, or the path).
    `request_id` becomes the task's name at the service: the same id sent twice is one task and one charge (v3).
    `callback` is a URL that the service calls when the task has ended, `callback_data` what it passes on; neither is
    taken by flash. `uid` marks the end user towards the service.
    """

    source: SourceLike
    edition: Edition | EditionName | None = None
    options: Options | None = None
    key: str | None = None
    request_id: str = field(default_factory=_new_id)
    callback: str | None = None
    callback_data: str | None = None
    uid: str | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "source", as_source(self.source))
        if self.edition is not None:
            _check_edition(self.edition)
        if self.options is not None:
            check_type("Job(options)", self.options, Options, "an Options(...) or None")
        for name in ("key", "callback", "callback_data", "uid"):
            value = getattr(self, name)
            if value is not None and not _is_text(value):
                raise InputError(
                    f"Job({name}) takes a string, not {type(value).__name__} or broken text", reason="usage"
                )
        if self.key == "":
            raise InputError('Job(key="") is no name, and all such jobs would be one: leave it out')
        if self.callback is not None and (callback := strip_link(self.callback)) != self.callback:
            force_setattr(self, "callback", callback)
        if self.callback is not None and not _LINK.fullmatch(self.callback):
            raise InputError(
                "Job(callback) takes a link that begins with http:// or https:// and holds no blank. Give a public address"
            )

    def __repr__(self) -> str:
        return f"Job(key={self.name!r}, request_id={self.request_id!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("key", self.name), ("request_id", self.request_id)]

    def __reduce__(self) -> tuple[object, ...]:
        """Leave the queries of links out, as `AudioUrl` does; a job that lost one cannot be sent."""
        shown = {
            name: value and without_queries(value) for name, value in (("key", self.key), ("callback", self.callback))
        }
        return _rebuild, (asdict(self) | shown,)

    @property
    def name(self) -> str:
        """How the job is called in messages, tasks and journals: its key, or what its source is called.

        A key that is a link is named like one, without what signs it.
        """
        if self.key is None:
            return as_source(self.source).label
        return link_label(self.key) if "://" in self.key else self.key


class Order(Struct, frozen=True):
    """A job with every choice made and checked: what the dialects read."""

    job: Job
    source: Source
    edition: Edition
    options: Options
    request_id: str

    @property
    def format(self) -> str | None:
        """The container to declare: what the caller said, or what the name of a v1 link ends with (doc 80820)."""
        if self.source.format is not None or not isinstance(self.source, AudioUrl):
            return self.source.format
        return by_name(self.source.url) if isinstance(self.edition, AucV1) else None

    def named(self, request_id: str) -> Order:
        """Give the task another name."""
        return replace(self, request_id=request_id)


def next_request_id(request_id: str) -> str:
    """Return the request id of the task that follows: the same in each run, so that a lost journal row leads to it again."""
    return str(uuid5(UUID(request_id), "fresh"))


def as_job(value: Job | SourceLike) -> Job:
    """Take a job, or what can be the source of one."""
    return value if isinstance(value, Job) else Job(as_source(value))


def as_edition(value: Edition | str, *, cluster: str | None) -> Edition:
    """Take an edition or its name; "v1" needs the *cluster* that the environment may give."""
    if isinstance(value, Standard | Idle | Flash | AucV1):
        return value
    match _check_edition(value):
        case "standard":
            return _STANDARD
        case "idle":
            return _IDLE
        case "flash":
            return _FLASH
        case _ if cluster:
            return AucV1(cluster)
        case _:
            raise ConfigurationError(
                "v1 needs the cluster that the console shows: pass AucV1(cluster) or set VOLCASR_CLUSTER"
            )


def _check_edition(value: object) -> str | None:
    """Return the name of an edition as it is spelled here; `None` for an edition's value. `InputError` for anything else."""
    if isinstance(value, Standard | Idle | Flash | AucV1):
        return None
    if not isinstance(value, str):
        names = ", ".join(EDITION_NAMES)
        raise InputError(
            f"edition takes an edition such as Standard(), or its name ({names}), not {type_of(value)}", reason="usage"
        )
    return spell_edition(value)


def prepare(
    job: Job,
    *,
    edition: Edition | EditionName | None,
    options: Options | None,
    cluster: str | None,
    takes_private_links: bool = False,
) -> Order:
    """Make every choice that is open in *job*, the caller's defaults second, and refuse what cannot be sent.

    Links to private addresses are rejected unless *takes_private_links*: a service in a private network may reach them.
    """
    source = as_source(job.source)
    usual: EditionName = "standard" if isinstance(source, AudioUrl) else "flash"
    chosen = as_edition(next((one for one in (job.edition, edition) if one is not None), usual), cluster=cluster)
    order = Order(
        job=job,
        source=_spelled_for(source, chosen),
        edition=chosen,
        options=job.options or options or _DEFAULT_OPTIONS,
        request_id=job.request_id,
    )
    _check(order)
    if not takes_private_links:
        _check_reachable(order)
    return order


def _spelled_for(source: Source, edition: Edition) -> Source:
    """Return the source with its language as the edition spells it; the source of the job stays as the caller wrote it."""
    if source.language is None:
        return source
    language = spell_language(source.language, edition.name)
    return source if language == source.language else replace(source, language=language)


def _check_reachable(order: Order) -> None:
    """Reject links into a private network: the service would charge for the task, and fail to download."""
    source, callback = order.source, order.job.callback
    if isinstance(source, AudioUrl) and (reason := unreachable_reason(source.url)):
        raise InputError(
            f"the service cannot download from {_host(source.url)}, which {reason}. Give a public link, or pass the audio "
            "itself (pathlib.Path, bytes)",
            reason="link",
        )
    if callback is not None and (reason := unreachable_reason(callback)):
        raise InputError(
            f"the service cannot call back to {_host(callback)}, which {reason}. Give a public address, or leave callback out",
            reason="usage",
        )


def _host(url: str) -> str:
    return urlsplit(url).hostname or "an empty host"


def _check(order: Order) -> None:
    edition, source = order.edition, order.source
    check_options(order.options, edition.name)
    _check_request_id(order.request_id)
    if isinstance(source, AudioUrl):
        if source.is_cut:
            raise InputError(
                "this AudioUrl went through a pickle, where its query is left out: make it anew", reason="usage"
            )
    elif not edition.inline_audio:
        raise InputError(_needs_url(edition))
    if order.job.callback is not None and order.job.callback.endswith(LEFT_OUT):
        raise InputError(
            "this Job went through a pickle, where the query of its callback is left out: make it anew", reason="usage"
        )
    check_format(order.format, edition)
    _check_language(order)
    if isinstance(edition, Flash) and (order.job.callback or order.job.callback_data):
        raise InputError(
            "flash answers at once and takes no callback; standard, idle and v1 do (v1 without callback_data)"
        )
    if isinstance(edition, AucV1) and order.job.callback_data:
        raise InputError("v1 takes a callback but no callback_data; standard and idle do. Leave callback_data out")


def check_format(name: str | None, edition: Edition) -> None:
    """Refuse a container that the edition does not take; `None` is the service's to find out, except in v1."""
    if name is None:
        if isinstance(edition, AucV1):
            raise InputError(f"v1 needs the container: pass AudioUrl(url, format=...), one of {_list(edition)}")
    elif name not in edition.formats:
        raise InputError(
            f"the {edition.name} edition takes {_list(edition)}, not {name}; convert the recording, for example with "
            f"ffmpeg -i in.{name if name.isalnum() else 'file'} -vn -c:a libopus out.ogg"
            + (", or pass a link to standard, which takes " + _list(Standard()) if name in Standard.formats else ""),
            reason="format",
        )


def _needs_url(edition: Edition) -> str:
    advice = "use flash for local audio, or pass a link"
    if isinstance(edition, Standard):
        advice += "; Standard(inline_audio=True) insists, for accounts where the service takes it"
    return f"the {edition.name} edition takes a link, not local audio: {advice}"


def _check_language(order: Order) -> None:
    """Speakers are told apart in Chinese only (doc 2606791)."""
    language = order.source.language
    if (
        order.options.enable_speaker_info
        and language not in (None, "", "zh-CN")
        and not isinstance(order.edition, AucV1)
    ):
        raise InputError(f'enable_speaker_info works with language unset or "zh-CN", not {language!r}: leave one out')


def _check_request_id(value: str) -> None:
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise InputError(f"request_id={value!r} is no UUID; leave it out and one is made")


def _is_text(value: object) -> bool:
    """Tell whether it is a string that UTF-8 can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rebuild(fields: dict[str, Any]) -> Job:
    return Job(**fields)


def _list(edition: Edition) -> str:
    return ", ".join(sorted(edition.formats))
