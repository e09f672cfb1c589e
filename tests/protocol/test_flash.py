"""Flash: one request, one answer."""

from typing import Any

import pytest
from ground import ID, KEY, answer, body_of, order_of, speak, task_of

from volcasr_async import (
    AudioUrl,
    BadAudioFormat,
    Flash,
    InputError,
    InvalidRequest,
    ReplyError,
    ServerError,
    Transcript,
)

FLASH = Flash()


def read(reply: Any) -> Any:
    return speak(FLASH).read_open(order_of(edition=FLASH), reply, at=0.0)


def test_call() -> None:
    """Path, resource and the sequence header; by link or inline."""
    call = speak(FLASH, KEY).open(order_of(edition=FLASH))
    assert (call.phase, call.path) == ("flash", "/api/v3/auc/bigmodel/recognize/flash")
    assert dict(call.headers) == {
        "X-Api-Key": "api-key", "X-Api-Resource-Id": "volc.bigasr.auc_turbo", "X-Api-Request-Id": ID,
        "X-Api-Sequence": "-1", "Content-Type": "application/json",
    }  # fmt: skip
    assert body_of(call)["audio"] == {"url": "https://example.com/a.mp3"}
    assert body_of(speak(FLASH).open(order_of(b"ABC", FLASH)))["audio"] == {"data": "QUJD"}
    assert speak(FLASH).phase == "flash"


@pytest.mark.parametrize("body", [None, {}, {"result": {}}, b"<html>", {"result": {"text": ""}}])
def test_success_without_a_transcript_is_unreadable(body: Any) -> None:
    """Flash cannot still be running."""
    with pytest.raises(ReplyError):
        read(answer(20000000, "OK", body))


@pytest.mark.parametrize("code", [20000001, 20000002, 20000009])
def test_running_is_undocumented(code: int) -> None:
    """The polling codes mean nothing here."""
    with pytest.raises(ReplyError):
        read(answer(code, "OK", {"result": {"text": "a"}}))


def test_results() -> None:
    """A text, an empty one beside a duration, and silence; none has a task."""
    done = read(answer(20000000, "OK", {"audio_info": {"duration": 5}, "result": {"text": "a"}}))
    empty = read(answer(20000000, "OK", {"audio_info": {"duration": 5}, "result": {"text": ""}}))
    silent = read(answer(20000003, "", {"audio_info": {"duration": 5}}))
    assert [(t.text, t.silent, t.duration_ms, t.task) for t in (done, empty, silent)] == [
        ("a", False, 5, None), ("", False, 5, None), ("", True, 5, None),
    ]  # fmt: skip
    assert isinstance(done, Transcript)


def test_refusals() -> None:
    """A no is a no; a page without a code leaves the outcome open."""
    with pytest.raises(InvalidRequest) as refused:
        read(answer(45000001))
    assert refused.value.evidence == "refused"
    with pytest.raises(ServerError) as caught:
        read(answer(status=503))
    assert caught.value.evidence == "nothing"


@pytest.mark.parametrize("body", [{"header": {"code": 45000151}}, {"code": "45000151"}, {"resp": {"code": 45000151}}])
def test_a_failure_in_the_body_under_a_success_header_is_a_refusal(body: Any) -> None:
    """The header says success, the body says what happened."""
    with pytest.raises(BadAudioFormat):
        read(answer(20000000, "OK", body))


def test_there_is_nothing_to_follow() -> None:
    """No task, no claim, no query."""
    dialect = speak(FLASH)
    assert dialect.claim(order_of(edition=FLASH), at=0.0) is None
    with pytest.raises(InputError):
        dialect.follow(task_of(FLASH))
    with pytest.raises(InputError):
        dialect.read_follow(task_of(FLASH), answer(20000000))


@pytest.mark.parametrize("job", [{"callback": "https://x.example"}, {"callback_data": "d"}])
def test_no_callback(job: dict[str, Any]) -> None:
    """A callback is refused with the editions that take one."""
    with pytest.raises(InputError, match="standard, idle and v1"):
        order_of(edition=FLASH, **job)


@pytest.mark.parametrize("container", ["m4a", "flac", "spx"])
def test_containers(container: str) -> None:
    """What flash does not take is refused; what standard takes is sent there."""
    with pytest.raises(InputError) as caught:
        order_of(AudioUrl("https://e.com/a", format=container), FLASH)
    assert ("pass a link to standard" in str(caught.value)) == (container != "flac")
