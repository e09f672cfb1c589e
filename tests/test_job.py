"""Jobs, and the choices made for them."""

from typing import Any

import pytest
from ground import URL, order_of

from volcasr_async import AucV1, AudioUrl, ConfigurationError, Flash, Idle, InputError, Job, Options, Standard
from volcasr_async.job import as_edition, as_job, prepare


def choose(job: Job, **more: Any) -> Any:
    defaults: dict[str, Any] = {"edition": None, "options": None, "cluster": None}
    return prepare(job, **(defaults | more))


def test_choices() -> None:
    """The job's own choice first, the caller's second, then by the source."""
    assert choose(Job(URL)).edition == Standard()
    assert choose(Job(b"abc")).edition == Flash()
    assert choose(Job(URL, "idle"), edition="flash").edition == Idle()
    assert choose(Job(URL), edition="v1", cluster="c").edition == AucV1("c")
    options = Options(enable_ddc=True)
    assert choose(Job(URL), options=options).options is options
    assert as_job(URL).source == AudioUrl(url=URL)


def test_unknown_editions() -> None:
    """A name that is none is refused with those that are."""
    with pytest.raises(InputError, match="standard, idle, flash, v1"):
        as_edition("express", cluster=None)
    with pytest.raises(ConfigurationError, match="VOLCASR_CLUSTER"):
        as_edition("v1", cluster=None)


@pytest.mark.parametrize("value", ["", "x", 5, None, "{67ee89ba-7050-4c04-a3d7-ac61a63499b3}", "\n" + "1" * 31])
def test_request_ids(value: Any) -> None:
    """Only a UUID names a task, in a form that a header can hold."""
    with pytest.raises(InputError, match="UUID"):
        choose(Job(URL, request_id=value))


@pytest.mark.parametrize("name", ["key", "callback", "callback_data", "uid"])
def test_texts_of_a_job(name: str) -> None:
    """Fields that go out are strings that UTF-8 can hold."""
    for bad in (5, "\ud800"):
        with pytest.raises(InputError):
            Job(URL, **{name: bad})  # type: ignore[arg-type]  # on purpose


def test_other_refusals() -> None:
    """Languages for speakers, callback data in v1."""
    with pytest.raises(InputError, match="zh-CN"):
        order_of(AudioUrl(URL, language="en-US"), options=Options(enable_speaker_info=True))
    with pytest.raises(InputError, match="callback_data"):
        order_of(edition=AucV1("c"), callback="https://x", callback_data="d")
    assert Job(URL, key="k").name == "k"
    assert len({Job(URL).request_id for _ in range(9)}) == 9


@pytest.mark.parametrize(
    "callback", ["", "x.example/cb", "ftp://x.example/cb", "https://", "https://x.example/a b?token=t"]
)
def test_a_callback_is_a_link(callback: str) -> None:
    """Nobody could call another; the refusal does not repeat it."""
    with pytest.raises(InputError, match="begins with http") as caught:
        Job(URL, callback=callback)
    assert "token" not in str(caught.value)
