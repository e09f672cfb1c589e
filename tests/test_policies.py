"""Policies refuse what would hang or spin."""

import math
from typing import Any

import pytest

from volcasr_async import InputError, Limits, PollPolicy, RetryPolicy

NAN, INF = math.nan, math.inf
BAD = [
    (Limits, {"qps": v}) for v in (0, -1, NAN, INF, "20", True)
] + [(Limits, {name: v}) for name in ("concurrency", "upload_bytes") for v in (0, -1, 1.5, "1", True, None)] + [
    (RetryPolicy, {"attempts": v}) for v in (0, 1.5, None, True)
] + [(RetryPolicy, {name: v}) for name in ("first", "longest", "reply_timeout", "grace") for v in (-1, NAN, INF, "1", None)
] + [(RetryPolicy, {"new_tasks": -1}), (RetryPolicy, {"first": 2, "longest": 1}), (RetryPolicy, {"reply_timeout": 0})
] + [(PollPolicy, {name: v}) for name in ("first", "growth", "shortest", "longest") for v in (-1, NAN, "1")
] + [(PollPolicy, {"shortest": 0}), (PollPolicy, {"shortest": 5, "longest": 1})]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields"), BAD)
def test_refused(kind: Any, fields: dict[str, Any]) -> None:
    """Zero, negative, endless and mistyped values are an `InputError` at once."""
    with pytest.raises(InputError):
        kind(**fields)


def test_taken() -> None:
    """Defaults of the design, and the edges."""
    assert (Limits().qps, Limits().concurrency) == (20.0, 20)
    assert Limits(qps=None).qps is None
    Limits(qps=0.5, concurrency=1, upload_bytes=1)
    assert (PollPolicy().first, PollPolicy().growth, PollPolicy().shortest) == (2.0, 0.2, 1.0)
    PollPolicy(first=0, growth=0, shortest=1, longest=1)
    policy = RetryPolicy(attempts=1, grace=0)
    assert (policy.resubmit_v1, policy.resend_flash, policy.new_tasks) == (False, False, 0)


RETRY: Any = RetryPolicy  # what is passed here is wrong on purpose
POLL: Any = PollPolicy


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RETRY(first="1"), r"RetryPolicy\(first='1'\) must be a number of seconds, above 0"),
        (lambda: RETRY(first=9, longest=3), r"RetryPolicy\(first=9\) must not be above longest=3"),
        (lambda: RETRY(grace=-1), r"RetryPolicy\(grace=-1\) must be a number of seconds, at least 0"),
        (lambda: RETRY(new_tasks=True), r"RetryPolicy\(new_tasks=True\) must be a whole number"),
        (lambda: RETRY(pay_again="no"), r"RetryPolicy\(pay_again\) takes True or False, not str"),
        (lambda: RETRY(resend_flash=0), r"RetryPolicy\(resend_flash\) takes True or False, not int"),
        (lambda: POLL(growth="fast"), r"PollPolicy\(growth='fast'\) must be a number"),
        (lambda: POLL(shortest=5, longest=1), r"PollPolicy\(longest=1\) must not be below shortest=5"),
    ],
)
def test_messages_name_the_value_and_what_it_must_be(make: Any, said: str) -> None:
    """The text "no" is not a permission to be charged again."""
    with pytest.raises(InputError, match=said):
        make()
