"""The seam: an observer of the caller's, and when there is one at all."""

import logging
import subprocess
import sys

import pytest
from io_kit import PLAIN, URL, client
from otel_kit import SECRETS, links, outcomes_of

from volcasr_async import ConfigurationError, Done
from volcasr_async.telemetry import ClientRecord, ExchangeRecord, JobRecord, Observer
from volcasr_async.testing import Simulator

pytestmark = pytest.mark.anyio


class Notebook(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.notes: list[str | None] = []

    def client_opened(self, client: ClientRecord) -> None:
        self.notes.append("opened")

    def exchange_ended(self, exchange: ExchangeRecord) -> None:
        self.notes.append(exchange.phase)

    def job_ended(self, job: JobRecord) -> None:
        self.notes.append(job.outcome)

    def client_closed(self, client: ClientRecord) -> None:
        self.notes.append("closed")


async def test_an_observer_of_ones_own() -> None:
    """It writes the methods that it needs, and is told in order."""
    notebook = Notebook()
    async with client(Simulator(), observe=notebook) as asr:
        await asr.transcribe(PLAIN, edition="flash")
    assert notebook.notes == ["opened", "flash", "done", "closed"]


async def test_an_observer_that_fails_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged, once for each of its methods, and the transcript comes all the same."""

    class Broken(Observer):
        def exchange_began(self, exchange: ExchangeRecord) -> None:
            raise ZeroDivisionError

        def job_ended(self, job: JobRecord) -> None:
            raise KeyError

    async with client(Simulator(processing_time=10), observe=Broken()) as asr:
        assert (await asr.transcribe(PLAIN)).text
        assert all(isinstance(outcome, Done) for outcome in await outcomes_of(asr, links(3)))
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == ["the observer Broken failed in exchange_began", "the observer Broken failed in job_ended"]


async def test_records_are_shown_without_anything_of_a_recording() -> None:
    """An observer may print what it gets."""
    seen = []

    class Printer(Observer):
        def exchange_ended(self, exchange: ExchangeRecord) -> None:
            seen.append(f"{exchange!r} {exchange.job!r} {exchange.job.client!r}")

    async with client(Simulator(), observe=Printer()) as asr:
        await asr.transcribe(URL)
    assert "submit 1, HTTP 200" in seen[0]
    assert not any(secret in "".join(seen) for secret in SECRETS)


PROGRAM = """
import sys
from volcasr_async import ApiKey, VolcASR
{before}
asr = VolcASR(ApiKey("k"), {more})
print(asr._session.telemetry.on, "opentelemetry.trace" in sys.modules)
"""
SET = "from opentelemetry import {0}\nfrom opentelemetry.sdk.{0} import {1}\n{0}.set_{2}_provider({1}())"


@pytest.mark.parametrize(
    ("before", "more", "expected"),
    [
        ("", "", "False False"),
        ("import opentelemetry.trace, opentelemetry.metrics", "", "False True"),
        (SET.format("trace", "TracerProvider", "tracer"), "", "True True"),
        (SET.format("metrics", "MeterProvider", "meter"), "", "True True"),
        (SET.format("trace", "TracerProvider", "tracer"), "observe=False", "False True"),
    ],
    ids=["not imported", "no provider", "tracer", "meter", "refused"],
)
def test_by_default_it_is_on_where_the_program_uses_it(before: str, more: str, expected: str) -> None:
    """A provider that was set before turns it on; without one nothing is imported and nobody listens."""
    code = PROGRAM.format(before=before, more=more)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == expected


def test_without_the_extra() -> None:
    """The name says which extra brings it."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import volcasr_async.telemetry as t\n"
        "try: t.OpenTelemetry\n"
        "except t.ConfigurationError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "volcasr-async[otel]" in run.stdout
    with pytest.raises(AttributeError):
        _ = sys.modules["volcasr_async.telemetry"].Nothing
    assert issubclass(ConfigurationError, ValueError)
