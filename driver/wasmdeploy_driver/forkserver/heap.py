"""The C library's heap in a process that others are forked off.

What a forked process allocates would go into the holes of the heap, between what all of them share, and each page that
is written to is copied. With the holes filled it lies together, on pages of its own.
And there is one heap for all threads: of a thread's own the library gives the end, which is most of it, never back.
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
_SIZES = (65536, 16384, 4096, 2048, *range(1032, 0, -16))  # by sixteen, as the library keeps small ones apart


class _Info(ctypes.Structure):
    """A struct mallinfo2; `keepcost` is how much is free at the heap's end, which is no hole."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
        )
    )  # fmt: skip


def settle() -> None:
    """Fill the holes, for this process's life; does nothing where the C library (musl) has none to tell of."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return
    library.mallopt(_M_ARENA_MAX, 1)
    library.mallinfo2.restype = _Info
    for name in ("malloc", "sbrk"):
        getattr(library, name).restype = ctypes.c_size_t
    library.malloc.argtypes, library.free.argtypes = (ctypes.c_size_t,), (ctypes.c_size_t,)
    for size in _SIZES:
        end = library.sbrk(0) - library.mallinfo2().keepcost
        while 0 < (taken := library.malloc(size)) < end:  # 0 where there is no memory
            pass
        library.free(taken)
