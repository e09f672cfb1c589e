"""Checks of what is passed to `VolcASR`, when it is passed."""

from __future__ import annotations

import inspect
from os import PathLike

from volcasr_async._checks import check_bool, check_timeout, check_type, type_of
from volcasr_async.credentials import ApiKey, AppKey, Credentials
from volcasr_async.editions import AucV1, Flash, Idle, Standard
from volcasr_async.errors import ConfigurationError, InputError
from volcasr_async.models import Task
from volcasr_async.options import Options
from volcasr_async.policies import Limits, PollPolicy, RetryPolicy
from volcasr_async.telemetry.records import Observer

_CREDENTIALS = (
    "a key of the new console (a string or ApiKey), or AppKey(app_key, access_key) of the old console. Leave it out to read "
    "VOLCASR_API_KEY, or VOLCASR_APP_KEY and VOLCASR_ACCESS_KEY, from the environment"
)
_EDITIONS = (Standard, Idle, Flash, AucV1)
_AN_EDITION = 'an edition such as Standard(), or its name, such as "standard"'
_JOURNAL = ("bind", "look_up", "transcript", "note", "delivered", "settle")


def as_credentials(value: object) -> Credentials:
    """Return credentials for what the caller passed; a string is the key of the new console.

    Raises `ConfigurationError` for anything else, without showing the value.
    """
    if isinstance(value, ApiKey | AppKey):
        return value
    if not isinstance(value, str):
        raise ConfigurationError(f"VolcASR(credentials) takes {_CREDENTIALS}; this is {type_of(value)}")
    if "://" in value:
        raise ConfigurationError("VolcASR(credentials) is a URL; pass the address of the service as base_url=")
    return ApiKey(value)


def check_client(
    *,
    edition: object,
    options: object,
    limits: object,
    retry: object,
    poll: object,
    base_url: object,
    http: object,
    observe: object,
) -> None:
    """Raise `InputError` or `ConfigurationError` for an argument of the wrong type."""
    if edition is not None:
        check_type("VolcASR(edition)", edition, (str, *_EDITIONS), _AN_EDITION)
    if options is not None:
        check_type("VolcASR(options)", options, Options, "an Options(...) or None")
    check_type("VolcASR(limits)", limits, Limits, "a Limits(...)")
    check_type("VolcASR(retry)", retry, RetryPolicy, "a RetryPolicy(...)")
    if poll is not None:
        check_type("VolcASR(poll)", poll, PollPolicy, "a PollPolicy(...)")
    if base_url is not None and not isinstance(base_url, str):
        raise ConfigurationError(f"VolcASR(base_url) takes a string, not {type_of(base_url)}")
    if observe is not None and observe is not False:
        check_type("VolcASR(observe)", observe, Observer, "an Observer of volcasr_async.telemetry, None or False")
    if http is not None and not isinstance(http, str):
        _check_http(http)


def _check_http(http: object) -> None:
    """Reject what cannot send: a class, or a client of a synchronous library."""
    sends = hasattr(http, "handle_async_request") or inspect.iscoroutinefunction(getattr(http, "send", None))
    if isinstance(http, type) or not sends:
        raise InputError(
            "VolcASR(http) takes an httpx.AsyncClient, an httpx.AsyncBaseTransport, "
            f'"httpx" or "aiohttp", not {type_of(http)}',
            reason="usage",
        )


def check_call(*, edition: object = None, options: object = None, timeout: object = None, poll: object = None) -> None:
    """Raise `InputError` for an argument of a call that has the wrong type."""
    if edition is not None:
        check_type("edition", edition, (str, *_EDITIONS), _AN_EDITION)
    if options is not None:
        check_type("options", options, Options, "an Options(...) or None")
    if poll is not None:
        check_type("poll", poll, PollPolicy, "a PollPolicy(...) or None")
    check_timeout(timeout)


def check_task(task: object) -> None:
    """Raise `InputError` for what is not a task."""
    check_type("task", task, Task, "a Task, as submit returns it (Task.from_json reads a stored one)")


def check_batch(*, window: object, journal: object, redo: object, replay: object) -> None:
    """Raise `InputError` for an argument of a batch that has the wrong type, or for two that contradict each other."""
    if not isinstance(window, int) or isinstance(window, bool) or window < 1:
        raise InputError(f"window={window!r} must be a whole number, at least 1: the jobs under way", reason="usage")
    is_journal = isinstance(journal, str | PathLike) or all(hasattr(journal, name) for name in _JOURNAL)
    if journal is not None and (isinstance(journal, type) or not is_journal):
        raise InputError(f"journal takes a path or a SqliteJournal, not {type_of(journal)}", reason="usage")
    check_bool("redo", redo)
    check_bool("replay", replay)
    if replay and journal is None:
        raise InputError("replay=True needs a journal, which keeps the results of earlier runs", reason="usage")
    if replay and redo:
        raise InputError(
            "replay=True returns stored results and redo=True discards them: leave one out", reason="usage"
        )
