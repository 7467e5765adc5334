"""What `ps` and `top` show of a process."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

_MOST = 15  # bytes of a name, which the kernel bounds


def show_name(name: str) -> None:
    """Go by this name."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_bytes(name.encode()[:_MOST])


def show_executor(state: str) -> None:
    """Show the command line of the program that is the executor of a state directory."""
    show_arguments((sys.executable, "-I", "-m", "wasmdeploy_driver.executor", state))


def show_arguments(arguments: Sequence[str]) -> None:
    """Show these in place of the command line, which has to be as long; cut short where it is not."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        shown = "".join(f"{argument}\0" for argument in arguments).encode()
        if end > start:
            with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
                memory.seek(start)
                memory.write(shown[: end - start - 1].ljust(end - start, b"\0"))
