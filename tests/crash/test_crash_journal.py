"""Journals of real processes that were killed: copied without their last rows, and killed before anything could be sent."""

import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from crash_kit import Place, Service, service, start, until

pytestmark = [pytest.mark.crash, pytest.mark.slow]

OLDER = "older than what was sent"


def links(count: int) -> list[str]:
    return [f"https://h.example/{number}.mp3" for number in range(count)]


def states_of(place: Place) -> dict[tuple[str, bool], int]:
    """Count the rows, of which there are none while the tables are not there."""
    try:
        return place.states()
    except sqlite3.OperationalError:
        return {}


@pytest.mark.parametrize("number_too", [False, True])
def test_a_copy_without_the_wal_file_after_a_kill(tmp_path: Path, number_too: bool) -> None:
    """It is a journal, it is reported as incomplete, and no recording is charged twice."""
    with service("--processing-time", 2) as played:
        place = Place(tmp_path, played, links(120), "--qps", 200)
        process = place.start()
        until(lambda: sum(played.charges().values()) >= 40 or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        other = tmp_path / "copied"
        other.mkdir()
        for name in ["run.db", *(["run.db-seq"] if number_too else [])]:
            if (tmp_path / name).exists():
                (other / name).write_bytes((tmp_path / name).read_bytes())
        with closing(sqlite3.connect(other / "run.db")) as database:
            assert database.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()
        place.journal = other / "run.db"
        place.argv[3] = place.journal
        again = place.start()
        _, said = again.communicate(timeout=120)
        assert again.returncode == 0, said
        assert OLDER in said
        assert played.charges() == dict.fromkeys(place.urls, 1)
        assert place.states() == {("done", True): 120}


def test_the_wal_file_is_deleted_in_its_place_after_a_kill(tmp_path: Path) -> None:
    """The number of commits beside the journal tells that rows are lost."""
    with service("--processing-time", 2) as played:
        place = Place(tmp_path, played, links(120), "--qps", 200)
        process = place.start()
        until(lambda: sum(played.charges().values()) >= 40 or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for suffix in ("-wal", "-shm"):
            (tmp_path / f"run.db{suffix}").unlink()
        again = place.start()
        _, said = again.communicate(timeout=120)
        assert again.returncode == 0, said
        assert OLDER in said
        assert played.charges() == dict.fromkeys(place.urls, 1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("edition", ["v1", "flash"])
def test_a_real_process_that_is_killed_while_connections_are_refused(tmp_path: Path, edition: str) -> None:
    """SIGKILL while nobody listens: no row is uncertain, and the next run charges each recording once."""
    port = free_port()
    nobody = Service(f"http://127.0.0.1:{port}")
    how: list[Any] = [
        "--edition",
        edition,
        "--qps",
        200,
        *(["--cluster", "volc_auc_common"] if edition == "v1" else []),
    ]
    place = Place(tmp_path, nobody, links(60), *how)
    credentials = {
        "VOLCASR_APP_KEY": "1234567890",
        "VOLCASR_ACCESS_KEY": "access-token",
        "VOLCASR_BASE_URL": nobody.url,
    }
    process = start(*place.argv, **credentials)
    until(lambda: place.journal.exists() and sum(states_of(place).values()) >= 20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert {state for state, _ in place.states()} == {"planned"}
    with service("--port", port) as played:
        again = start(*place.argv, **credentials)
        _, said = again.communicate(timeout=120)
        assert again.returncode == 0, said
        assert played.charges() == dict.fromkeys(place.urls, 1)
    assert place.states() == {("done", True): 60}
