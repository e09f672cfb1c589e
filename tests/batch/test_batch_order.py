"""In which order a batch sends its jobs, and what does not wait for what."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from batch_kit import links, names, outcomes_of, rows, run
from io_kit import client, is_idle

from volcasr_async import AudioFile, Limits, Standard
from volcasr_async.testing import Simulator, make_wav

pytestmark = pytest.mark.anyio


@pytest.fixture
def one_clock(anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("trio's clock may jump while a thread works, and these count seconds")


def files(folder: Path, count: int) -> list[Path]:
    found = []
    for number in range(count):
        found.append(folder / f"{number}.wav")
        found[-1].write_bytes(make_wav(0.5 + number / 100))
    return found


@pytest.mark.parametrize("what", ["links", "files"])
async def test_submits_go_in_the_order_of_the_list(what: str, tmp_path: Path) -> None:
    """What stands first in the list is sent first, however many are looked at together."""
    items: list[Any] = [*links(30)] if what == "links" else [*files(tmp_path, 30)]
    simulator = Simulator()
    limits = Limits(qps=20, concurrency=3)
    outcomes = await run(simulator, items, client_with={"limits": limits, "edition": Standard(inline_audio=True)})
    assert len(names(outcomes)) == 30
    if what == "links":
        assert [charge.source for charge in simulator.charges] == items
    else:
        assert [upload.size for upload in simulator.uploads] == [item.stat().st_size for item in items]


@pytest.mark.usefixtures("one_clock")
async def test_links_do_not_wait_for_room(tmp_path: Path) -> None:
    """While a file waits until another one has landed, the links around it are sent and come back."""
    first, second = files(tmp_path, 2)
    simulator = Simulator(flash_time=200.0)
    ended = {}
    async with client(simulator, limits=Limits(qps=None, concurrency=4, upload_bytes=1)) as asr:
        began = anyio.current_time()
        async with asr.batch([first, links(1)[0], second, links(2)[1]]) as batch:
            async for outcome in batch:
                ended[outcome.job.name] = anyio.current_time() - began
                assert asr.stats.upload_bytes <= first.stat().st_size + 1000
        assert is_idle(asr)
    assert max(ended[url] for url in links(2)) < 20
    assert 200 <= ended[str(first)] < 250
    assert 400 <= ended[str(second)] < 450
    assert set(simulator.charges_by_source.values()) == {1}


@pytest.mark.usefixtures("one_clock")
@pytest.mark.parametrize("concurrency", [2, 4])
async def test_a_file_that_waits_for_room_holds_up_no_link(concurrency: int, tmp_path: Path) -> None:
    """However many links stand behind it, they come back before the first file has landed; each kind keeps its order."""
    recordings = files(tmp_path, 3)
    urls = [url.replace("example", "links.example") for url in links(40)]
    items: list[Any] = [recordings[0], *urls[:5], recordings[1], *urls[5:20], recordings[2], *urls[20:]]
    simulator = Simulator(flash_time=200.0)
    ended: dict[str, float] = {}
    limits = Limits(qps=None, concurrency=concurrency, upload_bytes=1)
    async with client(simulator, limits=limits) as asr:
        began = anyio.current_time()
        async with asr.batch(items, journal=tmp_path / "run.db") as batch:
            async for outcome in batch:
                ended[outcome.job.name] = anyio.current_time() - began
        assert is_idle(asr)
    assert max(ended[url] for url in urls) < 150
    assert [200 <= ended[str(path)] - 200 * number < 250 for number, path in enumerate(recordings)] == [True] * 3
    assert [charge.source for charge in simulator.charges if charge.source in urls] == urls
    assert [upload.size for upload in simulator.uploads] == [path.stat().st_size for path in recordings]


@pytest.mark.parametrize("inner", ["links", "files"])
async def test_neither_kind_is_put_off_while_there_is_room(inner: str, tmp_path: Path) -> None:
    """What stands in the middle of a long list of the other kind is sent in the middle."""
    many: list[Any] = [*links(60)] if inner == "files" else [*files(tmp_path, 60)]
    few: list[Any] = files(tmp_path, 2) if inner == "files" else links(2)
    items = [*many[:20], few[0], *many[20:40], few[1], *many[40:]]
    simulator = Simulator()
    limits = Limits(qps=20, concurrency=2)
    await run(simulator, items, client_with={"limits": limits, "edition": Standard(inline_audio=True)})
    kinds = [charge.source in many if inner == "files" else charge.source not in few for charge in simulator.charges]
    first, second = (at for at, is_one_of_many in enumerate(kinds) if not is_one_of_many)
    assert abs(first - 20) <= 4
    assert abs(second - 41) <= 4


@pytest.mark.usefixtures("one_clock")
async def test_a_stop_while_a_file_waits_for_room(tmp_path: Path) -> None:
    """It waits no longer, and the journal does not say of it that it was sent."""
    first, second = files(tmp_path, 2)
    simulator = Simulator(flash_time=50.0)
    limits = Limits(qps=None, concurrency=4, upload_bytes=1)
    async with client(simulator, limits=limits) as asr:
        began = anyio.current_time()
        async with asr.batch([first, second, *links(3)], journal=tmp_path / "run.db") as batch:
            await anyio.sleep(20)
            batch.stop()
            outcomes = [outcome async for outcome in batch]
        assert anyio.current_time() - began < 60
        assert is_idle(asr)
    assert names(outcomes) == sorted([str(first), *links(3)])
    assert rows(tmp_path / "run.db") == ["done"] * 4


@pytest.mark.parametrize("concurrency", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 3, 7])
async def test_the_end_waits_for_all(tmp_path: Path, count: int, concurrency: int) -> None:
    """However many are looked at while nothing is on its way, each one has its outcome, unfit ones between them."""
    items = [item for path in files(tmp_path, count) for item in (path, AudioFile(path.with_name("none.wav")))]
    async with client(Simulator(), limits=Limits(qps=None, concurrency=concurrency)) as asr:
        outcomes = await outcomes_of(asr, items)
        assert is_idle(asr)
    assert len(outcomes) == 2 * count
    assert len(names(outcomes)) == count


@pytest.mark.usefixtures("one_clock")
async def test_no_more_is_said_to_be_sent_than_goes_next(tmp_path: Path) -> None:
    """The journal says "sent" of twice as many jobs as there are workers at most; the others are not in it yet."""
    simulator = Simulator(reply_delay=5.0)
    limits = Limits(qps=None, concurrency=3)
    async with client(simulator, limits=limits) as asr, asr.batch(links(50), journal=tmp_path / "run.db") as batch:
        await anyio.sleep(1)
        assert rows(tmp_path / "run.db") == ["sent"] * 9  # three in the air, six that are ready
        assert batch.stats.in_air == 3
