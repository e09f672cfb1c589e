"""The service's memory and its quotas: tasks, charges, violations, counters. It does no I/O; the clock is injected.

Requests come in the threads of event loops, tests look and change settings in others. Whoever does either holds `lock`.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from volcasr_async.testing.audio import Label, measure
from volcasr_async.testing.auth import Head
from volcasr_async.testing.clock import Clock
from volcasr_async.testing.config import V1_RETENTION, Config
from volcasr_async.testing.dice import digest, draw, log_normal, task_id
from volcasr_async.testing.faults import Fault, Script
from volcasr_async.testing.records import Callback, Charge, Delivery, Upload, Violation, Window
from volcasr_async.testing.replies import Answer
from volcasr_async.testing.scanner import Clip
from volcasr_async.testing.tasks import Task
from volcasr_async.testing.text import Wishes

HALF_HOUR = 1800.0
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, read to its end."""

    head: Head
    edition: str
    account: str
    now: float
    raw: bytes  # the body without its inline audio
    clip: Clip | None  # the inline audio
    received: int
    broken_audio: bool = False  # inline audio that is no base64


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that was found good: `perform` changes the service's memory and tells the answer."""

    url: str  # what faults select by: the URL as sent, or `sha256:` and the hash
    task: str
    perform: Callable[[], Answer]
    found: Task | None = None  # the task that a query is about, unless the service would not find it
    running: bool = False
    seconds: float = 0.0  # how long the work takes before the answer (flash); infinite: for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The recording that a submit or a flash call is about."""

    edition: str
    verb: str
    account: str
    resource: str
    request_id: str
    url: str
    clip: Clip | None
    label: Label
    formats: frozenset[str]
    wishes: Wishes

    @property
    def source(self) -> str:
        """The URL without its query part (which may be a credential), or the hash of the audio."""
        return self.url.partition("?")[0]


class Service:
    """What all editions share."""

    def __init__(self, config: Config, faults: tuple[Fault, ...]) -> None:
        self.lock: threading.RLock = threading.RLock()
        self.config: Config = config
        self._clock = Clock()
        self.files: dict[str, bytes] = {}
        self._clips: dict[str, Clip] = {}
        self.faults: tuple[Fault, ...] = faults
        self.in_air: int = 0
        self.courier: Callable[[Callback], None] | None = None  # takes what has to be sent, while somebody sends
        self.reset()

    def clock(self) -> float:
        """Return the time of the event loop that serves; the caller is what serves."""
        return self._clock.tick()

    def look_at_clock(self) -> float:
        """Return the same time, from any thread."""
        return self._clock.read()

    def play(self, faults: tuple[Fault, ...]) -> None:
        """Replace the faults; `times` and `after` count from the beginning."""
        self.faults = faults
        self.script: Script = Script(faults, self.config.seed)

    def configure(self, config: Config) -> None:
        """Change settings. They hold for requests that come from now on; accepted tasks keep theirs."""
        if config.qps_window != self.config.qps_window:
            self._admitted = Window(config.qps_window)
        if config.seed != self.config.seed:
            self.script = Script(self.faults, config.seed)
        self.config = config

    def reset(self) -> None:
        """Forget everything that clients did; hosted audio stays."""
        self.play(self.faults)
        self.tasks: dict[str, Task] = {}
        self.accepted: dict[str, Task] = {}  # the task that each v3 request id was last accepted as
        self.resubmits: Counter[str] = Counter()  # by request id
        self.charges: list[Charge] = []
        self.violations: list[Violation] = []
        self.uploads: list[Upload] = []
        self.callbacks: list[Callback] = []
        self.deliveries: list[Delivery] = []
        self.requests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.querying: Counter[str] = Counter()
        self.refused: int = 0
        self.peak_in_air: int = self.in_air
        self.peak_qps: int = 0
        self._starts, self._admitted = Window(1.0), Window(self.config.qps_window)
        self._audio: dict[str, Window] = {}
        self._numbers = count(1)
        self._logs = count(1)
        self._log_prefix = "20260101000000" + digest(self.config.seed, "log", size=6).hex().upper()

    def host(self, name: str, data: bytes) -> None:
        """Keep audio under `/audio/<name>`."""
        self.files[name] = data
        self._clips[name] = Clip.of(data)

    def log_id(self) -> str:
        """The next X-Tt-Logid: never the same twice, always the same in the same run."""
        return f"{self._log_prefix}{next(self._logs):08X}"

    def number(self) -> int:
        """A running number, for ids that the service makes."""
        return next(self._numbers)

    def violate(self, request_id: str, path: str, what: str) -> None:
        """Note something against the documents."""
        self.violations.append(Violation(request_id, path, what))

    def enter(self, now: float) -> None:
        """A request has begun."""
        self.in_air += 1
        self.peak_in_air = max(self.peak_in_air, self.in_air)
        self._starts.expire(now)
        self._starts.add(now)
        self.peak_qps = max(self.peak_qps, len(self._starts))

    def leave(self) -> None:
        """A request has ended, answered or not."""
        self.in_air -= 1

    def quota(self, now: float) -> str | None:
        """The quota that this request is over, if any; a refused request does not use up the rate."""
        if self.config.concurrency is not None and self.in_air > self.config.concurrency:
            self.refused += 1
            return "concurrency"
        if self.config.qps is None:
            return None
        self._admitted.expire(now)
        if len(self._admitted) + 1 > self.config.qps * self.config.qps_window:
            self.refused += 1
            return "qps"
        self._admitted.add(now)
        return None

    def too_much_audio(self, edition: str, duration_ms: int, now: float) -> bool:
        """Whether this would be more than the audio-hours allowed within half an hour (doc 2611432, doc 80820)."""
        allowed = self.config.window_audio_hours
        if allowed is None or edition not in {"standard", "v1"}:
            return False
        window = self._audio.setdefault(edition, Window(HALF_HOUR))
        window.expire(now)
        if window.total + duration_ms > allowed * HOUR_MS:
            return True
        window.add(now, duration_ms)
        return False

    def listen(self, job: Job) -> tuple[str, int]:
        """How the work on this recording ends, and how long the recording is in ms."""
        ending = self.script.ending(job.verb, job.url)
        clip = job.clip or self._hosted(job.url)
        if clip is None:
            duration = 3000 + int(117_000 * draw(self.config.seed, "duration", job.source))
            wrong = "bad-format" if job.label.format and job.label.format.lower() not in job.formats else ""
            return ending or wrong, duration
        measured = measure(clip, job.label)
        if clip.size == 0:
            return ending or "empty-audio", 0
        return ending or ("bad-format" if measured is None else ""), measured or 0

    def accept(self, job: Job, name: str, now: float, *, heard: tuple[str, int]) -> Task:
        """Take the task; it is charged from here on."""
        config = self.config
        spread = log_normal(config.processing_time, config.processing_sigma, config.seed, "time", job.source)
        forever = V1_RETENTION if job.edition == "v1" else float("inf")
        task = Task(
            id=name,
            request_id=job.request_id,
            edition=job.edition,
            account=job.account,
            source=job.source,
            resource=job.resource,
            duration_ms=heard[1],
            wishes=job.wishes,
            ending=heard[0],
            submitted=now,
            lag=0.0 if job.edition == "v1" else config.lag,
            queue=config.queue_time,
            processing=spread,
            retention=forever if config.retention is None else config.retention,
        )
        self.tasks[name] = task
        if job.request_id:
            self.accepted[job.request_id] = task
        self.charge(job, name, heard[1])
        return task

    def find(self, name: str) -> Task | None:
        """Return the v3 task that a query names, by the ids that this service accepts."""
        task = self.tasks.get(name)
        return self.accepted.get(name) if task is None and self.config.task_ids == "both" else task

    def new_id(self, request_id: str) -> str:
        """Return the id of a new v3 task."""
        if self.config.task_ids == "request":
            return request_id
        return task_id(self.config.seed, "v3", self.number())

    def forget(self, name: str) -> None:
        """Lose a task, as if it had never been accepted. The charge stays."""
        task = self.tasks[name]
        task.forgotten = True
        if self.accepted.get(task.request_id) is task:
            del self.accepted[task.request_id]
            del self.resubmits[task.request_id]

    def call_back(self, callback: Callback) -> None:
        """Note that an accepted task asked for a callback."""
        self.callbacks.append(callback)
        if self.courier is not None:
            self.courier(callback)

    def charge(self, job: Job, name: str, duration_ms: int) -> None:
        """Write the bill."""
        self.charges.append(Charge(job.edition, name, job.request_id, job.source, duration_ms, job.resource))

    def _hosted(self, url: str) -> Clip | None:
        if "/audio/" not in url:
            return None
        return self._clips.get(url.partition("?")[0].partition("/audio/")[2])
