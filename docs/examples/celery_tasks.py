"""Celery tasks that transcribe recordings: `celery -A celery_tasks worker --concurrency 4`."""

import asyncio
import json
from functools import cache
from typing import Any

from celery import Celery

from volcasr_async import Job, Limits, RateLimited, ServerBusy, TransportError, VolcASR, WaitTimeout

PROCESSES = 4  # as many as `--concurrency`, over all workers that use the key

app = Celery("recordings")  # CELERY_BROKER_URL and CELERY_RESULT_BACKEND say where it finds the broker
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)


@cache
def client() -> VolcASR:
    """Make one client for each process, when its first task comes."""
    return VolcASR(limits=Limits(qps=20 / PROCESSES))


@app.task(bind=True, max_retries=20)  # type: ignore[untyped-decorator]
def transcribe(self: Any, url: str) -> dict[str, Any]:
    """Transcribe a recording. A task that is delivered twice, or retried, is charged once: its id is the request id."""
    job = Job(url, request_id=self.request.id)
    try:
        transcript = asyncio.run(client().transcribe(job, timeout=600))
    except WaitTimeout as error:  # accepted and not finished: another time, and somebody else's turn meanwhile
        raise self.retry(exc=error, countdown=60) from error
    except (RateLimited, ServerBusy, TransportError) as error:
        raise self.retry(exc=error, countdown=30) from error
    found: dict[str, Any] = json.loads(transcript.to_json())
    return found
