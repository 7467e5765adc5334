"""Landlock: what this thread, and all that it starts, may open from now on.

Each `Ruleset` that is enforced narrows the ones before. The calls are the kernel's own three (linux/landlock.h): the
one Python binding there is has only development releases, and knows neither layers for one thread nor descriptors.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from wasmdeploy_driver.isolation import kernel

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << bit for bit in range(4))
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR, _MAKE_REG = (1 << bit for bit in range(4, 9))
_MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM, _REFER, _TRUNCATE = (1 << bit for bit in range(9, 15))
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE
_ALL = (1 << 15) - 1

READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
UPDATE = READ_FILE | WRITE_FILE | _TRUNCATE
WRITE = READ | (_ALL & ~(EXECUTE | _MAKE_CHAR | _MAKE_BLOCK))
# All but reading: for a layer that leaves reading to the one before.
CHANGES = _ALL & ~READ

# What each version of Landlock knows; the first is the oldest.
_KNOWN = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_SCOPES_SINCE = 6
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2

Rule = tuple[str | Path | int, int]  # a path, or the descriptor of one; and what may be done there and below


def scope() -> None:
    """Keep signals and abstract sockets among this thread and all that it starts; no_new_privs is set already.

    Whoever shares a scope may be held to files of its own.
    """
    if version() >= _SCOPES_SINCE:
        scoped = Ruleset((), 0, scoped=True)
        scoped.enforce()
        scoped.close()


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


@cache
def version() -> int:
    """The kernel's version of Landlock, 0 where it has none."""
    try:
        return kernel.syscall(kernel.LANDLOCK_CREATE_RULESET, 0, 0, _VERSION_FLAG)
    except OSError:
        return 0


class Ruleset:
    """What is allowed of `handled`; `scoped` keeps signals and abstract sockets among those it is enforced on.

    A path that is not there, or cannot be reached, is left out; without Landlock in the kernel nothing is enforced.
    """

    def __init__(self, rules: Iterable[Rule], handled: int = _ALL, *, scoped: bool = False) -> None:
        self._descriptor = -1
        if not version():
            return
        self._handled = handled & _KNOWN[min(version(), max(_KNOWN))]
        attr = _RulesetAttr(self._handled, 0, 0)
        if scoped and version() >= _SCOPES_SINCE:
            attr.scoped = _ABSTRACT_SOCKETS | _SIGNALS
        size = 24 if version() >= _SCOPES_SINCE else 8
        self._descriptor = kernel.syscall(kernel.LANDLOCK_CREATE_RULESET, ctypes.byref(attr), size, 0)
        for where, allowed in rules:
            if isinstance(where, int):
                self._allow(where, allowed)
                continue
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                descriptor = os.open(where, os.O_PATH | os.O_CLOEXEC)
                try:
                    self._allow(descriptor, allowed)
                finally:
                    os.close(descriptor)

    def _allow(self, descriptor: int, allowed: int) -> None:
        if os.fstat(descriptor).st_mode & 0o170000 != 0o040000:
            allowed &= _OF_FILES
        if allowed := allowed & self._handled:
            rule = _PathBeneath(allowed, descriptor)
            call = kernel.LANDLOCK_ADD_RULE
            kernel.syscall(call, self._descriptor, _PATH_BENEATH, ctypes.byref(rule), 0)

    def enforce(self) -> None:
        """Hold this thread to it, and all that it starts; no_new_privs is set already."""
        if self._descriptor >= 0:
            kernel.syscall(kernel.LANDLOCK_RESTRICT_SELF, self._descriptor, 0)

    def close(self) -> None:
        """Let go of it; whom it was enforced on stays held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
