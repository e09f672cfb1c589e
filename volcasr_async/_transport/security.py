"""One TLS context for all connections of a client, built off the loop."""

from __future__ import annotations

import ssl

import anyio
import anyio.to_thread
import httpx


class Security:
    """Builds the context when it is first needed: it costs 20 to 70 ms, and each connection would hold its own."""

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._making = anyio.Lock()

    async def context(self) -> ssl.SSLContext:
        """Trust what httpx trusts, its own roots, or `SSL_CERT_FILE` and `SSL_CERT_DIR` of the environment; TLS 1.2 up."""
        if self._context is None:
            async with self._making:
                if self._context is None:
                    self._context = await anyio.to_thread.run_sync(_made)
        return self._context


def _made() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context
