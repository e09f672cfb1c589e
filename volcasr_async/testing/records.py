"""What a simulator remembers for the test that uses it: tasks, charges, violations, uploads, callbacks, deliveries."""

from collections import deque
from dataclasses import dataclass
from typing import Self

from volcasr_async.testing.tasks import Task


@dataclass(frozen=True, slots=True)
class SimulatedTask:
    """An accepted task as it is when somebody looks.

    `state` is "queued", "running", "done" or "gone" (forgotten); `ending` is how it ends, "" for a result with text, or one
    of the kinds of faults. `request_id` is that of its submit, "" on v1. `source` is as in `Charge`.
    """

    id: str
    request_id: str
    edition: str
    source: str
    state: str
    ending: str
    audio_ms: int

    @classmethod
    def of(cls, task: Task, now: float) -> Self:
        """Look at a task. One that cannot be found yet is queued."""
        state = task.state(now)
        shown = "queued" if state == "unseen" else state
        return cls(task.id, task.request_id, task.edition, task.source, shown, task.ending, task.duration_ms)


@dataclass(frozen=True, slots=True)
class Charge:
    """One thing that would be billed. `source` is the URL without its query part, or `sha256:` and the hash of the audio."""

    edition: str
    task_id: str
    request_id: str
    source: str
    audio_ms: int
    resource_id: str


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that a client sent against the documents, served or not."""

    request_id: str
    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Upload:
    """Inline audio of an accepted request: what arrived after decoding, and the length of the whole body."""

    request_id: str
    edition: str
    size: int
    sha256: str
    content_length: int | None
    received: int


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback that an accepted task asked for; it is sent within `Simulator.send_callbacks`, and else only recorded."""

    task_id: str
    edition: str
    url: str
    data: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One callback that was sent, at that time of the event loop's clock, to that URL.

    `kind` is "callback", or the fault that sent it. `status` is how it was answered (None: not at all, or not within 10 s).
    """

    task_id: str
    kind: str
    url: str
    at: float
    status: int | None


class Window:
    """Counts events within a sliding window of time; an event exactly one window old is out."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._events: deque[tuple[float, float]] = deque()
        self.total: float = 0.0

    def __len__(self) -> int:
        return len(self._events)

    def expire(self, now: float) -> None:
        """Forget what has left the window; the microsecond forgives rounding in sums of times."""
        while self._events and self._events[0][0] <= now - self._seconds + 1e-6:
            self.total -= self._events.popleft()[1]

    def add(self, now: float, weight: float = 1.0) -> None:
        """Count an event."""
        self._events.append((now, weight))
        self.total += weight
