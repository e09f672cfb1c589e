"""What goes wrong, where and how often: frozen `Fault` values, and the deterministic choice among them.

A client of any language can also ask for an ending by the URL of the audio, without configuration: a path segment that
begins with one of `MARKERS` (`https://example.com/silence-1.mp3`, `https://example.com/never/a.wav`) chooses it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from volcasr_async.testing.dice import draw

CALLS = ("any", "submit", "query", "flash")

KINDS: dict[str, str] = {
    "lost-answer": "the task is accepted (and charged), then the connection is dropped without an answer",
    "reset": "the connection is dropped before the request was looked at; nothing is accepted",
    "drop-upload": "the connection is dropped in the middle of the request body; nothing is accepted",
    "refuse-busy": "55000031 (v1: 1005); nothing is accepted",
    "rate-limited": "429 with 45000292 qps (v1: 1003); nothing is accepted",
    "too-concurrent": "429 with 45000292 concurrency (v1: 1003); nothing is accepted",
    "quota-lifetime": "429 with 45000292 audio_duration_lifetime (v1: 1004); nothing is accepted",
    "server-error": "55000000 (v1: 1099); nothing is accepted",
    "server-error-after": "the task is accepted (and charged), then 55000000 (v1: 1099)",
    "unlisted-code": "45000999 (v1: 1050), which no document lists; nothing is accepted",
    "unlisted-code-after": "the task is accepted (and charged), then 45000999 (v1: 1050)",
    "generic-error": "45000000 with a text other than cannot find task (v1: 1001); nothing is accepted",
    "not-found": "a query is answered with cannot find task (45000000; v1: 1001) although the task is there",
    "failover": "for `seconds` (40), of all recordings: queries find no task, submits are accepted (and charged) but "
    "answered with 55000000 (v1: 1099)",
    "forgotten": "the task is accepted (and charged), its answer is given, then the service no longer knows it",
    "lost-and-forgotten": "as forgotten, and the answer is lost",
    "foreign-reply": "the success of another request, under its X-Api-Request-Id (v1: resp.id); nothing is accepted",
    "body-error": "20000000 in the header, 45000151 in the body of a query's answer (not on v1)",
    "empty-text": "20000000 with an empty text and the right duration while the task is still running (query)",
    "html-502": "an HTML page with status 502; nothing is accepted",
    "html-502-after": "the task is accepted (and charged), then the HTML page",
    "gateway-page": "an HTML page with `status` (502) and without a code; nothing is accepted",
    "gateway-page-after": "the request is served, a task accepted (and charged), then the page of gateway-page",
    "cut-body": "Content-Length promises more than is sent; the task is accepted",
    "slow-body": "the reply's body drips for `seconds` (5); the task is accepted",
    "stall": "no answer for `seconds` (for ever without); the task is accepted",
    "no-result": "20000000 with {} while the task is still running (query), or instead of the result (flash)",
    "not-json": "the reply's body breaks off inside the JSON text, with a right Content-Length; the task is accepted",
    "no-status": "HTTP 200 without a code anywhere; the task is accepted",
    "task-failed": "the accepted task ends with 55001010 (v1: 1022)",
    "task-error": "the accepted task ends with 55000000 (v1: 1099)",
    "silence": "the task ends with 20000003 (v1: 1013)",
    "bad-format": "the task ends with 45000151 (v1: 1012)",
    "download-failed": "the task ends with 45000006 (flash: 21701; v1: 1015)",
    "empty-audio": "the task ends with 45000002 (v1: 1014)",
    "never": "the task never ends (flash: no answer for ever)",
    "late-callback": "the callback comes `seconds` (30) after the end of the task",
    "repeated-callback": "the callback comes once more, `seconds` (1) later",
    "early-callback": "halfway to the end comes one too many, to the right address, with a result that is made up",
    "forged-callback": "halfway to the end comes one too many, to an address whose last character is another",
    "lost-callback": "the callback does not come",
}

ENDINGS = frozenset({"silence", "bad-format", "download-failed", "empty-audio", "task-failed", "task-error", "never"})
MARKERS = {
    "silence": "silence",
    "bad-format": "bad-format",
    "download-failed": "download-failed",
    "empty": "empty-audio",
    "server-error": "task-error",
    "task-failed": "task-failed",
    "never": "never",
}
_UPLOAD = frozenset({"drop-upload"})
CALLBACKS = frozenset(kind for kind in KINDS if kind.endswith("-callback"))
FAILOVER_S = 40.0
_REQUEST = frozenset(KINDS) - ENDINGS - CALLBACKS - _UPLOAD - {"failover"}
_ALL_CALLS = frozenset(CALLS[1:])
# The calls of a kind, where they are not all; callbacks say it in words of their own.
_CALLS_OF = {
    "not-found": frozenset({"query"}),
    "body-error": frozenset({"query"}),
    "empty-text": frozenset({"query"}),
    "forgotten": frozenset({"submit"}),
    "lost-and-forgotten": frozenset({"submit"}),
    "failover": frozenset({"submit", "query"}),
}
_PAGELESS = frozenset({204, 304})
_MARKER = re.compile(rf"/({'|'.join(MARKERS)})(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    `share` is the probability, drawn for each request from (seed, fault, URL or sha256, number of the attempt) or, for the
    kinds that are a task's ending or callback, once for each task. `on` narrows it to one call, `url` to audio whose URL contains the text or
    matches the compiled pattern (inline audio is called `sha256:...`). For each task it is left out for the first `after`
    requests it would meet, and happens `times` times at most (an ending or callback: in the first `times` tasks of one URL). `seconds` is the length of `stall`, `slow-body`, `failover` and
    what says so of callbacks;
    `retry_after` adds that header to an answer that is not a success. `status` is the HTTP status of `gateway-page` and
    `gateway-page-after`.

    A `failover` counts for the whole simulator. It begins at the first request that the fault hits, lasts for `seconds` and
    concerns all submits and queries, also those that `on` and `url` leave out; flash is not affected. It happens once, or
    `times` times. Before each one the fault leaves out `after` requests that it would meet. While it lasts, no other fault
    changes an answer.
    """

    kind: str
    share: float = 1.0
    on: str = "any"
    url: str | re.Pattern[str] | None = None
    times: int | None = None
    after: int = 0
    seconds: float | None = None
    retry_after: float | None = None
    status: int = 502

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; the kinds are: {', '.join(sorted(KINDS))}")
        if self.on not in CALLS:
            raise ValueError(f"{self.on!r} is no call; `on` is one of: {', '.join(CALLS)}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share {self.share} is no probability; it lies between 0 and 1")
        if self.kind in CALLBACKS and self.on not in {"any", "submit"}:
            raise ValueError(f"{self.kind} is about a task that was submitted: leave out `on`, which is {self.on!r}")
        calls = _CALLS_OF.get(self.kind, _ALL_CALLS)
        if self.on != "any" and self.on not in calls:
            where = " and ".join(sorted(calls, key=CALLS.index))
            raise ValueError(f"{self.kind} concerns {where} only. Leave out `on`, which is {self.on!r}")
        if not 200 <= self.status <= 599 or self.status in _PAGELESS:
            raise ValueError(f"status {self.status} has no page. Use a number from 200 to 599, but not 204 or 304")
        if self.kind == "drop-upload" and self.url is not None:
            raise ValueError("drop-upload is decided before the body is read, so it cannot be chosen by URL")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """`KIND[:CALL][=SHARE][,name=value...]`, such as `lost-answer=0.3`, `html-502:submit=0.1`, `stall,seconds=30,times=1`."""
        first, *rest = text.split(",")
        name, _, share = first.partition("=")
        kind, _, on = name.partition(":")
        fields: dict[str, str] = {}
        for part in rest:
            key, equals, value = part.partition("=")
            if not equals:
                raise ValueError(f"{part!r} in {text!r} is not name=value")
            fields[key.strip()] = value.strip()
        unknown = fields.keys() - {"url", "times", "after", "seconds", "retry_after", "status"}
        if unknown:
            raise ValueError(
                f"{min(unknown)!r} in {text!r} is no field; they are: after, retry_after, seconds, status, times, url"
            )
        numbers = {name: _number(value, text) for name, value in fields.items() if name != "url"}
        times = numbers.get("times")
        return cls(
            kind.strip(),
            share=_number(share or "1", text),
            on=on.strip() or "any",
            url=fields.get("url"),
            times=None if times is None else _whole(times, text),
            after=_whole(numbers.get("after", 0), text),
            status=_whole(numbers.get("status", 502), text),
            seconds=numbers.get("seconds"),
            retry_after=numbers.get("retry_after"),
        )

    def meets(self, verb: str, url: str) -> bool:
        """Whether this call about this audio is one that the fault may hit."""
        if self.kind in ENDINGS:  # "query" shows the end of a task that "submit" began
            right = self.on == "any" or (self.on == "flash") == (verb == "flash")
        else:
            right = self.on in {"any", verb}
        if not right or self.url is None:
            return right
        return self.url in url if isinstance(self.url, str) else self.url.search(url) is not None


@cache
def possible(verb: str, *, is_v1: bool, found: bool, running: bool) -> frozenset[str]:
    """Return the kinds that would change this request's answer; the others must not use up their `times`."""
    pointless = set()
    if verb != "flash" and not running:
        pointless.add("no-result")
    if verb != "query" or not running:
        pointless.add("empty-text")
    if verb != "query" or not found:
        pointless |= {"not-found", "body-error"}
    if verb != "submit":
        pointless |= {"forgotten", "lost-and-forgotten"}
    if is_v1:
        pointless.add("body-error")
    return _REQUEST - pointless


class Script:
    """Chooses among the faults; the same seed and the same requests give the same choice."""

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        self._seed = seed
        self._endings = [(index, fault) for index, fault in enumerate(faults) if fault.kind in ENDINGS]
        self._callbacks = [(index, fault) for index, fault in enumerate(faults) if fault.kind in CALLBACKS]
        self._failovers = [(index, fault) for index, fault in enumerate(faults) if fault.kind == "failover"]
        self._failing_until = float("-inf")
        whole = ENDINGS | CALLBACKS | {"failover"}
        self._requests = [(index, fault) for index, fault in enumerate(faults) if fault.kind not in whole]
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._met: Counter[tuple[int, str]] = Counter()
        self._hit: Counter[tuple[int, str]] = Counter()

    def upload(self, verb: str, request_id: str) -> Fault | None:
        """The fault that breaks off this request while it is still being sent."""
        return self._choose(verb, request_id, (request_id, _UPLOAD))

    def request(self, verb: str, url: str, task: str, kinds: frozenset[str]) -> Fault | None:
        """The fault of one of these kinds that hits this request, if any; the first one in the list wins."""
        return self._choose(verb, url, (task, kinds))

    def failover(self, verb: str, url: str, now: float) -> bool:
        """Whether the service is failing over; begin that where a fault says so."""
        if not self._failovers or verb not in _CALLS_OF["failover"]:
            return False
        if now < self._failing_until:
            return True
        for index, fault in self._failovers:
            if self._hit[index, ""] >= (1 if fault.times is None else fault.times) or not fault.meets(verb, url):
                continue
            self._attempts["failover", str(index)] += 1
            self._met[index, ""] += 1
            if self._met[index, ""] <= fault.after:
                continue
            if draw(self._seed, "failover", index, self._attempts["failover", str(index)]) <= fault.share:
                self._hit[index, ""] += 1
                self._met[index, ""] = 0
                self._failing_until = now + (FAILOVER_S if fault.seconds is None else fault.seconds)
                return True
        return False

    def ending(self, verb: str, url: str) -> str:
        """How an accepted task ends: by a fault, by a marker in its URL, or well (an empty string)."""
        for fault in self._of_task("ending", verb, (url, self._endings)):
            return fault.kind
        found = _MARKER.search(urlsplit(url).path)
        return MARKERS[found.group(1).lower()] if found else ""

    def callback(self, url: str) -> dict[str, Fault]:
        """The faults of one task's callback by kind; unlike others they add up."""
        return {fault.kind: fault for fault in self._of_task("callback", "submit", (url, self._callbacks))}

    def _of_task(self, what: str, verb: str, among: tuple[str, list[tuple[int, Fault]]]) -> Iterator[Fault]:
        """Those that hit a task as a whole, drawn once for it."""
        url, faults = among
        if faults:
            self._attempts[what, url] += 1
        for index, fault in faults:
            if not fault.meets(verb, url) or (fault.times is not None and self._hit[index, url] >= fault.times):
                continue
            if draw(self._seed, what, index, url, self._attempts[what, url]) <= fault.share:
                self._hit[index, url] += 1
                yield fault

    def _choose(self, verb: str, url: str, what: tuple[str, frozenset[str]]) -> Fault | None:
        if not self._requests:
            return None
        task, kinds = what
        self._attempts[verb, url] += 1
        attempt = self._attempts[verb, url]
        for index, fault in self._requests:
            if fault.kind not in kinds or not fault.meets(verb, url):
                continue
            self._met[index, task] += 1
            if self._met[index, task] <= fault.after:
                continue
            if fault.times is not None and self._hit[index, task] >= fault.times:
                continue
            if draw(self._seed, "fault", index, verb, url, attempt) <= fault.share:
                self._hit[index, task] += 1
                return fault
        return None


def _whole(number: float, text: str) -> int:
    if not float(number).is_integer():  # infinite numbers are not either
        raise ValueError(f"{number:g} in {text!r} is not a whole number")
    return int(number)


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} in {whole!r} is no number") from None
