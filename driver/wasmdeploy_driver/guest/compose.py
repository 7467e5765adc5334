"""Composes a wasi:http guest with the adapter, so that it runs as a command over stdin and stdout.

The composer is itself WebAssembly and runs here: where wasmdeploy is installed, no Rust is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import wasmtime  # at home here

from wasmdeploy_driver.errors import GuestError

COMPOSER = Path(__file__).parent.parent / "adapter" / "compose.wasm"
Load = Callable[[wasmtime.Engine, bytes], wasmtime.Module]

_UNFIT = "the guest cannot be composed with the HTTP adapter"
_HINTS = {
    "not a component": "build the app as a WASI 0.2 component, for example with wasmdeploy build",
    "damaged WebAssembly": "build it again, or copy it again",
    "a WASI 0.3 component": "build it for WASI 0.2: with componentize-py, a world that uses wasi:http@0.2",
    "no wasi:http/incoming-handler": "an app that answers HTTP exports it; other components run as commands",
}


def compose(guest: bytes, *, engine: wasmtime.Engine | None = None, load: Load = wasmtime.Module) -> bytes:
    """Return the guest as a component that exports `wasi:cli/run@0.2.12`; raises GuestError.

    The guest must be a WASI 0.2 component that exports `wasi:http/incoming-handler`. The result's `run`
    answers ok when stdout holds a whole response or a head of status 0, and an error when the response there
    was cut short. `load` may keep the compiled composer between calls; `engine` must not interrupt by epoch.
    """
    engine = engine or wasmtime.Engine(_quick())
    module = load(engine, COMPOSER.read_bytes())
    with _Memfile("guest", guest) as stdin, _Memfile("composed") as stdout, _Memfile("errors") as stderr:
        wasi = wasmtime.WasiConfig()
        wasi.stdin_file, wasi.stdout_file, wasi.stderr_file = stdin.path, stdout.path, stderr.path
        try:
            status = _run(engine, module, wasi)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            lines = stderr.read().decode(errors="replace").strip().splitlines() or str(error).splitlines()
            raise GuestError(f"{_UNFIT}: {lines[-1].strip()}") from error
        if status:
            raise _refusal(stderr.read().decode(errors="replace"))
        return stdout.read()


def _quick() -> wasmtime.Config:
    # The composer is compiled to run once: optimizing it costs more than it saves.
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
            raise GuestError("the composer is broken", "install wasmdeploy again")
        try:
            start(store)
        except wasmtime.ExitTrap as exit_:
            return exit_.code
    return 0


def _refusal(words: str) -> GuestError:
    message = " ".join(words.split()) or _UNFIT
    hints = (hint for start, hint in _HINTS.items() if message.startswith(start))
    return GuestError(message, next(hints, ""))


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
