"""Values whose type nobody promised."""

import pytest

from volcasr_async.lenient import json_of, milliseconds, number, objects, text_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), ("5", 5), (5.4, 5), ("5.6", 6), (None, None), ("", None), ("x", None), ([], None), ("inf", None),
     ("nan", None), (10**400, None), (float("inf"), None)],
)  # fmt: skip
def test_numbers(value: object, expected: int | None) -> None:
    """Ints, floats and strings of either; nothing else, and no exception."""
    assert number(value) == expected
    assert milliseconds(value) == (-1 if expected is None else expected)


def test_texts() -> None:
    """Strings stay, nothing is empty, the rest is JSON."""
    assert [text_of(v) for v in ("a", None, 5, True, {"a": [None]})] == ["a", "", "5", "true", '{"a":[null]}']


def test_objects() -> None:
    """Only objects of a list."""
    assert objects([{"a": 1}, None, 5, [], {}]) == [{"a": 1}, {}]
    assert objects({"a": 1}) == objects(None) == objects("x") == []


def test_json_of() -> None:
    """Any JSON, a wrong charset too; what is none is a ValueError."""
    assert json_of(b'{"a":"\xff"}') == {"a": "\ufffd"}
    for bad in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(ValueError):
            json_of(bad)
