"""Every await of a batch, cancelled: the journal is true, and the next run ends every job with one charge."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from batch_kit import links, names, outcomes_of
from io_kit import is_idle
from step_kit import Moment, Watch, each_moment, stepped

from volcasr_async import AucV1, AudioFile, AudioStream, Done, Job, Limits, PollPolicy, SubmitUncertain
from volcasr_async.editions import Edition
from volcasr_async.outcomes import Outcome
from volcasr_async.testing import Simulator, make_wav

pytestmark = pytest.mark.anyio

COUNT = 3
LIMITS = Limits(qps=None, concurrency=2)
SOON = PollPolicy(first=0.25)
WAVS = [make_wav(0.1), make_wav(0.2), make_wav(9)]  # 3 kB, 6 kB, and more than one piece
FILES = ["stream", "short.wav", "long.wav"]
V1 = AucV1("common")


async def later(items: list[str]) -> AsyncIterator[str]:
    """An input that takes its time, also to be closed."""
    try:
        for item in items:
            await anyio.lowlevel.checkpoint()
            yield item
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()


def recordings(folder: Path) -> list[AudioFile | Job]:
    """Two files and a stream, which are sent with flash."""

    async def chunks() -> AsyncIterator[bytes]:
        await anyio.lowlevel.checkpoint()
        yield WAVS[0]

    file, other = folder / "long.wav", folder / "short.wav"
    file.write_bytes(WAVS[2])
    other.write_bytes(WAVS[1])
    stream = AudioStream(chunks=chunks(), size=len(WAVS[0]), format="wav")
    return [AudioFile(path=file), Job(stream, key="stream"), AudioFile(path=other)]


def states(path: Path) -> dict[str, str]:
    """What the journal says of each recording, by its name; nothing where it was not even made."""
    if not path.exists():
        return {}
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        try:
            return dict(database.execute("SELECT key, state FROM job"))
        except sqlite3.OperationalError:
            return {}


def check_truth(known: dict[str, str], simulator: Simulator) -> None:
    """Nothing that was charged counts as planned, and nothing counts as taken that was not charged."""
    files = {f"sha256:{sha256(wav).hexdigest()}": name for wav, name in zip(WAVS, FILES, strict=True)}
    charged = {files.get(charge.source, charge.source) for charge in simulator.charges}
    known = {Path(key).name if key.endswith(".wav") else key: state for key, state in known.items()}
    assert charged <= known.keys()
    assert all(known[name] in ("sent", "accepted", "done") for name in charged), known
    assert all(name in charged for name, state in known.items() if state in ("accepted", "done")), known


@pytest.mark.parametrize("leave_after", [COUNT + 1, 2], ids=["to the end", "left early"])
async def test_every_await_of_a_batch(folder: Path, leave_after: int) -> None:
    """Opened, iterated, left, closed: whatever is cut off, all is done at the end, charged once and brought."""

    async def once(moment: Moment) -> None:
        path = folder / f"{moment.kind}{moment.number}.db"
        simulator, watch = Simulator(processing_time=0.2), Watch()
        came = []
        async with stepped(simulator, limits=LIMITS, poll=SOON, observe=watch) as asr:

            async def whole() -> None:
                async with asr.batch(later(links(COUNT)), journal=path, window=2) as batch:
                    async for outcome in batch:
                        came.append(outcome)
                        if len(came) >= leave_after:
                            break

            await moment.strike(whole)
            assert is_idle(asr)
            assert watch.open == 0
            check_truth(states(path), simulator)
            came += await outcomes_of(asr, links(COUNT), journal=path)
        assert list(states(path).values()) == ["done"] * COUNT
        assert set(names(came)) == set(links(COUNT))
        assert len(came) <= COUNT + 1  # what was in hand is brought again
        assert list(simulator.charges_by_source.values()) == [1] * COUNT
        assert simulator.violations == []

    counts = await each_moment(once, dense=60, stride=2)
    assert min(counts.values()) > 50


@pytest.mark.parametrize("edition", [V1, None], ids=["v1", "flash"])
async def test_every_await_of_a_batch_where_nobody_can_ask(folder: Path, edition: Edition | None) -> None:
    """Nothing is charged twice, and only what had begun to leave is uncertain afterwards."""

    async def once(moment: Moment) -> None:
        path = folder / f"{moment.kind}{moment.number}.db"
        simulator = Simulator(processing_time=0.2)

        def items() -> list[str] | list[AudioFile | Job]:
            return links(COUNT) if edition else recordings(folder)

        limits = Limits(qps=20, concurrency=2, upload_bytes=len(WAVS[2]))
        async with stepped(simulator, limits=limits, poll=SOON, edition=edition) as asr:
            await moment.strike(lambda: outcomes_of(asr, items(), journal=path, window=2))
            assert is_idle(asr)
            known = states(path)
            check_truth(known, simulator)
            unanswered = simulator.requests["submit"] + simulator.requests["flash"]
            unanswered -= sum(state in ("accepted", "done") for state in known.values())
            outcomes = await outcomes_of(asr, items(), journal=path)
            left = [outcome for outcome in outcomes if not isinstance(outcome, Done)]
            assert all(isinstance(outcome.error, SubmitUncertain) for outcome in left), left
            assert len(left) <= unanswered
        assert list(states(path).values()).count("done") == COUNT - len(left)
        assert set(simulator.charges_by_source.values()) <= {1}

    counts = await each_moment(once, dense=60, stride=2)
    assert min(counts.values()) > 50


async def test_every_await_for_an_outcome(folder: Path) -> None:
    """Who gives up waiting for the next outcome, and asks again, misses none."""

    async def once(moment: Moment) -> None:
        simulator = Simulator(processing_time=0.2)
        async with stepped(simulator, limits=LIMITS, poll=SOON) as asr:
            async with asr.batch(links(COUNT), window=1) as batch:
                came: list[Outcome] = []

                async def take() -> None:
                    while len(came) < COUNT:
                        came.append(await anext(batch))

                await moment.strike(take)
                with anyio.fail_after(60):  # there is no journal here, nor any other work for a thread
                    came += [outcome async for outcome in batch]
            assert is_idle(asr)
        assert names(came) == links(COUNT)
        assert list(simulator.charges_by_source.values()) == [1] * COUNT

    counts = await each_moment(once)
    assert min(counts.values()) >= COUNT


class OnPurposeError(Exception):
    pass


async def test_an_input_that_fails_while_it_is_closed(folder: Path) -> None:
    """Its error comes out, and the journal is written and let go of all the same."""

    async def items() -> AsyncIterator[str]:
        try:
            for link in links(COUNT):
                yield link
        finally:
            raise OnPurposeError

    simulator, path = Simulator(), folder / "run.db"
    async with stepped(simulator, limits=LIMITS) as asr:
        with pytest.raises(OnPurposeError):
            async with asr.batch(items(), journal=path, window=1) as batch:
                await anext(batch)
        assert is_idle(asr)
        await outcomes_of(asr, links(COUNT), journal=path)
    assert list(states(path).values()) == ["done"] * COUNT
