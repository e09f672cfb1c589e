"""What an earlier run means for this one: a table of pure decisions about one key."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec
from msgspec import Struct

from volcasr_async.errors import Charged
from volcasr_async.job import Order
from volcasr_async.journal import Entry, State
from volcasr_async.sources import as_source

Action = Literal[
    "submit", "submit again", "verify", "verify again", "wait", "deliver", "skip", "report uncertain", "refuse changed"
]
"""What to do with a key.

- submit: submit it under its request id; nothing was charged for it.
- submit again: submit it as a new task, under a new request id. It can be charged again.
- verify: query its request id, and submit it under the same id only if the service does not know it.
- verify again: the same for a new task, under a new request id.
- wait: query its task until it ends.
- deliver: return the stored result.
- skip: do nothing.
- report uncertain: return it as `Failed` with `SubmitUncertain`; nothing is sent.
- refuse changed: return it as `Failed`, because it was sent with other options or another edition.
"""


class Situation(Struct, frozen=True, kw_only=True):
    """What a decision depends on.

    `state` is `None` for a key that the journal does not know. `before` is the state of the row before its present task.
    `is_expired`: the service keeps no result of that age. `can_query`: the edition lets a request id be queried (standard and
    idle). `permitted`: the caller accepts that a recording is charged again. `same_account`: it was sent with the present
    credentials. `is_behind`: the journal is older than what was sent.
    """

    state: State | None
    before: State | None = None
    charged: Charged = "no"
    has_task: bool = False
    delivered: bool = False
    is_expired: bool = False
    can_query: bool = True
    permitted: bool = False
    redo: bool = False
    same_fingerprint: bool = True
    same_account: bool = True
    is_behind: bool = False


class Decision(Struct, frozen=True):
    """An action, and whether a task that queries do not find may be submitted without permission, or replaced with it."""

    action: Action
    may_submit: bool = True
    may_replace: bool = True


_SUBMIT, _SUBMIT_AGAIN = Decision("submit"), Decision("submit again")
_UNCERTAIN, _CHANGED = Decision("report uncertain"), Decision("refuse changed")


def decide(about: Situation) -> Decision:
    """Return what to do with a key."""
    nothing_charged = about.state is None or (about.state in ("planned", "failed") and about.charged == "no")
    if about.redo and not nothing_charged:
        return _SUBMIT_AGAIN
    if nothing_charged:
        return _decide_unsent(about)
    if about.state == "failed" and about.charged == "yes":
        return _decide_next_task(about)  # a listed final code ended its task: its request id is used up
    if not about.same_fingerprint:
        return _CHANGED
    match about.state:
        case "done":
            return Decision("skip" if about.delivered else "deliver")
        case "accepted" | "missing" if about.has_task:
            return Decision("wait", may_replace=about.same_account)
        case "sent" if about.can_query:
            # A task that follows one of unknown fate was permitted to an earlier run, and not to this one.
            is_permitted = about.before in (None, "failed") or about.permitted
            may_submit = is_permitted and about.same_account and not about.is_expired
            return Decision("verify", may_submit=may_submit, may_replace=about.same_account)
        case _ if about.can_query:
            return Decision("verify", may_submit=False, may_replace=about.same_account)
        case _:
            return _SUBMIT_AGAIN if about.permitted and about.same_account else _UNCERTAIN


def _decide_unsent(about: Situation) -> Decision:
    """Decide about what the journal does not know as sent: it was not, unless the journal is older than what was sent."""
    if not about.is_behind or about.redo:
        return _SUBMIT
    if about.can_query:
        return Decision("verify", may_submit=about.same_account, may_replace=about.same_account)
    return _SUBMIT if about.permitted else _UNCERTAIN


def _decide_next_task(about: Situation) -> Decision:
    """Decide about a recording whose task has ended badly: an older journal may have lost the task that followed."""
    if not about.is_behind:
        return _SUBMIT_AGAIN
    if about.can_query:
        return Decision("verify again", may_submit=about.same_account, may_replace=about.same_account)
    return _SUBMIT_AGAIN if about.permitted and about.same_account else _UNCERTAIN


def situation_of(  # noqa: PLR0913 - what a decision depends on
    entry: Entry | None,
    *,
    at: float,
    keeps_s: float,
    fingerprint: str,
    account: str,
    can_query: bool,
    permitted: bool,
    redo: bool,
    is_behind: bool,
    several_accounts: bool = False,
) -> Situation:
    """Return the situation of a journal's row, or of a key without one; *at* is in seconds since 1970."""
    if entry is None:
        # What the journal has lost may have been sent with other credentials.
        same = not (is_behind and several_accounts)
        return Situation(
            state=None, can_query=can_query, permitted=permitted, redo=redo, is_behind=is_behind, same_account=same
        )
    sent_at = entry.task.submitted_at if entry.task is not None else entry.updated_at
    return Situation(
        state=entry.state,
        before=entry.before.state if entry.before is not None else None,
        charged=entry.charged,
        has_task=entry.task is not None,
        delivered=entry.delivered,
        is_expired=at - sent_at >= keeps_s,
        can_query=can_query,
        permitted=permitted,
        redo=redo,
        same_fingerprint=entry.fingerprint == fingerprint,
        same_account=entry.account in (None, account),
        is_behind=is_behind,
    )


def fingerprint_of(order: Order) -> str:
    """Sum up what a transcript depends on beside the recording: edition, options, and how the audio was declared.

    The declaration is the caller's own (`Job.source`), because its spelling on the wire may change with a release.
    """
    source = as_source(order.job.source)
    declared = [source.format, source.codec, source.rate, source.bits, source.channel, source.language]
    said = msgspec.json.encode([order.edition, order.options, declared], order="sorted")
    return hashlib.sha256(said).hexdigest()[:16]
