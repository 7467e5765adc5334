"""Sockets that others own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def borrowed(descriptor: int) -> Iterator[socket.socket]:
    """A socket object for a descriptor that stays open."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


def listens(descriptor: int) -> bool:
    """Whether it is a socket that listens; it is made one that never blocks, or it could hold up everybody."""
    try:
        with borrowed(descriptor) as listener:
            listener.setblocking(False)
            return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False
