"""Credentials show and keep nothing."""

import copy
import pickle
from typing import Any

import pytest

from volcasr_async import ApiKey, AppKey, ConfigurationError


@pytest.mark.parametrize("bad", ["", " ", "a\x00b", "a b", "ключ", None, 5, b"a", "a\r\nX: y"])
def test_what_no_console_shows_is_refused(bad: Any) -> None:
    """Blank, broken and non-string keys are refused, without being shown."""
    for make in (
        lambda: ApiKey(bad),
        lambda: AppKey(bad, "b"),
        lambda: AppKey("a", bad),
        lambda: AppKey("a", "b", "" if bad is None else bad),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert "ключ" not in str(caught.value)


@pytest.mark.parametrize("value", [ApiKey("s3cret"), AppKey("app", "s3cret"), AppKey("app", "s3cret", "s3cret2")])
def test_nothing_is_shown(value: Any) -> None:
    """Neither repr, str, format nor rich shows a key; none pickles or is deep-copied into a file."""
    assert "s3cret" not in f"{value!r} {value} {value.__rich_repr__()}"
    assert "s3cret" in value.secrets
    assert "app" not in value.secrets
    for travel in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="pickle"):
            travel(value)
