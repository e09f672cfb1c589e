"""`volcasr doctor` against a simulator, and against hosts where something is wrong."""

import json
import ssl
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_calls import ROOT, SECRET, Caller, Ended, Port, ended, readable, started

from volcasr_async.cli.checkup import EXTRAS
from volcasr_async.cli.proxies import without_user
from volcasr_async.testing import Simulator

ENGINES = ["httpx", "aiohttp"]
BAD_KEY = {"code": 45000010, "message": "Invalid X-Api-Key"}
NO_GRANT = {"code": 45000010, "message": "load grant: requested grant not found in SaaS storage"}
NO_RESOURCE = {"code": 45000030, "message": "[resource_id=volc.bigasr.auc] requested resource not granted"}


class _Host(BaseHTTPRequestHandler):
    """Answers every request alike."""

    status, body, date = 200, b"{}", ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response_only(self.status)
        if self.date:
            self.send_header("Date", self.date)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
        pass


@contextmanager
def host(*, context: ssl.SSLContext | None = None, **said: Any) -> Iterator[str]:
    """A host on a port of this machine; yields its base URL."""
    server = HTTPServer(("127.0.0.1", 0), type("Host", (_Host,), said))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a handshake that the client refuses
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refused(header: dict[str, object]) -> dict[str, Any]:
    return {"status": 401, "body": json.dumps({"header": header}).encode()}


def findings(end: Ended) -> dict[str, dict[str, str]]:
    assert "Traceback" not in end.err
    assert SECRET not in end.out + end.err
    report = json.loads(end.out)
    assert report["ok"] == (end.status == 0)
    return {finding["check"]: finding for finding in report["findings"]}


@pytest.fixture
def examined(volcasr: Caller, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, dict[str, str]]]:
    """Call the doctor with an API key of this machine's environment, and read what it found."""

    def examine(base_url: str, *argv: object, **environ: str) -> dict[str, dict[str, str]]:
        for name, value in ({"VOLCASR_API_KEY": SECRET} | environ).items():
            monkeypatch.setenv(name, value)
        return findings(volcasr("doctor", "-f", "json", "--base-url", base_url, *argv))

    return examine


Examine = Callable[..., dict[str, dict[str, str]]]


@pytest.mark.parametrize("engine", ENGINES)
def test_all_is_well(volcasr: Caller, service: Simulator, engine: str) -> None:
    """Good credentials and a service that answers: status 0, one request, nothing charged and no key shown."""
    before, charged, violations = service.requests.total(), len(service.charges), len(service.violations)
    end = volcasr("doctor", "--engine", engine)
    assert end.status == 0, end.out
    assert end.err == ""
    assert SECRET not in end.out
    assert service.requests.total() == before + 1
    assert len(service.charges) == charged
    lines = {line[7:26].strip(): line for line in end.out.splitlines()}
    assert lines["credentials"].startswith("ok ")
    assert "VOLCASR_API_KEY" in lines["credentials"]
    assert "takes these credentials for volc.bigasr.auc" in lines["service, standard"]
    assert engine in lines["engine"]
    assert len(service.violations) == violations


def test_every_edition_that_can_be_asked(volcasr: Caller, port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old console's pair is tried with standard, and with v1 where there is a cluster; idle when it is named."""
    for name, value in {"APP_KEY": "app", "ACCESS_KEY": SECRET, "CLUSTER": "c", "BASE_URL": port.url}.items():
        monkeypatch.setenv(f"VOLCASR_{name}", value)
    found = findings(volcasr("doctor", "-f", "json"))
    assert "old console" in found["credentials"]["said"]
    assert [found[f"service, {name}"]["state"] for name in ("standard", "v1")] == ["ok", "ok"]
    assert "cluster c" in found["service, v1"]["said"]
    assert findings(volcasr("doctor", "-f", "json", "-e", "idle"))["service, idle"]["state"] == "ok"
    assert "service, v1" in findings(volcasr("doctor", "-f", "json", "--cluster", "d"))


def test_credentials_file(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """A file is named with its mode, and what lies unused in the environment; one that others can read is a failure."""
    path = tmp_path / "keys.toml"
    path.write_text(f'api_key = "{SECRET}"')
    path.chmod(0o600)
    found = findings(volcasr("doctor", "-f", "json", "--credentials", path))
    assert f"{path} (mode 600)" in found["credentials"]["said"]
    assert "VOLCASR_API_KEY of the environment: not used" in found["credentials"]["said"]
    path.chmod(0o644)
    end = volcasr("doctor", "-f", "json", "--credentials", path)
    assert end.status == 1
    assert findings(end)["credentials"]["cure"] == f"chmod 600 {path}"


def test_without_credentials_nothing_is_asked(volcasr: Caller, port: Port) -> None:
    """Missing credentials are a failure with their cure; the rest is looked at all the same."""
    before = port.simulator.requests.total()
    end = volcasr("doctor", "--base-url", port.url)
    assert end.status == 1
    assert "failed credentials" in end.out
    assert "--credentials FILE" in end.out
    assert "[speed]" in end.out
    assert port.simulator.requests.total() == before


def test_half_a_pair_names_what_is_there(volcasr: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which variables are set is told, never their values."""
    monkeypatch.setenv("VOLCASR_ACCESS_KEY", SECRET)
    found = findings(volcasr("doctor", "-f", "json"))
    assert "VOLCASR_APP_KEY is missing" in found["credentials"]["said"]
    assert "the environment has VOLCASR_ACCESS_KEY" in found["credentials"]["said"]


@pytest.mark.parametrize(
    ("environ", "said", "cure"),
    [
        ({"VOLCASR_API_KEY": SECRET}, BAD_KEY, "goes into VOLCASR_APP_KEY and VOLCASR_ACCESS_KEY instead"),
        ({"VOLCASR_APP_KEY": "1", "VOLCASR_ACCESS_KEY": SECRET}, NO_GRANT, "gives one API key: VOLCASR_API_KEY"),
        ({"VOLCASR_APP_KEY": "1", "VOLCASR_ACCESS_KEY": SECRET}, BAD_KEY, "APP ID and Access Token"),
    ],
)
def test_refused_key_is_explained(
    volcasr: Caller, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], said: dict[str, object], cure: str
) -> None:
    """45000010 by the kind of key: where to copy it from, or which kind to take instead."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with host(**refused(said)) as url:
        found = findings(volcasr("doctor", "-f", "json", "--base-url", url))
    assert found["service, standard"]["state"] == "failed"
    assert "45000010" in found["service, standard"]["said"]
    assert cure in found["service, standard"]["cure"]


def test_resource_that_is_granted_is_found(examined: Examine) -> None:
    """45000030: the doctor asks with the other ids, and names the one that works."""
    with Port(Simulator(resources=["volc.seedasr.auc"])) as port:
        found = examined(port.url)
        assert port.simulator.charges == []
    assert "45000030" in found["service, standard"]["said"]
    assert found["service, standard"]["cure"].endswith("may use: --edition standard --resource-id volc.seedasr.auc")
    with Port(Simulator(resources=["volc.bigasr.auc_idle"])) as port:
        assert examined(port.url)["service, standard"]["cure"].endswith("may use: --edition idle")


def test_resource_that_nobody_grants(examined: Examine) -> None:
    """Where no id works, the console's names of the models are told."""
    denied: dict[str, Any] = {**refused(NO_RESOURCE), "status": 403}
    with host(**denied) as url:
        cure = examined(url)["service, standard"]["cure"]
    assert "model 1.0 is volc.bigasr.auc" in cure
    assert "--resource-id" in cure


@pytest.mark.parametrize(("off", "state"), [(0, "ok"), (-3600, "note"), (3600, "note")])
def test_clock(examined: Examine, off: int, state: str) -> None:
    """The clock is held against the reply's date, also where the answer is a refusal."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=off), usegmt=True)
    with host(date=date, **refused(BAD_KEY)) as url:
        clock = examined(url)["clock"]
    assert clock["state"] == state
    assert ("behind" if off > 0 else "ahead of" if off < 0 else "as the service's") in clock["said"]


def test_date_that_is_none(examined: Examine) -> None:
    """A date that cannot be read is as none."""
    with host(date="yesterday", **refused(BAD_KEY)) as url:
        assert "not compared" in examined(url)["clock"]["said"]


def test_something_else_answers(examined: Examine) -> None:
    """The login page of a hotel is no service."""
    with host(body=b"<html>welcome") as url:
        service = examined(url)["service, standard"]
    assert service["state"] == "failed"
    assert "Something else answers" in service["cure"]


def test_busy_is_no_failure(examined: Examine) -> None:
    """A service that is busy was reached; that passes."""
    body = json.dumps({"header": {"code": 55000031, "message": "busy"}}).encode()
    with host(body=body) as url:
        assert examined(url)["service, standard"]["state"] == "note"


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_listens(examined: Examine, engine: str) -> None:
    """A port without anybody is named as such."""
    found = examined("http://127.0.0.1:1", "--engine", engine)
    assert "Nobody listens there" in found["service, standard"]["cure"]


@pytest.mark.parametrize("engine", ENGINES)
def test_tls_that_is_none(examined: Examine, port: Port, engine: str) -> None:
    """Https to a port that speaks plain http is told as that."""
    found = examined(port.url.replace("http:", "https:"), "--engine", engine)
    assert "does not speak TLS" in found["service, standard"]["cure"]


@pytest.mark.parametrize("engine", ENGINES)
def test_unknown_authority(examined: Examine, engine: str) -> None:
    """A certificate of nobody's authority: SSL_CERT_FILE is the way."""
    trustme = pytest.importorskip("trustme")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with host(context=context) as url:
        service = examined(url, "--engine", engine)["service, standard"]
    assert "certificate is not accepted" in service["said"]
    assert "SSL_CERT_FILE" in service["cure"]


@pytest.mark.parametrize("engine", ENGINES)
def test_certificate_of_another_host_or_time(examined: Examine, engine: str, tmp_path: Path) -> None:
    """A name that does not fit and a date that has passed are told apart."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    for certificate, cure in (
        (authority.issue_cert("other.example"), "Another host answers"),
        (authority.issue_cert("127.0.0.1", not_after=yesterday), "has expired"),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        with host(context=context) as url:
            found = examined(url, "--engine", engine, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        assert cure in found["service, standard"]["cure"]


@pytest.mark.parametrize("engine", ENGINES)
def test_proxy_is_named_without_its_password(examined: Examine, engine: str) -> None:
    """A proxy of the environment is used and named; its password is not."""
    found = examined(
        "https://nobody.invalid", "--engine", engine, HTTPS_PROXY=f"http://user:{SECRET}@127.0.0.1:1", NO_PROXY=""
    )
    assert found["proxy"]["said"].startswith("http://127.0.0.1:1;")
    assert "It goes through the proxy http://127.0.0.1:1" in found["service, standard"]["cure"]


@pytest.mark.parametrize("proxy", [f"ftp://u:{SECRET}@h", f"http://u:{SECRET}@h:port", f"socks5://u:{SECRET}@h:1080"])
def test_proxy_that_cannot_be_used(
    examined: Examine, volcasr: Caller, wav: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """A proxy that is broken, or speaks what nobody here does, is told by every command instead of a traceback."""
    monkeypatch.setattr("volcasr_async.cli.proxies.find_spec", lambda name: None)
    found = examined("https://nobody.invalid", HTTPS_PROXY=proxy, NO_PROXY="")
    assert found["proxy"]["state"] == "failed"
    assert found["service"]["state"] == "note"
    end = volcasr("transcribe", wav)
    readable(end)
    assert end.status == 2
    assert SECRET not in end.err


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("http://u:p@proxy", "http://proxy"),
        ("socks5://u@[::1]:1080", "socks5://[::1]:1080"),
        ("http://proxy:port", None),
        ("http://", None),
    ],
)
def test_proxy_without_user(proxy: str, shown: str | None) -> None:
    """Host and port are all that is shown of a proxy."""
    assert without_user(proxy) == shown


def test_bad_base_url(examined: Examine) -> None:
    """A base URL that cannot serve is a failure of its own."""
    found = examined("http://h.example")
    assert found["base URL"]["state"] == "failed"
    assert "use https" in found["base URL"]["said"]


def test_extras_are_those_of_the_distribution(examined: Examine, port: Port) -> None:
    """Each extra of pyproject.toml is told with what it is for."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"].keys() - {"all", "bench", "dev", "docs"}
    assert EXTRAS.keys() == extras
    found = examined(port.url)
    assert {f"[{name}]" for name in extras} <= found.keys()
    assert all(purpose in found[f"[{name}]"]["said"] for name, purpose in EXTRAS.items())


@pytest.mark.parametrize(
    "kept", [f'api_key = "{SECRET}"', f'app_key = "a"\naccess_key = "{SECRET}"\nsecret_key = "{SECRET}"']
)
def test_simulator_that_knows_one_key(volcasr: Caller, tmp_path: Path, kept: str) -> None:
    """`volcasr simulate --credentials --resource` lets in nobody else, and the doctor sees it."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    for path, text in ((good, kept), (bad, kept.replace(SECRET, SECRET[::-1]))):
        path.write_text(text)
        path.chmod(0o600)
    flags = ("--port", 0, "--credentials", good, "--resource", "volc.seedasr.auc")
    process = started("simulate", *flags)
    assert process.stdout is not None
    ready = [process.stdout.readline() for _ in range(2)]
    url = ready[0].strip().partition("VOLCASR_BASE_URL=")[2]
    ask = ("doctor", "--base-url", url, "--resource-id", "volc.seedasr.auc", "--credentials")
    assert volcasr(*ask, good).status == 0
    assert ready[1] == f"# with --credentials {good}\n"
    end = volcasr(*ask, bad)
    assert end.status == 1
    assert "failed service, standard  45000010" in end.out
    assert SECRET[::-1] not in end.out
    assert "45000030" in volcasr("doctor", "--base-url", url, "--credentials", good).out
    process.terminate()
    assert ended(process).status == 0


def test_flash_cannot_be_asked(volcasr: Caller, service: Simulator) -> None:
    """Each request of flash is charged: refused as wrong usage."""
    end = volcasr("doctor", "-e", "flash")
    readable(end)
    assert end.status == 2
