"""A process's user, its capabilities, and who may look into it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterator

from wasmdeploy_driver.isolation import kernel

_SET_DUMPABLE, _SET_NO_NEW_PRIVS, _GET_NO_NEW_PRIVS = 4, 38, 39
_CAPABILITY_VERSION_3 = 0x20080522
# What an executor uses as root until its guests are loaded: files of other users, its user, low ports, its cgroup's.
STARTING = 1 << 1 | 1 << 2 | 1 << 6 | 1 << 7 | 1 << 10


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)
    )  # fmt: skip


def renounce() -> None:
    """Nothing that this thread starts gets rights that it has not itself; also not by a set-user-id program."""
    kernel.prctl(_SET_NO_NEW_PRIVS, 1)


def hide() -> None:
    """Let this process, and those that are forked off it, leave no core file, and let no other user look into it.

    The limit alone is not enough: it says nothing to a kernel that pipes cores to a program.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kernel.prctl(_SET_DUMPABLE, 0)


@contextlib.contextmanager
def without_effect() -> Iterator[None]:
    """Do without this thread's capabilities meanwhile: what is opened is opened as by somebody who has none."""
    header, data = _capabilities()
    own = [each.effective for each in data]
    for each in data:
        each.effective = 0
    kernel.capset(ctypes.byref(header), data)
    try:
        yield
    finally:
        for each, effective in zip(data, own, strict=True):
            each.effective = effective
        kernel.capset(ctypes.byref(header), data)


def keep_capabilities(kept: int) -> None:
    """Drop this thread's capabilities, all but those of the mask that it has."""
    header, data = _capabilities()
    for index, each in enumerate(data):
        each.effective &= kept >> 32 * index
        each.permitted &= kept >> 32 * index
        each.inheritable = 0
    kernel.capset(ctypes.byref(header), data)


def capable() -> bool:
    """Whether this thread has any capability, or can get some."""
    if not kernel.prctl(_GET_NO_NEW_PRIVS):
        return True
    _, data = _capabilities()
    return any(each.permitted for each in data)


def _capabilities() -> tuple[_Header, ctypes.Array[_Data]]:
    header, data = _Header(_CAPABILITY_VERSION_3, 0), (_Data * 2)()
    kernel.capget(ctypes.byref(header), data)
    return header, data


def become(uid: int, gid: int) -> None:
    """Be this user from now on, in all threads; does nothing where the process is it."""
    if os.getresuid() == (uid,) * 3:
        return
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    hide()  # another user means another answer to who may look in
