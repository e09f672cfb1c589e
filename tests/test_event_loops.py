"""One client in several event loops: one after the other, in several threads, and in forked children."""

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
import trio
from io_kit import BASE, KEY, PAIR
from loops_kit import Service, run_script, task

from volcasr_async import ApiKey, ConfigurationError, InputError, Limits, Pending, VolcASR
from volcasr_async.testing import Simulator

ENGINES = pytest.mark.parametrize(
    ("engine", "library"), [("httpx", "asyncio"), ("aiohttp", "asyncio"), ("httpx", "trio")]
)
FREE = Limits(qps=None)


@pytest.fixture
def service() -> Iterator[Service]:
    with Service().running() as running:
        yield running


# ---- one after the other ----


@ENGINES
def test_one_loop_after_the_other(service: Service, engine: str, library: str) -> None:
    """A client of the module works in each run, and nothing is left open when a run ends."""
    script = """
        async def main():
            await asr.query(task("one"))
            await asr.query(task("one"))

        for _ in range(3):
            run(main)
        print(asr.stats.started, asr.stats.in_air)
    """
    assert run_script(script, service.url, engine, library) == "6 0\n"
    ports = [one.port for one in service.seen]
    assert len(set(ports)) == 3
    assert ports == sorted(ports, key=ports.index)
    assert all(ports.count(port) == 2 for port in ports)


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
def test_transcripts_and_batches_in_each_run(engine: str) -> None:
    """Links, bytes and a batch, in three runs of one client against the simulator of another process."""
    script = """
        import subprocess
        command = [sys.executable, "-m", "volcasr_async", "simulate", "--port", "0", "--processing-time", "0.1"]
        service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
        url = service.stdout.readline().split("VOLCASR_BASE_URL=")[1].split()[0]
        poll = PollPolicy(first=0.1, shortest=0.1)
        asr = VolcASR(ApiKey("a-key-for-loops"), base_url=url, http=engine, limits=Limits(qps=None), poll=poll)

        async def main():
            assert (await asr.transcribe("https://example.com/a.mp3")).text
            assert (await asr.transcribe(make_wav(1))).text
            async with asr.batch([f"https://example.com/{n}.mp3" for n in range(3)]) as batch:
                print(sorted([type(one).__name__ async for one in batch]))

        try:
            for _ in range(3):
                run(main)
        finally:
            service.terminate()
            service.communicate()
    """
    assert run_script(script, "http://127.0.0.1:1", engine) == "['Done', 'Done', 'Done']\n" * 3


def test_from_asyncio_to_trio_and_back(service: Service) -> None:
    """The loops may be of different kinds, whose clocks have nothing in common."""
    asr = VolcASR(KEY, base_url=service.url, limits=Limits(qps=5))

    async def main() -> None:
        for _ in range(3):
            await asr.query(task("one"))

    for run in (asyncio.run, trio.run, asyncio.run):
        run(main() if run is asyncio.run else main)  # type: ignore[arg-type]
    assert asr.stats.started == 9
    assert service.most_in_a_second <= 5
    assert 1.2 < service.seen[-1].at - service.seen[0].at < 4


def test_the_rate_is_kept_across_loops(service: Service) -> None:
    """Twelve runs of one request each are no burst."""
    asr = VolcASR(KEY, base_url=service.url, limits=Limits(qps=8))
    for _ in range(12):
        asyncio.run(asr.query(task("one")))
    assert service.most_in_a_second <= 8
    assert service.seen[-1].at - service.seen[0].at < 3


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
def test_loops_that_are_run_by_hand(service: Service, engine: Any) -> None:
    """Two that run by turns, each with its connection, and one after another that is closed without ado."""
    asr = VolcASR(KEY, base_url=service.url, limits=FREE, http=engine)
    by_turns = [asyncio.new_event_loop() for _ in range(2)]
    for loop in by_turns * 3:
        loop.run_until_complete(asr.query(task("by turns")))
    assert len({one.port for one in service.seen}) == 2
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asr.query(task("closed")))
        loop.close()
    for loop in by_turns:
        loop.run_until_complete(asr.query(task("by turns")))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    del asr, loop
    gc.collect()
    assert len(service.seen) == 11
    assert len({one.port for one in service.seen}) == 5


# ---- in several threads ----


def in_threads(number: int, work: Any) -> list[BaseException]:
    """Do the work in so many threads at the same time; return what failed."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return failures


@ENGINES
def test_several_threads_at_the_same_time(service: Service, engine: Any, library: str) -> None:
    """Each thread has its own loop and its own connections."""
    asr = VolcASR(KEY, base_url=service.url, limits=FREE, http=engine)

    async def main() -> None:
        name = str(threading.get_ident())
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(asr.query, task(name))

    assert in_threads(4, lambda: anyio.run(main, backend=library)) == []
    assert len(service.seen) == 40
    owners = {(one.port, one.name) for one in service.seen}
    assert len(owners) == len({port for port, _ in owners})
    assert (asr.stats.started, asr.stats.in_air, asr.stats.waiting) == (40, 0, 0)


def test_threads_share_the_rate(service: Service) -> None:
    """Four threads together keep to the rate of the key."""
    asr = VolcASR(KEY, base_url=service.url, limits=Limits(qps=20))

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(asr.query(task("one")))

    assert in_threads(4, lambda: asyncio.run(main())) == []
    assert len(service.seen) == 40
    assert service.most_in_a_second <= 20
    assert service.seen[-1].at - service.seen[0].at < 3.5


# ---- in forked children ----


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit()"])
@ENGINES
def test_forked_children_leave_the_parents_connections_alone(
    service: Service, engine: str, library: str, end: str
) -> None:
    """While a loop of the parent runs, children make connections of their own, and the parent's serves on."""
    script = f"""
        opened, done = threading.Event(), threading.Event()

        async def parent():
            await asr.query(task("parent"))
            opened.set()
            import anyio
            await anyio.to_thread.run_sync(done.wait)
            await asr.query(task("parent"))

        async def child():
            await asr.query(task("child"))

        thread = threading.Thread(target=run, args=(parent,))
        thread.start()
        opened.wait()
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                for _ in range(2):
                    run(child)
                assert asr.stats.in_air == 0
                {end}
            assert os.waitpid(pid, 0)[1] == 0
        done.set()
        thread.join()
        print("end")
    """
    assert run_script(script, service.url, engine, library) == "end\n"
    assert [one.name for one in service.seen] == ["parent", *["child"] * 4, "parent"]
    ports = [one.port for one in service.seen]
    assert ports[0] == ports[-1]
    assert len(set(ports)) == 5


# ---- what a caller passes in ----


@pytest.mark.parametrize("kind", ["AsyncClient", "AsyncHTTPTransport"])
def test_a_pool_of_the_callers_belongs_to_one_loop(service: Service, kind: str) -> None:
    """The second loop is refused before anything is sent, with what to do instead."""
    http = getattr(httpx, kind)()
    asr = VolcASR(KEY, base_url=service.url, limits=FREE, http=http)

    async def main() -> None:
        await asr.query(task("one"))
        await asr.query(task("one"))
        await http.aclose()

    asyncio.run(main())
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=rf"http={kind}.*another event loop.*Leave http out.*for each event"
        ):
            asyncio.run(asr.query(task("two")))
    assert [one.name for one in service.seen] == ["one", "one"]
    assert asr.stats.in_air == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_pool_of_the_callers_is_not_used_in_a_child(service: Service) -> None:
    """Its connections are the parent's."""
    script = """
        import httpx
        http = httpx.AsyncClient()
        asr = VolcASR(ApiKey("a-key-for-loops"), base_url=base, http=http)

        async def main():
            await asr.query(task("parent"))
            pid = os.fork()
            if pid == 0:
                try:
                    asyncio.run(asr.query(task("child")))
                except ConfigurationError:
                    os._exit(3)
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            await http.aclose()

        asyncio.run(main())
    """
    assert run_script(script, service.url) == "3\n"
    assert [one.name for one in service.seen] == ["parent"]


@pytest.mark.parametrize("kind", ["simulator", "mock", "asgi"])
def test_other_transports_work_in_every_loop(kind: str) -> None:
    """They keep no connections."""
    simulator = Simulator()
    reply = httpx.Response(200, headers={"X-Api-Status-Code": "20000001"}, content=b"{}")
    transports = {
        "simulator": simulator.transport(),
        "mock": httpx.MockTransport(lambda _: reply),
        "asgi": httpx.ASGITransport(app=simulator.app),
    }
    asr = VolcASR(PAIR, base_url=BASE, http=transports[kind], limits=FREE)
    for _ in range(3):
        step = asyncio.run(asr.query(task("one")))
        assert isinstance(step, Pending)


# ---- closing ----


@ENGINES
def test_a_client_that_is_closed_is_closed_in_every_loop(service: Service, engine: Any, library: str) -> None:
    """Its connections in another thread's loop are closed there, and nothing is sent any more."""
    asr = VolcASR(KEY, base_url=service.url, limits=FREE, http=engine)
    opened, closed = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        await asr.query(task("elsewhere"))
        opened.set()
        await anyio.to_thread.run_sync(closed.wait)
        with anyio.fail_after(10):
            while service.open:  # noqa: ASYNC110 - another thread counts them
                await anyio.sleep(0.01)
        with pytest.raises(InputError, match="closed"):
            await asr.query(task("late"))

    async def here() -> None:
        await asr.query(task("here"))
        await anyio.to_thread.run_sync(opened.wait)
        assert service.open == 2
        await asr.aclose()
        closed.set()

    work = iter([elsewhere, here])
    assert in_threads(2, lambda: anyio.run(next(work), backend=library)) == []
    assert {one.name for one in service.seen} == {"here", "elsewhere"}


@ENGINES
def test_closing_after_a_loop_has_ended(service: Service, engine: Any, library: str) -> None:
    """There is nothing left to close, and the client is closed all the same."""
    asr = VolcASR(KEY, base_url=service.url, limits=FREE, http=engine)

    async def ask() -> None:
        await asr.query(task("one"))

    for main in (ask, asr.aclose):
        anyio.run(main, backend=library)
    with pytest.raises(InputError, match="closed"):
        anyio.run(ask, backend=library)


def test_a_client_that_is_dropped_closes_its_connections(service: Service) -> None:
    """Also without `aclose`, when the garbage collector takes it while the loop runs."""
    script = """
        async def main():
            global asr
            await asr.query(task("one"))
            asr = None
            import gc
            gc.collect()
            await asyncio.sleep(0.05)

        asyncio.run(main())
        print("end")
    """
    assert run_script(script, service.url) == "end\n"


# ---- one client after the other ----


def test_a_client_for_each_task_keeps_the_rate(service: Service) -> None:
    """The requests of a client that is closed, or was dropped, count for the next one with the same key."""

    async def closed() -> None:
        async with VolcASR(KEY, base_url=service.url, limits=Limits(qps=4)) as asr:
            await asr.query(task("one"))

    async def dropped() -> None:
        await VolcASR(KEY, base_url=service.url, limits=Limits(qps=4)).query(task("one"))

    for number in range(10):
        asyncio.run(closed() if number % 2 else dropped())
        gc.collect()
    assert service.most_in_a_second <= 4
    assert service.seen[-1].at - service.seen[0].at > 2.0


def test_what_a_client_inherits_is_not_passed_on_twice(service: Service) -> None:
    """Two clients that inherit the same requests, and are closed, leave them once to the third."""

    async def main() -> None:
        async with VolcASR(KEY, base_url=service.url, limits=Limits(qps=6)) as first:
            await first.query(task("one"))
        second = VolcASR(KEY, base_url=service.url, limits=Limits(qps=6))
        async with second, VolcASR(KEY, base_url=service.url, limits=Limits(qps=6)) as third:
            await third.query(task("one"))
            await second.query(task("one"))
        async with VolcASR(KEY, base_url=service.url, limits=Limits(qps=6)) as last:
            for _ in range(3):
                await last.query(task("one"))

    asyncio.run(main())
    assert service.seen[-1].at - service.seen[0].at < 1.0
    assert service.most_in_a_second == 6


@pytest.mark.parametrize("other", ["key", "host", "open", "transport"])
def test_who_does_not_share_the_memory(service: Service, other: str) -> None:
    """Another key, another host, a client that is still open, and a transport that may lead anywhere."""
    limits = Limits(qps=1)
    elsewhere = Service()
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"X-Api-Status-Code": "20000001"}, content=b"{}")
    )

    async def main() -> float:
        given: Any = {"http": transport} if other == "transport" else {}
        first = VolcASR(KEY, base_url=service.url, limits=limits, **given)
        await first.query(task("one"))
        if other != "open":
            await first.aclose()
        key = ApiKey("another-key-altogether") if other == "key" else KEY
        url = elsewhere.url if other == "host" else service.url
        began = asyncio.get_running_loop().time()
        async with VolcASR(key, base_url=url, limits=limits, **given) as second:
            await second.query(task("two"))
        took = asyncio.get_running_loop().time() - began
        await first.aclose()
        return took

    with elsewhere.running():
        assert asyncio.run(main()) < 0.5
