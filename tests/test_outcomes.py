"""Outcomes are values."""

import pytest

from volcasr_async import Done, Failed, Job, Transcript
from volcasr_async.errors import InputError

JOB = Job("https://example.com/a.mp3")


def test_outcomes_can_be_told_apart_and_taken_apart() -> None:
    """`match` tells what came, and its parts are there under their names."""
    found = []
    for outcome in (Done(JOB, Transcript(text="good")), Failed(JOB, InputError("bad"))):
        match outcome:
            case Done(job, transcript):
                found.append((job.name, transcript.text))
            case Failed(job, error):
                found.append((job.name, str(error)))
    assert found == [(JOB.name, "good"), (JOB.name, "bad")]


def test_outcomes_are_frozen() -> None:
    """Nobody changes one."""
    with pytest.raises(AttributeError):
        Done(JOB, Transcript(text="good")).job = JOB  # type: ignore[misc]  # on purpose
