"""The fixtures under the test clients of web frameworks, which block the thread of the test, and the examples for them."""

import os
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
# The newest starlette asks for httpx2 in place of httpx.
INI = """
[pytest]
filterwarnings =
    error
    ignore:Using `httpx` with `starlette.testclient`
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [str(ROOT), str(ROOT / "docs" / "examples"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))


def passes(pytester: pytest.Pytester, code: str, count: int) -> None:
    installed = any(point.name == "volcasr" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "volcasr_async.testing.plugin"]
    pytester.makefile(".ini", pytest=INI)
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", "-q", timeout=120)
    result.assert_outcomes(passed=count)


def test_fastapi(pytester: pytest.Pytester) -> None:
    """TestClient with and without a lifespan, on both backends, with an in-process simulator too; a global client."""
    pytest.importorskip("fastapi")
    passes(
        pytester,
        """
        from contextlib import asynccontextmanager
        import pytest
        from fastapi import FastAPI, Request
        from fastapi.testclient import TestClient
        from volcasr_async import ApiKey, Task, VolcASR

        def make_app(**settings):
            @asynccontextmanager
            async def lifespan(_):
                async with VolcASR(**settings) as asr:
                    yield {"asr": asr}

            app = FastAPI(lifespan=lifespan)

            @app.get("/transcript")
            async def transcript(request: Request, url: str):
                return {"text": (await request.state.asr.transcribe(url, timeout=20)).text}

            return app

        @pytest.mark.parametrize("backend", ["asyncio", "trio"])
        def test_url(volcasr_simulator_url, volcasr_simulator, backend):
            with TestClient(make_app(), backend=backend) as client:
                for name in "ab":
                    assert client.get("/transcript", params={"url": f"https://example.com/{name}.mp3"}).json()["text"]
            assert len(volcasr_simulator.charges) == 2

        def test_in_process(volcasr_simulator):
            app = make_app(credentials=ApiKey("any"), http=volcasr_simulator.transport())
            with TestClient(app) as client:
                assert client.get("/transcript", params={"url": "https://example.com/a.mp3"}).json()["text"]

        @pytest.mark.parametrize("backend", ["asyncio", "trio"])
        def test_no_lifespan(volcasr_simulator, backend):
            # Each request runs in an event loop of its own.
            asr = VolcASR(ApiKey("any"), http=volcasr_simulator.transport())
            app = FastAPI()

            @app.post("/tasks")
            async def submit(url: str):
                return (await asr.submit(url)).to_json()

            @app.get("/tasks")
            async def wait(task: str):
                return (await asr.wait(Task.from_json(task), timeout=20)).text

            client = TestClient(app, backend=backend)
            task = client.post("/tasks", params={"url": "https://example.com/a.mp3"}).json()
            assert client.get("/tasks", params={"task": task}).json()

        @pytest.mark.volcasr_simulator(processing_time=3600)
        def test_virtual_time(volcasr_simulator):
            from volcasr_async.testing import virtual_time

            app = make_app(credentials=ApiKey("any"), http=volcasr_simulator.transport())
            backend, options = virtual_time()

            @app.get("/long")
            async def long(request: Request):
                return (await request.state.asr.transcribe("https://example.com/a.mp3")).text

            with TestClient(app, backend=backend, backend_options=options) as client:
                assert client.get("/long").json()

        async def test_sync_client_in_an_async_test(volcasr_simulator_url):
            # The event loop of the test stands still meanwhile, and the simulator answers nevertheless.
            with TestClient(make_app()) as client:
                assert client.get("/transcript", params={"url": "https://example.com/a.mp3"}).json()["text"]

        test_sync_client_in_an_async_test = pytest.mark.anyio(test_sync_client_in_an_async_test)

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """,
        7,
    )


def test_django(pytester: pytest.Pytester) -> None:
    """Its test client with sync and async views, its async client, and the ASGI application with its lifespan."""
    pytest.importorskip("django")
    passes(
        pytester,
        """
        import anyio
        import pytest
        from django.test import AsyncClient, Client
        import django_app

        URL = {"url": "https://example.com/talk.mp3"}

        @pytest.fixture(autouse=True)
        def new_client(volcasr_simulator_url):
            django_app.client.cache_clear()

        @pytest.mark.parametrize("view", ["/transcript", "/transcript/async"])
        def test_client(volcasr_simulator, view):
            for _ in range(2):
                assert Client().get(view, URL).json()["text"]
            assert len(volcasr_simulator.charges) == 2
            assert Client().get(view).status_code == 422

        @pytest.mark.parametrize("view", ["/transcript", "/transcript/async"])
        def test_async_client(volcasr_simulator, view):
            async def call():
                return await AsyncClient().get(view, URL)

            assert anyio.run(call).json()["text"]

        def test_asgi_with_lifespan(volcasr_simulator):
            from fastapi.testclient import TestClient

            with TestClient(django_app.application) as client:
                for view in ("/transcript", "/transcript/async"):
                    assert client.get(view, params=URL).json()["text"]
                assert django_app.client.cache_info().currsize == 1
            assert django_app.client.cache_info().currsize == 0
            assert len(volcasr_simulator.charges) == 2

        @pytest.mark.volcasr_simulator(processing_time=3600)
        def test_an_answer_that_takes_too_long(monkeypatch):
            asr = django_app.client()
            patient = asr.transcribe
            monkeypatch.setattr(asr, "transcribe", lambda url, timeout: patient(url, timeout=0.3))
            assert Client().get("/transcript/async", URL).status_code == 504
        """,
        6,
    )


def test_flask(pytester: pytest.Pytester) -> None:
    """A sync view of Flask, whose test client runs it in the thread of the test."""
    pytest.importorskip("flask")
    passes(
        pytester,
        """
        import asyncio
        from flask import Flask, request
        from volcasr_async import VolcASR

        app = Flask(__name__)

        @app.get("/transcript")
        def transcript():
            async def call():
                async with VolcASR() as asr:
                    return (await asr.transcribe(request.args["url"])).text

            return {"text": asyncio.run(call())}

        def test_client(volcasr_simulator_url, volcasr_simulator):
            with app.test_client() as client:
                assert client.get("/transcript", query_string={"url": "https://example.com/a.mp3"}).json["text"]
            assert len(volcasr_simulator.charges) == 1
        """,
        1,
    )
