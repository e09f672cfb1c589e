"""The reader of a batch: takes the list as far as the window has places, and asks the journal about each key."""

from __future__ import annotations

import time
from collections.abc import Iterator

import anyio.lowlevel

from volcasr_async._clock import now
from volcasr_async.batch.engine import Engine
from volcasr_async.batch.feed import Feed, Item, is_nameless, job_of, key_of, stand_in
from volcasr_async.batch.flight import Flight, as_failure
from volcasr_async.batch.resume import Decision, Situation, decide, fingerprint_of, situation_of
from volcasr_async.errors import InputError, SubmitUncertain, VolcASRError
from volcasr_async.job import Job, Order, next_request_id
from volcasr_async.journal import Entry
from volcasr_async.models import Task
from volcasr_async.outcomes import Done, Failed
from volcasr_async.protocol.charge import worse
from volcasr_async.protocol.progress import Progress
from volcasr_async.sources import AudioFile, AudioUrl

_CHUNK = 500
_EXAMPLE = "https://example.com/a.wav"


class Intake:
    """Enlists what is new with the engine."""

    def __init__(self, engine: Engine, feed: Feed, *, window: int, redo: bool, replay: bool) -> None:
        self._engine, self._feed = engine, feed
        self._window, self._redo, self._replay = window, redo, replay
        self._usual: str | None = None
        self.read: int = 0
        self.skipped: int = 0

    async def run(self) -> None:
        """Read to the end of the input, or until the batch is stopped."""
        engine = self._engine
        self._usual = self._usual_fingerprint()
        while engine.reads_more:
            free = self._window - engine.open
            if free <= 0:
                await engine.places_free.wait()
                continue
            items = await self._feed.chunk(min(free, _CHUNK))
            if not items:
                break
            await self._place(items)
            await anyio.lowlevel.checkpoint()
        engine.end_of_input()

    async def _place(self, items: list[Item]) -> None:
        """Take these in; a key is taken before it is looked up, so that nobody else works on it meanwhile."""
        keyed = list(self._unseen(items))
        known = await self._engine.recorder.look_up([key for key, _ in keyed], all_tasks=self._replay or self._redo)
        for key, item in keyed:
            self.read += 1
            entry = known.get(key)
            if entry is not None and self._is_settled(entry, item):
                self.skipped += 1
                self._engine.flying.discard(key)
            else:
                await self._one(key, item, entry)

    def _unseen(self, items: list[Item]) -> Iterator[tuple[str, Item]]:
        """Name the items; what is under way and stands in the list twice is left out where there is a journal."""
        flying = self._engine.flying
        for item in items:
            key = key_of(item)
            if self._engine.recorder.records and not is_nameless(item):
                if key in flying:
                    self.read += 1
                    self.skipped += 1
                    continue
                flying.add(key)
            yield key, item

    def _is_settled(self, entry: Entry, item: Item) -> bool:
        """The quick way through a long list that was done before."""
        usual = isinstance(item, str) and entry.fingerprint == self._usual
        return usual and entry.state == "done" and entry.delivered and not (self._redo or self._replay)

    async def _one(self, key: str, item: Item, entry: Entry | None) -> None:
        """Begin with one; bad input is its outcome, and changes nothing of what the journal says."""
        engine = self._engine
        engine.open += 1
        flight = Flight(stand_in(item, key), key)
        try:
            flight.job = job_of(item)
            await self._follow(flight, entry, item)
        except Exception as error:
            if isinstance(error, VolcASRError) and error.account_wide:
                raise
            failure = as_failure(key, error)
            if entry is not None:
                failure.charged = worse(failure.charged, entry.charged)
            await engine.bring(flight, Failed(flight.job, failure))

    async def _follow(self, flight: Flight, entry: Entry | None, item: Item) -> None:
        """Find out what an earlier run left to be done, and do it."""
        engine = self._engine
        order = self._order(flight, entry, item)
        if order is None or (entry is None and not self._is_behind(order)):
            engine.enlist(flight)
            return
        known = entry or self._unknown(flight)
        _check_path(flight, known, redo=self._redo)
        order = order.named(known.request_id)
        decision = decide(self._situation(flight, entry, order))
        if decision.action == "skip" and self._replay:
            flight.is_replayed, decision = True, Decision("deliver")
        await self._carry_out(decision, flight, known, order)

    async def _carry_out(self, decision: Decision, flight: Flight, known: Entry, order: Order) -> None:
        engine = self._engine
        flight.attempt = known.attempt + (decision.action in ("submit again", "verify again"))
        flight.account = known.account
        match decision.action:
            case "skip":
                self.skipped += 1
                engine.taken()
                engine.settled(flight)
            case "submit":
                flight.request_id, flight.denied_task = known.request_id, known.task
                engine.enlist(flight)
            case "submit again":
                flight.before, flight.request_id = known, next_request_id(known.request_id)
                engine.enlist(flight)
            case "deliver":
                await self._deliver(flight, known, order)
            case "wait" if known.task is not None:
                self._wait(flight, known.task, order, decision)
                flight.under_way.was_missing = known.state == "missing"
            case "verify" | "wait":
                self._verify(flight, known, order, decision)
            case "verify again":
                flight.before, flight.request_id = known, next_request_id(known.request_id)
                self._verify(flight, self._unknown(flight), order.named(flight.request_id), decision)
            case "refuse changed":
                raise InputError(
                    f"{flight.key} was sent with other options or another edition in an earlier run of this journal; ask "
                    "for it as before, or redo it (redo=True, --redo), which is charged again"
                )
            case "report uncertain":
                await self._report_uncertain(flight, known, order)

    async def _report_uncertain(self, flight: Flight, known: Entry, order: Order) -> None:
        engine, before = self._engine, known.before
        if before is not None and before.state == "done":
            # A redo that was cut off, and about which nothing can be learned: the first transcript is there.
            engine.recorder.restored(flight, before, None)
            await self._carry_out(decide(self._situation(flight, before, order)), flight, before, order)
            return
        self._begin(flight, known, order).charged = "maybe"
        await engine.fail(flight, _uncertain(flight, is_behind=self._is_behind(order)))

    def _unknown(self, flight: Flight) -> Entry:
        """Return the row of a key that the journal has lost, or never had."""
        request_id = self._engine.recorder.request_id(flight)
        return Entry(flight.key, "planned", 0, request_id, flight.fingerprint, None, delivered=False)

    def _situation(self, flight: Flight, entry: Entry | None, order: Order) -> Situation:
        engine, progress = self._engine, self._engine.session.begin(order)
        return situation_of(
            entry,
            at=time.time(),
            keeps_s=order.edition.keeps_s,
            fingerprint=flight.fingerprint,
            account=engine.recorder.account,
            can_query=progress.dialect.can_ask,
            permitted=progress.may_resend,
            redo=self._redo,
            is_behind=self._is_behind(order),
            several_accounts=engine.recorder.condition.other_account,
        )

    async def _deliver(self, flight: Flight, entry: Entry, order: Order) -> None:
        """Return what an earlier run left; where the file has lost it, the service may still have it."""
        kept = await self._engine.recorder.transcript(entry)
        if kept is not None:
            await self._engine.bring(flight, Done(flight.job, kept))
        elif entry.task is not None and not flight.is_replayed:  # a replay sends nothing
            self._wait(flight, entry.task, order, Decision("wait"))
        else:
            raise InputError(
                f"the journal says that {flight.key} is done and holds no transcript of it; redo it (redo=True, --redo), "
                "which is charged again"
            )

    def _verify(self, flight: Flight, known: Entry, order: Order, decision: Decision) -> None:
        progress = self._begin(flight, known, order)
        grace, is_unknown = progress.rules.retry.grace, known.charged == "no"
        progress.verify(known.task, now=now(), may_submit=decision.may_submit, seconds=grace, is_unknown=is_unknown)
        progress.may_replace = decision.may_replace
        self._engine.put(flight, progress)

    def _begin(self, flight: Flight, known: Entry, order: Order) -> Progress:
        """Take up a row whose present task may have been accepted."""
        flight.before = known.before or flight.before
        flight.begin(self._engine.session.begin(order))
        if known.charged == "yes":
            flight.under_way.charged_before = "yes"
        return flight.under_way

    def _wait(self, flight: Flight, task: Task, order: Order, decision: Decision) -> None:
        flight.progress = self._engine.session.follow(task, order)
        flight.progress.charged = "yes"  # so says the journal
        flight.progress.may_replace = decision.may_replace
        self._engine.put(flight, flight.progress)

    def _order(self, flight: Flight, entry: Entry | None, item: Item) -> Order | None:
        """Make the order where something depends on it now: what an earlier run left, or the journal's fingerprint."""
        if not self._engine.recorder.records:
            return None
        if is_nameless(item):
            raise InputError("a journal finds a recording by its key: give this one a key, Job(source, key=...)")
        if isinstance(item, str) and self._usual is not None:
            flight.fingerprint = self._usual
            condition = self._engine.recorder.condition
            if entry is None and not (condition.is_behind or condition.was_behind):
                return None
        order = self._engine.session.order(flight.job)
        flight.fingerprint = fingerprint_of(order)
        if flight.job.key is None and isinstance(order.source, AudioFile):
            flight.path = str(order.source.path.absolute()).encode(errors="backslashreplace").decode()
        return order

    def _is_behind(self, order: Order) -> bool:
        """Return whether an unknown recording may have been sent; where nothing can be queried, that never ends."""
        condition = self._engine.recorder.condition
        return condition.is_behind or (condition.was_behind and not self._engine.session.begin(order).dialect.can_ask)

    def _usual_fingerprint(self) -> str | None:
        """What a plain link is asked with: the same for a whole list of them."""
        try:
            return fingerprint_of(self._engine.session.order(Job(AudioUrl(_EXAMPLE))))
        except InputError:
            return None


def _check_path(flight: Flight, entry: Entry, *, redo: bool) -> None:
    """Refuse a file that has the relative path of another one: it was not transcribed yet."""
    if redo or None in (flight.path, entry.path) or flight.path == entry.path:
        return
    raise InputError(
        f"the journal knows {flight.key} as {entry.path}, and here it is {flight.path}: run the batch in the folder of the "
        "first run, give absolute paths, name the recording with Job(source, key=...), or redo it (redo=True, --redo)"
    )


def _uncertain(flight: Flight, *, is_behind: bool) -> SubmitUncertain:
    why = (
        "the journal is older than what was sent, and this recording may have been sent"
        if is_behind
        else "an earlier run sent it and ended before the answer came"
    )
    return SubmitUncertain(
        f"it is not known whether {flight.key} was accepted and billed: {why}. This edition has no way to check. Submitting it "
        "again may be charged again: permit it with RetryPolicy(pay_again=True)",
        job=flight.job,
    )
