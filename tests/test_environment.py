"""What the environment says."""

import pytest

from volcasr_async import ApiKey, AppKey, ConfigurationError, PollPolicy
from volcasr_async.environment import BASE_URL, checked_base_url, credentials_from, is_loopback, poll_from

KEY, APP, ACCESS, SECRET = "VOLCASR_API_KEY", "VOLCASR_APP_KEY", "VOLCASR_ACCESS_KEY", "VOLCASR_SECRET_KEY"


def test_credentials() -> None:
    """A key, a pair, a pair with a secret."""
    assert credentials_from({KEY: "k"}) == ApiKey("k")
    assert credentials_from({APP: "a", ACCESS: "b", KEY: ""}) == AppKey("a", "b")
    assert credentials_from({APP: "a", ACCESS: "b", SECRET: "c"}) == AppKey("a", "b", "c")


@pytest.mark.parametrize(
    ("environ", "says"),
    [({}, KEY), ({APP: "s3"}, ACCESS), ({ACCESS: "s3"}, APP), ({KEY: "s3", APP: "s3"}, "both"),
     ({KEY: "s3", ACCESS: "s3"}, "both"), ({KEY: "s3\ns3"}, "line ends")],
)  # fmt: skip
def test_contradictions(environ: dict[str, str], says: str) -> None:
    """None, half of a pair and both kinds are refused by name, and no value is shown."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        credentials_from(environ)
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "taken"),
    [(BASE_URL, BASE_URL), (" https://h/ ", "https://h"), ("https://h:8443/p/", "https://h:8443/p"),
     ("http://localhost:8080", "http://localhost:8080"), ("http://127.0.0.1", "http://127.0.0.1"),
     ("http://[::1]:1", "http://[::1]:1")],
)  # fmt: skip
def test_base_urls(url: str, taken: str) -> None:
    """Https anywhere, http to this machine."""
    assert checked_base_url(url) == taken


@pytest.mark.parametrize(
    "url",
    ["", "h", "ftp://h", "https://", "http://example.com", "https://u:s3cret@h", "https://:s3cret@h", "https://s3cret@h",
     "https://h?s3cret", "https://h#s3cret", "https://h:s3cret", "https://[::1", "http://10.0.0.1", "https://u:s3cret/x@h"],
)  # fmt: skip
def test_refused_base_urls(url: str) -> None:
    """Plain http, credentials and broken URLs are refused without being shown."""
    with pytest.raises(ConfigurationError) as caught:
        checked_base_url(url)
    assert "s3cret" not in repr(caught.value) + repr(caught.value.__cause__)


def test_loopback() -> None:
    """By number and by name."""
    assert [is_loopback(h) for h in ("127.0.0.9", "::1", "LOCALHOST", "example.com", "8.8.8.8")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_when_tasks_are_asked_about() -> None:
    """Two variables replace two defaults."""
    assert poll_from({}) == poll_from({"VOLCASR_POLL_FIRST": ""}) == PollPolicy()
    assert poll_from({"VOLCASR_POLL_FIRST": "0"}) == PollPolicy(first=0)
    assert poll_from({"VOLCASR_POLL_FIRST": "0.5", "VOLCASR_POLL_SHORTEST": "0.1"}) == PollPolicy(
        first=0.5, shortest=0.1
    )


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("FIRST", "-1", "at least 0"),
        ("FIRST", "soon", "at least 0"),
        ("SHORTEST", "0", "above 0"),
        ("SHORTEST", "inf", "above 0"),
    ],
)
def test_a_time_that_is_none(name: str, value: str, least: str) -> None:
    """The variable is named."""
    with pytest.raises(
        ConfigurationError, match=f"VOLCASR_POLL_{name} is '{value}'; it is a number of seconds, {least}"
    ):
        poll_from({f"VOLCASR_POLL_{name}": value})
