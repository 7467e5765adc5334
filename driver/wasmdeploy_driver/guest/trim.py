"""Giving memory back: what wasmtime has freed goes back to the system only when the C library is asked."""

from __future__ import annotations

import ctypes


def trim() -> None:
    """Give back what is free; does nothing where the C library knows no such call."""
    if give_back := getattr(ctypes.CDLL(None), "malloc_trim", None):
        give_back(0)
