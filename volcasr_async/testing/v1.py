"""The v1 `auc` edition, by reference section 8 (doc 80820): everything in the body, the service names the task."""

import msgspec

from volcasr_async.testing import replies
from volcasr_async.testing.audio import FORMATS_V1, Label
from volcasr_async.testing.auth import v1_allowed
from volcasr_async.testing.dice import task_id
from volcasr_async.testing.fields import Body, check_v1, number, section, text
from volcasr_async.testing.records import Callback
from volcasr_async.testing.replies import Answer
from volcasr_async.testing.service import Job, Prepared, Request, Service
from volcasr_async.testing.tasks import Task
from volcasr_async.testing.text import Utterance, Wishes, join, utterances

# Every text but "Success" is made up: the documents print none.
MESSAGES = {
    1001: "simulator: invalid request parameter",
    1002: "simulator: no permission",
    1003: "simulator: too frequent",
    1004: "simulator: over quota",
    1005: "simulator: server busy",
    1012: "simulator: invalid audio format",
    1013: "simulator: no speech",
    1014: "simulator: empty audio",
    1015: "simulator: audio download failed",
    1022: "simulator: recognition failed",
    1050: "simulator: a code that is in no document",
    1099: "simulator: unknown error",
    2000: "simulator: processing",
    2001: "simulator: queued",
}
_ENDINGS = {
    "silence": 1013,
    "bad-format": 1012,
    "download-failed": 1015,
    "empty-audio": 1014,
    "task-failed": 1022,
    "task-error": 1099,
}


def refuse(code: int, why: str = "", **fields: object) -> Answer:
    """An answer that is no success."""
    return replies.v1(code, f"{MESSAGES[code]}{': ' + why if why else ''}", fields)


def not_found(name: str) -> Answer:
    """Return the answer to a query about a task that the service does not know."""
    return refuse(1001, "cannot find task", id=name)


def prepare_submit(service: Service, request: Request) -> Answer | Prepared:
    """Take a recording."""
    body = _read(service, request)
    if isinstance(body, Answer):
        return body
    head, app = request.head, section(body, "app")
    problems = list(check_v1(body))
    for problem in problems:
        service.violate("", head.path, problem.what)
    fatal = [problem.what for problem in problems if problem.fatal]
    if fatal:
        return refuse(1001, fatal[0])
    refusal = _refusal(service, request, app)
    if refusal is not None:
        return refusal
    job = _job(service, request, body)
    return Prepared(url=job.url, task=job.url, perform=lambda: _submit(service, request, job, body))


def prepare_query(service: Service, request: Request) -> Answer | Prepared:
    """Ask for a task."""
    body = _read(service, request)
    if isinstance(body, Answer):
        return body
    for name in ("appid", "token", "cluster", "id"):
        if not text(body, name):
            service.violate(text(body, "id"), request.head.path, f"{name} is missing or no string")
            return refuse(1001, f"{name} is missing or no string")
    for name in body.keys() - {"appid", "token", "cluster", "id"}:
        service.violate(text(body, "id"), request.head.path, f"{name} is in no document of v1")
    refusal = _refusal(service, request, body)
    if refusal is not None:
        return refusal
    wanted = text(body, "id")
    task = service.tasks.get(wanted)
    if task is None or task.edition != "v1" or task.account != text(body, "appid"):
        return Prepared(url="", task=wanted, perform=lambda: not_found(wanted))
    if task.resource != text(body, "cluster"):
        service.violate(
            wanted, request.head.path, f"queried in another cluster than {task.resource}, which it was submitted to"
        )
    state = task.state(request.now)
    return Prepared(
        url=task.source,
        task=wanted,
        found=None if state == "gone" else task,
        running=state in {"queued", "running"},
        perform=lambda: _query(service, task, request.now),
    )


def queried_id(raw: bytes) -> str:
    """The task that a query's body names, before anything is checked."""
    try:
        return text(msgspec.json.decode(raw, type=dict[str, object]), "id")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _read(service: Service, request: Request) -> Body | Answer:
    try:
        return msgspec.json.decode(request.raw, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        service.violate("", request.head.path, "the body is no JSON object")
        return refuse(1001, "the body is no JSON object")


def _refusal(service: Service, request: Request, claim: Body) -> Answer | None:
    head, config = request.head, service.config

    def note(what: str) -> None:
        service.violate(text(claim, "id"), head.path, what)

    pair = text(claim, "appid"), text(claim, "token")
    if not v1_allowed(head, request.raw, pair, config=config, note=note):
        return refuse(1002)
    if config.clusters is not None and text(claim, "cluster") not in config.clusters:
        return refuse(1002, "not for this cluster")
    return None


def _job(service: Service, request: Request, body: Body) -> Job:
    app, audio, additions = (section(body, name) for name in ("app", "audio", "additions"))
    label = Label(
        text(audio, "format"), number(audio, "rate", 16000), number(audio, "bits", 16), number(audio, "channel", 1)
    )
    if label.format and label.format.lower() not in FORMATS_V1:
        service.violate("", request.head.path, f"audio.format {label.format!r} is not documented for v1")
    wishes = Wishes(
        english=text(additions, "language").lower().startswith("en"),
        punc=additions.get("use_punc") != "False",
        itn=additions.get("use_itn") != "False",
        utterances=True,
        speakers=additions.get("with_speaker_info") == "True",
    )
    return Job(
        edition="v1",
        verb="submit",
        account=text(app, "appid"),
        resource=text(app, "cluster"),
        request_id="",
        url=text(audio, "url"),
        clip=None,
        label=label,
        formats=FORMATS_V1,
        wishes=wishes,
    )


def _submit(service: Service, request: Request, job: Job, body: Body) -> Answer:
    heard = service.listen(job)
    if service.too_much_audio("v1", heard[1], request.now):
        return refuse(1003, "more than the allowed audio-hours within half an hour")
    task = service.accept(job, task_id(service.config.seed, "v1", service.number()), request.now, heard=heard)
    callback = text(section(body, "request"), "callback")
    if callback:
        task.silent_query = section(body, "additions").get("enable_query") != "True"
        service.call_back(Callback(task.id, "v1", callback, ""))
    return replies.v1(1000 if service.config.v1_int_code else "1000", "Success", {"id": task.id})


def _query(service: Service, task: Task, now: float) -> Answer:
    if task.silent_query:
        return refuse(1001, "a task with a callback is queried only with enable_query", id=task.id)
    return tell(service, task, now)


def tell(service: Service, task: Task, now: float) -> Answer:
    """Answer a query, or fill a callback: doc 80820 gives both the same body."""
    match task.state(now):
        case "gone":
            return not_found(task.id)
        case "queued" | "unseen":
            return refuse(2001, id=task.id)
        case "running":
            return refuse(2000, id=task.id)
        case _ if task.ending:
            return refuse(_ENDINGS[task.ending], id=task.id)
        case _:
            said = utterances(service.config.seed, task.source, task.duration_ms, task.wishes)
            found = {"id": task.id, "text": join(said, task.wishes), "utterances": [_utterance(part) for part in said]}
            return replies.v1(1000, "Success", found)


def _utterance(part: Utterance) -> Body:
    words = [
        {"text": word.text, "start_time": word.start, "end_time": word.end} for word in part.words if word.start >= 0
    ]
    shape: Body = {"text": part.text, "start_time": part.start, "end_time": part.end, "words": words}
    return {**shape, "additions": part.additions} if part.additions else shape
