"""A task and its state, which is computed from the clock: nothing runs in the background."""

from dataclasses import dataclass
from typing import Literal

from volcasr_async.testing.text import Wishes

State = Literal["unseen", "queued", "running", "done", "gone"]


@dataclass(slots=True, kw_only=True)
class Task:
    """An accepted task; times in seconds on the simulator's clock."""

    id: str
    request_id: str  # of its submit; empty on v1
    edition: str
    account: str
    source: str
    resource: str
    duration_ms: int
    wishes: Wishes
    ending: str
    submitted: float
    lag: float
    queue: float
    processing: float
    retention: float
    silent_query: bool = False  # v1 with a callback and without enable_query: querying is refused (doc 80820, 2024-08)
    forgotten: bool = False  # by a fault: the service knows neither the task nor its request id any more

    @property
    def ends_at(self) -> float:
        """When it is done; infinite: never."""
        return float("inf") if self.ending == "never" else self.submitted + self.queue + self.processing

    def state(self, now: float) -> State:
        """Where the task is at that time."""
        if self.forgotten:
            return "gone"
        age = now - self.submitted + 1e-9
        if age < self.lag:
            return "unseen"
        if age < self.queue:
            return "queued"
        if self.ending == "never" or age < self.queue + self.processing:
            return "running"
        return "done" if age < self.queue + self.processing + self.retention else "gone"
