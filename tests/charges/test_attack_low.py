"""The rows of low severity of the attack on 0.1.0 that no other module tests."""

import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from charges_kit import (
    FLASH,
    POLLED,
    STANDARD,
    Down,
    charged_of,
    client_over,
    errors,
    links,
    names,
    once_each,
    outcomes_of,
    queried,
    rows,
    run,
    standard_and_v1,
)
from io_kit import PLAIN, client

from volcasr_async import BadAudioFormat, InputError, Limits, SubmitUncertain, TransportError
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

STRANGE = "someone else's words"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


# ---- a relative path in another directory ----


async def test_a_relative_path_in_another_directory_is_another_file(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was not transcribed does not count as done; nothing is sent, and the error names both files."""
    for number, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").write_bytes(make_wav(1.0 + number))
    simulator = Simulator()
    told: dict[str, Any] = {"client_with": {"edition": FLASH}, "journal": journal}
    monkeypatch.chdir(tmp_path / "one")
    assert len(names(await run(simulator, [Path("a.wav")], **told))) == 1
    monkeypatch.chdir(tmp_path / "two")
    (error,) = errors(await run(simulator, [Path("a.wav")], **told))
    assert isinstance(error, InputError)
    assert str(tmp_path / "one" / "a.wav") in str(error)
    assert str(tmp_path / "two" / "a.wav") in str(error)
    assert len(simulator.charges) == 1
    assert rows(journal) == ["done"]
    monkeypatch.chdir(tmp_path / "one")
    assert await run(simulator, [Path("a.wav")], **told) == []
    monkeypatch.chdir(tmp_path / "two")
    assert len(names(await run(simulator, [Path("a.wav")], redo=True, **told))) == 1
    assert len(simulator.charges_by_source) == 2


async def test_an_absolute_path_is_the_same_from_everywhere(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not depend on the directory."""
    (tmp_path / "a.wav").write_bytes(make_wav(1.0))
    simulator = Simulator()
    told: dict[str, Any] = {"client_with": {"edition": FLASH}, "journal": journal}
    assert len(names(await run(simulator, [tmp_path / "a.wav"], **told))) == 1
    monkeypatch.chdir(os.sep)
    assert await run(simulator, [tmp_path / "a.wav"], **told) == []


# ---- answers that are not what they seem ----


@queried
async def test_an_empty_text_of_a_long_recording_is_asked_about_again(edition: Edition) -> None:
    """Success without a word while the task is still running is no result."""
    simulator = Simulator(processing_time=5, faults=[Fault("empty-text", on="query", times=2)])
    url = "https://example.com" + simulator.add_audio("hour.wav", make_wav(120.0))
    async with client(simulator, edition=edition) as asr:
        transcript = await asr.transcribe(url)
    assert transcript.text
    assert len(simulator.charges) == 1


@queried
async def test_a_result_of_another_request_is_no_answer(journal: Path, edition: Edition) -> None:
    """Its text is not taken, and the task is queried again."""
    simulator = Simulator(echo_request_id=True, faults=[Fault("foreign-reply", on="query", times=1)])
    outcomes = await run(simulator, links(9), client_with={"edition": edition}, journal=journal)
    assert names(outcomes) == links(9)
    assert all(STRANGE not in one.transcript.text for one in outcomes)
    assert once_each(simulator, links(9))


@queried
async def test_an_acceptance_of_another_request_is_no_answer(journal: Path, edition: Edition) -> None:
    """Nothing was accepted here: the task is not found, and submitted again under the same id."""
    simulator = Simulator(echo_request_id=True, faults=[Fault("foreign-reply", on="submit", times=1, url="/7")])
    client_with = {"edition": edition, "limits": Limits(qps=None, concurrency=1)}
    outcomes = await run(simulator, links(9), client_with=client_with, journal=journal)
    assert names(outcomes) == links(9)
    assert once_each(simulator, links(9))


async def test_a_flash_reply_to_another_request_is_no_answer(journal: Path) -> None:
    """Where replies name their requests, a transcript of another one is not taken, and the recording is uncertain."""
    simulator = Simulator(echo_request_id=True, faults=[Fault("foreign-reply", on="flash", times=1, url="/7")])
    outcomes = await run(
        simulator, links(9), client_with={"edition": FLASH, "limits": Limits(qps=None, concurrency=1)}, journal=journal
    )
    assert names(outcomes) == [link for link in links(9) if "/7" not in link]
    assert {type(error) for error in errors(outcomes)} == {SubmitUncertain}
    assert charged_of(outcomes) == {"maybe"}


async def test_a_v1_reply_about_another_task_is_no_answer(journal: Path) -> None:
    """A query's reply that names another task says nothing."""
    simulator = Simulator(faults=[Fault("foreign-reply", on="query", times=1)])
    outcomes = await run(simulator, links(9), client_with={"edition": POLLED[-1]}, journal=journal)
    assert names(outcomes) == links(9)
    assert all(STRANGE not in one.transcript.text for one in outcomes)
    assert once_each(simulator, links(9))


@queried
async def test_an_error_code_in_the_body_ends_the_task(journal: Path, edition: Edition) -> None:
    """Under a success header it is the task's end, and not polled until the deadline."""
    simulator = Simulator(faults=[Fault("body-error", on="query")])
    began = anyio.current_time()
    outcomes = await run(simulator, links(9), client_with={"edition": edition}, journal=journal)
    assert {type(error) for error in errors(outcomes)} == {BadAudioFormat}
    assert charged_of(outcomes) == {"yes"}
    assert anyio.current_time() - began < 60
    assert set(rows(journal)) == {"failed"}
    assert once_each(simulator, links(9))


# ---- the network ----


@pytest.mark.parametrize("edition", [*POLLED, FLASH], ids=lambda edition: edition.name)
@pytest.mark.parametrize("recorded", [False, True])
async def test_an_outage_of_a_minute_fails_nothing(journal: Path, edition: Edition, recorded: bool) -> None:
    """No connection can be opened for 60 s: the batch waits, with few requests, and every recording is done."""
    simulator = Simulator(processing_time=10, reply_delay=0.1)
    began = anyio.current_time()
    down = Down(simulator, lambda: 5.0 <= anyio.current_time() - began < 65.0)
    async with client_over(down, edition=edition, limits=Limits(qps=20, concurrency=10)) as asr:
        outcomes = await outcomes_of(asr, links(300), journal=journal if recorded else None)
    assert names(outcomes) == sorted(links(300))
    assert once_each(simulator, links(300))
    assert 0 < down.refused < 200
    assert anyio.current_time() - began < 240


@standard_and_v1
async def test_an_address_that_never_answers_is_no_outage(edition: Edition) -> None:
    """A client that has never reached the service fails as before: the address may be wrong."""
    simulator = Simulator()
    began = anyio.current_time()
    async with client_over(Down(simulator, lambda: True), edition=edition) as asr:
        outcomes = await outcomes_of(asr, links(3))
    assert {type(error) for error in errors(outcomes)} == {TransportError}
    assert charged_of(outcomes) == {"no"}
    assert anyio.current_time() - began < 120


async def test_an_outage_of_an_hour_fails_what_is_left_uncharged(journal: Path) -> None:
    """After ten minutes the recordings fail one by one; nothing was charged for them, and the next run submits them."""
    simulator = Simulator()
    began = anyio.current_time()
    down = Down(simulator, lambda: 2.0 <= anyio.current_time() - began < 3600.0)
    async with client_over(down, edition=STANDARD, limits=Limits(qps=5, concurrency=5)) as asr:
        outcomes = await outcomes_of(asr, links(30), journal=journal)
    assert len(outcomes) == 30
    assert anyio.current_time() - began < 3700
    assert {type(error) for error in errors(outcomes)} <= {TransportError}
    assert charged_of(outcomes) <= {"no"}
    await anyio.sleep(3600)
    again = await run(simulator, links(30), journal=journal)
    assert sorted([*names(outcomes), *names(again)]) == sorted(links(30))
    assert once_each(simulator, links(30))


async def test_a_single_call_in_an_outage_says_that_nothing_was_charged() -> None:
    """Somebody waits for it, so it does not wait for the network to come back."""
    simulator = Simulator()
    async with client_over(Down(simulator, lambda: bool(simulator.requests["submit"]))) as asr:
        await asr.submit(PLAIN)
        with pytest.raises(TransportError) as caught:
            await asr.transcribe("https://example.com/other.mp3")
    assert caught.value.charged == "no"
