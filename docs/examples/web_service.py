"""Speech recognition as a web service: FastAPI over one `VolcASR`.

    pip install volcasr-async fastapi uvicorn python-multipart
    VOLCASR_API_KEY=... uvicorn web_service:app --timeout-graceful-shutdown 60

    POST /transcripts           a recording as the body, or as the field "file" of a form: its transcript
    POST /tasks {"url": ...}    a link: 202 and the id of its task
    GET  /tasks/ID?wait=30      the state of the task, or its transcript; waits for it up to a minute
    GET  /tasks/ID/events       the same as server-sent events, until the task has ended
    GET  /health                requests in flight and waiting

Credentials and base URL come from the environment (`VOLCASR_...`), and so do `MAX_WAITING` and `TASKS_FILE`.

The id of a task is the request id of its submit. It is stored before the submit, so that a process which is killed in between
loses nothing: after the restart, the service is queried for the request id.
"""

import asyncio
import json
import logging
import math
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, closing
from typing import Annotated, Any, TypeVar

import anyio
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse
from msgspec.structs import asdict
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from volcasr_async import (
    AudioError,
    AudioStream,
    BudgetFull,
    Flash,
    InputError,
    Job,
    Limits,
    Pending,
    RateLimited,
    ServerBusy,
    Standard,
    SubmitUncertain,
    Task,
    TaskNotFound,
    Transcript,
    VolcASR,
    VolcASRError,
    WaitTimeout,
)

log = logging.getLogger("web_service")
T = TypeVar("T")
EDITION = Standard()


# ---- what lives as long as the process ----


class Tasks:
    """Stores the tasks in a file, so that they outlive the process and every worker finds them. No secret is stored.

    A task is stored twice: before its submit, and again with what the service answered.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._run("CREATE TABLE IF NOT EXISTS tasks (id TEXT PRIMARY KEY, task TEXT NOT NULL)")

    async def keep(self, request_id: str, task: Task) -> None:
        await run_in_threadpool(self._run, "INSERT OR REPLACE INTO tasks VALUES (?, ?)", request_id, task.to_json())

    async def forget(self, request_id: str) -> None:
        await run_in_threadpool(self._run, "DELETE FROM tasks WHERE id = ?", request_id)

    async def find(self, request_id: str) -> Task | None:
        row = await run_in_threadpool(self._run, "SELECT task FROM tasks WHERE id = ?", request_id)
        return Task.from_json(row[0]) if row else None

    def _run(self, statement: str, *values: str) -> Any:
        with closing(sqlite3.connect(self._path)) as file, file:
            return file.execute(statement, values).fetchone()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    limits = Limits(qps=20, concurrency=20, max_waiting=int(os.environ.get("MAX_WAITING", "100")))
    async with VolcASR(limits=limits) as asr:
        yield {"asr": asr, "tasks": Tasks(os.environ.get("TASKS_FILE", "tasks.db"))}
        await handlers_have_ended(asr)


async def handlers_have_ended(asr: VolcASR) -> None:
    """Wait for the handlers that were cancelled at the shutdown, so that lost recordings are logged.

    After the grace period uvicorn cancels the handlers, does not wait for them, and ends the process with the signal.
    """
    with anyio.move_on_after(5):
        await asyncio.sleep(0.1)
        while asr.stats.in_air or asr.stats.waiting:  # noqa: ASYNC110 - the client has no event for this
            await asyncio.sleep(0.05)


app = FastAPI(title="Transcripts", lifespan=lifespan)


async def the_client(request: Request) -> VolcASR:
    asr: VolcASR = request.state.asr
    return asr


async def the_tasks(request: Request) -> Tasks:
    tasks: Tasks = request.state.tasks
    return tasks


async def the_task(task_id: str, tasks: Annotated[Tasks, Depends(the_tasks)]) -> Task:
    task = await tasks.find(task_id)
    if task is None:
        raise HTTPException(404, "there is no such task")
    return task


Client = Annotated[VolcASR, Depends(the_client)]
Known = Annotated[Task, Depends(the_task)]


# ---- a recording in the request ----

LARGEST_UPLOAD = Flash.largest_bytes
LARGEST_FORM = LARGEST_UPLOAD + 64 * 1024  # the headers of its parts, and fields beside the file
BODIES = {
    "multipart/form-data": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}},
    "audio/*": {"type": "string", "format": "binary"},
}
DESCRIPTION = {
    "requestBody": {"required": True, "content": {kind: {"schema": schema} for kind, schema in BODIES.items()}}
}


@app.post("/transcripts", openapi_extra=DESCRIPTION)
async def transcribe(request: Request, asr: Client) -> dict[str, Any]:
    """Transcribe an upload. Its first bytes decide what it is; its name and its Content-Type do not matter."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await transcribe_form(request, asr)
    if kind == "application/x-www-form-urlencoded":
        raise HTTPException(415, "send the recording as the body, or a form as multipart/form-data")
    return await transcribe_body(request, asr)


async def transcribe_body(request: Request, asr: VolcASR) -> dict[str, Any]:
    """Pass the body on as it comes: neither the disk nor the memory holds it."""
    taken = asyncio.Event()
    audio = AudioStream(chunks=body_of(request, taken), size=size_of(request, LARGEST_UPLOAD), name="upload")
    return shown(await while_connected(request, asr.transcribe(audio, timeout=600), taken))


async def transcribe_form(request: Request, asr: VolcASR) -> dict[str, Any]:
    """Read the form, which keeps a large file on the disk and closes it at the end, then send the file."""
    size_of(request, LARGEST_FORM)
    async with request.form(max_files=1, max_fields=20) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise HTTPException(422, 'send the recording as the file "file" of the form')
        return shown(await while_connected(request, asr.transcribe(upload, timeout=600)))


def size_of(request: Request, most: int) -> int:
    """Return the length of the body: it limits what is read, and the service has to be told it beforehand."""
    length = request.headers.get("content-length")
    if length is None:
        raise HTTPException(411, "send Content-Length")
    if int(length) > most:
        raise HTTPException(413, f"at most {LARGEST_UPLOAD} bytes; a link (POST /tasks) may lead to more")
    return int(length)


async def body_of(request: Request, taken: asyncio.Event) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk
    taken.set()


async def while_connected(request: Request, work: Awaitable[T], taken: asyncio.Event | None = None) -> T:
    """Do the work for as long as the client is there: by itself, a handler goes on when nobody is left to answer.

    *taken* is set when the request's body has been read; before that, reading it is what finds out.
    """

    async def watch() -> None:
        if taken is not None:
            await taken.wait()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    with anyio.CancelScope() as scope:
        watcher = asyncio.create_task(watch())
        try:
            return await work
        finally:
            watcher.cancel()
    raise ClientDisconnect


# ---- a link, and its task ----


class Link(BaseModel):
    url: str


@app.post("/tasks", status_code=202)
async def submit(link: Link, asr: Client, tasks: Annotated[Tasks, Depends(the_tasks)], response: Response) -> Any:
    """Store the request id, submit, store the task. The handler is not cancelled when the client disconnects."""
    job = Job(link.url, edition=EDITION)
    await tasks.keep(job.request_id, presumed_task(job))
    try:
        await tasks.keep(job.request_id, await asr.submit(job, timeout=30))
    except VolcASRError as error:
        if error.charged == "no":
            await tasks.forget(job.request_id)
        if not isinstance(error, SubmitUncertain) or error.task is None:
            raise
        # The service may have accepted it: queries of the stored request id will find out.
    response.headers["Location"] = f"/tasks/{job.request_id}"
    return {"id": job.request_id, "state": "accepted"}


def presumed_task(job: Job) -> Task:
    """Return the task that a submit has if the service accepts it: standard and idle find it by its request id."""
    return Task(id=job.request_id, edition=EDITION, request_id=job.request_id, submitted_at=time.time(), key=job.name)


@app.get("/tasks/{task_id}")
async def show(request: Request, task: Known, asr: Client, wait: Annotated[float, Query(ge=0, le=60)] = 0) -> Any:
    """Query once, or wait. A client that disconnects can ask again later, because the task continues at the service."""
    if not wait:
        return standing(await asr.query(task))
    try:
        return standing(await while_connected(request, asr.wait(task, timeout=wait)))
    except WaitTimeout:
        return standing(Pending(task=task))


@app.get("/tasks/{task_id}/events")
async def events(task: Known, asr: Client) -> StreamingResponse:
    """Closed by the framework when the client leaves."""
    return StreamingResponse(news_of(task, asr), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def news_of(task: Task, asr: VolcASR) -> AsyncIterator[str]:
    while True:
        try:
            news = await asr.query(task)
        except VolcASRError as error:
            if not error.retryable:
                yield event("failed", problem(error))
                return
        else:
            yield event("done" if isinstance(news, Transcript) else "progress", standing(news))
            if isinstance(news, Transcript):
                return
        age = time.time() - task.submitted_at
        await asyncio.sleep(min(max(age / 5, 1), 15))  # a query is a request of the budget


def event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def standing(news: Pending | Transcript) -> dict[str, Any]:
    return {"state": "done", **shown(news)} if isinstance(news, Transcript) else {"state": news.phase}


def shown(transcript: Transcript) -> dict[str, Any]:
    lines = [{"start_ms": u.start_ms, "end_ms": u.end_ms, "text": u.text} for u in transcript.utterances]
    return {"text": transcript.text, "duration_ms": transcript.duration_ms, "utterances": lines}


@app.get("/health")
async def health(asr: Client) -> dict[str, Any]:
    return asdict(asr.stats)


# ---- what goes wrong ----

STATUSES: dict[type[VolcASRError], int] = {  # the first that fits
    InputError: 422,
    AudioError: 422,
    TaskNotFound: 404,
    BudgetFull: 503,
    RateLimited: 503,
    ServerBusy: 503,
    WaitTimeout: 504,
}


def status_of(error: VolcASRError) -> int:
    if error.account_wide or (isinstance(error, InputError) and error.reason == "usage"):
        return 500  # our key, our quota, our mistake: nothing that the caller could do
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 502)


def problem(error: VolcASRError) -> dict[str, str]:
    """Return what the caller may read: no ids, hosts, paths or advice for programmers. The log has the rest."""
    return {"error": error.public_code, "message": error.public_message}


@app.exception_handler(VolcASRError)
async def refuse(_: Request, error: VolcASRError) -> Response:
    """Answer with the status of the error and its public message; log the whole error."""
    status = status_of(error)
    log.log(logging.ERROR if status == 500 else logging.WARNING, "%s: %s", type(error).__name__, error)
    headers = {}
    if status == 503:
        headers["Retry-After"] = str(math.ceil(getattr(error, "retry_after_s", None) or 10))
    return JSONResponse(problem(error), status, headers)


@app.exception_handler(ClientDisconnect)
async def nobody_is_left(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=499)
