"""The fixtures of the pytest plugin, as users' tests have them: sync, pytest-asyncio, anyio on asyncio and trio, processes."""

import os
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
INI = """
[pytest]
addopts = --strict-markers
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run test files in a process of its own, with the environment of a developer who has a real key."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("VOLCASR_APP_KEY", "real-app")
    monkeypatch.setenv("VOLCASR_ACCESS_KEY", "real-key")
    monkeypatch.setenv("VOLCASR_CLUSTER", "volc_auc_common")
    installed = any(point.name == "volcasr" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "volcasr_async.testing.plugin"]

    def run(**files: str) -> pytest.RunResult:
        pytester.makefile(".ini", pytest=INI)
        pytester.makepyfile(**files)
        return pytester.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", "-q", timeout=120)

    return run


APP = """
    import asyncio
    from functools import cache
    from volcasr_async import VolcASR

    @cache
    def client():  # made once, and kept over all tests
        return VolcASR()

    def transcribe(url):
        return asyncio.run(client().transcribe(url)).text
"""


def test_sync_tests(run: Run) -> None:
    """The program under test knows nothing of the simulator; each test sees its own recordings and settings."""
    result = run(
        app=APP,
        test_sync="""
        import json, os, subprocess, sys, time, urllib.request
        import pytest
        from app import transcribe

        urls = set()

        @pytest.mark.parametrize("turn", range(3))
        def test_a_client_that_is_kept(volcasr_simulator_url, volcasr_simulator, turn):
            before = time.monotonic()
            assert transcribe(f"https://example.com/{turn}.mp3")
            assert time.monotonic() - before < 1.9  # a client outside tests asks first after two seconds
            assert list(volcasr_simulator.charges_by_source) == [f"https://example.com/{turn}.mp3"]
            assert [task.state for task in volcasr_simulator.tasks] == ["done"]
            assert volcasr_simulator.violations == []
            urls.add(volcasr_simulator_url)
            assert len(urls) == 1

        @pytest.mark.volcasr_simulator(processing_time=0.3)
        def test_settings_by_a_marker(volcasr_simulator_url, volcasr_simulator):
            before = time.monotonic()
            transcribe("https://example.com/a.mp3")
            assert time.monotonic() - before >= 0.3
            assert volcasr_simulator.processing_time == 0.3

        def test_settings_by_attributes(volcasr_simulator_url, volcasr_simulator):
            volcasr_simulator.processing_time = 0.3
            before = time.monotonic()
            transcribe("https://example.com/a.mp3")
            assert time.monotonic() - before >= 0.3

        def test_the_command(volcasr_simulator_url, volcasr_simulator):
            command = [sys.executable, "-m", "volcasr_async", "transcribe", "https://example.com/a.mp3"]
            assert subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert len(volcasr_simulator.charges) == 1

        def test_any_client(volcasr_simulator_url):
            with urllib.request.urlopen(volcasr_simulator_url + "/_simulator") as reply:
                assert json.load(reply)["charges"] == 0

        def test_no_credentials_of_the_developer(volcasr_simulator_url):
            found = {name: value for name, value in os.environ.items() if name.startswith("VOLCASR_")}
            assert found.pop("VOLCASR_API_KEY").startswith("simulator-")
            assert found.pop("VOLCASR_BASE_URL") == volcasr_simulator_url
            assert found.keys() == {"VOLCASR_POLL_FIRST", "VOLCASR_POLL_SHORTEST"}

        def test_the_environment_is_restored():
            assert os.environ["VOLCASR_APP_KEY"] == "real-app"
            assert not os.environ.keys() & {"VOLCASR_BASE_URL", "VOLCASR_POLL_FIRST", "VOLCASR_API_KEY"}
        """,
    )
    result.assert_outcomes(passed=9)


def test_settings_come_from_classes_and_parameters_too(run: Run) -> None:
    """The nearest wins: the parameter, the function, the class, the module."""
    run(
        test_settings="""
        import pytest
        from volcasr_async.testing import Fault, Simulator

        pytestmark = pytest.mark.volcasr_simulator(seed=1, qps=1)

        def test_module(volcasr_simulator):
            assert (volcasr_simulator.seed, volcasr_simulator.qps) == (1, 1)

        @pytest.mark.volcasr_simulator(qps=2, lag=2)
        class TestClass:
            def test_class(self, volcasr_simulator):
                assert (volcasr_simulator.seed, volcasr_simulator.qps, volcasr_simulator.lag) == (1, 2, 2)

            @pytest.mark.volcasr_simulator(lag=3)
            @pytest.mark.parametrize("volcasr_simulator", [{"qps": 4}, {"faults": [Fault("reset")]}], indirect=True)
            def test_function(self, volcasr_simulator):
                assert volcasr_simulator.lag == 3
                assert (volcasr_simulator.qps == 4) == (not volcasr_simulator.faults)

        class TestOwn:
            @pytest.fixture
            def volcasr_simulator(self):
                return Simulator(task_ids="own")

            def test_own(self, volcasr_simulator, volcasr_simulator_url):
                assert volcasr_simulator.task_ids == "own"
        """
    ).assert_outcomes(passed=5)


def test_wrong_settings_are_told(run: Run) -> None:
    """With the test's name, the closest setting, and no traceback through the plugin."""
    result = run(
        test_wrong="""
        import pytest

        @pytest.mark.volcasr_simulator(procesing_time=0)
        def test_unknown(volcasr_simulator): ...

        @pytest.mark.volcasr_simulator(processing_time=-1)
        def test_value(volcasr_simulator_url): ...

        @pytest.mark.volcasr_simulator({"qps": 5})
        def test_positional(volcasr_simulator): ...

        @pytest.mark.parametrize("volcasr_simulator", [5], indirect=True)
        def test_parameter(volcasr_simulator): ...
        """
    )
    result.assert_outcomes(errors=4)
    text = result.stdout.str()
    for message in (
        "test_wrong.py::test_unknown: 'procesing_time' is no setting of a simulator; did you mean 'processing_time'?",
        "test_wrong.py::test_value: processing_time is -1; it is a number of seconds, not below 0",
        "settings have names: @pytest.mark.volcasr_simulator(processing_time=5)",
        "the parameter of volcasr_simulator is 5; it is a dictionary of settings",
    ):
        assert message in text
    assert not re.search(r"plugin\.py:\d+", text)


def test_async_tests_with_anyio(run: Run) -> None:
    """Both backends; the test's own event loop waits meanwhile, and fixtures that serve by themselves end well."""
    run(
        test_anyio="""
        import pytest
        from volcasr_async import ApiKey, VolcASR
        from volcasr_async.testing import Simulator

        pytestmark = pytest.mark.anyio

        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param

        async def test_url(volcasr_simulator_url, volcasr_simulator):
            async with VolcASR() as asr:
                assert (await asr.transcribe("https://example.com/a.mp3")).text
            assert len(volcasr_simulator.charges) == 1

        @pytest.fixture
        async def base_url():
            async with Simulator(processing_time=0).serve() as url:
                yield url

        async def test_own(base_url):
            async with VolcASR(ApiKey("any"), base_url=base_url) as asr:
                assert (await asr.submit("https://example.com/a.mp3")).id
        """
    ).assert_outcomes(passed=4)


def test_async_tests_with_pytest_asyncio(run: Run) -> None:
    """Its fixtures are set up and torn down in different tasks."""
    pytest.importorskip("pytest_asyncio")
    run(
        test_pytest_asyncio="""
        import pytest, pytest_asyncio
        from volcasr_async import ApiKey, VolcASR
        from volcasr_async.testing import Simulator

        @pytest.mark.asyncio
        async def test_url(volcasr_simulator_url, volcasr_simulator):
            async with VolcASR() as asr:
                assert (await asr.transcribe("https://example.com/a.mp3")).text
            assert len(volcasr_simulator.charges) == 1

        @pytest_asyncio.fixture
        async def asr(volcasr_simulator_url):
            async with VolcASR() as asr:
                yield asr

        @pytest.mark.asyncio
        async def test_client(asr):
            assert (await asr.transcribe("https://example.com/a.mp3")).text

        @pytest_asyncio.fixture
        async def served():
            simulator = Simulator(processing_time=0)
            async with simulator.serve() as url, simulator.send_callbacks():
                yield url

        @pytest.mark.asyncio
        async def test_serve(served):
            async with VolcASR(ApiKey("any"), base_url=served) as asr:
                assert (await asr.submit("https://example.com/a.mp3")).id

        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def for_the_module():
            async with Simulator(processing_time=0).serve() as url:
                yield url

        @pytest.mark.asyncio(loop_scope="module")
        @pytest.mark.parametrize("turn", [1, 2])
        async def test_module(for_the_module, turn):
            async with VolcASR(ApiKey("any"), base_url=for_the_module) as asr:
                assert (await asr.submit("https://example.com/a.mp3")).id
        """
    ).assert_outcomes(passed=5)


def test_virtual_time_with_pytest_asyncio(run: Run) -> None:
    """By its hook for loop factories; files and journals as well."""
    pytest_asyncio = pytest.importorskip("pytest_asyncio.plugin")
    if not hasattr(pytest_asyncio, "PytestAsyncioSpecs"):
        pytest.skip("this pytest-asyncio has no hook for loop factories")
    run(
        conftest="""
        from volcasr_async.testing import VirtualTimeLoop

        def pytest_asyncio_loop_factories(config, item):
            return {"virtual": VirtualTimeLoop}
        """,
        test_virtual="""
        import asyncio, pytest
        from volcasr_async import ApiKey, VolcASR
        from volcasr_async.testing import make_wav

        @pytest.mark.asyncio
        @pytest.mark.volcasr_simulator(processing_time=3600)
        async def test_hours(volcasr_simulator, tmp_path):
            path = tmp_path / "talk.wav"
            path.write_bytes(make_wav(2))
            before = asyncio.get_running_loop().time()
            async with VolcASR(ApiKey("any"), http=volcasr_simulator.transport()) as asr:
                async with asr.batch([path, "https://example.com/a.mp3"], journal=tmp_path / "run.db") as batch:
                    assert [bool(done.transcript.text) async for done in batch] == [True, True]
            assert asyncio.get_running_loop().time() - before > 3600
        """,
    ).assert_outcomes(passed=1)
