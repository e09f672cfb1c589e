"""What a journal is asked for, and how it names attempts."""

from typing import get_args
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from volcasr_async.journal import STATES, State, request_id_of

ID = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"


def test_states() -> None:
    """The list and the type name the same states."""
    assert get_args(State) == STATES


@given(st.text(), st.text(), st.integers(0, 99), st.integers(0, 99))
def test_ids(key: str, other: str, attempt: int, next_attempt: int) -> None:
    """An id depends on key and attempt, and on nothing else."""
    one = request_id_of(ID, key, attempt)
    assert str(UUID(one)) == one
    assert (one == request_id_of(ID, other, next_attempt)) == ((key, attempt) == (other, next_attempt))
