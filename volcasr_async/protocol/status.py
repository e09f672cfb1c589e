"""Every number the service may answer with, and what it means in each phase: the only place that knows one.

Sources: doc 1354868, 1631584, 2611432 (v3) and doc 80820 (v1); codes that no document lists are reported by public clients.
The verdicts are our reading of them:

- accepted, pending, done, silent: the job goes on or has ended well;
- reject-job: it cannot succeed as it stands; reject-account: no job can;
- back-off: the same call, later; new-task: only a fresh task may succeed;
- missing: the service does not know the task;
- unreadable: an answer of no known shape, which settles nothing;
- ask-first: the service or a proxy before it broke, which settles nothing either.

Beside the verdict, each row states in each phase what the answer proves about the task (`Evidence`):

- accepted: the service has the task;
- ended: the service had the task, and it ended with this code;
- refused: the submit was refused before it was accepted;
- check: the submit was refused, or its request id was accepted before; a query finds out which;
- nothing: the answer carries no information about the task.

Only a listed code proves anything: an unlisted code, a page of a gateway and a 4xx without the service's status may follow
an accepted submit.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from volcasr_async import errors as e
from volcasr_async.errors import Evidence
from volcasr_async.protocol.messages import Phase

Verdict = Literal[
    "accepted",
    "pending",
    "done",
    "silent",
    "reject-job",
    "reject-account",
    "back-off",
    "new-task",
    "missing",
    "unreadable",
    "ask-first",
]


class Rule(Struct, frozen=True, kw_only=True):
    """One row: what a code means, the error it becomes, and the verdict and the evidence in each phase.

    `tries` bounds how often a back-off is followed by another try. `proves_at_submit` and `proves_at_flash` replace the
    evidence that follows from the verdict.
    """

    meaning: str
    error: type[e.ServiceError] = e.InvalidRequest
    submit: Verdict = "reject-job"
    query: Verdict = "reject-job"
    flash: Verdict = "reject-job"
    tries: int | None = None
    pauses_submits: bool = False
    crowded: bool = False
    queued: bool = False
    proves_at_submit: Evidence | None = None
    proves_at_flash: Evidence | None = None

    def verdict(self, phase: Phase) -> Verdict:
        """Read the row in one phase."""
        columns: dict[Phase, Verdict] = {"submit": self.submit, "query": self.query, "flash": self.flash}
        return columns[phase]

    def evidence(self, phase: Phase) -> Evidence:
        """Return what the row proves about the charge in one phase."""
        stated: dict[Phase, Evidence | None] = {"submit": self.proves_at_submit, "flash": self.proves_at_flash}
        return stated.get(phase) or _EVIDENCE[phase][self.verdict(phase)]


# What follows from a verdict where the row states nothing else. A query is never a refusal of the submit before it.
_AT_SUBMIT: dict[Verdict, Evidence] = {
    "accepted": "accepted",
    "silent": "accepted",
    "pending": "accepted",
    "done": "accepted",
    "reject-job": "refused",
    "reject-account": "refused",
    "back-off": "refused",
    "new-task": "refused",
    "missing": "nothing",
    "unreadable": "nothing",
    "ask-first": "nothing",
}
_AT_QUERY: dict[Verdict, Evidence] = {
    **_AT_SUBMIT,
    "reject-job": "ended",
    "new-task": "ended",
    "reject-account": "nothing",
    "back-off": "nothing",
}
_EVIDENCE: dict[Phase, dict[Verdict, Evidence]] = {"submit": _AT_SUBMIT, "query": _AT_QUERY, "flash": _AT_SUBMIT}


def _all(verdict: Verdict, meaning: str, error: type[e.ServiceError], **more: object) -> Rule:
    return replace(
        Rule(meaning=meaning, error=error, submit=verdict, query=verdict, flash=verdict),
        **more,
    )


def _ended(
    meaning: str, *, submit: Verdict = "ask-first", query: Verdict = "new-task", tries: int | None = None
) -> Rule:
    """Return the row of a code with which a task ends inside the service.

    As the answer to a submit or to flash such a code does not say whether the task was accepted.
    """
    return Rule(
        meaning=meaning,
        error=e.ServerError,
        submit=submit,
        query=query,
        flash="back-off",
        tries=tries,
        proves_at_flash="nothing",
    )


def _unlisted(meaning: str) -> Rule:
    """Return the row of a client error that no document lists: the submit is not repeated, the query is."""
    return Rule(
        meaning=meaning,
        query="back-off",
        proves_at_submit="nothing",
        proves_at_flash="nothing",
    )


def _internal(meaning: str) -> Rule:
    """Return the row of an internal error: the task may end well, so queries are repeated."""
    return _ended(meaning, query="back-off", tries=3)


def _page(meaning: str, error: type[e.ServiceError]) -> Rule:
    """Return the row of an HTTP status without any code: the page of some gateway, which knows nothing about the task."""
    return Rule(meaning=meaning, error=error, submit="ask-first", query="back-off", flash="ask-first")


CODES: dict[int, Rule] = {
    # v3
    20000000: Rule(meaning="success", submit="accepted", query="done", flash="done"),
    20000001: Rule(meaning="being processed", submit="accepted", query="pending", flash="unreadable"),
    20000002: Rule(meaning="queued", submit="accepted", query="pending", flash="unreadable", queued=True),
    # Silence is a result (doc 1631584, the tree), though the 2025-12 version of doc 1354868 advises a new submit.
    20000003: Rule(meaning="silent audio", submit="unreadable", query="silent", flash="silent"),
    45000000: Rule(meaning="general client error", query="back-off", proves_at_submit="check"),
    # doc 1354868 counts a repeated request among its causes; doc 1631584 does not.
    45000001: Rule(
        meaning="a field missing or invalid, or the request was repeated", query="back-off", proves_at_submit="check"
    ),
    45000002: Rule(meaning="empty audio", error=e.EmptyAudio),
    45000006: Rule(meaning="the audio could not be downloaded", error=e.AudioDownloadFailed),
    45000010: _all("reject-account", "credentials not accepted", e.AuthenticationFailed),
    45000011: _all("reject-account", "credentials not accepted (one report)", e.AuthenticationFailed),
    45000012: _all("reject-account", "credentials not accepted (one report)", e.AuthenticationFailed),
    45000030: _all("reject-account", "resource not granted", e.ResourceNotGranted),
    45000131: _all("back-off", "more than 500 hours of audio within half an hour", e.RateLimited, pauses_submits=True),
    45000132: Rule(meaning="file over 512 MB", error=e.AudioTooLarge),
    45000151: Rule(meaning="wrong audio format", error=e.BadAudioFormat),
    45000292: _all("back-off", "over a quota; the message names which", e.RateLimited, tries=5),
    21701: Rule(meaning="the audio could not be downloaded (one report)", error=e.AudioDownloadFailed),
    55000000: _internal("general server error"),
    55000031: _all("back-off", "server busy", e.ServerBusy),
    55001010: _ended("processing timed out"),
    # v1 (doc 80820); the flash column does not apply
    1000: Rule(meaning="success", submit="accepted", query="done"),
    2000: Rule(meaning="being processed", submit="accepted", query="pending"),
    2001: Rule(meaning="queued", submit="accepted", query="pending", queued=True),
    # v1 answers a query for a task that it does not know with this code as well.
    1001: Rule(meaning="a field missing or invalid, or the request was repeated", query="missing"),
    1002: _all("reject-account", "token invalid, expired, or not for this service", e.AuthenticationFailed),
    1003: _all("back-off", "over the app's request rate", e.RateLimited),
    1004: _all("reject-account", "over the app's number of calls", e.QuotaExceeded),
    1005: _all("back-off", "server busy", e.ServerBusy),
    1006: _ended("request interrupted", submit="back-off", tries=1),
    1010: Rule(meaning="audio too long", error=e.AudioTooLong),
    1011: Rule(meaning="audio too large", error=e.AudioTooLarge),
    1012: Rule(meaning="audio format invalid", error=e.BadAudioFormat),
    1013: Rule(meaning="silent audio", submit="silent", query="silent"),
    1014: Rule(meaning="empty audio", error=e.EmptyAudio),
    1015: Rule(meaning="the audio could not be downloaded", error=e.AudioDownloadFailed),
    1020: _ended("waited too long to become ready"),
    1021: _ended("processing took too long"),
    1022: _ended("recognition failed", submit="reject-job"),
    1099: _internal("unknown error"),
}

RANGES: tuple[tuple[int, int, Rule], ...] = (
    # The documents print the internal family as 550xxxx; real codes have 8 digits.
    (55000000, 55099999, _internal("internal error")),
    (45000000, 45099999, _unlisted("client error that no document lists")),
    (20000000, 20009999, _all("unreadable", "success that no document lists", e.ServiceError)),
    (1007, 1098, _unlisted("reserved")),
)

# 7.4 of our notes on the contract: no code anywhere, only an HTTP status.
_HTTP: dict[int, Rule] = {
    401: _page("HTTP 401", e.AuthenticationFailed),
    403: _page("HTTP 403", e.ResourceNotGranted),
    # The same request would be too large again.
    413: _unlisted("HTTP 413"),
    429: _page("HTTP 429", e.RateLimited),
}
_HTTP_4XX = _page("HTTP 4xx", e.InvalidRequest)
_HTTP_5XX = _page("HTTP 5xx", e.ServerError)
_SILENT_ON_STATUS = _all("unreadable", "no status code", e.ServiceError)

_NOT_FOUND = Rule(meaning="cannot find task", error=e.TaskNotFound, query="missing", proves_at_submit="check")
_NOT_GRANTED = _all("reject-account", "resource not granted", e.ResourceNotGranted)
_SPENT = _all("reject-account", "the bought or free amount is spent", e.QuotaExceeded)
_TOO_FAST = _all("back-off", "more requests than the app key may send", e.RateLimited)
_TOO_MANY = _all("back-off", "more requests at once than the app key may send", e.RateLimited, crowded=True)


def rule_of(code: int | None, message: str, http_status: int) -> Rule:
    """Find the row of an answer; an unlisted code takes its range's, a code of no range the HTTP status's."""
    if code is None:
        return _rule_of_http(http_status)
    rule = _listed(code)
    if rule is None:
        return _rule_of_http(http_status)
    return _by_message(code, message.lower(), rule)


def is_failure(code: int, phase: Phase) -> bool:
    """Return whether a code, listed or of a known range, is no success in this phase."""
    rule = _listed(code)
    return rule is not None and rule.verdict(phase) not in ("accepted", "pending", "done", "silent", "unreadable")


def _listed(code: int) -> Rule | None:
    """Return the row of a code, or of its range."""
    return CODES.get(code) or next((rule for low, high, rule in RANGES if low <= code <= high), None)


def _by_message(code: int, message: str, rule: Rule) -> Rule:
    """Three codes mean different things by their text (all reported by public clients)."""
    if code == 45000000 and "cannot find task" in message:
        return _NOT_FOUND
    # 45000000 with a concurrency text was reported as well.
    if code == 45000292 or (code == 45000000 and "quota exceeded" in message):
        return _by_quota(message, rule)
    if code == 1022 and "requested resource not granted" in message:
        return _NOT_GRANTED
    return rule


def _by_quota(message: str, rule: Rule) -> Rule:
    """A lifetime amount never comes back by waiting; a rate does; a type we do not know gets a bounded number of tries."""
    if "lifetime" in message:
        return _SPENT
    if "qps" in message:
        return _TOO_FAST
    if "concurrency" in message:
        return _TOO_MANY
    return rule


def _rule_of_http(http_status: int) -> Rule:
    if 400 <= http_status < 500:
        return _HTTP.get(http_status, _HTTP_4XX)
    if http_status >= 500:
        return _HTTP_5XX
    return _SILENT_ON_STATUS
