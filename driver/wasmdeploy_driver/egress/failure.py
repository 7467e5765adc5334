"""Why a call was not made: wasi:http's error codes, and which of them an error of the network is."""

from __future__ import annotations

import errno
import socket
import ssl

REFUSED_BY_RULES = "HTTP-request-denied"
ADDRESS_PROHIBITED = "destination-IP-prohibited"
LIMIT_REACHED = "connection-limit-reached"
CONNECT_TIMEOUT = "connection-timeout"
FIRST_BYTE_TIMEOUT = "connection-read-timeout"
TERMINATED = "connection-terminated"
_UNROUTABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_KINDS = (  # the narrower first
    (ssl.SSLCertVerificationError, "TLS-certificate-error"),
    (ssl.SSLError, "TLS-protocol-error"),
    (ConnectionRefusedError, "connection-refused"),
    (TimeoutError, CONNECT_TIMEOUT),
    (ConnectionError, TERMINATED),
)
_NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


class CallError(Exception):
    """A call failed before an answer came; `code` is wasi:http's name of the error, `detail` may follow it."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)


def of_lookup(error: OSError | UnicodeError) -> CallError:
    """A name that could not be resolved."""
    missing = isinstance(error, UnicodeError) or error.errno in _NO_SUCH_NAME
    return CallError("DNS-error", "NXDOMAIN" if missing else "SERVFAIL")


def of_connect(error: Exception) -> CallError:
    """A connection that could not be made, its TLS included."""
    code = next((code for kind, code in _KINDS if isinstance(error, kind)), "destination-unavailable")
    if isinstance(error, OSError) and error.errno in _UNROUTABLE:
        code = "destination-IP-unroutable"
    return CallError(code)
