"""Hosts that the service cannot reach, because they exist in a private network or on one machine only; no DNS is asked."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import unquote, urlsplit

_CARRIER = IPv4Network("100.64.0.0/10")
_NAT64 = IPv6Network("64:ff9b::/96")
_PRIVATE_DOMAINS = ("local", "internal", "localdomain", "lan", "home", "home.arpa", "corp", "intranet", "private")
"""Domains that no public name server has (RFC 6762, RFC 8375, ICANN 2024), and what routers and companies use."""
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_DOTS = str.maketrans("。．｡", "...")


def unreachable_reason(url: str) -> str | None:
    """Return why the service cannot reach the host of *url*, as the end of a sentence; `None` for a public host."""
    return host_reason(urlsplit(url).hostname or "")


@lru_cache(maxsize=4096)
def host_reason(host: str) -> str | None:
    """Return why a host is not public; numbers are read as curl and browsers read them."""
    name = unicodedata.normalize("NFKC", unquote(host)).translate(_DOTS).casefold().rstrip(".")
    address = _address(name)
    if address is not None:
        return _address_reason(address)
    if name == "localhost" or name.endswith(".localhost"):
        return "is a name of this machine"
    if name.endswith(".docker.internal"):
        return "is a name inside Docker"
    if name.endswith("-internal.aliyuncs.com"):
        return "is an endpoint inside Alibaba Cloud; take the public endpoint, without -internal"
    if "." not in name:
        return "is a name of a local network"
    if name.endswith(tuple(f".{domain}" for domain in _PRIVATE_DOMAINS)):
        return "is a name of a private network"
    return None


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        if ":" in name:
            return _embedded(IPv6Address(name.partition("%")[0]))
        return _ipv4(name)
    except ValueError:
        return None


def _embedded(address: IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address inside an IPv6 address that stands for one."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _ipv4(name: str) -> IPv4Address | None:
    """Read up to four numbers, decimal, octal or hexadecimal; the last fills the remaining bytes (inet_aton)."""
    parts = name.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    *first, last = (_number(part) for part in parts)
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return None
    value = last
    for place, number in enumerate(first):
        value += number << 8 * (3 - place)
    return IPv4Address(value)


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)


def _address_reason(address: IPv4Address | IPv6Address) -> str | None:
    if address.is_unspecified or (isinstance(address, IPv4Address) and int(address) < 1 << 24):
        return "is not the address of a machine"
    if address.is_loopback:
        return "is an address of this machine"
    if address.is_link_local:
        return "is a link-local address"
    if address.is_multicast:
        return "is a multicast address"
    if isinstance(address, IPv4Address) and address in _CARRIER:
        return "is an address inside a provider's network (100.64.0.0/10)"
    if address.is_private or getattr(address, "is_site_local", False):
        return "is a private or reserved address"
    return "is a reserved address" if address.is_reserved else None
