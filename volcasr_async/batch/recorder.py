"""What the journal is told, and what it says; without a journal, nothing."""

from __future__ import annotations

import msgspec

from volcasr_async.batch.flight import Flight
from volcasr_async.errors import ReplyError, SubmitUncertain, TransportError, VolcASRError, WaitTimeout
from volcasr_async.journal import Change, Entry, Journal, State, request_id_of
from volcasr_async.models import Task, Transcript
from volcasr_async.protocol.results import transcript_of


class Recorder:
    """Keeps the journal true."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal

    @property
    def records(self) -> bool:
        """Whether there is a journal at all."""
        return self._journal is not None

    async def look_up(self, keys: list[str]) -> dict[str, Entry]:
        """Tell what is known of these keys, what was told just now included."""
        if self._journal is None or not keys:
            return {}
        await self._journal.settle()
        return await self._journal.look_up(keys)

    async def transcript(self, entry: Entry) -> Transcript | None:
        """Bring a transcript that an earlier run left; `None` where it was lost."""
        kept = await self._journal.transcript(entry.key) if self._journal is not None else None
        if kept is None:
            return None
        raw, log_id, silent = kept
        try:
            return transcript_of(raw, log_id=log_id, silent=silent, task=entry.task)
        except (ReplyError, ValueError):
            return None

    def request_id(self, flight: Flight) -> str:
        """Name the task of a deliberate attempt: derived where there is a journal, else as the job says."""
        if self._journal is None:
            return flight.job.request_id
        return flight.request_id or request_id_of(self._journal.id, flight.key, flight.attempt)

    def planned(self, flight: Flight) -> None:
        """Nothing was sent."""
        self._note(flight, "planned")

    def left(self, flight: Flight) -> None:
        """It stays as it is; of a submit that was never taken, nothing was sent."""
        progress = flight.progress
        if progress is None or (progress.kind == "submit" and progress.doubt is None):
            self.planned(flight)

    def sent(self, flight: Flight) -> None:
        """It may be sent from now on."""
        self._note(flight, "sent")

    def accepted(self, flight: Flight, task: Task) -> None:
        """The service has it."""
        self._note(flight, "accepted", task=task)

    def done(self, flight: Flight, transcript: Transcript) -> None:
        """Its result is here."""
        self._note(flight, "done", task=transcript.task, transcript=transcript)

    def failed(self, flight: Flight, error: VolcASRError) -> None:
        """It ended without; what may still go on at the service stays as it is."""
        if isinstance(error, WaitTimeout) or (isinstance(error, TransportError) and error.sent == "no"):
            self.left(flight)
            return
        state: State = "uncertain" if isinstance(error, SubmitUncertain) or _unresolved(flight) else "failed"
        self._note(flight, state, error=error, task=flight.progress.task if flight.progress else None)

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
        *,
        task: Task | None = None,
        error: Exception | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        if self._journal is None:
            return
        progress = flight.progress
        order = (progress.order or progress.task) if progress is not None else None
        change = Change(
            key=flight.key,
            state=state,
            edition=msgspec.json.encode(order.edition).decode() if order is not None else "null",
            attempt=flight.attempt,
            request_id=order.request_id if order is not None else self.request_id(flight),
            fingerprint=flight.fingerprint,
            task=task,
            error=error,
            transcript=transcript,
        )
        self._journal.note(change)


def _unresolved(flight: Flight) -> bool:
    """Tell whether an answer was lost that nobody can ask about, so that another try may be charged again."""
    progress = flight.progress
    if progress is None or progress.kind != "submit" or not isinstance(progress.doubt, TransportError | ReplyError):
        return False
    return not progress.dialect.can_ask
