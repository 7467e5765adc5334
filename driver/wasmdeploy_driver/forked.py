"""What a process does that was just forked off one with work of its own, and when a process started."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

MOST_DESCRIPTORS = 253  # the kernel's bound for one message of a socket


def fork() -> tuple[int, socket.socket]:
    """Fork: the child's pid, 0 in the child, and on either side its end of a socket that keeps messages apart.

    Raises OSError.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        child = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    own, other = (ours, theirs) if child else (theirs, ours)
    other.close()
    return child, own


class Child:
    """At most one process that was forked off this one, and this side's end of the socket to it."""

    def __init__(self) -> None:
        self.pid = 0  # of the last one
        self.connection: socket.socket | None = None  # where there is one, as far as is known

    def fork(self, live: Callable[[socket.socket], NoReturn]) -> socket.socket:
        """Fork it, to `live` with its own end; gives this side's. Raises OSError."""
        pid, connection = fork()
        if not pid:
            live(connection)
        self.pid, self.connection = pid, connection
        return connection

    def close(self) -> None:
        """Know of none any more; one that waits to be told something ends."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def end_after(life: Callable[[], int]) -> NoReturn:
    """Live, and end with the status that `life` gives, or 1: nothing of a child may run the code of its parent."""
    status = 1
    try:
        status = life()
    except BaseException:  # noqa: BLE001  # see above
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor but these and the three streams."""
    low = 3
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


def write_to(log: int) -> None:
    """Have what this process says go to `log`, a descriptor that is closed."""
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat.rpartition(b")")[2].split()[19])
