"""Joining the task's network namespace, which Nomad has made for its allocation."""

from __future__ import annotations

import ctypes
import os

from wasmdeploy_driver.errors import ExecutorError

_CLONE_NEWNET = 0x40000000  # <sched.h>; os.setns is there from Python 3.12 on only


def join(path: str) -> None:
    """Move this process into the namespace at `path`; before it has threads, which would stay behind.

    Raises ExecutorError.
    """
    try:
        namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ExecutorError(f"network namespace {path}: {error.strerror}") from error
    try:
        if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
            raise ExecutorError(f"network namespace {path}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(namespace)
