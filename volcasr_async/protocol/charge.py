"""The charge state of a job: has the service accepted it? It changes only on evidence.

    no     --a submit left, and its answer proves nothing-->  maybe
    no, maybe  --the submit was accepted, or a query found the task-->  yes
    maybe  --queries found no task for long enough-->  no

A charge never goes back from *yes*: what the service has accepted is billed, however it ends.
"""

from __future__ import annotations

from msgspec import Struct

from volcasr_async.errors import (
    AuthenticationFailed,
    Charged,
    Evidence,
    ReplyError,
    ResourceNotGranted,
    ServiceError,
    SubmitUncertain,
    TaskNotFound,
    TransportError,
    VolcASRError,
    in_one_line,
)
from volcasr_async.protocol.messages import Phase, Reply

MOST_ACCOUNT_PAGES = 6

_MISNAMED_REPLIES = 5


class ServiceFacts(Struct):
    """What the replies to one client, or recorded in one journal, have shown about the service.

    `own_task_ids`: whether the service gives tasks ids of its own, `None` until a submit was answered. Where it does, "cannot
    find task" for a request id proves nothing, because the task may be known under its own id (doc 2606791).
    `reached`: whether the service has answered at all, so that a failing connection is an outage rather than a wrong address.
    `account_pages`: how many 401 and 403 pages without the service's code came in a row. One says nothing about
    the account, because a gateway can send it by mistake; `MOST_ACCOUNT_PAGES` in a row are taken for the service's answer.
    `named_replies`: how many replies of the service named the request that was sent, or none. `misnamed_replies`: how many named
    another one.
    """

    own_task_ids: bool | None = None
    reached: bool = False
    account_pages: int = 0
    named_replies: int = 0
    misnamed_replies: int = 0

    def check_reply_id(
        self, reply: Reply, named: str | None, *expected: str, is_paid: bool = False, is_documented: bool = False
    ) -> None:
        """Raise `ReplyError` for a reply that names another request or task: it says nothing about this one.

        v1 names the task in each reply (*is_documented*, doc 80820). For v3 no document says what the header holds.

        Where every reply names something else, that is an id of another kind, and is ignored. Until that is known, a reply
        that is paid for and cannot be had again (flash) is accepted, and any other one is not.
        """
        if not named:
            self.named_replies += "x-api-status-code" in reply.headers  # the page of a gateway has neither
            return
        if comparable_id(named) in map(comparable_id, expected):
            self.named_replies += 1
            return
        self.misnamed_replies += 1
        is_known = is_documented or self.named_replies
        if is_known or (self.misnamed_replies < _MISNAMED_REPLIES and not is_paid):
            raise ReplyError(
                f"the reply belongs to another request, {in_one_line(named)[:80]}",
                http_status=reply.status,
                log_id=reply.headers.get("x-tt-logid"),
            )

    def learn_task_id(self, task_id: str, request_id: str) -> None:
        """Note how the service named an accepted task. A single differing id is enough."""
        self.own_task_ids = bool(self.own_task_ids) or task_id != request_id

    def count_page(self, error: VolcASRError) -> None:
        """Count a page that refuses the account, and mark the error when there were too many in a row."""
        if not isinstance(error, ServiceError):
            return
        if error.code is not None or not isinstance(error, AuthenticationFailed | ResourceNotGranted):
            self.account_pages = 0
            return
        self.account_pages += 1
        error.account_wide = self.account_pages >= MOST_ACCOUNT_PAGES


def evidence_of(error: VolcASRError) -> Evidence:
    """Return what a failed request proves about the task."""
    return error.evidence if isinstance(error, ServiceError | ReplyError) else "nothing"


def charge_after(charged: Charged, evidence: Evidence, phase: Phase, *, left: bool) -> Charged:
    """Return the charge state after an answer, or after a failure; *left* is whether the request may have left complete."""
    if evidence in ("accepted", "ended"):
        return "yes"
    unanswered = evidence == "nothing" and left and phase != "query"
    return "maybe" if unanswered and charged == "no" else charged


def worse(one: Charged, other: Charged) -> Charged:
    """Return the charge state of a recording that has two tasks."""
    if "yes" in (one, other):
        return "yes"
    return "maybe" if "maybe" in (one, other) else "no"


def has_left(error: VolcASRError) -> bool:
    """Return whether the failed request may have reached the service complete."""
    if isinstance(error, TransportError):
        return error.sent != "no"
    return isinstance(error, ReplyError | ServiceError)


def kind_of_failure(error: VolcASRError) -> str:
    """Return how a failure counts in summaries: "refused", "uncertain", "missing", or "charged"."""
    if isinstance(error, SubmitUncertain) or error.charged == "maybe":
        return "uncertain"
    if error.charged == "no":
        return "refused"
    return "missing" if isinstance(error, TaskNotFound) else "charged"


def comparable_id(name: str) -> str:
    """Return an id as it compares: the same UUID may be written in two ways."""
    return name.strip().replace("-", "").lower()
