"""Replies that look final and are not, and replies that look good and are not."""

from typing import Any

import pytest
from ground import answer
from progress_kit import ACCEPTED, DONE, ended, lost, make, play, starved

from volcasr_async import Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.messages import Reply

# ---- an empty text of a long recording ----


def empty(duration_ms: int, **result: Any) -> Reply:
    return answer(20000000, "OK", {"audio_info": {"duration": duration_ms}, "result": {"text": "", **result}})


def test_an_empty_text_of_a_long_recording_takes_three_answers() -> None:
    """A minute without a word is rare, and a running task that answers like a finished one was reported."""
    progress = make()
    assert play(progress, ACCEPTED, empty(60_000), empty(60_000)) is None
    assert (progress.state, progress.charged) == ("wait", "yes")
    end = play(progress, empty(60_000))
    assert isinstance(end, Transcript)
    assert (end.text, end.duration_ms, end.silent) == ("", 60_000, False)


def test_a_text_that_comes_after_an_empty_one_is_the_result() -> None:
    """Also after a lost answer."""
    for first in (ACCEPTED, lost()):
        end = play(make(), first, empty(3_600_000), empty(3_600_000), DONE)
        assert isinstance(end, Transcript)
        assert end.text == "done"


@pytest.mark.parametrize("reply", [
    empty(59_999), empty(0), answer(20000003, "", {"audio_info": {"duration": 3_600_000}}),
    empty(3_600_000, utterances=[{"text": "", "start_time": 0, "end_time": 5}]),
])  # fmt: skip
def test_other_empty_results_are_final_at_once(reply: Reply) -> None:
    """A short recording, one that the service calls silent, and one with utterances."""
    end = play(make(), ACCEPTED, reply)
    assert isinstance(end, Transcript)
    assert end.text == ""


def test_a_new_task_counts_its_own_empty_answers() -> None:
    """Those of the task that ended say nothing about it."""
    progress = make(new_tasks=1)
    assert play(progress, ACCEPTED, empty(60_000), empty(60_000), answer(55001010)) is None
    assert play(progress, ACCEPTED, empty(60_000), empty(60_000)) is None
    assert isinstance(play(progress, empty(60_000)), Transcript)


# ---- a failure in the body under a success header ----


@pytest.mark.parametrize("place", ["header", "flat", "resp"])
def test_a_failed_task_under_a_success_header_has_failed(place: str) -> None:
    """It is not polled until the deadline; wherever the body says it."""
    said = {"code": 45000151, "message": "audio convert failed"}
    body = said if place == "flat" else {place: said}
    progress = make()
    final = ended(progress, ACCEPTED, answer(20000000, "OK", body))
    assert isinstance(final, e.BadAudioFormat)
    assert (final.code, final.message, final.charged, progress.ended) == (45000151, "audio convert failed", "yes", True)


@pytest.mark.parametrize(
    ("code", "state", "charged"),
    [(45000077, "ask", "maybe"), (55000000, "ask", "maybe"), (55000031, "submit", "no")],
)
def test_a_refused_submit_under_a_success_header_is_refused(code: int, state: str, charged: str) -> None:
    """The code in the body decides about the charge, as if it stood in the header."""
    progress = make()
    assert play(progress, answer(20000000, "OK", {"code": code, "message": "no"})) is None
    assert (progress.state, progress.charged) == (state, charged)


def test_an_invalid_submit_under_a_success_header_is_asked_about() -> None:
    """45000001 is followed by queries there as well, and is the end when they find nothing."""
    progress = make()
    assert play(progress, answer(20000000, "OK", {"code": 45000001, "message": "no"})) is None
    final = starved(progress)
    assert isinstance(final, e.InvalidRequest)
    assert final.charged == "no"


@pytest.mark.parametrize("code", [20000000, 0, 200, 3001, "OK", None])
def test_a_body_that_reports_no_known_failure_changes_nothing(code: Any) -> None:
    """A submit with such a body is accepted, and a query with one tells that the task goes on."""
    progress = make()
    reply = answer(20000000, "OK", {"code": code, "message": "x"})
    assert play(progress, reply, reply, reply) is None
    assert (progress.state, progress.charged) == ("wait", "yes")


def test_a_result_beside_a_code_is_a_result() -> None:
    """A paid text is handed out whatever stands beside it."""
    body = {"code": 55000000, "audio_info": {"duration": 5}, "result": {"text": "done"}}
    assert isinstance(play(make(), ACCEPTED, answer(20000000, "OK", body)), Transcript)
