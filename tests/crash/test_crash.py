"""A batch is killed, interrupted and resumed: nothing is lost, nothing is paid twice."""

import json
import random
import re
import shlex
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_kit import KEY, Place, Service, service, until

from volcasr_async import read_transcript

pytestmark = pytest.mark.crash

FAULTS = ("lost-answer=0.3", "reset=0.05", "html-502=0.05", "html-502-after=0.05", "cut-body=0.05", "no-status=0.03")
COUNT = 150
FAST = ("--qps", 300, "--concurrency", 30)


@pytest.fixture(scope="module")
def calm() -> Iterator[Service]:
    """A service in which nothing goes wrong."""
    with service("--processing-time", 0.5) as played:
        yield played


def links(name: str, count: int) -> list[str]:
    return [f"https://h.example/{name}/{number}.mp3" for number in range(count)]


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=150)
    assert out == ""
    assert "Traceback" not in err, err
    assert KEY not in err
    return process.returncode, err


def resumed(err: str) -> list[str]:
    """Take the line to go on with apart, as a shell would."""
    [line] = [line for line in err.splitlines() if line.startswith("go on with: ")]
    words = shlex.split(line.removeprefix("go on with: "))
    assert words[:2] == ["volcasr", "batch"]
    return words[1:]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "form"), [(1, "json"), (2, "txt")])
def test_killed_again_and_again(tmp_path: Path, seed: int, form: str) -> None:
    """Killed at random moments and resumed, each recording is done, charged once, and has one whole file."""
    dice = random.Random(seed)
    with service("--processing-time", 0.5, "--seed", seed, *(w for f in FAULTS for w in ("--fault", f))) as played:
        place = Place(tmp_path, played, links("killed", COUNT), "--format", form, *FAST)
        kills = 0
        while kills < 5:
            process = place.start()
            requests, files = played.requests(), len(place.files())
            more_requests, more_files = dice.randint(1, 150), dice.randint(1, 40)

            def moment() -> bool:
                met = played.requests() >= requests + more_requests if kills % 2 else None  # noqa: B023
                met = len(place.files()) >= files + more_files if met is None else met  # noqa: B023
                return met or process.poll() is not None  # noqa: B023

            until(moment)
            ended = process.poll() is not None
            process.kill()
            process.communicate()
            if ended:
                break
            kills += 1
            assert all(count == 1 for count in played.charges().values())
        assert kills >= 3
        status, err = end(place.start())
        assert status == 0, err
        assert played.charges() == dict.fromkeys(place.urls, 1)
        assert played.state()["last"]["violations"] == []
        assert place.states() == {("done", True): COUNT}
        assert len(place.files()) == COUNT
        assert place.parts() == []
        for path in place.files():
            text = path.read_text("utf-8")
            assert read_transcript(text).text if form == "json" else text.strip()
        before = played.requests()
        status, err = end(place.start())
        assert status == 0
        assert played.requests() == before
        assert f"{COUNT} done" in err


def test_second_process_is_refused(calm: Service, tmp_path: Path) -> None:
    """While a batch runs, nobody else can use its journal; `status` reads it all the same."""
    place = Place(tmp_path, calm, links("second", 100), "--qps", 2)  # a minute of work
    first = place.start()
    until(lambda: place.files() or first.poll() is not None)
    status, err = end(place.start())
    assert status == 2
    assert "is in use" in err
    shown = place.run(["status", place.journal, "--format", "json"])
    states = json.loads(shown.communicate(timeout=10)[0])["states"]
    assert states["done"]["count"] < 100
    first.kill()
    first.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_drains(tmp_path: Path, number: signal.Signals) -> None:
    """The requests in the air come back, the counts are told, and the line that is printed goes on."""
    with service("--processing-time", 0.5, "--fault", "stall:submit=0.2,seconds=1.5") as played:
        place = Place(tmp_path, played, links("drained", 60), *FAST)
        process = place.start()
        until(lambda: played.state()["in_air"] >= 3)
        process.send_signal(number)
        status, err = end(process)
        assert status == 130
        assert "are finished first" in err
        assert "interrupted" in err
        assert played.state()["in_air"] == 0
        states = Counter({state: count for (state, _), count in place.states().items()})
        assert states["sent"] == 0, "what was in the air came back"
        [left] = [line for line in err.splitlines() if line.startswith("left: ")]
        assert sum(map(int, re.findall(r"\d+", left))) == 60 - states["done"]
        status, err = end(place.run(resumed(err)))
        assert status == 0, err
        assert played.charges() == dict.fromkeys(place.urls, 1)
        assert len(place.files()) == 60


def test_second_signal_leaves_at_once(tmp_path: Path) -> None:
    """Though a request would stall for ever, the second Ctrl-C ends it, and the line goes on without a second charge."""
    with service("--processing-time", 0.5, "--fault", "stall:submit,times=1,url=/3.mp3") as played:
        place = Place(tmp_path, played, links("left", 20), *FAST)
        process = place.start()
        assert process.stderr is not None
        until(lambda: place.files() and played.state()["in_air"] == 1)
        process.send_signal(signal.SIGINT)
        assert any("finished first" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        status, err = end(process)
        assert status == 130
        status, err = end(place.run(resumed(err)))
        assert status == 0, err
        assert played.charges() == dict.fromkeys(place.urls, 1)
        assert len(place.files()) == 20


def test_result_that_cannot_be_written_comes_again(calm: Service, tmp_path: Path) -> None:
    """A place that cannot be written stops the batch; what was recognised is in the journal and not paid again."""
    place = Place(tmp_path, calm, links("unwritten", 10), *FAST)
    blocked = tmp_path / "blocked"
    first = place.start()
    until(lambda: place.journal.exists() or first.poll() is not None)
    place.out.rename(blocked)
    status, err = end(first)
    assert status == 1
    assert "cannot be written" in err
    assert ("done", True) not in place.states()
    status, err = end(place.run(resumed(err)))
    assert status == 0, err
    assert {url: count for url, count in calm.charges().items() if "/unwritten/" in url} == dict.fromkeys(place.urls, 1)
    assert len(place.files()) == 10
