"""A private certificate authority for tests, made with openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def authority(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A new authority's certificate, and a server's context with a certificate of it for localhost and 127.0.0.1."""
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test authority",
             "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
             "-keyout", ca_key, "-out", ca)  # fmt: skip
    request, key, certificate = directory / "a.csr", directory / "a.key", directory / "a.pem"
    names = directory / "names"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    _openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request
    )
    _openssl("x509", "-req", "-days", "1", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
             "-extfile", names, "-out", certificate)  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return ca, context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
