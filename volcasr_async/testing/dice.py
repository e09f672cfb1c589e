"""Deterministic draws: the same seed and the same names always give the same number."""

import hashlib
import math
import uuid
from statistics import NormalDist

_NORMAL = NormalDist()


def digest(*parts: object, size: int = 8) -> bytes:
    """`size` bytes that depend on nothing but `parts`."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=size).digest()


def draw(*parts: object) -> float:
    """A number in (0, 1): never 0, so that it may be compared with a share of 0 and put through a quantile."""
    return (int.from_bytes(digest(*parts)) + 1) / (2**64 + 2)


def log_normal(median: float, sigma: float, *parts: object) -> float:
    """A log-normal duration in seconds; with `sigma` 0 it is the median itself."""
    return median * math.exp(sigma * _NORMAL.inv_cdf(draw(*parts))) if sigma else median


def task_id(*parts: object) -> str:
    """A well-formed random-looking UUID (version 4)."""
    return str(uuid.UUID(bytes=digest(*parts, size=16), version=4))
