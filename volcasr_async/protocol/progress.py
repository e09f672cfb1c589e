"""The state machine of one job: what to send next, and when; what an answer or a failure changes.

    submit --accepted--> wait --> transcript
      |  ^                ^
    lost |not found       | found
      v  |                |
      ask ----------------+

- *submit*: the job is sent. A refusal that may pass is repeated with the same id.
- *ask*: the answer to a submit was lost, or says nothing about the task. The service is queried for the id before anything
  is sent again. "Cannot find task" three times, and until `grace` has passed, brings the same id back to *submit*.
- *wait*: the task was accepted and is queried until it ends.

`charged` is the charge state of the present task (`charge`). Whatever ends a job takes it along as `error.charged`.

A single call and a batch share this; neither decides anything of its own. The clock and the random draw are arguments.
"""

from __future__ import annotations

from typing import Literal, Never

from msgspec import Struct, field
from msgspec.structs import replace

from volcasr_async.errors import (
    Charged,
    InvalidRequest,
    RateLimited,
    ServerBusy,
    ServerError,
    ServiceError,
    SubmitUncertain,
    TaskNotFound,
    TransportError,
    VolcASRError,
)
from volcasr_async.job import Order, next_request_id
from volcasr_async.models import Pending, Task, Transcript
from volcasr_async.policies import PollPolicy, RetryPolicy
from volcasr_async.protocol.charge import ServiceFacts, charge_after, evidence_of, has_left, worse
from volcasr_async.protocol.messages import Call, Dialect, Reply, Step
from volcasr_async.protocol.timing import jittered, poll_gap, retry_pause

State = Literal["submit", "ask", "wait"]

_READ_PAUSE_S = 5.0
_MISSES = 3
"""How many "cannot find task" in a row are conclusive: one report saw it for a moment after a submit."""
_MISSING_GRACES = 2
"""An accepted task is queried for so many times `grace` before it counts as missing: longer than a failover of 40 s."""
_CHECK_S = 1.0
"""Seconds before the first query of a submit that may have been accepted before, doubled for each further one."""
_LONG_AUDIO_MS = 60_000
_EMPTY_ANSWERS = 3
"""So many answers have to agree that a recording of a minute or more holds no word."""


class Rules(Struct, frozen=True):
    """The caller's policies, and what is known of the service: shared by all jobs of a client."""

    retry: RetryPolicy
    poll: PollPolicy
    facts: ServiceFacts = field(default_factory=ServiceFacts)


class Progress(Struct):
    """Where one job stands. `due` is the moment of its next request, on the clock that the caller uses for `now`.

    Moments on that clock: `since`, when the submit was accepted or the job began; `began`, from when its deadline counts.
    Moments in seconds since 1970: `sent_at`, when the last submit left; `at`, when the last request did; `seen_at`, when a
    query last found the task.

    Submits: `spent`, the audio cannot be sent once more; `incomplete`, the last one did not leave complete; `lost`, one left
    and had no usable answer. `doubt` is why the service is queried after a submit, and `ask_for` for how many seconds at least.
    `by_request_id` is which id the next query names, and `asked_by_both` whether the last miss was one of both ids.

    `may_submit`: whether a submit that queries do not find may be sent again without permission. `is_unknown`: nothing says that
    it was sent. `may_replace`: whether the caller's permission covers a new task. `fresh`: how many new tasks there were.
    `ended`: a listed code ended the task. `charged_before`: the charge state of the tasks that this one replaces.

    `outage_s`: for how long a connection that cannot be opened is no failure of the job.
    """

    dialect: Dialect
    rules: Rules
    order: Order | None = None
    task: Task | None = None
    state: State = "submit"
    due: float = 0.0
    since: float = 0.0
    began: float = 0.0
    failures: int = 0
    misses: int = 0
    missing_since: float = 0.0
    ask_for: float = 0.0
    endings: int = 0
    ending_since: float = 0.0
    refusals: int = 0
    empty_answers: int = 0
    sends: int = 0
    losses: int = 0
    fresh: int = 0
    asks: int = 0
    sent_at: float = 0.0
    seen_at: float = 0.0
    at: float = 0.0
    spent: bool = False
    incomplete: bool = False
    lost: bool = False
    ended: bool = False
    by_request_id: bool = False
    asked_by_both: bool = False
    may_submit: bool = True
    may_replace: bool = True
    is_unknown: bool = False
    was_missing: bool = False
    outage_s: float = 0.0
    down_since: float | None = None
    down_tries: int = 0
    doubt: VolcASRError | None = None
    last_error: VolcASRError | None = None
    charged: Charged = "no"
    charged_before: Charged = "no"

    # ---- what to do ----

    @property
    def kind(self) -> Literal["submit", "query"]:
        """Which of the two shares of the budget the next request takes."""
        return "submit" if self.state == "submit" else "query"

    @property
    def may_resend(self) -> bool:
        """Whether the caller permits a second submit where no query can tell whether the first was accepted."""
        retry = self.rules.retry
        return retry.resend_flash if self.dialect.phase == "flash" else retry.resubmit_v1

    @property
    def was_denied(self) -> bool:
        """Whether queries did not find the submit whose answer was lost, so that it counts as not charged."""
        return self.state == "ask" and self.lost and self.charged == "no"

    @property
    def charged_in_all(self) -> Charged:
        """The charge state of the recording: of the present task, and of those that it replaces."""
        return worse(self.charged, self.charged_before)

    def call(self, *, at: float) -> Call:
        """Return what to send now; *at* is in seconds since 1970."""
        self.at = at
        if self.state == "submit" and self.order is not None:
            self.sends += 1
            self.sent_at, self.incomplete = at, False
            return self.dialect.open(self.order)
        if self.task is None and self.order is not None:
            self.task = self.presumed_task(at=at)
        if self.task is None:
            msg = "there is no task to ask about"
            raise RuntimeError(msg)
        self.asks += 1
        return self.dialect.follow(self.task, by_request_id=self.by_request_id)

    def presumed_task(self, *, at: float) -> Task | None:
        """Return the accepted task, or the task that an unanswered submit has if it arrived; else `None`."""
        if self.task is not None or self.order is None or (self.charged == "no" and self.state == "submit"):
            return self.task
        return self.dialect.claim(self.order, at=self.sent_at or at)

    def lost_task(self, *, at: float) -> Task | None:
        """Return the task of a submit whose answer was lost, even if queries denied it; else `None`."""
        if not self.lost or self.order is None or not self.dialect.can_ask:
            return None
        return self.dialect.claim(self.order, at=self.sent_at or at)

    def read(self, reply: Reply, *, at: float) -> Step:
        """Understand the answer to the last `call`; raises what it refused."""
        facts = self.rules.facts
        facts.reached = True
        if self.state == "submit" and self.order is not None:
            step = self._read_submit(self.order, reply, at=at)
        elif self.task is None:
            msg = "there is no task that was asked about"
            raise RuntimeError(msg)
        else:
            named = self.dialect.named_by(reply)
            names = (self.task.id, self.task.request_id)
            facts.check_reply_id(reply, named, *names, is_documented=not self.dialect.can_ask)
            step = self.dialect.read_follow(self.task, reply)
            if not self.task.accepted:
                self.task = replace(self.task, accepted=True)
                step = replace(step, task=self.task)
        self.charged, facts.account_pages = "yes", 0
        return self._confirmed(step)

    def _read_submit(self, order: Order, reply: Reply, *, at: float) -> Step:
        facts, flash = self.rules.facts, self.dialect.phase == "flash"
        if not self.dialect.can_ask and not flash:
            return self.dialect.read_open(order, reply, at=at)  # v1 sends no request id, so no reply can repeat it
        named = self.dialect.named_by(reply)
        try:
            step = self.dialect.read_open(order, reply, at=at)
        except ServiceError:
            facts.check_reply_id(reply, named, order.request_id, is_paid=flash)
            raise
        if step.task is not None:
            # Also from a reply that names another request: the more careful answer of the two.
            facts.learn_task_id(step.task.id, step.task.request_id)
        facts.check_reply_id(reply, named, order.request_id, is_paid=flash)
        return step

    def _confirmed(self, step: Step) -> Step:
        """Take an empty text of a long recording for "still running" until several answers agree.

        Success without a result was reported of running tasks; with the length of the recording it looks final.
        """
        if not isinstance(step, Transcript) or self.task is None:
            return step
        if step.text or step.silent or step.utterances or (step.duration_ms or 0) < _LONG_AUDIO_MS:
            return step
        self.empty_answers += 1
        return step if self.empty_answers >= _EMPTY_ANSWERS else Pending(task=self.task, log_id=step.log_id)

    # ---- what it changed ----

    def resume(self, task: Task, *, now: float, age: float) -> None:
        """Take up a task of that *age* in seconds; its deadline counts from *now*."""
        self.task, self.state, self.charged = task, "wait", "yes" if task.accepted else "maybe"
        self.since, self.began, self.sent_at = now - age, now, task.submitted_at
        self.due = now + max(self.rules.poll.first - age, 0.0)

    def verify(
        self, task: Task | None, *, now: float, may_submit: bool, seconds: float, is_unknown: bool = False
    ) -> None:
        """Query first: an earlier run may have sent it, and *task* is the task that it has if it did.

        *is_unknown*: nothing says that it was sent, but the journal is older than what was sent. Then it is submitted under
        its request id also where queries prove nothing. If it was sent, a service that refuses repeated ids does not charge
        it again.
        """
        self.state, self.charged, self.lost = "ask", "maybe", True
        self.doubt = TransportError("an earlier run may have sent it and ended before the answer came", sent="maybe")
        self.task = replace(task, accepted=False) if task is not None else None
        self.may_submit, self.is_unknown = may_submit, is_unknown
        self.sent_at = task.submitted_at if task is not None else 0.0
        self.missing_since, self.ask_for = now, seconds

    def went_on(self, step: Pending, *, now: float, draw: float) -> None:
        """Take the news that the task is not finished."""
        first = self.state != "wait"
        self._found(step.task, now)
        self.failures = self.endings = 0
        self.last_error = self.down_since = None
        self.due = now + (jittered(self.rules.poll.first, draw) if first else self._gap(now, draw))

    def _found(self, task: Task, now: float) -> None:
        """Note that the service has the task: from now on it is waited for."""
        self.task, self.charged, self.doubt = task, "yes", None
        self.misses, self.seen_at, self.asked_by_both, self.is_unknown = 0, self.at, False, False
        if self.state != "wait":
            self.state, self.since, self.asks = "wait", now, 0

    def interrupted(self) -> None:
        """Note that a submit was cut off before its answer: it may have arrived."""
        if self.state == "submit":
            self.lost = True
            self.doubt = self.last_error = TransportError("it was cut off before the answer came", sent="maybe")
            self.charged = charge_after(self.charged, "nothing", self.dialect.phase, left=True)

    def failed(self, error: VolcASRError, *, now: float, draw: float, resendable: bool = True) -> None:
        """Take a failure: plan the next request, or raise what is final, with the charge state.

        *resendable* is false when the audio was a stream of which a part has left: it cannot be sent once more.
        """
        self.spent = self.spent or not resendable
        self.learn(error)
        try:
            match self.state:
                case "submit":
                    self._submit_failed(error, now, draw)
                case "ask":
                    self._ask_failed(error, now, draw)
                case "wait":
                    self._wait_failed(error, now, draw)
        except VolcASRError as final:
            final.charged = self.charged_in_all
            raise

    def learn(self, error: VolcASRError) -> None:
        """Change the charge state by what a failed request proves, and state it on the error."""
        self.last_error = error
        self.rules.facts.count_page(error)
        if not isinstance(error, TransportError) or error.sent != "no":
            self.down_since = None
        evidence = evidence_of(error)
        phase = self.dialect.phase if self.state == "submit" else "query"
        self.charged = charge_after(self.charged, evidence, phase, left=self._has_left(error))
        self.ended = evidence == "ended"
        error.charged = self.charged_in_all

    # ---- submit ----

    def _submit_failed(self, error: VolcASRError, now: float, draw: float) -> None:
        evidence = evidence_of(error)
        if evidence in ("nothing", "accepted") and self._has_left(error):
            self._lost(error, now, draw)
        elif self.incomplete and isinstance(error, InvalidRequest):
            raise error  # it was refused by its head, and would be again
        elif evidence == "check" and self.dialect.can_ask:
            # The submit was refused for what it holds, or its id was accepted before: by an earlier submit whose answer
            # was lost, in an earlier run whose journal was lost, or by another call with the same request id.
            # A task that was accepted a moment ago may not be found at once.
            self._ask(error, now, draw, seconds=self.rules.retry.grace if self.lost else 0.0)
            self.charged = worse(self.charged, "maybe")
        elif not error.retryable or self.spent:
            if evidence == "check" and self.lost:
                self.charged = worse(self.charged, "maybe")
            raise error
        else:
            self._again(error, now, draw)

    def _has_left(self, error: VolcASRError) -> bool:
        return has_left(error) and not (self.incomplete and self.state == "submit")

    def _lost(self, error: VolcASRError, now: float, draw: float) -> None:
        """Decide about a submit that left, and whose answer was lost or says nothing about the task."""
        self.lost = True
        self.losses += 1
        if self.dialect.can_ask:
            self._ask(error, now, draw, seconds=self.rules.retry.grace)
            return
        if self.may_resend and error.retryable and not self.spent:
            self.doubt = error
            self._again(error, now, draw)
            return
        flash = self.dialect.phase == "flash"
        if not error.retryable or (flash and isinstance(error, ServerError) and error.code is not None):
            raise error  # the service's own words say more than that the outcome is unknown
        self._raise_uncertain(error, f"the {self._order().edition.name} edition has no way to check")

    def _ask(self, error: VolcASRError, now: float, draw: float, *, seconds: float) -> None:
        """Query before anything is sent again; *seconds* is for how long at least."""
        self.state, self.doubt, self.misses, self.asks = "ask", error, 0, 0
        self.missing_since, self.ask_for, self.endings, self.refusals = now, seconds, 0, 0
        self.failures += 1
        self.due = now + (self._pause(error, draw) if seconds else jittered(_CHECK_S, draw))

    # ---- ask ----

    def _ask_failed(self, error: VolcASRError, now: float, draw: float) -> None:
        if self.charged == "yes" and not self.ended and self.task is not None:
            # The answer could not be used, but it proves that the service has the task.
            self._found(replace(self.task, accepted=True), now)
            self._wait_failed(error, now, draw)
        elif isinstance(error, TaskNotFound):
            self.failures = 0
            if self._is_conclusive_miss(now, draw, patience=self.ask_for):
                self._not_accepted(error, now)
        else:
            self._query_failed(error, now, draw)

    def _not_accepted(self, error: TaskNotFound, now: float) -> None:
        """Decide about a submit that queries do not find."""
        doubt = self.doubt or error
        repeated = evidence_of(doubt) == "check"
        if self.rules.facts.own_task_ids and not self.is_unknown:
            self._unresolved(doubt, now, "the service gives tasks ids of its own, and this one is not known")
        elif self._is_expired:
            self._unresolved(doubt, now, "a result would have expired by now")
        elif repeated and self.lost:
            self._unresolved(doubt, now, "the service refuses the request id as repeated and does not find its task")
        elif not self.may_submit:
            self._unresolved(doubt, now, "the service does not know it with these credentials")
        else:
            self.charged = "no"
            if self.rules.facts.own_task_ids:
                self.charged_before = worse(self.charged_before, "maybe")  # it may be known under another id
            if self.spent or repeated or not doubt.retryable or self.losses >= self.rules.retry.attempts:
                # It was refused for what it holds, or lost every time: sending it again would change nothing.
                raise doubt
            self.state, self.misses, self.due = "submit", 0, now
            self.task, self.is_unknown = None, False

    def _unresolved(self, cause: VolcASRError, now: float, why: str) -> None:
        """Replace a task of which nobody can tell whether it was accepted, where that is permitted; else report it."""
        self.charged = worse(self.charged, "maybe")
        if self.rules.retry.pay_again and self._can_replace_task:
            self._replace_task(now)
        else:
            self._raise_uncertain(cause, why)

    def _raise_uncertain(self, cause: VolcASRError, why: str) -> Never:
        order = self._order()
        name = f"{order.job.name} (request id {order.request_id})"
        allow = "RetryPolicy(pay_again=True)"
        if not self.dialect.can_ask:
            allow = (
                "RetryPolicy(resend_flash=True)" if self.dialect.phase == "flash" else "RetryPolicy(resubmit_v1=True)"
            )
        error = SubmitUncertain(
            f"it is not known whether {name} was accepted and billed: {why}. The submit failed with: {cause}. {allow} submits "
            "it again, which may be charged again",
            job=order.job,
            task=self.presumed_task(at=self.at),
        )
        error.account_wide = cause.account_wide
        raise error from cause

    # ---- wait ----

    def _wait_failed(self, error: VolcASRError, now: float, draw: float) -> None:
        if not isinstance(error, TaskNotFound):
            self._query_failed(error, now, draw)
            return
        patience = 0.0 if self.was_missing or self._is_expired else _MISSING_GRACES * self.rules.retry.grace
        if not self._is_conclusive_miss(now, draw, patience=patience):
            return
        if self.rules.retry.pay_again and self._can_replace_task:
            self._replace_task(now)
        else:
            raise error

    # ---- ask and wait ----

    def _is_conclusive_miss(self, now: float, draw: float, *, patience: float) -> bool:
        """Count a "cannot find task", and plan the next query unless this one is conclusive.

        A task with an id of its own is also queried by its request id before that.
        """
        task = self.task
        self.endings = 0
        if task is not None and task.id != task.request_id and self.dialect.can_ask:
            self.by_request_id, self.asked_by_both = not self.by_request_id, not self.asked_by_both
            if self.asked_by_both:
                self.due = now
                return False
        if not self.misses and self.state == "wait":
            self.missing_since = now
        self.misses += 1
        until = self.missing_since + patience
        if self.misses >= _MISSES and now >= until:
            return True
        shortest = _CHECK_S if self.state == "ask" else self.rules.poll.shortest
        pause = jittered(shortest * 2.0 ** min(self.misses - 1, 16), draw)
        self.due = now + min(pause, self.longest_gap)
        if self.misses >= _MISSES:
            self.due = max(min(self.due, until), now)
        return False

    def _query_failed(self, error: VolcASRError, now: float, draw: float) -> None:
        """Decide about a query that brought neither result nor state."""
        if isinstance(error, ServiceError) and error.new_task:
            self._follow_ended_task(error, now)
        elif not error.retryable or (error.account_wide and self.state == "ask"):
            raise error
        elif self._is_checking and self._is_refused_again(error):
            raise self.doubt or error
        elif not self._is_suspected_end(error, now):
            self._read_again(error, now, draw)
        elif isinstance(error, RateLimited):
            raise error  # a quota type that nobody reported: another task would meet it too
        else:
            self._follow_ended_task(error, now)

    def _is_refused_again(self, error: VolcASRError) -> bool:
        """Return whether the service refuses the queries, again and again, as it refused the submit."""
        self.refusals = self.refusals + 1 if isinstance(error, InvalidRequest) and error.code is not None else 0
        return self.refusals >= self.rules.retry.attempts

    @property
    def _is_checking(self) -> bool:
        """Whether queries find out why a submit was refused; nothing was lost before it."""
        return self.state == "ask" and not self.ask_for

    def _is_suspected_end(self, error: VolcASRError, now: float) -> bool:
        """Count the answers that may mean a bad end; whether a later query can still succeed is unknown.

        They count for as long as `grace`: a service that is out of order for some seconds ends no task.
        """
        if not isinstance(error, ServiceError) or error.most_tries is None:
            return False
        if not self.endings:
            self.ending_since = now
        self.endings += 1
        return self.endings > error.most_tries and now - self.ending_since >= self.rules.retry.grace

    def _follow_ended_task(self, error: VolcASRError, now: float) -> None:
        """Submit a new task after one that ended badly, where the caller permits it: it may be charged again."""
        if not self._can_replace_task:
            error.retryable = False
            raise error
        self._replace_task(now)

    @property
    def _can_replace_task(self) -> bool:
        left = self.fresh < self.rules.retry.new_tasks
        return left and self.may_replace and self.order is not None and not self.spent

    def _replace_task(self, now: float) -> None:
        """Begin again under a new request id."""
        self.fresh += 1
        self.order = self._order().named(next_request_id(self._order().request_id))
        self.charged_before, self.charged = self.charged_in_all, "no"
        self.state, self.task, self.doubt = "submit", None, None
        self.failures = self.misses = self.endings = self.empty_answers = self.sends = self.losses = 0
        self.lost = self.ended = self.by_request_id = self.asked_by_both = self.was_missing = False
        self.seen_at = 0.0
        self.may_submit, self.is_unknown = True, False
        self.due = now

    # ---- arithmetic ----

    @property
    def _is_expired(self) -> bool:
        """Whether the service keeps no result of a task of this age: "cannot find task" then proves nothing."""
        sent_at = self.task.submitted_at if self.task is not None else self.sent_at
        edition = self.task.edition if self.task is not None else self._order().edition
        return bool(sent_at) and self.at - max(sent_at, self.seen_at) >= edition.keeps_s

    def _is_outage(self, error: VolcASRError, now: float) -> bool:
        """Return whether the network is down: no connection can be opened to a service that has answered before."""
        if not isinstance(error, TransportError) or error.sent != "no" or not self.rules.facts.reached:
            return False
        if self.down_since is None:
            self.down_since, self.down_tries = now, 0
        self.down_tries += 1
        return now - self.down_since < self.outage_s

    def _again(self, error: VolcASRError, now: float, draw: float) -> None:
        most = self.rules.retry.attempts
        if self._is_outage(error, now):
            self.due = now + retry_pause(self.rules.retry, failures=self.down_tries, draw=draw)
            return
        self.failures += not _only_pace(error)
        if isinstance(error, ServiceError) and error.most_tries is not None:
            most = min(most, error.most_tries + 1)
        if self.failures >= most:
            raise error
        self.due = now + self._pause(error, draw)

    def _read_again(self, error: VolcASRError, now: float, draw: float) -> None:
        """Reading costs nothing: it is tried again until the deadline, soon, and no later than a query would be due anyway.

        The result may lie there: under half failing questions, pauses that double would be most of a batch's last minutes.
        """
        self.failures += 1
        asked = error.retry_after_s if isinstance(error, ServiceError) else None
        soon = min(self._pause(error, draw), _READ_PAUSE_S)
        if not self.endings:  # what may have ended is in no hurry
            soon = min(soon, self._gap(now, draw))
        self.due = now + max(soon, asked or 0.0)

    def _pause(self, error: VolcASRError, draw: float) -> float:
        asked = error.retry_after_s if isinstance(error, ServiceError) else None
        # Where only the pace was refused, the budget slows everybody down: the job itself need not wait longer each time.
        failures = 1 if _only_pace(error) else self.failures
        return retry_pause(self.rules.retry, failures=failures, draw=draw, asked=asked)

    @property
    def longest_gap(self) -> float:
        """For how long the task may stay unasked at most, in seconds."""
        if self.rules.poll.longest is not None:
            return self.rules.poll.longest
        return self.task.edition.longest_gap_s if self.task is not None else 30.0

    def _gap(self, now: float, draw: float) -> float:
        return poll_gap(self.rules.poll, age=now - self.since, longest=self.longest_gap, draw=draw)

    def _order(self) -> Order:
        if self.order is None:
            msg = "only a job with an order is submitted"
            raise RuntimeError(msg)
        return self.order


def _only_pace(error: VolcASRError) -> bool:
    """Tell whether only the pace was refused: the budget's affair and no failure of the job.

    A quota type that nobody reported has a bounded number of tries, so it does count.
    """
    return isinstance(error, RateLimited | ServerBusy) and error.most_tries is None
