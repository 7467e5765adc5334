"""One run of a guest: its store, limits and WASI context, and what its end means."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import wasmtime

from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.guest.capi import set_stdin
from wasmdeploy_driver.guest.engine import Engine, Watch, ticks

# Output files keep up to this much memory between runs.
_KEPT = 1 << 20
# A guest that writes more is cut off: its output is held in memory, which counts as the executor's.
MAX_OUTPUT = 64 << 20
# Entries of one table, a host pointer each: without a bound they would be a way around the limit of memory.
_TABLE_ELEMENTS = 1 << 20


@dataclass(frozen=True, slots=True)
class Preopen:
    """A directory that a guest may open; `host` is a path that cannot change under us (/proc/self/fd/N)."""

    host: str
    guest: str
    readonly: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one run: linear memory in bytes, wall time in seconds (0 for none)."""

    memory: int
    seconds: float


class Runner(Protocol):
    """Runs a guest once, in a fresh instance or in one that stays."""

    def run(self, wasi: wasmtime.WasiConfig, bounds: Bounds, watch: Watch = ...) -> bool:
        """Run once: True for success; raises Exit, GuestTrap or GuestTimeout."""
        ...


class Exit(Exception):  # noqa: N818  # no error: a guest may end itself
    """The guest called exit."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def new_store(engine: Engine, bounds: Bounds) -> wasmtime.Store:
    """A store with the limits applied and the deadline running."""
    store = wasmtime.Store(engine.raw)
    store.set_limits(memory_size=bounds.memory, table_elements=_TABLE_ELEMENTS)
    store.set_epoch_deadline(ticks(bounds.seconds))
    return store


def new_wasi(
    environment: Mapping[str, str],
    args: Iterable[str],
    preopens: Iterable[Preopen],
    stdin: bytes | None = None,
) -> wasmtime.WasiConfig:
    """A WASI context; its stdin is `stdin`, or nothing."""
    wasi = wasmtime.WasiConfig()
    wasi.env = list(environment.items())
    wasi.argv = list(args)
    for preopen in preopens:
        wasi.preopen_dir(preopen.host, preopen.guest, fs_mutable=not preopen.readonly)
    if stdin is not None:
        set_stdin(wasi, stdin)
    return wasi


class OutputFile:
    """An anonymous file that takes a guest's stdout, used again for every run of one thread.

    wasmtime opens it anew for each run, which also empties it.
    """

    def __init__(self) -> None:
        self._open()

    def _open(self) -> None:
        self._descriptor = os.memfd_create("stdout", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.path = f"/proc/self/fd/{self._descriptor}"

    def bound(self) -> None:
        """Keep the file from growing once it is too large: the guest's next write fails. Called as the guest
        runs.
        """
        if os.fstat(self._descriptor).st_size > MAX_OUTPUT:
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)

    def take(self) -> bytes:
        """All that the guest wrote; a large file's memory is given back. Raises GuestTrap where it is too
        much.
        """
        size = os.fstat(self._descriptor).st_size
        if size > MAX_OUTPUT:
            os.close(self._descriptor)
            self._open()  # a sealed file takes no other run's output
            raise GuestTrap(f"the guest wrote a response of more than {MAX_OUTPUT >> 20} MiB")
        data = os.pread(self._descriptor, size, 0) if size else b""
        if size > _KEPT:
            os.ftruncate(self._descriptor, 0)
        return data


class Outputs(threading.local):
    """One output file for each thread that runs guests."""

    def __init__(self) -> None:
        self._file = OutputFile()

    def mine(self) -> OutputFile:
        """This thread's file."""
        return self._file


def translate(error: Exception, bounds: Bounds) -> Exception:
    """What a failed run means: Exit, GuestTimeout or GuestTrap with wasmtime's words and backtrace."""
    if isinstance(error, wasmtime.ExitTrap):
        return Exit(error.code)
    if isinstance(error, wasmtime.Trap):
        interrupted, text = error.trap_code is wasmtime.TrapCode.INTERRUPT, error.message
    else:
        text = str(error)
        interrupted = "wasm trap: interrupt" in text
    if interrupted:
        return GuestTimeout(f"the guest ran longer than {bounds.seconds:g} s")
    return GuestTrap(text)


def first_line(error: Exception) -> str:
    """wasmtime's message and its innermost cause in one line."""
    lines = [
        line.strip() for line in str(error).splitlines() if line.strip() and line.strip() != "Caused by:"
    ]
    if not lines:
        return type(error).__name__
    return lines[0] if len(lines) == 1 else f"{lines[0]}: {lines[-1].lstrip('0123456789: ')}"
