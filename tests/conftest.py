"""Fixtures for every test."""

import signal

from tests.stack.fixtures import stack, vault

__all__ = ["stack", "vault"]


def pytest_configure() -> None:
    """Hear Ctrl-C: a run in the background of a shell ignores it, and what it starts would, too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
