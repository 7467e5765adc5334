"""seccomp: system calls that no executor needs, and that ways out of a process are made of, fail.

The filter is libseccomp's (libseccomp.so.2, which systemd brings along), since it knows every architecture's numbers; a
few calls of it are all that is needed, and its Python binding on the package index is from 2021.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from functools import cache

from wasmdeploy_driver.isolation import kernel

# Other processes' memory and descriptors, mounts and namespaces, the kernel's own keys, modules, clocks and traces, and
# what has had most of the kernel's own holes. Most ask for capabilities that an executor has not; some do not.
_DENIED = (
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd "
    "mount umount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr "
    "setns unshare add_key request_key keyctl "
    "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register "
    "init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl "
    "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname syslog "
    "open_by_handle_at name_to_handle_at fanotify_init lookup_dcookie "
    "iopl ioperm modify_ldt vm86 personality move_pages migrate_pages vhangup nfsservctl uselib"
)
_NAMESPACES = (0x80, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EQUAL, _GREATER, _MASKED_EQUAL = 4, 6, 7
_SET_SECCOMP, _FILTER = 22, 2
_INSTRUCTION = 8  # bytes


class _Compare(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


@cache
def program() -> bytes:
    """The filter's instructions, empty where there is no libseccomp."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return b""
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_ALLOW))
    try:
        for name in _DENIED.split():
            _deny(library, context, name, errno.EPERM)
        # Its flags are out of a filter's sight: without it, the C library takes `clone`.
        _deny(library, context, "clone3", errno.ENOSYS)
        for flag in _NAMESPACES:
            _deny(library, context, "clone", errno.EPERM, _Compare(0, _MASKED_EQUAL, flag, flag))
        most = max(_FAMILIES)
        others = [_Compare(0, _EQUAL, family) for family in range(most) if family not in _FAMILIES]
        for comparison in (*others, _Compare(0, _GREATER, most)):
            _deny(library, context, "socket", errno.EAFNOSUPPORT, comparison)
        file = os.memfd_create("seccomp", os.MFD_CLOEXEC)
        try:
            if library.seccomp_export_bpf(context, file):
                return b""
            return os.pread(file, os.fstat(file).st_size, 0)
        finally:
            os.close(file)
    finally:
        library.seccomp_release(context)


def _deny(
    library: ctypes.CDLL, context: ctypes.c_void_p, name: str, error: int, comparison: _Compare | None = None
) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:  # this architecture has no such call, or this libseccomp does not know it
        return
    compared = ctypes.byref(comparison) if comparison else None
    if library.seccomp_rule_add_array(context, _ERRNO | error, number, int(bool(comparison)), compared):
        raise OSError(errno.EINVAL, f"libseccomp takes no rule for {name}")


@cache
def available() -> bool:
    """Whether there is a filter, and a kernel that takes one."""
    return os.path.exists("/proc/sys/kernel/seccomp/actions_avail") and bool(program())  # noqa: PTH110  # in /proc


def install() -> None:
    """Hold this thread and all that it starts to the filter; no_new_privs is set already."""
    if not available():
        return
    instructions = ctypes.create_string_buffer(program(), len(program()))
    filter_ = _Program(len(program()) // _INSTRUCTION, ctypes.cast(instructions, ctypes.c_void_p))
    kernel.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(filter_))
