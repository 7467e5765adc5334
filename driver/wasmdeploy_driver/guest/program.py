"""Runs the programs of the adapter, which turn one WebAssembly file into another.

They are WebAssembly themselves: where wasmdeploy is installed, no Rust is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import wasmtime  # at home here

from wasmdeploy_driver.errors import GuestError

DIRECTORY = Path(__file__).parent.parent / "adapter"
Load = Callable[[wasmtime.Engine, bytes], wasmtime.Module]


def run_program(
    name: str,
    guest: bytes,
    refuse: Callable[[str], GuestError],
    *args: str,
    engine: wasmtime.Engine | None,
    load: Load,
) -> bytes:
    """What the program of that name makes of a guest; where it makes nothing, `refuse` turns its words into the
    error that is raised.

    `load` may keep the compiled program between calls; `engine` must not interrupt by epoch.
    """
    engine = engine or wasmtime.Engine(_quick())
    module = load(engine, (DIRECTORY / f"{name}.wasm").read_bytes())
    with _Memfile("guest", guest) as stdin, _Memfile("made") as stdout, _Memfile("errors") as stderr:
        wasi = wasmtime.WasiConfig()
        wasi.argv = [name, *args]
        wasi.stdin_file, wasi.stdout_file, wasi.stderr_file = stdin.path, stdout.path, stderr.path
        try:
            status = _run(engine, module, wasi)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            lines = stderr.read().decode(errors="replace").strip().splitlines() or str(error).splitlines()
            raise GuestError(f"the guest made {name} fail: {lines[-1].strip()}") from error
        if status:
            raise refuse(" ".join(stderr.read().decode(errors="replace").split()))
        return stdout.read()


def _quick() -> wasmtime.Config:
    # A program is compiled to run once: optimizing it costs more than it saves.
    config = wasmtime.Config()
    config.cranelift_opt_level = "none"
    # Nor does it need a shareable image of its memory, whose sealing the kernel may refuse for a moment.
    config.memory_init_cow = False
    return config


def _run(engine: wasmtime.Engine, module: wasmtime.Module, wasi: wasmtime.WasiConfig) -> int:
    with wasmtime.Store(engine) as store, wasmtime.Linker(engine) as linker:
        store.set_wasi(wasi)
        linker.define_wasi()
        start = linker.instantiate(store, module).exports(store)["_start"]
        if not isinstance(start, wasmtime.Func):
            raise GuestError("a program of the adapter is broken", "install wasmdeploy again")
        try:
            start(store)
        except wasmtime.ExitTrap as exit_:
            return exit_.code
    return 0


class _Memfile:
    """An anonymous file that a guest can open by its path."""

    def __init__(self, name: str, content: bytes = b"") -> None:
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
        self._file = os.fdopen(descriptor, "w+b")
        self._file.write(content)
        self._file.flush()
        self.path = f"/proc/self/fd/{descriptor}"

    def __enter__(self) -> _Memfile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self) -> bytes:
        self._file.seek(0)
        return self._file.read()
