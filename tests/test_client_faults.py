"""The client against a service that fails: nothing is paid twice, nothing is lost, and errors say what is known."""

from typing import Any

import anyio
import pytest
from io_kit import PLAIN, POLLED, by_name, client, is_idle, polled

from volcasr_async import (
    AucV1,
    AudioDownloadFailed,
    BadAudioFormat,
    EmptyAudio,
    Flash,
    Job,
    Limits,
    QuotaExceeded,
    ReplyError,
    RetryPolicy,
    ServerError,
    ServiceError,
    Standard,
    SubmitUncertain,
    TaskNotFound,
    TransportError,
    VolcASRError,
    WaitTimeout,
)
from volcasr_async.editions import Edition, EditionName
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio

V1 = AucV1("volc_auc_common")
AFTER_ACCEPTANCE = ["lost-answer", "html-502-after", "cut-body", "no-status", "stall"]
BEFORE_ACCEPTANCE = ["html-502", "reset"]
REFUSALS = ["refuse-busy", "rate-limited", "too-concurrent", "server-error"]


def once(kind: str, on: str = "submit", **more: Any) -> Simulator:
    return Simulator(processing_time=5, faults=[Fault(kind, on=on, times=1, **more)])


@pytest.mark.parametrize("kind", AFTER_ACCEPTANCE)
@pytest.mark.parametrize("edition", ["standard", "idle"])
async def test_a_lost_answer_is_asked_about(edition: EditionName, kind: str) -> None:
    """An accepted submit whose answer was lost is found by its id, and charged once."""
    simulator = once(kind)
    async with client(simulator) as asr:
        transcript = await asr.transcribe(PLAIN, edition=edition)
        assert is_idle(asr)
    assert transcript.text
    assert len(simulator.charges) == 1
    assert simulator.requests["submit"] == 1
    assert simulator.violations == []


@pytest.mark.parametrize("kind", BEFORE_ACCEPTANCE)
async def test_a_lost_submit_is_sent_again_under_its_id(kind: str) -> None:
    """A submit that never arrived is sent again once "cannot find task" was said a few times."""
    simulator = once(kind)
    async with client(simulator) as asr:
        transcript = await asr.transcribe(PLAIN)
    assert transcript.text
    assert len(simulator.charges) == 1
    assert simulator.requests["submit"] == 2
    assert simulator.requests["query"] >= 3
    assert simulator.violations == []


async def test_a_lost_answer_and_a_lag() -> None:
    """A lost answer is found although the task cannot be found in its first seconds."""
    simulator = Simulator(lag=1.5, processing_time=5, faults=[Fault("lost-answer", on="submit", times=1)])
    async with client(simulator) as asr:
        assert (await asr.transcribe(PLAIN)).text
    assert len(simulator.charges) == 1
    assert simulator.violations == []


async def test_a_lag_longer_than_the_asking() -> None:
    """Sent again though it was there, the same id is refused as repeated, asked about, and charged once."""
    simulator = Simulator(lag=5, processing_time=30, faults=[Fault("lost-answer", on="submit", times=1)])
    async with client(simulator) as asr:
        assert (await asr.transcribe(PLAIN)).text
    assert len(simulator.charges) == 1
    assert simulator.violations == []


@pytest.mark.parametrize("kind", REFUSALS)
@by_name
async def test_a_refusal_that_may_pass_is_sent_again(edition: Edition, kind: str) -> None:
    """Busy, too fast and a failure inside are tried again, and charged once.

    A failure inside does not say whether the submit was accepted: v1 and flash, which cannot be queried, report that.
    """
    simulator = once(kind, on="flash" if edition.name == "flash" else "submit")
    final = kind == "server-error" and edition.name in ("v1", "flash")
    async with client(simulator) as asr:
        if final:
            with pytest.raises(SubmitUncertain if edition.name == "v1" else ServerError) as caught:
                await asr.transcribe(PLAIN, edition=edition)
            assert caught.value.charged == "maybe"
        else:
            assert (await asr.transcribe(PLAIN, edition=edition)).text
        assert asr.stats.rejected == (1 if kind != "server-error" else 0)
        assert is_idle(asr)
    assert len(simulator.charges) == (0 if final else 1)
    assert simulator.violations == []


async def test_retry_after_is_honoured() -> None:
    """The pause that the service asks for is kept, also by others who wait for a turn."""
    simulator = once("rate-limited", retry_after=40)
    async with client(simulator) as asr:
        began = anyio.current_time()
        await asr.submit(PLAIN)
        assert 40 <= anyio.current_time() - began < 60
    assert len(simulator.charges) == 1


@pytest.mark.parametrize(
    "kind", [*AFTER_ACCEPTANCE, *BEFORE_ACCEPTANCE, *REFUSALS, "not-json", "slow-body", "no-result"]
)
@pytest.mark.parametrize("edition", POLLED, ids=lambda edition: edition.name)
async def test_queries_survive_everything(edition: Edition, kind: str) -> None:
    """What fails while a task is asked about is asked again: reading costs nothing."""
    simulator = Simulator(processing_time=5, faults=[Fault(kind, on="query", times=2, seconds=70)])
    async with client(simulator) as asr:
        transcript = await asr.transcribe(PLAIN, edition=edition)
        assert transcript.text or kind == "no-result"
        assert is_idle(asr)
    assert len(simulator.charges) == 1
    assert simulator.requests["submit"] == 1
    assert simulator.violations == []


@polled
async def test_a_query_that_never_succeeds_ends_at_the_deadline(edition: Edition) -> None:
    """A broken way back is tried until the deadline, which hands over the task."""
    simulator = Simulator(faults=[Fault("html-502", on="query")])
    async with client(simulator) as asr:
        with pytest.raises(WaitTimeout) as caught:
            await asr.transcribe(PLAIN, edition=edition, timeout=300)
    assert caught.value.task is not None
    assert len(simulator.charges) == 1


@pytest.mark.parametrize("kind", ["html-502", "reset", "stall", "cut-body", "rate-limited"])
async def test_one_question_is_not_repeated(kind: str) -> None:
    """`query` asks once and says what happened."""
    simulator = Simulator(faults=[Fault(kind, on="query")])
    async with client(simulator) as asr:
        task = await asr.submit(PLAIN)
        with pytest.raises((TransportError, ServiceError)) as caught:
            await asr.query(task)
        assert caught.value.retryable
    assert simulator.requests["query"] == 1


@pytest.mark.parametrize("kind", [*AFTER_ACCEPTANCE, *BEFORE_ACCEPTANCE])
async def test_v1_leaves_a_lost_submit_alone(kind: str) -> None:
    """v1 names the task itself, so a lost answer cannot be resolved and is not repeated."""
    simulator = once(kind)
    async with client(simulator) as asr:
        with pytest.raises(SubmitUncertain, match="resubmit_v1") as caught:
            await asr.transcribe(Job(PLAIN, key="mine"), edition=V1)
        assert is_idle(asr)
    assert caught.value.job is not None
    assert caught.value.job.key == "mine"
    assert caught.value.task is None
    assert simulator.requests["submit"] == 1
    assert len(simulator.charges) == (1 if kind in AFTER_ACCEPTANCE else 0)
    assert simulator.violations == []


async def test_v1_is_sent_again_where_the_caller_pays() -> None:
    """`resubmit_v1` repeats a lost submit, at the price of a second charge."""
    simulator = once("lost-answer")
    async with client(simulator, retry=RetryPolicy(resubmit_v1=True)) as asr:
        assert (await asr.transcribe(PLAIN, edition=V1)).text
    assert len(simulator.charges) == 2


@pytest.mark.parametrize("kind", [*AFTER_ACCEPTANCE, *BEFORE_ACCEPTANCE, "not-json", "no-result"])
async def test_flash_leaves_a_lost_answer_alone(kind: str) -> None:
    """A flash call that may have been recognised is not sent again unasked."""
    simulator = once(kind, on="flash")
    async with client(simulator) as asr:
        with pytest.raises(SubmitUncertain, match="resend_flash"):
            await asr.transcribe(make_wav(1))
        assert is_idle(asr)
    assert simulator.requests["flash"] == 1
    assert simulator.violations == []


@pytest.mark.parametrize("kind", [*AFTER_ACCEPTANCE, *BEFORE_ACCEPTANCE, "not-json", "server-error"])
async def test_flash_is_sent_again_where_the_caller_pays(kind: str) -> None:
    """`resend_flash` sends the whole recording again."""
    simulator = once(kind, on="flash")
    async with client(simulator, retry=RetryPolicy(resend_flash=True)) as asr:
        assert (await asr.transcribe(make_wav(1))).duration_ms == 1000
    assert simulator.requests["flash"] == 2
    assert simulator.uploads[-1].sha256 == simulator.charges[-1].source.removeprefix("sha256:")
    assert simulator.violations == []


async def test_flash_is_sent_again_after_a_broken_upload() -> None:
    """Half an upload cannot have been recognised, so it is sent again, from its beginning."""
    simulator = once("drop-upload", on="flash")
    async with client(simulator) as asr:
        assert (await asr.transcribe(make_wav(20))).duration_ms == 20_000
    assert simulator.requests["flash"] == 2
    assert len(simulator.charges) == 1
    assert simulator.violations == []


@pytest.mark.parametrize("kind", ["html-502", "reset", "stall"])
async def test_a_submit_that_is_always_lost_fails_in_the_end(kind: str) -> None:
    """After the policy's attempts a submit that never gets through is an error, and nothing was charged for it."""
    simulator = Simulator(faults=[Fault(kind, on="submit")])
    async with client(simulator, retry=RetryPolicy(attempts=3)) as asr:
        if kind == "stall":  # accepted, so it is found
            assert (await asr.transcribe(PLAIN)).text
        else:
            with pytest.raises((TransportError, ServerError)):
                await asr.transcribe(PLAIN)
            assert simulator.requests["submit"] == 3
        assert is_idle(asr)
    assert len(simulator.charges) == (1 if kind == "stall" else 0)
    assert simulator.violations == []


@by_name
async def test_what_is_final_is_not_repeated(edition: Edition) -> None:
    """A refusal that no repetition mends comes at once, with its code, log id and hint."""
    for kind, error in {"quota-lifetime": QuotaExceeded}.items():
        simulator = Simulator(faults=[Fault(kind)])
        async with client(simulator) as asr:
            with pytest.raises(error) as caught:
                await asr.transcribe(PLAIN, edition=edition)
        assert caught.value.code is not None
        assert caught.value.account_wide
        assert sum(simulator.requests.values()) == 1
        assert simulator.violations == []


@pytest.mark.parametrize(
    ("kind", "error"),
    [("bad-format", BadAudioFormat), ("download-failed", AudioDownloadFailed), ("empty-audio", EmptyAudio)],
)
@by_name
async def test_what_is_wrong_with_the_recording(edition: Edition, kind: str, error: type[ServiceError]) -> None:
    """Each bad end of a recording is its own error."""
    simulator = Simulator(faults=[Fault(kind)])
    async with client(simulator) as asr:
        with pytest.raises(error) as caught:
            await asr.transcribe(PLAIN, edition=edition)
    assert (caught.value.task is None) == isinstance(edition, Flash)
    assert caught.value.hint
    assert simulator.violations == []


@pytest.mark.parametrize("edition", [Standard(), V1], ids=lambda edition: edition.name)
async def test_a_fresh_task_where_the_caller_pays(edition: Edition) -> None:
    """`new_tasks` follows a task that ended badly by a fresh one; without it the error is final."""
    simulator = Simulator(faults=[Fault("task-failed", times=1)])
    async with client(simulator) as asr:
        with pytest.raises(ServerError) as caught:
            await asr.transcribe(PLAIN, edition=edition)
        assert not caught.value.retryable
    assert len(simulator.charges) == 1
    simulator.reset()
    async with client(simulator, retry=RetryPolicy(new_tasks=1)) as asr:
        assert (await asr.transcribe(PLAIN, edition=edition)).text
    assert len(simulator.charges) == 2
    assert len({charge.task_id for charge in simulator.charges}) == 2
    assert simulator.violations == []


async def test_a_lost_answer_to_a_task_that_ends_badly() -> None:
    """Asking about it ends with what the task ended with, long before the deadline."""
    simulator = Simulator(processing_time=1, faults=[Fault("lost-answer", times=1), Fault("task-error")])
    async with client(simulator) as asr:
        began = anyio.current_time()
        with pytest.raises(ServerError):
            await asr.transcribe(PLAIN)
        assert anyio.current_time() - began < 60
    assert len(simulator.charges) == 1


async def test_a_broken_gateway_page_is_quoted() -> None:
    """A reply that nobody can read is an error with its beginning."""
    simulator = Simulator(faults=[Fault("no-status", on="query")])
    async with client(simulator) as asr:
        task = await asr.submit(PLAIN)
        with pytest.raises(ReplyError) as caught:
            await asr.query(task)
    assert caught.value.excerpt == "{}"


async def test_a_deadline_during_a_doubtful_submit_hands_over_the_task() -> None:
    """When the deadline cuts a submit off, or the asking after it, the id that may be charged is not lost."""
    simulator = Simulator(processing_time=5, faults=[Fault("stall", on="submit")])
    async with client(simulator) as asr:
        for timeout in (10, 60.2):
            with pytest.raises(SubmitUncertain) as caught:
                await asr.submit(PLAIN, timeout=timeout)
            assert caught.value.task is not None
            assert (await asr.wait(caught.value.task)).text
        with pytest.raises(WaitTimeout) as late:
            await asr.transcribe(PLAIN, timeout=10)
        assert late.value.task is not None
        assert (await asr.wait(late.value.task)).text
        with pytest.raises(SubmitUncertain) as v1:
            await asr.submit(PLAIN, edition=V1, timeout=10)
        assert v1.value.task is None
        with pytest.raises(WaitTimeout, match="billed"):
            await asr.transcribe(PLAIN, edition=V1, timeout=10)
        assert is_idle(asr)
    assert len(simulator.charges) == 5
    assert simulator.violations == []


async def test_a_deadline_before_anything_was_sent() -> None:
    """A deadline while waiting for a turn says that nothing had been sent."""
    simulator = Simulator()
    async with client(simulator, limits=Limits(qps=0.01)) as asr:
        await asr.submit(PLAIN)
        for verb in (asr.transcribe, asr.submit):
            with pytest.raises(WaitTimeout) as caught:
                await verb(Job(PLAIN, key="late"), timeout=10)
            assert caught.value.task is None
            assert caught.value.job is not None
            assert caught.value.job.key == "late"
        assert is_idle(asr)
    assert len(simulator.charges) == 1


async def test_a_refused_submit_at_the_deadline_is_not_uncertain() -> None:
    """Who was only ever told to slow down knows at the deadline that nothing was taken."""
    simulator = Simulator(faults=[Fault("rate-limited", on="submit")])
    async with client(simulator) as asr:
        with pytest.raises(WaitTimeout) as caught:
            await asr.submit(PLAIN, timeout=20)
        assert caught.value.task is None
    assert simulator.charges == []


async def test_an_expired_task_is_not_found_in_the_end() -> None:
    """A task that the service has forgotten is an error for who waits, not a wait for hours."""
    simulator = Simulator(retention=10, processing_time=1)
    async with client(simulator) as asr:
        task = await asr.submit(PLAIN)
        await anyio.sleep(100)
        began = anyio.current_time()
        with pytest.raises(TaskNotFound) as caught:
            await asr.wait(task)
        assert caught.value.charged == "yes"
        assert 60 < anyio.current_time() - began < 70


@pytest.mark.parametrize("share", [0.1, 0.3])
async def test_a_storm(share: float, anyio_backend: tuple[str, dict[str, Any]]) -> None:
    """Everything goes wrong now and then: each recording ends, and is charged once."""
    kinds = [
        "lost-answer",
        "reset",
        "html-502",
        "html-502-after",
        "rate-limited",
        "refuse-busy",
        "cut-body",
        "no-status",
    ]
    simulator = Simulator(seed=7, qps=20, processing_time=5, faults=[Fault(kind, share=share / 8) for kind in kinds])
    number = 150 if anyio_backend[0] == "asyncio" else 8
    texts: list[str] = []
    async with client(simulator, limits=Limits(qps=20, concurrency=10)) as asr:

        async def one(which: int) -> None:
            texts.append((await asr.transcribe(f"https://example.com/{which}.mp3")).text)

        async with anyio.create_task_group() as tasks:
            for which in range(number):
                tasks.start_soon(one, which)
        assert is_idle(asr)
    assert all(texts)
    assert len(texts) == len(simulator.charges) == number
    assert simulator.peak_qps <= 20
    assert simulator.violations == []


async def test_no_group_reaches_the_caller() -> None:
    """Errors come out as themselves, whatever happened on the way."""
    kinds = ["reset", "html-502", "lost-answer", "bad-format", "quota-lifetime", "server-error", "not-json"]
    for kind in kinds:
        simulator = Simulator(faults=[Fault(kind)])
        async with client(simulator, retry=RetryPolicy(attempts=2)) as asr:
            with pytest.raises(VolcASRError) as caught:
                await asr.transcribe(make_wav(1))
            assert not isinstance(caught.value, BaseExceptionGroup)
