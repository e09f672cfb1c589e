"""The memory of what closed clients have sent: bounded, and without any secret."""

import pickle

from io_kit import KEY, PAIR

from volcasr_async import ApiKey, AppKey
from volcasr_async._recent import RecentStarts, Trace


def test_the_latest_are_kept() -> None:
    """At most 256 keys, and of each what a rate can look back at."""
    recent = RecentStarts()
    keys = [recent.key_of("host", ApiKey(f"key-{number}")) for number in range(300)]
    for number, key in enumerate(keys):
        recent.add(key, Trace([float(number)]))
    kept = [key for key in keys if recent.of(key).starts]
    assert kept == keys[-256:]
    for _ in range(10):
        recent.add(keys[-1], Trace([1000.0 + at / 10 for at in range(1000)]))
    starts = recent.of(keys[-1]).starts
    assert len(starts) == 210
    assert min(starts) > 1099.9 - 2.2
    recent.clear()
    assert recent.of(keys[-1]).starts == []


def test_the_longest_pause_is_kept() -> None:
    """A later client that met none does not shorten it."""
    recent = RecentStarts()
    recent.add(b"key", Trace([1.0], held_until=50.0, submits_at=9.0))
    recent.add(b"key", Trace([2.0], held_until=40.0, submits_at=10.0))
    assert recent.of(b"key") == Trace([1.0, 2.0], held_until=50.0, submits_at=10.0)


def test_a_key_tells_nothing() -> None:
    """It is a digest that another process would make differently, and differs by host and by credentials."""
    recent = RecentStarts()
    hosts, keys = ("one", "two"), (KEY, PAIR, AppKey("12345-67890", "another-token"), ApiKey("12345-67890"))
    made = {recent.key_of(host, key) for host in hosts for key in keys}
    assert len(made) == 8
    assert not made & {RecentStarts().key_of(host, key) for host in hosts for key in keys}
    assert all(KEY.key.encode() not in pickle.dumps(key) for key in made)
    signed = AppKey(PAIR.app_key, PAIR.access_key, "signing-secret")
    assert recent.key_of("one", signed) == recent.key_of("one", PAIR)  # the same account
