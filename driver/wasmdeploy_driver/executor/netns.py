"""Joining the task's network namespace, which Nomad has made for its allocation."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
from pathlib import Path

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import control

_CLONE_NEWNET = 0x40000000  # <sched.h>; os.setns is there from Python 3.12 on only
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # <linux/sockios.h>, <net/if.h>


def opened(path: str) -> int:
    """The namespace at `path` as a descriptor: what a confined process may not open, it may still join.

    Raises ExecutorError.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ExecutorError(f"network namespace {path}: {error.strerror}") from error


def of(state: Path) -> list[int]:
    """The namespace of the task of a state directory, where it has one and it can be opened."""
    with contextlib.suppress(OSError, ValueError, ExecutorError):
        if path := json.loads((state / control.LAUNCH).read_text()).get("netns"):
            return [opened(str(path))]
    return []


def join(namespace: int, path: str) -> None:
    """Move this process into a namespace that is open; before it has threads, which would stay behind.

    Raises ExecutorError, which calls it `path`.
    """
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise ExecutorError(f"network namespace {path}: {os.strerror(ctypes.get_errno())}")
    with contextlib.suppress(OSError):  # without the right to it, it may be up all the same
        _raise_loopback()


def _raise_loopback() -> None:
    """Guests call out through a socket on it, and it is down in a CNI network without the plugin `loopback`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        request = fcntl.ioctl(anything, _SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        name, flags = struct.unpack("16sH14x", request)
        fcntl.ioctl(anything, _SIOCSIFFLAGS, struct.pack("16sH14x", name, flags | _IFF_UP))
