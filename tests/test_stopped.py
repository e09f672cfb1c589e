"""A process that is stopped for longer than its timeouts: a reply that came meanwhile is read when it goes on."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from loops_kit import start_script

pytestmark = [
    pytest.mark.slow,  # two processes stand still for seconds
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system does not stop processes"),
]

STOPPED_S = 3.5  # longer than the whole reply may take, by more than a second


@contextmanager
def simulator(*flags: str) -> Iterator[str]:
    command = [sys.executable, "-m", "volcasr_async", "simulate", "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split("VOLCASR_BASE_URL=")[1].split()[0]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def charges(url: str) -> int:
    with urllib.request.urlopen(f"{url}/_simulator/charges", timeout=10) as reply:
        return sum(json.load(reply).values())


def stop_for_a_while(process: subprocess.Popen[str]) -> None:
    """Stop the process after it has sent its request, and let it go on when the reply is in its socket."""
    assert process.stdout is not None
    assert process.stdout.readline() == "sent\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(STOPPED_S)
    os.kill(process.pid, signal.SIGCONT)


WORK = {
    "flash": """
        retry = RetryPolicy(reply_timeout=1.2)
        asr = VolcASR(ApiKey("a-key-for-loops"), base_url=base, http=engine, retry=retry)

        async def main():
            print((await asr.transcribe(make_wav(1), timeout={timeout})).duration_ms)
    """,
    "v1": """
        retry = RetryPolicy(reply_timeout=1.2)
        asr = VolcASR(AppKey("1234567890", "a-token-for-loops"), base_url=base, http=engine, retry=retry)

        async def main():
            print(len((await asr.submit("https://example.com/a.mp3", edition=AucV1("common"), timeout={timeout})).id) > 8)
    """,
}


@pytest.mark.parametrize(("engine", "library"), [("httpx", "asyncio"), ("aiohttp", "asyncio"), ("httpx", "trio")])
@pytest.mark.parametrize(
    ("kind", "timeout", "says"),
    [("flash", 1.5, "1000\n"), ("v1", None, "True\n"), ("v1", 1.5, "True\n")],
    ids=["flash-deadline", "v1-reply_timeout", "v1-deadline"],
)
def test_a_reply_that_came_meanwhile(engine: str, library: str, kind: str, timeout: float | None, says: str) -> None:
    """It is neither lost nor asked for again: one charge."""
    with simulator("--fault", "stall,seconds=1.0") as url:
        process = start_script(WORK[kind].format(timeout=timeout) + SENT, url, engine, library)
        try:
            stop_for_a_while(process)
            out, complaints = process.communicate(timeout=30)
        finally:
            process.kill()
        assert (out, complaints) == (says, "")
        assert charges(url) == 1


SENT = """
        threading.Timer(0.5, lambda: print("sent", flush=True)).start()
        run(main)
"""
