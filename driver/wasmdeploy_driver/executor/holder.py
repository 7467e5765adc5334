"""What the holder of parked tasks is told and tells: one JSON object a message of a SOCK_SEQPACKET socket.

An executor, which the holder knows by its socket's peer:

    → {"park": STATE, "health": [TARGET, STATUS]}  with the descriptors of a `Shelved`; the job's check, if any, and the
                          last answer to it
    ← {"held": STATE}     two processes have them now, and take over when this one ends
    → {"keep": STATE}     with connections whose clients may ask again, where it ends
    → {"unpark": STATE}   where it goes on instead

The plugin:

    → {"watch": true}     ← {"parked": STATE} for every parked task, and for each that is parked from now on,
                          ← {"woken": STATE, "executor": [PID, START_TIME], "why": TEXT},
                          ← {"ended": PID, "status": STATUS} for an executor that the holder forked
    → {"find": STATE}     ← {"found": STATE, "parked": BOOL, "executor": [PID, START_TIME] or null}
    → {"drop": STATE}     ← {"dropped": STATE, "parked": BOOL}: what was held is closed

STATE is the task's state directory. The two processes of the holder tell each other changes of what they hold, see
`holdings`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SOCKET = "holder.sock"
LOG = "holder.log"
MAX_MESSAGE = 16 << 10
MOST_DESCRIPTORS = 200  # the kernel takes 253 with one message


def encode(message: Mapping[str, Any]) -> bytes:
    """One message."""
    return json.dumps(message).encode()


def decode(message: bytes) -> dict[str, Any]:
    """Read one back; raises ValueError for what is none."""
    found = json.loads(message)
    if not isinstance(found, dict):
        raise ValueError("a message of the holder is an object")  # noqa: TRY004  # as for what is no JSON
    return found


def connect(path: Path) -> socket.socket:
    """A connection to the holder; raises OSError where there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:  # a long path fits no socket address
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
    except OSError:
        connection.close()
        raise
    return connection


def ask(path: Path, message: Mapping[str, Any], timeout: float) -> dict[str, Any] | None:
    """The holder's answer; None where there is no holder. Raises OSError where it does not answer in time."""
    with contextlib.ExitStack() as undo:
        try:
            connection = undo.enter_context(connect(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.settimeout(timeout)
        connection.send(encode(message))
        answer = connection.recv(MAX_MESSAGE)
        return decode(answer) if answer else None
