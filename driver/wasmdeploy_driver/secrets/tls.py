"""TLS to Vault: by whose word it is known, and by which certificate it knows us."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wasmdeploy_driver.errors import ConfigError

if TYPE_CHECKING:
    from requests import Session as Session  # noqa: PLC0414  # named here, where requests is at home

WANTS_ONE = "it wants a client certificate"
NO_TLS = "it does not speak TLS"
OTHER_NAME = "its certificate is for another name"
UNTRUSTED = "its certificate is not trusted"


def session(ca: str = "", cert: str = "", key: str = "", server_name: str = "") -> Session:
    """A session that has read all files it will need; raises ConfigError for one that cannot be used.

    `ca` is a file or directory, empty for the system's; `cert` and `key` are our own; `server_name` is the name that
    Vault's certificate must have, where it is not the address's.
    """
    import requests
    from requests.adapters import HTTPAdapter

    named: dict[str, Any] = {"ssl_context": _context(ca, cert, key)}
    if server_name:
        named |= {"server_hostname": server_name, "assert_hostname": server_name}

    class Adapter(HTTPAdapter):
        """Goes by the context alone."""

        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **{**options, **named})

        def cert_verify(self, *_: Any) -> None:
            """`requests` would read files again, for each connection, when they may be out of reach."""

    made = requests.Session()
    made.trust_env = False
    made.mount("https://", Adapter())
    return made


def _context(ca: str, cert: str, key: str) -> ssl.SSLContext:
    try:
        folder = bool(ca) and Path(ca).is_dir()
        context = ssl.create_default_context(
            cafile=None if folder else ca or None, capath=ca if folder else None
        )
    except OSError as error:  # ssl.SSLError is one, too
        raise ConfigError(
            f"Vault's CA certificate {ca} cannot be used: {error.strerror or error}", "see vault.ca_cert"
        ) from error
    if cert:
        try:
            context.load_cert_chain(cert, key or None)
        except OSError as error:
            raise ConfigError(
                f"the client certificate {cert} cannot be used: {error.strerror or error}",
                "see vault.client_cert",
            ) from error
    return context


def reason(text: str) -> str:
    """What is wrong, by the words of the library."""
    if "certificate required" in text or "handshake failure" in text or "bad certificate" in text:
        return WANTS_ONE
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text.lower():
        return NO_TLS
    if ("match" in text and "ostname" in text) or "IP address mismatch" in text:
        return OTHER_NAME
    return UNTRUSTED
