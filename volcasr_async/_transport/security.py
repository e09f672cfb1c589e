"""One TLS context for all connections of a client, built off the loop."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import httpx

from volcasr_async._loops import PerLoop
from volcasr_async.errors import ConfigurationError

_HASHED: Final = re.compile(r"[0-9a-f]{8}\.\d+")
_CURE: Final = "Correct it, or unset it to use the roots that come with httpx"


class Security:
    """Builds the context when it is first needed: it costs 20 to 70 ms, and each connection would hold its own."""

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._making: PerLoop[anyio.Lock] = PerLoop(anyio.Lock)

    async def context(self) -> ssl.SSLContext:
        """Trust what httpx trusts, its own roots, or `SSL_CERT_FILE` and `SSL_CERT_DIR` of the environment; TLS 1.2 up.

        Raises `ConfigurationError` where the environment names a trust store that cannot be used.
        """
        if self._context is None:
            async with self._making.get():
                if self._context is None:
                    self._context = await anyio.to_thread.run_sync(_made)
        return self._context


def _made() -> ssl.SSLContext:
    _check_environment()
    context = httpx.create_ssl_context()
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context


def _check_environment() -> None:
    """Refuse a trust store of the environment that does not exist or holds no certificate. httpx reads the file first."""
    if file := os.environ.get("SSL_CERT_FILE"):
        _check_file(file)
    elif folder := os.environ.get("SSL_CERT_DIR"):
        _check_folder(folder)


def _check_file(file: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except FileNotFoundError:
        raise ConfigurationError(f"SSL_CERT_FILE names a file that does not exist: {file}. {_CURE}") from None
    except ssl.SSLError:
        raise ConfigurationError(f"SSL_CERT_FILE names a file without a certificate: {file}. {_CURE}") from None
    except OSError as error:
        raise ConfigurationError(f"SSL_CERT_FILE cannot be read: {file}: {error.strerror}. {_CURE}") from None


def _check_folder(folders: str) -> None:
    """OpenSSL looks for certificates in the order of the folders, under names that are hashes."""
    found = [Path(folder) for folder in folders.split(os.pathsep) if Path(folder).is_dir()]
    if not found:
        raise ConfigurationError(f"SSL_CERT_DIR names a directory that does not exist: {folders}. {_CURE}")
    if not any(_HASHED.fullmatch(entry.name) for folder in found for entry in folder.iterdir()):
        raise ConfigurationError(
            f"SSL_CERT_DIR names a directory without a certificate under a hashed name: {folders}. "
            f"{_CURE}; `openssl rehash` makes the names"
        )
