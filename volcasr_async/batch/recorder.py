"""What the journal is told, and what it says; without a journal, nothing."""

from __future__ import annotations

import time

import msgspec
from msgspec.structs import replace

from volcasr_async.batch.flight import Flight
from volcasr_async.errors import (
    BudgetFull,
    Charged,
    ReplyError,
    SubmitUncertain,
    TaskNotFound,
    TransportError,
    VolcASRError,
    WaitTimeout,
)
from volcasr_async.journal import Change, Condition, Entry, Journal, KeepsTasks, State, request_id_of
from volcasr_async.models import Task, Transcript
from volcasr_async.protocol.charge import evidence_of, worse
from volcasr_async.protocol.progress import Progress
from volcasr_async.protocol.results import transcript_of


class Recorder:
    """Keeps the journal true."""

    def __init__(self, journal: Journal | None, condition: Condition = Condition(), account: str = "") -> None:  # noqa: B008 - a frozen value
        self._journal = journal
        self.condition: Condition = condition
        self.account: str = account

    @property
    def records(self) -> bool:
        """Whether there is a journal at all."""
        return self._journal is not None

    async def look_up(self, keys: list[str], *, all_tasks: bool = False) -> dict[str, Entry]:
        """Return the rows of these keys, with the changes that were just noted.

        *all_tasks* includes the tasks of delivered results, for a replay or a redo.
        """
        if self._journal is None or not keys:
            return {}
        await self._journal.settle()
        if all_tasks and isinstance(self._journal, KeepsTasks):
            return await self._journal.look_up_with_tasks(keys)
        return await self._journal.look_up(keys)

    async def transcript(self, entry: Entry) -> Transcript | None:
        """Return a transcript that an earlier run left; `None` where it was lost."""
        kept = await self._journal.transcript(entry.key) if self._journal is not None else None
        if kept is None:
            return None
        raw, log_id, silent = kept
        try:
            return transcript_of(raw, log_id=log_id, silent=silent, task=entry.task)
        except (ReplyError, ValueError):
            return None

    def request_id(self, flight: Flight) -> str:
        """Return the request id: that of an earlier run, else one made from the journal's id, else the job's."""
        if self._journal is None:
            return flight.job.request_id
        return flight.request_id or request_id_of(self._journal.id, flight.key, flight.attempt)

    def planned(self, flight: Flight) -> None:
        """Note that nothing was sent, or that every submit was refused."""
        self._not_charged(flight, "planned")

    def left(self, flight: Flight) -> None:
        """Note that nothing was sent, where that is so; what may be charged stays as it is.

        "sent" stays also where a submit has left that queries did not find: the next run asks once more.
        """
        if flight.progress is None or (flight.progress.charged == "no" and not flight.progress.lost):
            self.planned(flight)

    def sent(self, flight: Flight) -> None:
        """Note that it may be sent from now on, and which task it has if it arrives."""
        progress = flight.under_way
        order, flight.account = progress.order, None
        task = progress.dialect.claim(order, at=time.time()) if order is not None else None
        self._note(flight, "sent", worse("maybe", progress.charged_before), task=task)

    def replaced(self, flight: Flight, request_id: str, task: Task | None, error: VolcASRError) -> None:
        """Keep what is known of the task that a new one is to replace, until that is accepted."""
        state: State = "uncertain"
        if evidence_of(error) == "ended":
            state = "failed"
        elif task is not None and task.accepted:
            state = "missing" if isinstance(error, TaskNotFound) else "accepted"
        flight.before = Entry(
            key=flight.key,
            state=state,
            attempt=flight.attempt,
            request_id=request_id,
            fingerprint=flight.fingerprint,
            task=task,
            delivered=False,
            charged=flight.under_way.charged_before,
            updated_at=time.time(),
            account=flight.account or self.account or None,
            path=flight.path,
            before=flight.before,
        )
        flight.attempt += 1

    def accepted(self, flight: Flight, task: Task) -> None:
        """Note that the service has it."""
        flight.before = None
        self._note(flight, "accepted", "yes", task=task)

    def done(self, flight: Flight, transcript: Transcript) -> None:
        """Note its result."""
        self._note(flight, "done", "yes", task=transcript.task, transcript=transcript)

    def failed(self, flight: Flight, error: VolcASRError) -> None:
        """Note how it ended without a result: in the state that its charge state and its end ask for."""
        progress = flight.progress
        state: State = "failed" if progress is None else state_after(progress, error)
        if progress is None or progress.charged == "no":
            self._not_charged(flight, state, error=error)
        else:
            task = progress.presumed_task(at=time.time())
            self._note(flight, state, progress.charged_in_all, error=error, task=task)

    def _not_charged(self, flight: Flight, state: State, *, error: VolcASRError | None = None) -> None:
        """Note that this task is not charged, and keep what is known of the task that it was to replace.

        Otherwise the next run would submit without permission a recording that was charged before.
        """
        progress, before = flight.progress, flight.before
        if before is not None:
            self.restored(flight, before, error)
        elif progress is not None and progress.charged_before != "no":
            self._note(flight, "uncertain", progress.charged_before, error=error)
        else:
            # The task that was denied: if the service calls its id repeated in a later run, it had accepted it after all.
            denied = progress.lost_task(at=time.time()) if progress is not None else None
            self._note(flight, state, "no", error=None if state == "planned" else error, task=denied)

    def restored(self, flight: Flight, before: Entry, error: VolcASRError | None) -> None:
        """Note that the row is again what it was before its present task."""
        if self._journal is None:
            return
        change = Change(
            key=before.key,
            state=before.state,
            edition=msgspec.json.encode(before.task.edition).decode() if before.task is not None else "null",
            attempt=before.attempt,
            request_id=before.request_id,
            fingerprint=before.fingerprint,
            charged=before.charged,
            account=before.account,
            path=before.path,
            task=before.task,
            error=error,
            before=before.before,
        )
        self._journal.note(change)
        if before.delivered:
            self._journal.delivered(flight.key)

    def own_task_ids(self) -> None:
        """Note that the service gives tasks ids of its own."""
        if self._journal is not None:
            self._journal.note_own_task_ids()

    def delivered(self, key: str) -> None:
        """The caller has taken care of the outcome."""
        if self._journal is not None:
            self._journal.delivered(key)

    async def settle(self) -> None:
        """Return when what was told is safely written."""
        if self._journal is not None:
            await self._journal.settle()

    def _note(
        self,
        flight: Flight,
        state: State,
        charged: Charged,
        *,
        task: Task | None = None,
        error: Exception | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        if self._journal is None:
            return
        progress = flight.progress
        order = (progress.order or progress.task) if progress is not None else None
        if task is not None and charged == "yes" and state != "sent" and not task.accepted:
            task = replace(task, accepted=True)
        change = Change(
            key=flight.key,
            state=state,
            edition=msgspec.json.encode(order.edition).decode() if order is not None else "null",
            attempt=flight.attempt,
            request_id=order.request_id if order is not None else self.request_id(flight),
            fingerprint=flight.fingerprint,
            charged=charged,
            account=flight.account or self.account,
            path=flight.path,
            task=task,
            error=error,
            transcript=transcript,
            before=flight.before if state in ("sent", "uncertain") else None,
        )
        self._journal.note(change)


def state_after(progress: Progress, error: VolcASRError) -> State:
    """Return the state of a job that ended without a result."""
    match progress.charged:
        case "no":
            # Neither the recording nor the request was at fault: the next run submits it.
            passing = isinstance(error, WaitTimeout | TransportError | BudgetFull)
            return "planned" if passing else "failed"
        case "maybe":
            can_query = progress.dialect.can_ask and not isinstance(error, SubmitUncertain)
            return "sent" if can_query else "uncertain"
        case _:
            if progress.ended:
                return "failed"
            return "missing" if isinstance(error, TaskNotFound) else "accepted"
