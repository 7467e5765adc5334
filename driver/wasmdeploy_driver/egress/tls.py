"""Whom a TLS connection trusts: the system's certificates, or certifi's where the system has none."""

from __future__ import annotations

import ssl
from functools import lru_cache
from os import environ
from pathlib import Path

import certifi


def trusting() -> ssl.SSLContext:
    """A context that checks certificate and name; `SSL_CERT_FILE` and `SSL_CERT_DIR` say where to look instead."""
    return _trusting(environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=1)
def _trusting(_file: str | None, _directory: str | None) -> ssl.SSLContext:
    # Once for a process: reading all the certificates takes tens of milliseconds.
    context = ssl.create_default_context()
    if not _system_has_some():
        context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _system_has_some() -> bool:
    paths = ssl.get_default_verify_paths()
    directory = Path(paths.capath) if paths.capath else None
    return bool(paths.cafile) or (directory is not None and any(directory.iterdir()))
