"""What the plugin and its fork server tell each other: one JSON object a message of a SOCK_SEQPACKET socket.

    → {"state": DIRECTORY}                   with the descriptors of the log and of the control socket, which listens
    ← {"forked": PID, "start_time": TICKS}   or {"error": ERRNO}: the answers come in the order of the requests
    ← {"ended": PID, "status": STATUS}       for every executor, once; as in subprocess: negative for a signal

When the plugin has gone, the socket ends, and the fork server with it; the executors stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_MESSAGE = 16 << 10
DESCRIPTORS = 2


def encode(message: Mapping[str, Any]) -> bytes:
    """One message."""
    return json.dumps(message).encode()


def decode(message: bytes) -> dict[str, Any]:
    """Read one back; the other side is of the same package, and of nobody else."""
    found: dict[str, Any] = json.loads(message)
    return found
