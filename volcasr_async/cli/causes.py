"""Why the service could not be reached, in the words of whoever has to mend it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

_TLS_OPENED = (
    "A proxy or virus scanner that opens TLS signs with an authority of its own: "
    "set SSL_CERT_FILE to the PEM file that holds it"
)
_BY_VERIFY_CODE = {
    9: "The certificate is not valid yet: set this machine's clock",
    10: "The certificate has expired: set this machine's clock, or tell whoever runs that host",
    18: _TLS_OPENED,
    19: _TLS_OPENED,
    20: _TLS_OPENED,
    21: _TLS_OPENED,
    62: "Another host answers: check --base-url and the name server, or log in to this network first",
    64: "Another host answers: check --base-url, or log in to this network first",
}
"""OpenSSL's numbers: X509_V_ERR_... of x509_vfy.h."""


def cure_of(error: BaseException, *, proxy: str | None) -> str:
    """Say what to do about an error of the way; *proxy* is the one that was used, without credentials."""
    found = list(_chain(error))
    tls = _tls_error(error)
    if tls is not None:
        return _of_tls(tls)
    text = " ".join(f"{type(one).__name__} {one}" for one in found)
    if proxy is not None:
        said = "; 407 means that it wants a name and a password in its URL" if "407" in text else ""
        return f"It goes through the proxy {proxy}: check it{said}, or leave the host out with NO_PROXY"
    if any(isinstance(one, socket.gaierror) for one in found):
        return "The name of the host is not found: check --base-url, the network and the name server"
    if any(isinstance(one, ConnectionRefusedError) for one in found) or "refused" in text:
        return "Nobody listens there: check host and port of --base-url, and whether the simulator runs"
    if any(isinstance(one, TimeoutError) for one in found) or "Timeout" in text:
        return "Nothing comes back: a firewall perhaps; where a proxy is needed, set HTTPS_PROXY"
    return "Check the network and --base-url"


def tls_trouble(error: BaseException) -> str | None:
    """Say what TLS has against the other side; `None` where it has nothing."""
    match _tls_error(error):
        case ssl.SSLCertVerificationError() as refused:
            return f"the certificate is not accepted: {refused.verify_message}"
        case ssl.SSLError() as broken:
            return f"TLS failed: {broken.reason}"
        case _:
            return None


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """Find OpenSSL's own error: a library's that is derived from it knows no reason."""
    return next((one for one in _chain(error) if isinstance(one, ssl.SSLError) and getattr(one, "reason", None)), None)


def _of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, _TLS_OPENED)
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "What answers there does not speak TLS: check the port of --base-url, and the proxy"
    return "A proxy on the way breaks TLS, or it is too old on one side"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Go through an error and all that caused it."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _chain(one)
        error = error.__cause__ or error.__context__
