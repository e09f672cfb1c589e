"""The fake service of the benchmarks: a quota that is strict, and the same jobs for everybody."""

import json

import pytest

from benchmarks.server import Account, Rules, Tasks

OK, RUNNING, REFUSED, UNKNOWN = b"20000000", b"20000001", b"45000292", b"45000000"


def submitted(url: str) -> bytes:
    return json.dumps({"audio": {"url": url}}).encode()


def test_no_second_holds_more_than_the_quota() -> None:
    """Whatever the moment, the second before it holds no more than the quota; the refused take no place."""
    account, admitted = Account(), []
    for step in range(1000):
        now = step * 0.013
        if account.admits(now, 20):
            admitted.append(now)
    assert all(sum(at - 1.0 < other <= at for other in admitted) <= 20 for at in admitted)
    assert len(admitted) == pytest.approx(20 * 13, abs=20)
    assert account.totals()["requests"] == 1000
    assert account.totals()["refused"] == 1000 - len(admitted)


def test_each_key_has_its_own_quota() -> None:
    """One that is over its quota takes nothing from another."""
    tasks = Tasks(Rules(qps=2))
    codes = {
        key: [tasks.submit(key, b"%d" % n, submitted("https://e.com/a"))[0][1] for n in range(3)]
        for key in (b"a", b"b")
    }
    assert codes == {b"a": [OK, OK, REFUSED], b"b": [OK, OK, REFUSED]}


def test_a_task_is_unknown_then_running_then_done() -> None:
    """A result is there when its time has come, and not before."""
    tasks = Tasks(Rules(processing=3600))
    assert tasks.query(b"key", b"1")[0][1] == UNKNOWN
    tasks.submit(b"key", b"1", submitted("https://e.com/a"))
    assert tasks.query(b"key", b"1")[0][1] == RUNNING
    tasks = Tasks(Rules(processing=0.0))
    tasks.submit(b"key", b"1", submitted("https://e.com/a"))
    status, body = tasks.query(b"key", b"1")
    assert status[1] == OK
    assert json.loads(body)["result"]["text"]
    assert json.loads(tasks.totals())["keys"]["key"]["done"] == 1


def test_a_recording_takes_the_same_time_whoever_asks() -> None:
    """The time depends on link and seed alone, and its median is what was asked for."""
    links = [f"https://e.com/{number}" for number in range(2000)]
    times = [
        takes(Rules(processing=12.0), links),
        takes(Rules(processing=12.0), links),
        takes(Rules(processing=12.0, seed=1), links),
    ]
    assert times[0] == times[1] != times[2]
    assert sorted(times[0])[1000] == pytest.approx(12.0, rel=0.05)


def takes(rules: Rules, links: list[str]) -> list[float]:
    return [Tasks(rules).seconds(link) for link in links]
