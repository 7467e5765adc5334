"""Fixtures for every test."""

import signal

from tests.stack.fixtures import stack, vault

__all__ = ["stack", "vault"]


def pytest_configure() -> None:
    """Hear signals: a run in a shell's background or under nohup ignores some, and what it starts would, too."""
    for number, handler in (signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
