"""The v3 editions: standard and idle (submit, query) and flash, by reference sections 3 to 7."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from volcasr_async.testing import replies
from volcasr_async.testing.audio import FORMATS_V3, Label
from volcasr_async.testing.auth import Head
from volcasr_async.testing.config import KNOWN_RESOURCES, Config
from volcasr_async.testing.fields import Body, check_v3, number, section, text
from volcasr_async.testing.records import Callback, Upload
from volcasr_async.testing.replies import Answer
from volcasr_async.testing.service import Job, Prepared, Request, Service
from volcasr_async.testing.tasks import Task
from volcasr_async.testing.text import Utterance, Wishes, join, utterances

FLASH_LIMIT = 100 * 1024 * 1024
STANDARD_LIMIT = 512 * 1024 * 1024

# Texts marked "simulator" are made up: the documents print none.
ENDINGS: dict[str, tuple[str, str]] = {
    "silence": (replies.SILENCE, "[Normal silence audio] Handle response: no valid speech in audio"),
    "bad-format": (
        replies.BAD_FORMAT,
        "[Invalid audio format] OperatorWrapper Process failed: invalid argument,audio convert failed",
    ),
    "download-failed": (
        replies.DOWNLOAD_FAILED,
        "[Invalid audio URI] OperatorWrapper Process failed: internal error,audio download failed",
    ),
    "empty-audio": (replies.EMPTY_AUDIO, "[simulator] the audio is empty"),
    "task-failed": (replies.TIMEOUT, "[Server processing timeout] node execution timeout"),
    "task-error": (replies.SERVER_ERROR, "[simulator] general server error"),
}
_EXTRAS = {
    "enable_emotion_detection": "emotion",
    "enable_gender_detection": "gender",
    "enable_age_detection": "age",
    "show_speech_rate": "speech_rate",
    "show_volume": "volume",
    "enable_lid": "lid",
}


def gate(head: Head, edition: str, config: Config, note: Callable[[str], None]) -> Answer | None:
    """What the gateway refuses after the key was found good: a resource that is missing, foreign or not granted."""
    resource = head.headers.get("x-api-resource-id", "")
    known = KNOWN_RESOURCES[edition]
    if resource not in known:
        note(f"X-Api-Resource-Id is {resource!r}; for {edition} it is one of {', '.join(sorted(known))}")
        return replies.not_granted(resource, head.request_id)
    if config.resources is not None and resource not in config.resources:
        return replies.not_granted(resource, head.request_id)
    return None


def look_at(head: Head, verb: str, note: Callable[[str], None]) -> None:
    """Note what is wrong with the headers although it is served."""
    try:
        UUID(head.request_id)
    except ValueError:
        note(
            f"X-Api-Request-Id is {head.request_id!r}; it is a UUID"
            if head.request_id
            else "X-Api-Request-Id is missing"
        )
    sequence = head.headers.get("x-api-sequence", "-1")
    if verb != "query" and sequence != "-1":
        note(f"X-Api-Sequence is {sequence!r}; it is -1")
    if verb == "flash" and "chunked" in head.headers.get("transfer-encoding", "").lower():
        note("the body is sent chunked, without a Content-Length")


def prepare_submit(service: Service, request: Request) -> Answer | Prepared:
    """Standard and idle: take a recording."""
    job, body = _job(service, request, "submit")
    if isinstance(job, Answer):
        return job
    return Prepared(url=job.url, task=job.request_id, perform=lambda: _submit(service, request, job, body))


def prepare_flash(service: Service, request: Request) -> Answer | Prepared:
    """Flash: the whole work in one call; `ending` is drawn here, because it tells how long the work takes."""
    job, _ = _job(service, request, "flash")
    if isinstance(job, Answer):
        return job
    heard = service.listen(job)
    seconds = float("inf") if heard[0] == "never" else service.config.flash_time or 0.0
    perform = lambda: _flash(service, request, job, heard)  # noqa: E731 - a name keeps the line short
    return Prepared(url=job.url, task=job.request_id, perform=perform, seconds=seconds)


def prepare_query(service: Service, request: Request) -> Answer | Prepared:
    """Standard and idle: ask for a task."""
    head = request.head
    if not request.raw.strip():
        return replies.gateway(400, replies.CLIENT_ERROR, "unexpected end of JSON input")
    if request.raw.strip() != b"{}":
        service.violate(head.request_id, head.path, "the body of a query is not {}")
    task = _known(service, request)
    if task is None:
        return Prepared(url="", task=head.request_id, perform=not_found)
    if head.headers.get("x-api-resource-id", "") != task.resource:
        service.violate(
            head.request_id,
            head.path,
            f"queried with another resource id than {task.resource}, which it was submitted with",
        )
    state = task.state(request.now)
    return Prepared(
        url=task.source,
        task=task.request_id,  # whichever id the query names, so that faults count for the recording
        found=None if state in {"unseen", "gone"} else task,
        running=state in {"queued", "running"},
        perform=lambda: tell(service, task, request.now),
    )


def _known(service: Service, request: Request) -> Task | None:
    """The task, if this account and this path may see it.

    Doc 2606792 lets the plain /query serve idle tasks too, doc 2608619 gives them a path of their own: served, but noted.
    """
    task = service.find(request.head.request_id)
    if task is None or task.account != request.account or task.edition not in {"standard", "idle"}:
        return None
    if task.edition == request.edition:
        return task
    service.violate(
        task.id, request.head.path, f"a task of the {task.edition} edition is queried in the {request.edition} edition"
    )
    return task if request.edition == "standard" else None


def _job(service: Service, request: Request, verb: str) -> tuple[Job | Answer, Body]:
    head = request.head
    if not request.raw.strip():
        return replies.gateway(400, replies.CLIENT_ERROR, "unexpected end of JSON input"), {}
    try:
        body = msgspec.json.decode(request.raw, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        service.violate(head.request_id, head.path, "the body is no JSON object")
        return replies.gateway(
            400, replies.CLIENT_ERROR, "invalid character in JSON input", request_id=head.request_id
        ), {}
    problems = list(check_v3(body, request.edition))
    for problem in problems:
        service.violate(head.request_id, head.path, problem.what)
    fatal = [problem.what for problem in problems if problem.fatal]
    if request.broken_audio:
        fatal.append("audio.data is not base64")
        service.violate(head.request_id, head.path, fatal[-1])
    if not head.request_id:
        fatal.append("X-Api-Request-Id is missing")
    if fatal:
        return replies.v3(replies.INVALID, _ascii(f"[simulator] invalid request parameter: {fatal[0]}")), body
    audio = section(body, "audio")
    label = Label(
        text(audio, "format"), number(audio, "rate", 16000), number(audio, "bits", 16), number(audio, "channel", 1)
    )
    if label.format and label.format.lower() not in FORMATS_V3:
        service.violate(head.request_id, head.path, f"audio.format {label.format!r} is not documented")
    url = text(audio, "url")
    clip = None if url else request.clip
    return Job(
        edition=request.edition,
        verb=verb,
        account=request.account,
        resource=head.headers.get("x-api-resource-id", ""),
        request_id=head.request_id,
        url=url or f"sha256:{clip.sha256 if clip else ''}",
        clip=clip,
        label=label,
        formats=FORMATS_V3,
        wishes=_wishes(body, verb),
    ), body


def _wishes(body: Body, verb: str) -> Wishes:
    asked = section(body, "request")
    return Wishes(
        english=text(section(body, "audio"), "language").lower().startswith("en"),
        punc=asked.get("enable_punc") is not False,
        itn=asked.get("enable_itn") is not False,
        utterances=verb == "flash" or asked.get("show_utterances") is True,
        speakers=asked.get("enable_speaker_info") is True,
        channels=asked.get("enable_channel_split") is True,
        extras=frozenset(extra for name, extra in _EXTRAS.items() if asked.get(name) is True),
    )


def _submit(service: Service, request: Request, job: Job, body: Body) -> Answer:
    config, task = service.config, service.accepted.get(job.request_id)
    if task is not None:
        service.resubmits[job.request_id] += 1
        if service.resubmits[job.request_id] > 1:
            service.violate(job.request_id, request.head.path, "an accepted id was submitted again more than once")
        if not config.reuse_charges:
            return replies.v3(replies.INVALID, "[simulator] invalid request parameter: repeated request")
    if job.clip and job.clip.size > STANDARD_LIMIT:
        return replies.v3(replies.TOO_LARGE, "[simulator] the audio is larger than 512 MB")
    heard = service.listen(job)
    if service.too_much_audio(job.edition, heard[1], request.now):
        return replies.v3(replies.WINDOW_EXCEEDED, "[simulator] more than the allowed audio-hours within half an hour")
    _remember_upload(service, request, job)
    if task is not None and config.task_ids == "request":
        service.charge(job, task.id, heard[1])
    else:
        task = service.accept(job, service.new_id(job.request_id), request.now, heard=heard)
        if text(body, "callback"):
            service.call_back(Callback(task.id, job.edition, text(body, "callback"), text(body, "callback_data")))
    return submitted(config, task.id)


def submitted(config: Config, task_id: str) -> Answer:
    """Return the answer of an accepting submit. It names the task where the request id does not."""
    bodies: dict[str, object] = {"object": {}, "empty": b"", "task-id": {"task_id": task_id}}
    return replies.v3(replies.OK, "OK", bodies["task-id" if config.task_ids != "request" else config.submit_body])


def _flash(service: Service, request: Request, job: Job, heard: tuple[str, int]) -> Answer:
    ending, duration = heard
    if job.clip and job.clip.size > FLASH_LIMIT:
        return replies.v3(replies.TOO_LARGE, "[simulator] the audio is larger than 100 MB")
    if ending == "download-failed":
        return replies.v3("21701", "audio download failed")  # reported for flash only
    if ending not in {"", "silence"}:
        return replies.v3(*ENDINGS.get(ending, ENDINGS["task-error"]))
    _remember_upload(service, request, job)
    service.charge(job, job.request_id, duration)
    return _result(service, job.source, duration, job.wishes, silent=ending == "silence")


def not_found() -> Answer:
    """Return the answer to a query about a task that the service does not know."""
    return replies.v3(replies.CLIENT_ERROR, replies.CANNOT_FIND_TASK)


def tell(service: Service, task: Task, now: float) -> Answer:
    """Answer a query."""
    match task.state(now):
        case "unseen" | "gone":
            return not_found()
        case "queued":
            return replies.v3(replies.QUEUED, "[simulator] the task is in the queue", replies.RUNNING_BODY)
        case "running":
            message = "[Processing in progress] Handle response: Start Processing"
            return replies.v3(replies.PROCESSING, message, replies.RUNNING_BODY)
        case _ if task.ending in {"", "silence"}:
            return _result(service, task.source, task.duration_ms, task.wishes, silent=task.ending == "silence")
        case _:
            return replies.v3(*ENDINGS[task.ending])


def _result(service: Service, source: str, duration_ms: int, wishes: Wishes, *, silent: bool) -> Answer:
    info = {"duration": duration_ms}
    if silent:
        return replies.v3(*ENDINGS["silence"], {"audio_info": info, "result": {"text": ""}})
    said = utterances(service.config.seed, source, duration_ms, wishes)
    result: Body = {"additions": {"duration": str(duration_ms)}, "text": join(said, wishes)}
    if wishes.utterances:
        result["utterances"] = [_utterance(part) for part in said]
    return replies.v3(replies.OK, "OK", {"audio_info": info, "result": result})


def _utterance(part: Utterance) -> Body:
    words = [
        {"confidence": 0, "end_time": word.end, "start_time": word.start, "text": word.text} for word in part.words
    ]
    shape: Body = {"end_time": part.end, "start_time": part.start, "text": part.text, "words": words}
    return {"additions": part.additions, **shape} if part.additions else shape


def _remember_upload(service: Service, request: Request, job: Job) -> None:
    if job.clip is not None:
        head, clip = request.head, job.clip
        service.uploads.append(
            Upload(job.request_id, job.edition, clip.size, clip.sha256, head.content_length, request.received)
        )


def _ascii(message: str) -> str:
    return message.encode("ascii", "replace").decode()
