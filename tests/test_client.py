"""The client against the simulator, in one process and in virtual time: what happens when all goes well."""

import math
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from io_kit import BASE, EDITIONS, KEY, PAIR, PLAIN, URL, by_name, client, is_idle, polled

from volcasr_async import (
    AppKey,
    AucV1,
    ConfigurationError,
    Flash,
    Idle,
    InputError,
    Job,
    Limits,
    Options,
    Pending,
    PollPolicy,
    Standard,
    Task,
    TaskNotFound,
    Transcript,
    VolcASR,
    WaitTimeout,
)
from volcasr_async.editions import Edition
from volcasr_async.testing import Fault, Simulator, make_wav

pytestmark = pytest.mark.anyio


@by_name
async def test_one_call_brings_the_transcript(edition: Edition) -> None:
    """In every edition one call is charged once and breaks no rule."""
    simulator = Simulator(processing_time=20, queue_time=3, flash_time=5)
    async with client(simulator) as asr:
        transcript = await asr.transcribe(URL, edition=edition)
        assert is_idle(asr)
    assert transcript.text
    assert not transcript.silent
    assert (transcript.task is None) == isinstance(edition, Flash)
    assert len(simulator.charges) == 1
    assert simulator.violations == []


@pytest.mark.parametrize("secret_key", [None, "signing-key"])
async def test_v1_with_a_bearer_and_signed(secret_key: str | None) -> None:
    """Both v1 authentications are accepted by a service that checks them."""
    simulator = Simulator(app_keys={"app": "token"}, secret_keys={"token": "signing-key", "app": "signing-key"})
    async with client(simulator, credentials=AppKey("app", "token", secret_key)) as asr:
        assert (await asr.transcribe(PLAIN, edition=AucV1("volc_auc_common"))).text
    assert simulator.violations == []


@by_name
async def test_silence_is_a_transcript(edition: Edition) -> None:
    """A recording without speech is no error."""
    simulator = Simulator()
    async with client(simulator) as asr:
        transcript = await asr.transcribe("https://example.com/silence-1.mp3", edition=edition)
    assert (transcript.text, transcript.silent) == ("", True)
    assert simulator.violations == []


@polled
async def test_success_without_a_result_is_still_running(edition: Edition) -> None:
    """20000000 with an empty body means patience."""
    simulator = Simulator(processing_time=30, faults=[Fault("no-result", on="query")])
    async with client(simulator) as asr:
        transcript = await asr.transcribe(PLAIN, edition=edition)
    assert transcript.text or isinstance(edition, AucV1)
    assert len(simulator.charges) == 1
    assert simulator.violations == []


async def test_a_task_that_is_not_found_at_first() -> None:
    """Right after a submit "cannot find task" means patience, both for waiting and for one question."""
    simulator = Simulator(lag=8, processing_time=10)
    async with client(simulator) as asr:
        task = await asr.submit(PLAIN)
        assert isinstance(await asr.query(task), Pending)
        assert (await asr.wait(task)).text
    assert len(simulator.charges) == 1
    assert simulator.violations == []


@polled
async def test_in_steps(edition: Edition) -> None:
    """Submit, ask until it is done, and wait for what is already there."""
    simulator = Simulator(processing_time=10)
    async with client(simulator) as asr:
        task = await asr.submit(Job(PLAIN, key="mine"), edition=edition)
        assert task.key == "mine"
        news = await asr.query(task)
        assert isinstance(news, Pending)
        assert news.task == task
        await anyio.sleep(11)
        transcript = await asr.query(task)
        assert isinstance(transcript, Transcript)
        assert (await asr.wait(task)).text == transcript.text
    assert len(simulator.charges) == 1
    assert simulator.violations == []


@polled
async def test_another_client_waits(edition: Edition) -> None:
    """A task goes as JSON to another client, and holds no secret."""
    simulator = Simulator(processing_time=100)
    async with client(simulator) as asr:
        paper = (await asr.submit(URL, edition=edition)).to_json()
    assert "secret" not in paper
    async with client(simulator) as other:
        transcript = await other.wait(Task.from_json(paper))
    assert transcript.text
    assert transcript.task == Task.from_json(paper)
    assert len(simulator.charges) == 1
    assert simulator.violations == []


async def test_an_old_unknown_task_is_not_found() -> None:
    """Once the grace is over, an unknown task is an error, for one question and for waiting."""
    simulator = Simulator()
    name = "5b0e4b1c-9cd3-4b77-8f6b-2f8b7a3b8c11"
    task = Task(id=name, edition=Standard(), request_id=name, submitted_at=1.0)
    async with client(simulator) as asr:
        with pytest.raises(TaskNotFound) as caught:
            await asr.query(task)
        assert caught.value.task == task
        with pytest.raises(TaskNotFound):
            await asr.wait(task)
    assert simulator.charges == []
    assert simulator.violations == []


async def test_a_deadline_hands_over_the_task() -> None:
    """What a deadline cut short is finished by waiting again, and charged once."""
    simulator = Simulator(processing_time=100)
    async with client(simulator) as asr:
        began = anyio.current_time()
        with pytest.raises(WaitTimeout) as caught:
            await asr.transcribe(PLAIN, timeout=10)
        assert math.isclose(anyio.current_time() - began, 10, abs_tol=0.5)
        assert isinstance(caught.value, TimeoutError)
        assert is_idle(asr)
        assert caught.value.task is not None
        assert (await asr.wait(caught.value.task)).text
        with pytest.raises(WaitTimeout) as again:
            await asr.wait(await asr.submit(PLAIN), timeout=1)
        assert again.value.task is not None
    assert len(simulator.charges) == 2
    assert simulator.violations == []


@pytest.mark.parametrize(
    ("edition", "hours"), [(Standard(), 3), (Idle(), 24), (AucV1("volc_auc_common"), 3)], ids=lambda v: str(v)[:8]
)
async def test_the_edition_sets_the_deadline(edition: Standard | Idle | AucV1, hours: int) -> None:
    """Without a timeout the service's own promise is the deadline, and asking grows rarer with age."""
    simulator = Simulator()
    async with client(simulator, poll=PollPolicy(longest=2000)) as asr:
        began = anyio.current_time()
        with pytest.raises(WaitTimeout) as caught:
            await asr.transcribe("https://example.com/never-1.mp3", edition=edition)
    assert math.isclose(anyio.current_time() - began, hours * 3600, abs_tol=2)
    assert caught.value.task is not None
    assert simulator.requests["query"] < 100
    assert simulator.violations == []


async def test_asking_follows_the_policy() -> None:
    """The first question comes when the policy says, and gaps stay within its bounds."""
    simulator = Simulator(processing_time=200)
    poll = PollPolicy(first=50, growth=0, shortest=10, longest=10)
    async with client(simulator, poll=poll) as asr:
        began = anyio.current_time()
        await asr.transcribe(PLAIN)
    # 50 s, then every 10 s, each give or take a tenth
    assert 14 <= simulator.requests["query"] <= 20
    assert 200 <= anyio.current_time() - began < 212


async def test_local_audio_goes_to_flash() -> None:
    """Bytes and files go to flash where nobody says otherwise, and the container is told."""
    simulator = Simulator()
    async with client(simulator, credentials=KEY) as asr:
        transcript = await asr.transcribe(make_wav(3))
    assert transcript.duration_ms == 3000
    assert [charge.edition for charge in simulator.charges] == ["flash"]
    assert simulator.violations == []


async def test_defaults_of_the_client_and_choices_of_the_job() -> None:
    """The nearest choice wins: the job's, then the call's, then the client's."""
    simulator = Simulator()
    async with client(simulator, edition="idle", options=Options(enable_punc=True)) as asr:
        await asr.transcribe(PLAIN)
        await asr.transcribe(PLAIN, edition="flash")
        await asr.transcribe(Job(PLAIN, edition="standard"), edition="flash")
    assert [charge.edition for charge in simulator.charges] == ["idle", "flash", "standard"]
    assert simulator.violations == []


async def test_flash_has_no_task() -> None:
    """Submitting to flash is refused before anything is sent."""
    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match="transcribe"):
            await asr.submit(PLAIN, edition="flash")
        with pytest.raises(InputError, match="no task"):
            await asr.query(Task(id="x", edition=Flash(), request_id="x", submitted_at=0))
        assert is_idle(asr)
    assert not simulator.requests


async def test_v1_takes_the_pair_only() -> None:
    """v1 with a single key, or local audio for a polled edition, is refused before anything is sent."""
    simulator = Simulator()
    async with client(simulator, credentials=KEY) as asr:
        with pytest.raises(ConfigurationError, match="AppKey"):
            await asr.transcribe(PLAIN, edition=AucV1("c"))
        with pytest.raises(ConfigurationError, match="cluster"):
            await asr.transcribe(PLAIN, edition="v1")
        with pytest.raises(InputError, match="flash"):
            await asr.transcribe(b"RIFF", edition="standard")
    assert not simulator.requests


async def test_the_environment_speaks_for_a_client_without_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, base URL and cluster come from the environment when nothing else is said."""
    simulator = Simulator()
    for name, value in {"APP_KEY": "app", "ACCESS_KEY": "token", "BASE_URL": BASE, "CLUSTER": "common"}.items():
        monkeypatch.setenv(f"VOLCASR_{name}", value)
    async with VolcASR(http=simulator.transport(), edition="v1") as asr:
        assert (await asr.transcribe(PLAIN)).text
    assert simulator.violations == []


def test_a_client_without_credentials_is_refused() -> None:
    """No credentials at all, and plain http to another machine, are refused at once."""
    with pytest.raises(ConfigurationError, match="VOLCASR_API_KEY"):
        VolcASR()
    with pytest.raises(ConfigurationError, match="https"):
        VolcASR(KEY, base_url="http://example.com")


async def test_five_hundred_at_once(anyio_backend: tuple[str, dict[str, Any]]) -> None:
    """A flood through one client ends in good time, keeps the rate, starves nobody, and loses nothing."""
    # trio's clock takes 20 ms of real time for each jump, so a smaller flood there
    qps, number, delay = (20, 500, 0.05) if anyio_backend[0] == "asyncio" else (20, 25, 0)
    simulator = Simulator(qps=qps, processing_time=5, reply_delay=delay)
    ends: list[float] = []
    async with client(simulator, limits=Limits(qps=qps, concurrency=20)) as asr:
        began = anyio.current_time()

        async def one(which: int) -> None:
            await asr.transcribe(f"https://example.com/{which}.mp3")
            ends.append(anyio.current_time() - began)

        async with anyio.create_task_group() as tasks:
            for which in range(number):
                tasks.start_soon(one, which)
        stats = asr.stats
    assert len(ends) == len(simulator.charges) == number
    assert simulator.peak_qps <= qps
    assert simulator.refused == stats.rejected == 0
    assert simulator.peak_in_air <= 20
    assert stats.started == simulator.requests["submit"] + simulator.requests["query"]
    assert is_idle(asr)
    assert max(ends) < 1.5 * 2 * number / qps + 10
    # submits and queries share the rate: results come all along, not all at the end
    ends.sort()
    assert number < 100 or ends[number // 10] < max(ends) * 0.7
    assert simulator.violations == []


async def test_two_clients_do_not_share_a_budget() -> None:
    """Each client keeps its own rate."""
    simulator = Simulator(processing_time=1)
    limits = Limits(qps=1)
    async with client(simulator, limits=limits) as one, client(simulator, limits=limits) as two:  # noqa: SIM117
        async with anyio.create_task_group() as tasks:
            for asr in (one, two):
                for _ in range(5):
                    tasks.start_soon(asr.transcribe, PLAIN)
    assert one.stats.started >= 10
    assert two.stats.started >= 10
    assert simulator.peak_qps == 2
    assert simulator.violations == []


async def test_without_a_context() -> None:
    """A client works without `async with`, is closed by `aclose`, twice if need be, and says so afterwards."""
    simulator = Simulator()
    asr = client(simulator)
    assert (await asr.transcribe(PLAIN)).text
    await asr.aclose()
    await asr.aclose()
    with pytest.raises(InputError, match="closed"):
        await asr.transcribe(PLAIN)
    assert is_idle(asr)
    assert len(simulator.charges) == 1


async def test_closing_ends_what_still_waits() -> None:
    """Who waits for a task when the client is closed gets an error, not a wait for hours."""
    simulator = Simulator(processing_time=1000)
    asr = client(simulator)
    task = await asr.submit(PLAIN)
    async with anyio.create_task_group() as tasks:

        async def waits() -> None:
            with pytest.raises(InputError, match="closed"):
                await asr.wait(task)

        tasks.start_soon(waits)
        await anyio.sleep(10)
        await asr.aclose()
    assert is_idle(asr)


async def test_a_client_passed_in_stays_open() -> None:
    """What we were given is not ours to close."""
    simulator = Simulator()
    async with httpx.AsyncClient(transport=simulator.transport()) as http:
        async with VolcASR(PAIR, base_url=BASE, http=http) as asr:
            assert (await asr.transcribe(PLAIN)).text
        assert not http.is_closed
        async with VolcASR(PAIR, base_url=BASE, http=http) as asr:
            assert (await asr.transcribe(make_wav(1))).text
    assert simulator.violations == []


async def test_the_repr_shows_the_host_and_no_secret() -> None:
    """A client shows where it sends to and how much is going on."""
    asr = client(Simulator())
    assert repr(asr) == "<VolcASR 127.0.0.1:9 [0 in the air, 0 waiting]>"
    await asr.aclose()


def test_the_repr_needs_no_event_loop() -> None:
    """A debugger may show a client where nothing runs."""
    assert repr(VolcASR(KEY)) == "<VolcASR openspeech.bytedance.com [0 in the air, 0 waiting]>"


@by_name
async def test_many_editions_share_one_client(edition: Edition) -> None:
    """One client speaks all editions at once."""
    simulator = Simulator()
    async with client(simulator) as asr, anyio.create_task_group() as tasks:
        others: tuple[Edition, ...] = (edition, *EDITIONS)
        for other in others:
            tasks.start_soon(partial(asr.transcribe, PLAIN, edition=other))
    assert len(simulator.charges) == 5
    assert simulator.violations == []
