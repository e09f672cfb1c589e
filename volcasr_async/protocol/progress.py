"""The life of one job, as decisions: what to send next, and when; what an answer or a failure changes.

    submit --accepted--> wait --> transcript
      |  ^                ^
    lost |not found       | found
      v  |                |
      ask ----------------+

- *submit*: the job is sent. A refusal that may pass is repeated with the same id.
- *ask*: the answer to a submit was lost. It is billed when it arrived, so the service is asked about the id before
  anything is sent again; "cannot find task" a few times in a row brings the same id back to *submit*.
- *wait*: the task was accepted and is asked about until it ends.

Both waiting rooms, a single call and a batch, turn on this; neither decides anything of its own. The clock and the dice
are arguments.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from volcasr_async.errors import (
    InvalidRequest,
    RateLimited,
    ReplyError,
    ServerBusy,
    ServerError,
    ServiceError,
    SubmitUncertain,
    TaskNotFound,
    TransportError,
    VolcASRError,
)
from volcasr_async.job import Order
from volcasr_async.models import Pending, Task
from volcasr_async.policies import PollPolicy, RetryPolicy
from volcasr_async.protocol.messages import Call, Dialect, Reply, Step
from volcasr_async.protocol.timing import jittered, poll_gap, retry_pause

State = Literal["submit", "ask", "wait"]

_READ_PAUSE_S = 5.0
_MISSES = 3
"""How many "cannot find task" in a row say that a task is not there: one report saw it for a moment after a submit."""


class Rules(Struct, frozen=True):
    """The caller's policies, shared by all jobs of a client."""

    retry: RetryPolicy
    poll: PollPolicy


class Progress(Struct):
    """Where one job stands. `due` is the moment of its next request, on the clock that the caller uses for `now`."""

    dialect: Dialect
    rules: Rules
    order: Order | None = None
    task: Task | None = None
    state: State = "submit"
    due: float = 0.0
    since: float = 0.0
    failures: int = 0
    misses: int = 0
    endings: int = 0
    ending_since: float = 0.0
    sends: int = 0
    fresh: int = 0
    asks: int = 0
    spent: bool = False
    doubt: VolcASRError | None = None

    # ---- what to do ----

    @property
    def kind(self) -> Literal["submit", "query"]:
        """Which of the two shares of the budget the next request takes."""
        return "submit" if self.state == "submit" else "query"

    def call(self, *, at: float) -> Call:
        """Say what to send now; *at* is in seconds since 1970."""
        if self.state == "submit" and self.order is not None:
            self.sends += 1
            return self.dialect.open(self.order)
        if self.task is None and self.order is not None:
            self.task = self.dialect.claim(self.order, at=at)
        if self.task is None:
            msg = "there is no task to ask about"
            raise RuntimeError(msg)
        self.asks += 1
        return self.dialect.follow(self.task)

    def read(self, reply: Reply, *, at: float) -> Step:
        """Understand the answer to the last `call`; raises what it refused."""
        if self.state == "submit" and self.order is not None:
            return self.dialect.read_open(self.order, reply, at=at)
        if self.task is None:
            msg = "there is no task that was asked about"
            raise RuntimeError(msg)
        return self.dialect.read_follow(self.task, reply)

    # ---- what it changed ----

    def went_on(self, step: Pending, *, now: float, draw: float) -> None:
        """Take the news that the task is not finished."""
        self.task = step.task
        self.failures = self.misses = self.endings = 0
        self.doubt = None
        if self.state != "wait":
            self.state, self.since, self.asks = "wait", now, 0
            self.due = now + jittered(self.rules.poll.first, draw)
        else:
            self.due = now + self._gap(now, draw)

    def failed(self, error: VolcASRError, *, now: float, draw: float, resendable: bool = True) -> None:
        """Take a failure: plan the next request, or raise what is final.

        *resendable* is false when the audio was a stream of which a part has left: it cannot be sent once more.
        """
        self.spent = self.spent or not resendable
        match self.state:
            case "submit":
                self._submit_failed(error, now, draw)
            case "ask":
                self._ask_failed(error, now, draw)
            case "wait":
                self._wait_failed(error, now, draw)

    # ---- submit ----

    def _submit_failed(self, error: VolcASRError, now: float, draw: float) -> None:
        if _settles_nothing(error):
            self._lost(error, now, draw)
        elif isinstance(error, InvalidRequest) and error.maybe_repeated and self.doubt and self.dialect.can_ask:
            # 45000001 after a doubtful try means that the try was taken (doc 1354868): ask before failing, and be patient
            # from now on, for as after any submit it may not be found for a moment.
            self.since = now
            self._ask(error, now, draw)
        elif not error.retryable or self.spent or self._was_flash_failure(error):
            raise error
        else:
            if isinstance(error, ServiceError) and not _only_pace(error):
                self.doubt = error  # a 550xxxxx submit may live on inside
            self._again(error, now, draw)

    def _was_flash_failure(self, error: VolcASRError) -> bool:
        """A flash call that failed inside may have been billed: not sent again unasked."""
        unasked = self.dialect.phase == "flash" and not self.rules.retry.resend_flash
        return unasked and isinstance(error, ServerError)

    def _lost(self, error: VolcASRError, now: float, draw: float) -> None:
        """Decide about a submit whose answer was lost, or that a broken reply does not settle."""
        order, retry = self._order(), self.rules.retry
        if self.dialect.can_ask:
            self._ask(error, now, draw)
            return
        allowed = retry.resend_flash if self.dialect.phase == "flash" else retry.resubmit_v1
        half_sent = isinstance(error, TransportError) and error.sent == "maybe" and self.dialect.phase == "flash"
        if half_sent and self.spent:
            raise error  # half a body cannot have been billed, but the stream cannot be sent once more
        if not self.spent and (allowed or half_sent):
            if not half_sent:
                self.doubt = error  # until the next answer; should the caller stop before that, it stays so
            self._again(error, now, draw)
            return
        how = "RetryPolicy(resend_flash=True)" if self.dialect.phase == "flash" else "RetryPolicy(resubmit_v1=True)"
        raise SubmitUncertain(
            f"the answer to {order.job.name} (request id {order.request_id}) was lost, it may have been recognised and "
            f"billed, and the {order.edition.name} edition has no way to ask: {error}. {how} sends it again",
            job=order.job,
        ) from error

    def _ask(self, error: VolcASRError, now: float, draw: float) -> None:
        self.state, self.doubt, self.misses = "ask", error, 0
        self.failures += 1
        self.due = now + self._pause(error, draw)

    # ---- ask ----

    def _ask_failed(self, error: VolcASRError, now: float, draw: float) -> None:
        if isinstance(error, TaskNotFound):
            self.misses += 1
            self.failures = 0
            if self.misses < _MISSES:
                self.due = now + jittered(self.rules.poll.shortest * self.misses, draw)
                return
            doubt = self.doubt
            if isinstance(doubt, InvalidRequest) and now - self.since <= self.rules.retry.grace:
                # Refused as a repetition, so it is there: as after any submit, it may not be found for a moment.
                self.due = now + self._gap(now, draw)
                return
            if self.spent or isinstance(doubt, InvalidRequest) or self.sends >= self.rules.retry.attempts:
                # It was refused for what it holds, or lost every time: sending it again would change nothing.
                raise doubt or error
            self.state, self.misses, self.due = "submit", 0, now
            self.task = None
        elif isinstance(error, ServiceError) and error.new_task:
            self._anew(error, now)
        else:
            self._unread(error, now, draw)

    # ---- wait ----

    def _wait_failed(self, error: VolcASRError, now: float, draw: float) -> None:
        if isinstance(error, TaskNotFound):
            self.misses += 1
            if self.misses >= _MISSES and now - self.since > self.rules.retry.grace:
                raise error
            self.due = now + self._gap(now, draw)
        elif isinstance(error, ServiceError) and error.new_task:
            self._anew(error, now)
        else:
            self._unread(error, now, draw)

    def _unread(self, error: VolcASRError, now: float, draw: float) -> None:
        """Decide about a question that brought neither result nor state."""
        if not error.retryable:
            raise error
        if not self._ended(error, now):
            self._read_again(error, now, draw)
            return
        if isinstance(error, RateLimited):
            raise error  # a quota type that nobody reported: another task would meet it too
        self._anew(error, now)

    def _ended(self, error: VolcASRError, now: float) -> bool:
        """Count the answers that may mean a bad end; whether a later query can still succeed is unknown.

        They count for as long as "cannot find task" may: a service that is out of order for some seconds ends no task.
        """
        if not isinstance(error, ServiceError) or error.most_tries is None:
            return False
        if not self.endings:
            self.ending_since = now
        self.endings += 1
        return self.endings > error.most_tries and now - self.ending_since >= self.rules.retry.grace

    def _anew(self, error: VolcASRError, now: float) -> None:
        """Follow a task that ended badly by a fresh one, where the caller allows it: it may be charged again."""
        if self.order is None or self.spent or self.fresh >= self.rules.retry.new_tasks:
            error.retryable = False
            raise error
        self.fresh += 1
        # A name made from the last one: the same after a crash, so that it is not sent twice.
        name = str(uuid5(UUID(self.order.request_id), "fresh"))
        self.order = replace(self.order, request_id=name)
        self.state, self.task, self.doubt = "submit", None, None
        self.failures = self.misses = self.endings = self.sends = 0
        self.due = now

    # ---- arithmetic ----

    def _again(self, error: VolcASRError, now: float, draw: float) -> None:
        self.failures += not _only_pace(error)
        most = self.rules.retry.attempts
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


def _settles_nothing(error: VolcASRError) -> bool:
    """Tell whether a submit may have been taken although the answer does not say so."""
    if isinstance(error, TransportError):
        return error.sent != "no"
    return isinstance(error, ReplyError) or (isinstance(error, ServiceError) and error.unsettled)


def _only_pace(error: VolcASRError) -> bool:
    """Tell whether only the pace was refused: the budget's affair and no failure of the job.

    A quota type that nobody reported has a bounded number of tries, so it does count.
    """
    return isinstance(error, RateLimited | ServerBusy) and error.most_tries is None
