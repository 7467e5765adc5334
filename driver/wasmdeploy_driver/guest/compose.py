"""Composes a wasi:http guest with the adapter, so that it runs as a command over stdin and stdout.

The composer is itself WebAssembly, run here: no Rust is needed where wasmdeploy is installed. Its command answers
`wasi:cli/run@0.2.12` with ok when a whole response, or a status 0 head, is on stdout, and with an error when the
response there must not be taken for a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import wasmtime

from wasmdeploy_driver.errors import GuestError

COMPOSER = Path(__file__).parent.parent / "adapter" / "compose.wasm"
Load = Callable[[wasmtime.Engine, bytes], wasmtime.Module]


def compose(guest: bytes, *, engine: wasmtime.Engine | None = None, load: Load = wasmtime.Module) -> bytes:
    """Return the guest as a component that exports `wasi:cli/run@0.2.12`; raises GuestError.

    The guest must be a WASI 0.2 component that exports `wasi:http/incoming-handler`. `load` may keep the compiled
    composer, which takes half a second to compile; an `engine` must not interrupt by epoch or count fuel.
    """
    engine = engine or wasmtime.Engine()
    module = load(engine, COMPOSER.read_bytes())
    with _memfile(guest) as stdin, _memfile() as stdout, _memfile() as stderr:
        try:
            status = _run(engine, module, stdin, stdout, stderr)
        except wasmtime.Trap as error:
            raise GuestError("the guest cannot be composed with the HTTP adapter", str(error)) from error
        if status:
            reason, hint = _explain(stderr.read().decode(errors="replace").strip())
            raise GuestError(reason, hint)
        return stdout.read()


def _run(engine: wasmtime.Engine, module: wasmtime.Module, stdin: _Memfile, stdout: _Memfile, stderr: _Memfile) -> int:
    wasi = wasmtime.WasiConfig()
    wasi.stdin_file = stdin.path
    wasi.stdout_file = stdout.path
    wasi.stderr_file = stderr.path
    with wasmtime.Store(engine) as store, wasmtime.Linker(engine) as linker:
        store.set_wasi(wasi)
        linker.define_wasi()
        start = linker.instantiate(store, module).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)
        try:
            start(store)
        except wasmtime.ExitTrap as exit_:
            return exit_.code
    return 0
