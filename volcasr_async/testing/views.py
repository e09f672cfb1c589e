"""What the simulator tells about itself over HTTP, for tests in other languages and in other processes; hosted audio.

`GET /_simulator`, `GET /_simulator/charges`, `GET /_simulator/violations`, `GET /_simulator/uploads`,
`POST /_simulator/reset`, `GET /audio/<name>`. None of these counts as a request to the service.

`GET /_simulator` is a summary: counts, and the last 5 charges, violations and uploads. `?last=N` returns that many of each.
"""

from collections import Counter
from urllib.parse import parse_qs

from volcasr_async.testing.audio import container
from volcasr_async.testing.auth import Head
from volcasr_async.testing.replies import Answer, plain
from volcasr_async.testing.service import Service

_LAST = 5
_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg", "m4a": "audio/mp4", "aac": "audio/aac"}


def view(service: Service, head: Head) -> Answer | None:
    """The answer when the request is not for the recognition service."""
    path = head.path
    if path.startswith("/audio/"):
        return _file(service, path.removeprefix("/audio/"))
    if not path.startswith("/_simulator"):
        return None
    match head.method, path:
        case "GET", "/_simulator":
            last = _last(head.target)
            if last is None:
                return plain(400, {"code": 400, "message": "simulator: last takes a whole number, 0 or more"})
            return plain(200, summary(service, last=last))
        case "GET", "/_simulator/charges":
            return plain(200, Counter(charge.source for charge in service.charges))
        case "GET", "/_simulator/violations":
            return plain(200, service.violations)
        case "GET", "/_simulator/uploads":
            return plain(200, service.uploads)
        case "POST", "/_simulator/reset":
            service.reset()
            return plain(200, {})
        case _:
            return plain(404, {"code": 404, "message": "simulator: no such view"})


def states(service: Service) -> Counter[str]:
    """How many tasks are queued, running, done, gone; a task that cannot be found yet counts as queued."""
    now = service.look_at_clock()
    counted = Counter(task.state(now) for task in service.tasks.values())
    return Counter(
        {"queued": counted["queued"] + counted["unseen"], **{s: counted[s] for s in ("running", "done", "gone")}}
    )


def summary(service: Service, *, last: int = _LAST) -> dict[str, object]:
    """Return the state in plain values: counts, and the *last* charges, violations and uploads."""
    return {
        "tasks": states(service),
        "charges": len(service.charges),
        "recordings": len({charge.source for charge in service.charges}),
        "audio_s": sum(charge.audio_ms for charge in service.charges) / 1000,
        "uploads": len(service.uploads),
        "upload_bytes": sum(upload.size for upload in service.uploads),
        "violations": len(service.violations),
        "requests": service.requests,
        "answers": service.answers,
        "refused": service.refused,
        "peak_qps": service.peak_qps,
        "peak_in_air": service.peak_in_air,
        "in_air": service.in_air,
        "last": {
            name: items[max(len(items) - last, 0) :]
            for name, items in (
                ("charges", service.charges),
                ("violations", service.violations),
                ("uploads", service.uploads),
            )
        },
    }


def _last(target: str) -> int | None:
    """Return how many records the query asks for; `None` if it is not a number."""
    given = parse_qs(target.partition("?")[2], keep_blank_values=True).get("last", [str(_LAST)])[-1]
    return int(given) if given.isdecimal() and len(given) < 10 else None


def _file(service: Service, name: str) -> Answer:
    data = service.files.get(name)
    if data is None:
        return plain(404, {"code": 404, "message": "simulator: no such audio"})
    kind = _TYPES.get(container(data) or "", "application/octet-stream")
    return Answer(200, (("Content-Type", kind),), data, "audio")
