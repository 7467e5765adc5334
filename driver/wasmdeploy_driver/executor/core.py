"""No core files: a process with secrets leaves no picture of its memory when it dies."""

from __future__ import annotations

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def forbid_core() -> None:
    """Let this process, and those that are forked off it, leave no core file, and let no other user look into it.

    The limit alone is not enough: it says nothing to a kernel that pipes cores to a program.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
