"""The message that may be shown to the caller of a web service: what it says for each error, and that nothing leaks."""

import copy
import inspect
import pickle
import re
from typing import Any, get_args

import pytest
from ground import answer, task_of

from volcasr_async import Job, errors
from volcasr_async.errors import InputError, VolcASRError
from volcasr_async.protocol.messages import Phase
from volcasr_async.protocol.reading import read_status, refuse
from volcasr_async.protocol.status import CODES, RANGES
from volcasr_async.public_messages import CODE_OF_REASON, MESSAGES, InputReason, PublicCode

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, VolcASRError)]
LEAK = "/srv/private/talk.wav https://bucket.internal/a.mp3?sig=s3cret log 2026LOG, pass format= out, RetryPolicy(x=1)"
INTERNAL = re.compile(
    r"""[/\\]|\w+=|\(|`|\b(?:log|request)[ _-]?id\b|\bAPI\b|\bkey\b|volc|flash|standard|idle|\bv1\b|edition"""
    r"""|python|\w+\.\w+\b|\d{3}""",
    re.IGNORECASE,
)


def of_class(kind: type[VolcASRError]) -> VolcASRError:
    if issubclass(kind, errors.ServiceError):
        return kind(LEAK, code=45000001, log_id="2026LOG", request_id="r-1", http_status=400, edition="flash",
                    task=task_of(), hint=LEAK)  # fmt: skip
    if kind is errors.ReplyError:
        return errors.ReplyError(LEAK, excerpt=LEAK, http_status=200, log_id="2026LOG")
    if kind in (errors.SubmitUncertain, errors.WaitTimeout):
        return kind(LEAK, task=task_of(), job=Job("https://bucket.internal/a.mp3"))
    return kind(LEAK)


def of_code(code: int | None, phase: Phase, http_status: int = 200, message: str = LEAK) -> VolcASRError:
    reply = answer(code, message, status=http_status)
    status = read_status(reply)
    try:
        refuse(status, reply, phase, edition="standard", request_id="r-1", task=task_of())
    except VolcASRError as error:
        return error


PHASES: tuple[Phase, ...] = ("submit", "query", "flash")
LISTED = [*CODES, *(low + 5 for low, _, _ in RANGES)]
ANSWERED = [of_code(code, phase) for code in LISTED for phase in PHASES]
PAGES = [of_code(None, phase, http) for http in (200, 400, 401, 403, 404, 413, 429, 500, 502, 504) for phase in PHASES]
INPUTS = [InputError(LEAK, reason=reason) for reason in get_args(InputReason)]


@pytest.mark.parametrize("error", [*map(of_class, CLASSES), *ANSWERED, *PAGES, *INPUTS], ids=lambda e: type(e).__name__)
def test_the_public_message_of_every_error_contains_nothing_internal(error: VolcASRError) -> None:
    """Every class, every code in every phase, pages without a code, every reason of an input error."""
    assert error.public_code in get_args(PublicCode)
    assert error.public_message == MESSAGES[error.public_code]
    assert INTERNAL.search(error.public_message) is None
    assert re.fullmatch(r"[A-Z][^.]+\.( [A-Z][^.]+\.)+", error.public_message)  # what is wrong, and what to do


def test_every_public_code_has_a_message_and_every_reason_a_code() -> None:
    """The tables are complete, and no code is never used."""
    assert MESSAGES.keys() == set(get_args(PublicCode))
    assert CODE_OF_REASON.keys() == set(get_args(InputReason))
    used = {error.public_code for error in (*map(of_class, CLASSES), *ANSWERED, *PAGES, *INPUTS)}
    used.add(errors.WaitTimeout("late").public_code)
    assert used == MESSAGES.keys()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (of_code(45000151, "query"), "recording_format"),
        (of_code(1012, "query"), "recording_format"),
        (of_code(45000002, "flash"), "recording_empty"),
        (of_code(45000132, "submit"), "recording_too_large"),
        (of_code(1010, "query"), "recording_too_long"),
        (of_code(45000006, "query"), "link_not_downloadable"),
        (of_code(None, "flash", 413), "recording_too_large"),
        (of_code(45000292, "submit", message="quota exceeded for types: qps"), "busy"),
        (of_code(55000031, "submit"), "busy"),
        (of_code(45000292, "submit", message="audio_duration_lifetime"), "internal"),  # the operator has to buy more
        (of_code(45000010, "submit"), "internal"),
        (of_code(45000030, "submit"), "internal"),
        (of_code(45000001, "submit"), "internal"),
        (of_code(55000000, "query"), "unavailable"),
        (of_code(None, "query", 502), "unavailable"),
        (of_code(45000000, "query", message="cannot find task"), "not_found"),
        (errors.TransportError("reset", sent="yes"), "unavailable"),
        (errors.BudgetFull("full"), "busy"),
        (errors.WaitTimeout("late", task=task_of()), "not_finished"),
        (errors.WaitTimeout("late"), "timed_out"),
        (errors.SubmitUncertain("lost"), "uncertain"),
        (errors.ConfigurationError("no key"), "internal"),
        (errors.JournalError("disk full"), "internal"),
        (InputError("a.wav is empty", reason="empty"), "recording_empty"),
        (InputError("rate=0"), "value_invalid"),
        (InputError("client is closed", reason="usage"), "internal"),
    ],
)
def test_the_code_says_whose_fault_it_is(error: VolcASRError, code: str) -> None:
    """The recording, a passing problem, or the operator."""
    assert error.public_code == code
    assert ("our side" in error.public_message) == (code == "internal")
    assert ("later" in error.public_message) == (code in {"busy", "unavailable", "not_finished", "timed_out"})


def test_the_reason_of_an_input_error_survives_pickle_and_copy() -> None:
    """Errors cross processes, for example in Celery."""
    error = InputError("a.wav is empty", reason="empty")
    copies: list[Any] = [pickle.loads(pickle.dumps(error)), copy.copy(error)]
    assert [(again.reason, str(again), again.public_code) for again in copies] == [
        ("empty", "a.wav is empty", "recording_empty")
    ] * 2
