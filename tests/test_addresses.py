"""Links into private networks: rejected before anything is sent, unless the service itself is in one."""

from ipaddress import IPv4Address, IPv6Address

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from io_kit import EDITIONS, PAIR, by_name

from volcasr_async import AudioUrl, Failed, InputError, Job, VolcASR
from volcasr_async.addresses import host_reason, unreachable_reason
from volcasr_async.editions import Edition
from volcasr_async.testing import Simulator

PUBLIC = "https://openspeech.example.com"
PRIVATE = [
    *("localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0"),
    *(
        "10.0.0.1",
        "192.168.1.20",
        "172.16.0.1",
        "172.31.255.255",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "0.0.0.0",
    ),
    *("[::1]", "[::]", "[fd00::1]", "[fe80::1%25eth0]", "[::ffff:10.0.0.1]", "[64:ff9b::c0a8:101]", "[ff02::1]"),
    *(
        "host.docker.internal",
        "nas.local",
        "nas",
        "db.internal",
        "wiki.corp",
        "router.lan",
        "a.home.arpa",
        "x.localdomain",
    ),
    *("１２７.０.０.１", "127。0。0。1", "%31%30.0.0.1", "b.oss-cn-beijing-internal.aliyuncs.com"),
]
REACHABLE = [
    *("example.com", "8.8.8.8", "172.32.0.1", "172.15.0.1", "100.128.0.1", "11.0.0.1", "192.169.0.1", "134744072"),
    *(
        "[2001:4860:4860::8888]",
        "[::ffff:8.8.8.8]",
        "localhost.example.com",
        "10.0.0.1.example.com",
        "local.example.com",
    ),
    *(
        "1.2.3.4.5",
        "256.1.1.1",
        "0x7g.1",
        "bucket.oss-cn-beijing.aliyuncs.com",
        "tos-cn-beijing.volces.com",
        "例子.中国",
    ),
]


@pytest.mark.parametrize("host", PRIVATE)
def test_private_hosts(host: str) -> None:
    """Names and numbers, as curl and browsers read them; a port, a user and a path are no matter."""
    for url in (f"http://{host}/a.mp3", f"https://user:pw@{host}:9000/a.mp3?x=1"):
        assert unreachable_reason(url) is not None


@pytest.mark.parametrize("host", REACHABLE)
def test_public_hosts(host: str) -> None:
    """What may be reachable is not rejected; no DNS is asked."""
    assert unreachable_reason(f"https://{host}/a.mp3") is None


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_every_way_of_writing_a_number(address: IPv4Address) -> None:
    """Decimal, octal, hexadecimal, dotted or not, mapped into IPv6."""
    number = int(address)
    parts = [number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255]
    written = [
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{number & 0xFFFF}",
        str(IPv6Address((0xFFFF << 32) | number)),
    ]
    assert all(host_reason(host) for host in written)


@given(st.ip_addresses(v=4))
def test_public_means_public(address: IPv4Address) -> None:
    """The verdict agrees with the registry of the standard library."""
    assert (host_reason(str(address)) is None) == (address.is_global and not address.is_multicast)


@given(st.text(max_size=40))
def test_any_text_has_a_verdict(text: str) -> None:
    """Whatever a host is called, it is not an exception."""
    assert host_reason(text) in (None, host_reason(text))


def client(simulator: Simulator, base_url: str) -> VolcASR:
    """Give a client that talks to the simulator as to a host of the network."""
    return VolcASR(PAIR, base_url=base_url, http=httpx.AsyncClient(transport=simulator.transport()))


@pytest.mark.anyio
@by_name
@pytest.mark.parametrize("host", ["localhost:9000", "192.168.1.20", "10.1", "[::1]"])
async def test_nothing_is_sent(edition: Edition, host: str) -> None:
    """All editions, links and callbacks; the message has the host and what to do."""
    simulator = Simulator()
    async with client(simulator, PUBLIC) as asr:
        with pytest.raises(
            InputError, match=r"cannot download from \S+, which is an? .*Give a public link, or pass the audio"
        ):
            await asr.transcribe(AudioUrl(f"http://{host}/a.mp3", format="mp3"), edition=edition)
        if edition.name != "flash":
            job = Job(AudioUrl("https://example.com/a.mp3", format="mp3"), callback=f"http://{host}/done")
            with pytest.raises(InputError, match=r"cannot call back to \S+, which is"):
                await asr.submit(job, edition=edition)
    assert simulator.requests.total() == 0


@pytest.mark.anyio
async def test_a_batch_goes_on_with_the_others() -> None:
    """The recording fails with the reason, and is not charged."""
    simulator = Simulator(processing_time=1)
    links = ["https://example.com/1.mp3", "http://nas/2.mp3", "http://10.0.0.7/3.mp3?sig=SECRET"]
    async with client(simulator, PUBLIC) as asr, asr.batch(links) as batch:
        outcomes = [outcome async for outcome in batch]
    failed = {outcome.job.name: str(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)}
    assert len(simulator.charges) == 1
    assert len(failed) == 2
    assert "cannot download from nas, which is a name of a local network" in failed["http://nas/2.mp3"]
    assert "SECRET" not in str(failed)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:9", "http://localhost:9", "https://10.0.0.5", "https://asr.internal"]
)
async def test_a_service_in_a_private_network_takes_them(base_url: str) -> None:
    """The simulator, and a service that a company runs itself, may reach what is beside them."""
    simulator = Simulator()
    async with client(simulator, base_url) as asr:
        assert (await asr.transcribe(Job("http://192.168.1.20/a.mp3", callback="http://localhost:1/done"))).text


@pytest.mark.anyio
async def test_a_simulator_without_a_port_takes_them() -> None:
    """A transport of the caller's does not lead to the real service, whatever the base URL says."""
    async with VolcASR(PAIR, base_url=PUBLIC, http=Simulator().transport()) as asr:
        assert (await asr.transcribe("http://testserver/audio/a.mp3")).text


def test_editions_are_all_of_them() -> None:
    """An edition that is added takes part."""
    assert {edition.name for edition in EDITIONS} == {"standard", "idle", "flash", "v1"}
