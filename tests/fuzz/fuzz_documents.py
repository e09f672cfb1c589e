"""Documents that people keep and hand back: transcripts (byte 0 even) and tasks (odd)."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz_kit import TASK_ID, Target, samples, told

from volcasr_async import AucV1, Flash, Idle, Standard, Task, read_transcript
from volcasr_async.editions import Edition
from volcasr_async.errors import InputError
from volcasr_async.subtitles import to_srt, to_text

_EDITIONS: tuple[Edition, ...] = (Standard(inline_audio=True), Idle(), Flash(), AucV1("volc_auc_common"))


def run(data: bytes) -> None:
    """Read a document; what is taken can be written, read again, and shown."""
    try:
        if data[:1] < b"\x01" or data[0] % 2 == 0:
            found = read_transcript(data[1:])
            again = read_transcript(found.to_json())
            assert (again.text, again.duration_ms, again.silent) == (found.text, found.duration_ms, found.silent)
            assert (again.utterances, again.task, again.log_id) == (found.utterances, found.task, found.log_id)
            assert to_text(found).encode() is not None
            assert to_srt(found).encode() is not None
            assert repr(found)
        else:
            task = Task.from_json(data[1:])
            assert Task.from_json(task.to_json()) == task
    except InputError as error:
        told(error)


def seeds() -> Iterator[bytes]:
    """Bring the recorded bodies, what is written of them, and tasks of every edition."""
    for name, status, _, body in samples():
        if status == 200 and ("done" in name or "flash_ok" in name):
            yield b"\x00" + body
            yield b"\x00" + read_transcript(body).to_json().encode()
    for edition in _EDITIONS:
        task = Task(id=TASK_ID, edition=edition, request_id=TASK_ID, submitted_at=1.5, key="k", log_id="log")
        yield b"\x01" + task.to_json().encode()


TARGET = Target(
    run,
    seeds,
    (
        *('"raw":', '"text":', '"duration_ms":', '"silent":true', '"task":', '"utterances":[', '"log_id":', '"words":'),
        *('"result":', '"resp":', '"audio_info":', '"additions":', '"name":"v1"', '"submitted_at":', "null", "1e308"),
    ),
)
