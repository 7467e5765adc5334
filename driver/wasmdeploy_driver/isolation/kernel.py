"""The kernel's calls that Python has no function for; each raises OSError where it fails."""

from __future__ import annotations

import ctypes
import os
from functools import cache

# The same numbers on every architecture, unlike those of older calls.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: object) -> int:
    """A system call; numbers go as longs, everything else as a pointer."""
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *passed))


def prctl(option: int, *arguments: object) -> int:
    """The call that changes the process, or this thread of it."""
    passed = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    passed += [ctypes.c_ulong(0)] * (4 - len(passed))
    return _checked(_libc().prctl(ctypes.c_int(option), *passed))


def capget(header: object, data: object) -> None:
    """The call that reads this thread's capabilities."""
    _checked(_libc().capget(header, data))


def capset(header: object, data: object) -> None:
    """The call that sets this thread's capabilities."""
    _checked(_libc().capset(header, data))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
